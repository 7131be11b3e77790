//! The real binary over loopback sockets, against a server that only does what the test says.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::num::NonZeroU8;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use coap::{Code, ContentFormat, Endpoint, Request, Response};
use machine::{Instant, Link, Machine as _};
use net::{Clock, KeySource, SocketKind, SocketOptions, Stack};
use serde_json::Value;
use vmodule::image::{self, Identity};

const OLD: &str = "5.4.1.1-57857";
const NEW: &str = "5.4.1.1-60000";

#[test]
fn a_pull_survives_kill_and_power_cut_and_ends_in_the_new_version() {
    let folder = flash_folder();
    let mut server = Server::start();
    let mut module = Module::start(folder.path(), &server, &["--speed", "200000"]);
    module.line("registered", &mut server);
    assert_eq!(server.ask(put_uri("coap://127.0.0.1/fw")), Code::CHANGED);
    module.line("progress", &mut server);
    let blocks = server.downloaded;
    module.kill();

    // The flash is all that is left; the download goes on in it, until the power is cut while installing.
    let mut module = Module::start(folder.path(), &server, &["--power-cut-after", "9000", "--tear", "half"]);
    module.line("registered", &mut server);
    assert_eq!(module.end(&mut server), Some(3));
    let mut module = Module::start(folder.path(), &server, &[]);
    module.line("downloaded", &mut server);
    assert!(server.downloaded - blocks < 2 * 100, "it did not start from zero twice");
    assert_eq!(server.ask(Request::post("/5/0/2")), Code::CHANGED);
    let booted = module.line("booted", &mut server);
    assert_eq!(booted["version"], NEW);
    module.line("registered", &mut server);
    module.terminate();
    module.line("deregistered", &mut server);
    assert_eq!(module.end(&mut server), Some(0));
}

#[test]
fn a_module_whose_server_is_silent_stops_when_told() {
    let folder = flash_folder();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let uri = format!("coap://{}", silent.local_addr().unwrap());
    let mut child = command(folder.path(), &uri).spawn().unwrap();
    let mut lines = lines_of(&mut child);
    assert!(lines.any(|line| line.contains("booted")));
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_wrong_key_and_an_unknown_identity_are_named_and_end_a_run_that_may_give_up() {
    let folder = flash_folder();
    let server = Door::open();
    for arguments in
        [["--key-hex", "00", "--identity", "known"], ["--key-hex", "42", "--identity", "unknown"]]
    {
        let mut command = command(folder.path(), &server.uri);
        let output = command.args(arguments).args(["--give-up-after", "1"]).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(printed.contains("identity or key is not accepted"), "{printed}");
        assert_eq!(output.status.code(), Some(5));
    }
}

#[test]
fn bad_input_is_refused_with_its_cause_and_remedy() {
    let folder = flash_folder();
    for (arguments, expected) in [
        (&["--server", "http://127.0.0.1"][..], "give coap://HOST[:PORT] or coaps://HOST[:PORT]"),
        (&["--server", "coaps://127.0.0.1"], "give --key-file FILE"),
        (&["--server", "coaps://127.0.0.1", "--key-hex", "xyz"], "hexadecimal"),
        (&["--server", "coaps://127.0.0.1", "--key-file", "/none"], "cannot read the key file /none"),
        (&["--server", "coap://no.such.host.invalid"], "check the name, or give an address"),
        (&["--server", "coap://127.0.0.1", "--imei", "12345"], "15 digits"),
        (&["--server", "coap://127.0.0.1", "--kind", "toaster"], "the kinds are: ryz014, bc35-g"),
        (&["--server", "coap://127.0.0.1", "--loss", "1.5"], "from 0.0 to 0.99"),
        (&["--server", "coap://127.0.0.1", "--flash", "/none.flash"], "vmodule flash init"),
    ] {
        let output = run(folder.path(), arguments);
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(message.contains(expected), "{arguments:?}: {message}");
    }
}

#[test]
fn a_flash_of_another_model_is_not_played() {
    let folder = tempfile::tempdir().unwrap();
    initialise(folder.path(), "BC35-G");
    let output = run(folder.path(), &["--server", "coap://127.0.0.1"]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("firmware for model BC35-G, a ryz014 is a GM01Q"), "{message}");
}

fn flash_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    initialise(folder.path(), "GM01Q");
    folder
}

fn initialise(folder: &Path, model: &str) {
    let geometry = firmware::Banks::geometry_for(firmware::ByteCount(120_000), 4_096, 8).unwrap();
    let factory = package(model, OLD, 1_000);
    vmodule::flash::initialise(&folder.join("flash"), geometry, &factory, false).unwrap();
}

fn package(model: &str, version: &str, length: usize) -> Vec<u8> {
    let identity =
        Identity { model: model.parse().unwrap(), version: version.parse().unwrap(), source: None };
    image::build(&identity, &vec![0x5A; length])
}

fn put_uri(uri: &str) -> Request {
    Request::put("/5/0/1").content(ContentFormat::TEXT_PLAIN, uri)
}

fn command(folder: &Path, server: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vmodule"));
    command.args(["run", "--json", "--imei", "015770000031766", "--boot-time", "0", "--server", server]);
    command.arg("--flash").arg(folder.join("flash")).env_remove("VMODULE_KEY").stdout(Stdio::piped());
    command
}

/// Later arguments than the usual ones win only where the usual ones are left out.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vmodule"));
    command.arg("run").args(arguments).env_remove("VMODULE_KEY");
    if !arguments.contains(&"--imei") {
        command.args(["--imei", "015770000031766"]);
    }
    if !arguments.contains(&"--flash") {
        command.arg("--flash").arg(folder.join("flash"));
    }
    command.output().unwrap()
}

