//! The server and its command line.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use e2e::{Process, Program, binary, wait_until};
use serde_json::Value;

use super::{PATIENCE, Watch};

/// `updraft serve` over one data folder.
pub struct Server {
    process: Process,
    folder: PathBuf,
    ports: Ports,
    settings: Vec<Setting>,
}

/// The product of [`LAB_PROFILE`].
pub const LAB_PRODUCT: &str = "Lab/GM01Q";

/// Modules are known as it by what they report; one that comes without encryption is told to be it.
const LAB_PROFILE: &str = r#"{"devices": [{
  "manufacturerId": "lab",
  "manufacturerName": "Lab",
  "model": "GM01Q",
  "protocolType": "CoAP",
  "deviceType": "Bench",
  "omCapability": {"fwUpgradeCapability": {"supportUpgrade": true, "upgradeProtocolType": "LWM2M"}},
  "updraft": {
    "module_family": "ryz014",
    "signature": "not_required",
    "allow_no_security": true,
    "allow_legacy_keys": true,
    "reports": {"manufacturer": "SEQUANS Communications", "model": "GM01Q"}
  }
}]}"#;

/// A variable that configures the server, and its value.
pub type Setting = (&'static str, &'static str);

/// Chosen by the system at the first start, the same at every later one.
#[derive(Clone, Copy)]
struct Ports {
    http: SocketAddr,
    coaps: SocketAddr,
    coap: SocketAddr,
    bootstrap_coaps: SocketAddr,
    bootstrap_coap: SocketAddr,
    files_http: SocketAddr,
    files_https: SocketAddr,
}

impl Ports {
    /// Those that the system chooses.
    fn any() -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            http: any,
            coaps: any,
            coap: any,
            bootstrap_coaps: any,
            bootstrap_coap: any,
            files_http: any,
            files_https: any,
        }
    }
}

