//! The real binary as a process.

#![expect(dead_code, reason = "each test file uses a part of it")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::Value;

/// A new command without the settings of whoever runs the tests.
pub fn updraft() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_updraft"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("UPDRAFT_")) {
        command.env_remove(name);
    }
    command
}

/// A server on free ports of this machine.
#[derive(Debug)]
pub struct Server {
    child: Child,
    pub folder: PathBuf,
    pub ports: Value,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server on this data folder and waits until it is ready.
    pub fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[])
    }

    /// The same with more settings.
    pub fn start_with(folder: &Path, settings: &[&str]) -> Self {
        let ports_file = folder.with_extension("ports");
        // That of an earlier server on the same folder.
        let _ = fs::remove_file(&ports_file);
        let mut command = serve(folder, settings);
        command.arg("--ports-file").arg(&ports_file);
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the binary starts");
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped"));
        let log = Arc::new(Mutex::new(String::new()));
        loop {
            let mut line = String::new();
            let length = lines.read_line(&mut line).expect("the log is text");
            log.lock().expect("nobody panics with it").push_str(&line);
            assert!(length > 0, "the server ended before it was ready:\n{}", log.lock().expect("as above"));
            if line.contains("ready: ") {
                break;
            }
        }
        let ports =
            serde_json::from_str(&fs::read_to_string(&ports_file).expect("it is written")).expect("JSON");
        let rest = log.clone();
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            // Ends with the process.
            let _ = lines.read_to_string(&mut text);
            rest.lock().expect("nobody panics with it").push_str(&text);
        });
        Self { child, folder: folder.to_owned(), ports, log, reader: Some(reader) }
    }

    /// `http://127.0.0.1:…`
    pub fn url(&self) -> String {
        format!("http://{}", self.ports["http"].as_str().expect("it is an address"))
    }

    /// Runs a command of the same binary against this server.
    pub fn run(&self, arguments: &[&str]) -> Output {
        updraft().env("UPDRAFT_URL", self.url()).args(arguments).output().expect("the binary starts")
    }

    /// Runs a command that must work, and gives its JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[&["--json"], arguments].concat());
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("the answer is JSON")
    }

    /// Runs a command that must fail with this exit code, and gives what it says.
    pub fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stderr)
    }

    /// Imports a product that allows everything; gives its name.
    pub fn lab_product(&self) -> &'static str {
        let profile = serde_json::json!({"devices": [{
            "manufacturerId": "lab", "manufacturerName": "Lab", "model": "GM01Q", "protocolType": "CoAP",
            "deviceType": "Bench",
            "omCapability": {"fwUpgradeCapability": {"supportUpgrade": true, "upgradeProtocolType": "LWM2M"}},
            "updraft": {"allow_no_security": true, "allow_legacy_keys": true, "signature": "not_required"},
        }]});
        let json = [("content-type", "application/json")];
        let (status, told) = self.request("POST", "/api/v1/products", &json, profile.to_string().as_bytes());
        assert!(matches!(status, 200 | 201), "{told}");
        "Lab/GM01Q"
    }

    /// Sends a request and gives status and JSON (null if the answer is none).
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, Value) {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).expect("the request is well formed");
        let mut answer = agent.run(request).expect("the server answers");
        (answer.status().as_u16(), answer.body_mut().read_json().unwrap_or(Value::Null))
    }

    /// Asks it to stop as a service manager does, and gives its whole log.
    pub fn stop(mut self) -> (ExitStatus, String) {
        self.signal(rustix::process::Signal::TERM);
        self.wait()
    }

    /// Ends it without a chance to do anything.
    pub fn kill(mut self) -> String {
        self.signal(rustix::process::Signal::KILL);
        self.wait().1
    }

    fn signal(&mut self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).expect("it still runs");
    }

    fn wait(&mut self) -> (ExitStatus, String) {
        let status = self.child.wait().expect("it ends");
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader does not panic");
        }
        (status, self.log.lock().expect("nobody panics with it").clone())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already if it was stopped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command that serves this folder on free ports of this machine.
pub fn serve(folder: &Path, settings: &[&str]) -> Command {
    let mut command = updraft();
    command.arg("serve").arg("--data-dir").arg(folder);
    let usual = [
        "http.bind=127.0.0.1:0",
        "lwm2m.coaps_bind=127.0.0.1:0",
        "lwm2m.shards=2",
        "bootstrap.coaps_bind=127.0.0.1:0",
    ];
    for setting in usual.iter().chain(settings) {
        command.args(["--set", setting]);
    }
    command
}

/// A `serve` that must end by itself with this code; gives what it says.
pub fn refused(code: i32, mut command: Command) -> String {
    let output = command.output().expect("the binary starts");
    assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
    text(&output.stderr)
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An image as `vmodule image` makes them.
pub fn image(model: &str, version: &str, payload: &[u8]) -> Vec<u8> {
    let model = firmware::Model::new(model).expect("it is short");
    let version = firmware::Version::new(version).expect("it is short");
    let header = firmware::ImageHeader::describe(model, version, None, payload);
    [header.encode().as_slice(), payload].concat()
}

/// All files below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("it is a folder") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}