fn lines_of(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok)
}

fn signal(child: &Child, name: &str) {
    let killed = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
}

/// A process that is ended when the test is.
struct Module {
    child: Child,
    lines: Receiver<String>,
}

impl Module {
    fn start(folder: &Path, server: &Server, arguments: &[&str]) -> Self {
        let mut child = command(folder, &server.uri()).args(arguments).spawn().unwrap();
        let printed = lines_of(&mut child);
        let (sender, lines) = channel();
        std::thread::spawn(move || printed.for_each(|line| drop(sender.send(line))));
        Self { child, lines }
    }

    /// Serves until the module prints this event.
    fn line(&mut self, event: &str, server: &mut Server) -> Value {
        for _ in 0..3_000 {
            for line in self.lines.try_iter() {
                let line: Value = serde_json::from_str(&line).unwrap();
                if line["event"] == event {
                    return line;
                }
            }
            server.serve();
        }
        panic!("the module did not print {event} in time");
    }

    fn end(&mut self, server: &mut Server) -> Option<i32> {
        for _ in 0..3_000 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            server.serve();
        }
        panic!("the module did not end in time");
    }

    fn terminate(&self) {
        signal(&self.child, "-TERM");
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A DTLS server that lets one identity in and says nothing to it.
struct Door {
    uri: String,
    _stop: tokio::sync::oneshot::Sender<()>,
}

struct Silence;

impl Door {
    fn open() -> Self {
        let sockets = net::bind(&["127.0.0.1:0".parse().unwrap()], NonZeroU8::MIN, SocketOptions::default());
        let sockets = sockets.unwrap().remove(0);
        let uri = format!("coaps://{}", sockets[0].address());
        let kinds = vec![SocketKind::Secured];
        let stack = Stack::new(Silence, kinds, dtls::Config::default(), Arc::new(Silence), [9; 32]);
        let (_commands, taken) = tokio::sync::mpsc::channel(1);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let shutdown = async { drop(stopped.await) };
        net::spawn("door", stack, sockets, Clock::start(), taken, |()| {}, shutdown).unwrap();
        Self { uri, _stop: stop }
    }
}

impl KeySource for Silence {
    fn key(&self, identity: &[u8]) -> Option<zeroize::Zeroizing<Vec<u8>>> {
        (identity == b"known").then(|| vec![0x42].into())
    }
}

impl machine::Machine for Silence {
    type Peer = Link;
    type Event = ();
    fn handle_input(&mut self, _: Link, _: &[u8], _: Instant) {}
    fn handle_timeout(&mut self, _: Instant) {}
    fn poll_transmit(&mut self, _: &mut [u8]) -> Option<(Link, usize)> {
        None
    }
    fn poll_event(&mut self) -> Option<()> {
        None
    }
    fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        None
    }
}

impl machine::SessionMachine for Silence {
    fn handle_session(&mut self, _: machine::SessionEvent<'_>, _: Instant) {}
}

impl net::Commanded for Silence {
    type Command = ();
    fn handle_command(&mut self, (): (), _: Instant) {}
}

struct Server {
    socket: UdpSocket,
    clock: Clock,
    endpoint: Endpoint<SocketAddr>,
    package: Arc<[u8]>,
    peer: Option<SocketAddr>,
    downloaded: usize,
    answer: Option<Code>,
}

impl Server {
    fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        Self {
            socket,
            clock: Clock::start(),
            endpoint: Endpoint::new(coap::Config::default(), [3; 32]),
            package: package("GM01Q", NEW, 100_000).into(),
            peer: None,
            downloaded: 0,
            answer: None,
        }
    }

    fn uri(&self) -> String {
        format!("coap://{}", self.socket.local_addr().unwrap())
    }

    fn ask(&mut self, request: Request) -> Code {
        self.endpoint.request(self.peer.unwrap(), request, self.clock.now());
        for _ in 0..3_000 {
            self.serve();
            if let Some(code) = self.answer.take() {
                return code;
            }
        }
        panic!("the module did not answer in time");
    }

    /// One datagram, or ten milliseconds without one.
    fn serve(&mut self) {
        let mut buffer = [0; 2_048];
        self.endpoint.handle_timeout(self.clock.now());
        self.transmit();
        if let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
            self.endpoint.handle_input(from, &buffer[..length], self.clock.now());
        }
        while let Some(event) = self.endpoint.poll_event() {
            self.event(event);
        }
        self.transmit();
    }

    fn event(&mut self, event: coap::Event<SocketAddr>) {
        match event {
            coap::Event::Request { peer, id, request, .. } => {
                let path = request.options.path_string();
                let response = match (request.method, path.as_str()) {
                    (Code::POST, "/rd") => {
                        self.peer = Some(peer);
                        Response::new(Code::CREATED).location(&["rd", "1"])
                    }
                    (Code::POST, _) => Response::new(Code::CHANGED),
                    (Code::DELETE, _) => Response::new(Code::DELETED),
                    _ => {
                        self.downloaded += 1;
                        Response::new(Code::CONTENT)
                            .content(ContentFormat::OCTET_STREAM, Arc::clone(&self.package))
                            .etag(b"new")
                    }
                };
                self.endpoint.respond(id, response, self.clock.now());
            }
            coap::Event::Response { response, .. } => self.answer = Some(response.code),
            _ => {}
        }
    }

    fn transmit(&mut self) {
        let mut buffer = [0; 2_048];
        while let Some((to, length)) = self.endpoint.poll_transmit(&mut buffer) {
            let _ = self.socket.send_to(&buffer[..length], to);
        }
    }
}