impl Server {
    /// Starts it with a fresh data folder inside `folder`.
    pub fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[])
    }

    /// The same with other settings than usual.
    pub fn start_with(folder: &Path, settings: &[Setting]) -> Self {
        let ports = Ports::any();
        let process = serve(folder, ports, settings);
        let mut server = Self { process, folder: folder.to_owned(), ports, settings: settings.to_vec() };
        server.wait_until_ready();
        server
    }

    /// Where modules connect.
    pub fn coaps(&self) -> SocketAddr {
        self.ports.coaps
    }

    /// Where modules connect without encryption.
    pub fn coap(&self) -> SocketAddr {
        self.ports.coap
    }

    /// Where modules are bootstrapped, over DTLS and without encryption.
    pub fn bootstrap(&self) -> (SocketAddr, SocketAddr) {
        (self.ports.bootstrap_coaps, self.ports.bootstrap_coap)
    }

    /// Where modules download over HTTP and over HTTPS.
    pub fn files(&self) -> (SocketAddr, SocketAddr) {
        (self.ports.files_http, self.ports.files_https)
    }

    /// Ends it as a power cut does.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Ends it as an operator does.
    pub fn terminate(&mut self) {
        let process = self.process.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &process]).status().expect("every system has kill");
        assert!(sent.success());
        let status = self.process.wait_for_end(PATIENCE).expect("it stops when it is told");
        assert!(status.success(), "{status}");
    }

    /// Waits until it has ended by itself.
    pub fn wait_for_end(&mut self) -> std::process::ExitStatus {
        self.process.wait_for_end(PATIENCE).expect("it ends")
    }

    /// Starts it again with the same data folder and ports.
    pub fn restart(&mut self) {
        self.process = serve(&self.folder, self.ports, &self.settings);
        self.wait_until_ready();
    }

    /// From the next start on it serves devices with so many threads.
    pub fn set_shards(&mut self, shards: &'static str) {
        // Of two with one name the later one counts.
        self.settings.push(("UPDRAFT_LWM2M__SHARDS", shards));
    }

    /// Waits for a line in its log.
    pub fn wait_for_log(&mut self, part: &str) -> String {
        self.process.wait_for_line(part, PATIENCE).expect("it logs it")
    }

    /// Everything that it has logged since it was started.
    pub fn log(&self) -> Vec<String> {
        self.process.lines()
    }

    /// What a command line answers.
    pub fn answer(&self, arguments: &[&str]) -> Value {
        let output = self.output(arguments);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "updraft {arguments:?}: {complaint}");
        serde_json::from_slice(&output.stdout).expect("it is one line of JSON")
    }

    /// The exit code and the problem of a command line that is refused.
    pub fn refusal(&self, arguments: &[&str]) -> (Option<i32>, Value) {
        let output = self.output(arguments);
        let problem = serde_json::from_slice(&output.stderr).expect("it is one line of JSON");
        (output.status.code(), problem)
    }

    /// What a command line prints, whether it is refused or not.
    pub fn output_of(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// Imports the product that the modules here are, which allows what products in the field should not.
    pub fn import_lab_product(&self) {
        let file = self.folder.join("lab-product.json");
        std::fs::write(&file, LAB_PROFILE).expect("the disk has room");
        self.answer(&["product", "import", &file.display().to_string()]);
    }

    /// Imports a product of modules that report this; gives its name.
    pub fn import_product(&self, manufacturer: &str, model: &str) -> String {
        let reports = serde_json::json!({"manufacturer": manufacturer, "model": model});
        let mut profile: Value = serde_json::from_str(LAB_PROFILE).expect("it is JSON");
        profile["devices"][0]["model"] = model.into();
        profile["devices"][0]["updraft"]["reports"] = reports;
        let file = self.folder.join("product.json");
        std::fs::write(&file, profile.to_string()).expect("the disk has room");
        self.answer(&["product", "import", &file.display().to_string()]);
        format!("Lab/{model}")
    }

    /// Uploads a package and approves it; gives what is shown of it.
    pub fn upload(&self, name: &str, file: &str, arguments: &[&str]) -> Value {
        let upload = ["package", "upload", "--name", name, file];
        let package = self.answer(&[&upload[..], arguments].concat());
        let text = |field: &str| package[field].as_str().unwrap_or_default().to_owned();
        let (id, sha256, manifest) = (text("id"), text("sha256"), text("manifest_sha256"));
        let mut approve = vec!["package", "approve", &id, "--sha256", &sha256];
        if !manifest.is_empty() {
            approve.extend(["--manifest-sha256", &manifest]);
        }
        self.answer(&approve)
    }

    /// Starts to follow an upgrade.
    pub fn watch(&self, id: &str) -> Watch {
        Watch::start(&mut self.command(&["upgrade", "watch", id]))
    }

    fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("every system has timeout")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("timeout");
        command.arg(PATIENCE.as_secs().to_string()).arg(binary(Program::Updraft).expect("it was built"));
        forget_environment(&mut command);
        command.args(["--json", "--server", &format!("http://{}", self.ports.http)]).args(arguments);
        command
    }

    fn wait_until_ready(&mut self) {
        self.process.wait_for_line("ready", PATIENCE).expect("it starts");
        let (file, process) = (self.folder.join("ports.json"), self.process.id());
        let written = wait_until(PATIENCE, || {
            let ports: Value = serde_json::from_slice(&std::fs::read(&file).ok()?).ok()?;
            (ports["process"] == process).then_some(ports)
        });
        let ports = written.expect("it tells its ports");
        let address = |text: &Value| text.as_str().and_then(|text| text.parse().ok()).expect("an address");
        self.ports = Ports {
            http: address(&ports["http"]),
            coaps: address(&ports["coaps"][0]),
            coap: address(&ports["coap"][0]),
            bootstrap_coaps: address(&ports["bootstrap_coaps"][0]),
            bootstrap_coap: address(&ports["bootstrap_coap"][0]),
            files_http: address(&ports["files_http"][0]),
            files_https: address(&ports["files_https"][0]),
        };
    }
}

fn serve(folder: &Path, ports: Ports, settings: &[Setting]) -> Process {
    let mut command = Command::new(binary(Program::Updraft).expect("it was built"));
    forget_environment(&mut command);
    command.arg("serve").arg("--ports-file").arg(folder.join("ports.json"));
    command.env("UPDRAFT_DATA_DIR", folder.join("data"));
    command.env("UPDRAFT_HTTP__BIND", ports.http.to_string());
    command.env("UPDRAFT_LWM2M__COAPS_BIND", ports.coaps.to_string());
    command.env("UPDRAFT_LWM2M__COAP_BIND", ports.coap.to_string());
    command.env("UPDRAFT_BOOTSTRAP__COAPS_BIND", ports.bootstrap_coaps.to_string());
    command.env("UPDRAFT_BOOTSTRAP__COAP_BIND", ports.bootstrap_coap.to_string());
    command.env("UPDRAFT_FILES__HTTP_BIND", ports.files_http.to_string());
    command.env("UPDRAFT_FILES__HTTPS_BIND", ports.files_https.to_string());
    // Tests run on small disks too.
    command.env("UPDRAFT_PACKAGES__RESERVE", "0");
    command.envs(settings.iter().copied());
    Process::start("updraft", &mut command).expect("it starts")
}

/// What is set for this test, or for another server, is not meant for this one.
fn forget_environment(command: &mut Command) {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("UPDRAFT_")) {
        command.env_remove(name);
    }
}
