//! Our endpoint on a real socket, beside a foreign program.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant as Clock};

use dtls::{Config, Endpoint, Event, Suite};
use machine::{Credential, Instant, Machine, SessionId};
use tempfile::TempDir;

pub const IDENTITY: &str = "urn:imei:490154203237518";
/// ASCII, since libcoap's programs take it as text.
pub const KEY: &str = "0123456789abcdefFEDCBA9876543210";

/// How long a foreign program may take in all. It covers several retransmissions on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// An endpoint and its socket, driven as a shell would, one datagram at a time.
pub struct Station {
    socket: UdpSocket,
    endpoint: Endpoint,
    started: Clock,
}

impl Station {
    pub fn new(suites: &[Suite]) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        let config = Config { suites: suites.to_vec(), ..Config::default() };
        Self { socket, endpoint: Endpoint::new(config, [7; 32]), started: clock() }
    }

    pub fn port(&self) -> u16 {
        self.socket.local_addr().unwrap().port()
    }

    pub fn statistics(&self) -> dtls::Statistics {
        self.endpoint.statistics()
    }

    pub fn call(&mut self, to: SocketAddr) -> SessionId {
        let credential = Credential { identity: IDENTITY.into(), key: KEY.into() };
        let now = self.now();
        self.endpoint.connect(to, credential, now)
    }

    pub fn close(&mut self, session: SessionId) {
        let now = self.now();
        self.endpoint.close(session, now);
        self.flush();
    }

    pub fn send(&mut self, session: SessionId, bytes: &[u8]) {
        let mut buffer = [0; 2_048];
        let (to, length) = self.endpoint.seal(session, bytes, &mut buffer).unwrap();
        self.socket.send_to(&buffer[..length], to).unwrap();
    }

    /// Runs until `wanted` finds its event. `what` and the program's output explain a failure.
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        program: &Program,
        mut wanted: impl FnMut(&Event) -> Option<T>,
    ) -> T {
        let begun = clock();
        while begun.elapsed() < PATIENCE {
            self.flush();
            while let Some(event) = self.endpoint.poll_event() {
                if let Event::KeyWanted { handshake, identity } = &event {
                    let key = (identity == IDENTITY.as_bytes()).then_some(KEY.as_bytes());
                    let now = self.now();
                    self.endpoint.provide_key(*handshake, key, now);
                }
                if let Some(found) = wanted(&event) {
                    self.flush();
                    return found;
                }
            }
            self.receive();
        }
        panic!("no {what}; {:?}; the program said:\n{}", self.endpoint, program.output());
    }

    /// Waits for a session and says which and under which suite.
    pub fn wait_for_session(&mut self, program: &Program) -> (SessionId, Suite) {
        self.wait_for("session", program, |event| match event {
            Event::Up { session, identity, suite, .. } if identity == IDENTITY.as_bytes() => {
                Some((*session, *suite))
            }
            _ => None,
        })
    }

    pub fn wait_for_data(&mut self, program: &Program) -> Vec<u8> {
        self.wait_for("data", program, |event| match event {
            Event::Data { bytes, .. } => Some(bytes.clone()),
            _ => None,
        })
    }

    /// Keeps the endpoint running until the program has said `text`.
    pub fn wait_for_output(&mut self, program: &Program, text: &str) {
        self.wait_for_outputs(program, text, 1);
    }

    /// Keeps the endpoint running until the program has said `text` so often.
    pub fn wait_for_outputs(&mut self, program: &Program, text: &str, times: usize) {
        let begun = clock();
        while program.output().matches(text).count() < times {
            assert!(begun.elapsed() < PATIENCE, "no {text:?}; the program said:\n{}", program.output());
            self.flush();
            self.receive();
        }
    }

    fn receive(&mut self) {
        let mut buffer = [0; 2_048];
        let received = self.socket.recv_from(&mut buffer);
        let now = self.now();
        if let Ok((length, from)) = received {
            self.endpoint.handle_input(from, &buffer[..length], now);
        }
        self.endpoint.handle_timeout(now);
    }

    fn flush(&mut self) {
        let mut buffer = [0; 2_048];
        while let Some((to, length)) = self.endpoint.poll_transmit(&mut buffer) {
            self.socket.send_to(&buffer[..length], to).unwrap();
        }
    }

    fn now(&self) -> Instant {
        Instant::from_micros(self.started.elapsed().as_micros() as u64)
    }
}

#[expect(clippy::disallowed_methods, reason = "the one clock of this shell")]
fn clock() -> Clock {
    Clock::now()
}

/// A foreign program; it ends with its owner.
pub struct Program {
    child: Child,
    output: Arc<Mutex<String>>,
    _policy: TempDir,
}

impl Program {
    /// Starts a program of this Debian package under an OpenSSL policy, and gives what it reads from.
    pub fn start(package: &str, policy: &str, command: &[&str]) -> (Self, ChildStdin) {
        let folder = tempfile::tempdir().unwrap();
        let file: PathBuf = folder.path().join("openssl.cnf");
        let sections = "openssl_conf=a\n[a]\nssl_conf=b\n[b]\nsystem_default=c\n[c]\n";
        std::fs::write(&file, format!("{sections}{policy}\n")).unwrap();
        let mut child = Command::new(command[0])
            .args(&command[1..])
            .env("OPENSSL_CONF", &file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("cannot run {}: {error}; on Debian: apt-get install {package}", command[0])
            });
        let output = Arc::new(Mutex::new(String::new()));
        collect(child.stdout.take().unwrap(), &output);
        collect(child.stderr.take().unwrap(), &output);
        let input = child.stdin.take().unwrap();
        (Self { child, output, _policy: folder }, input)
    }

    pub fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Gathers what a program says, in the background, until it ends.
fn collect(stream: impl std::io::Read + Send + 'static, output: &Arc<Mutex<String>>) {
    let output = Arc::clone(output);
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            output.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    });
}
