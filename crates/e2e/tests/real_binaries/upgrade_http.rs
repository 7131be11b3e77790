//! By PULL over HTTP and HTTPS: through connections that are cut, with a certificate that the server made.

mod cutting;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use cutting::CuttingRelay;
use e2e::Conditions;

use crate::rig::{Module, NEW, PAYLOAD, Rig, Server};

/// A module downloads this many bytes a second.
const SLOWLY: &str = "60000";

#[test]
fn a_module_pulls_over_http_through_cuts() {
    let rig = Rig::start(Conditions::PERFECT);
    let (relay, mut module) = module(&rig, rig.server.files_http(), &["--protocols", "coap,coaps,http"]);
    let ended = rig.server.watch(&start(&rig, &format!("http://{}", relay.address()))).end();
    ended.assert_success(NEW);
    assert_resumed(&relay, &mut module);
    assert!(ended.upgrade["bytes_sent"].as_u64() >= Some(PAYLOAD), "{}", ended.upgrade);
}

#[test]
fn a_module_pulls_over_https_through_cuts_and_trusts_what_it_was_given() {
    let rig = Rig::start(Conditions::PERFECT);
    let trust = trusted(&rig);
    let arguments = ["--protocols", "coaps,https", "--trust", &trust];
    let (relay, mut module) = module(&rig, rig.server.files_https(), &arguments);
    let ended = rig.server.watch(&start(&rig, &format!("https://{}", relay.address()))).end();
    ended.assert_success(NEW);
    assert_resumed(&relay, &mut module);
}

#[test]
fn a_download_over_http_goes_on_when_server_and_module_were_killed() {
    let mut rig = Rig::start(Conditions::PERFECT);
    let arguments = ["--protocols", "coaps,http", "--speed", SLOWLY];
    let mut module = rig.module(&arguments);
    module.event("registered");
    let watch = rig.server.watch(&start(&rig, &format!("http://{}", rig.server.files_http())));
    assert!(module.stored(PAYLOAD / 3) < PAYLOAD);
    rig.server.kill();
    rig.server.restart();
    module.stored(PAYLOAD / 2);
    module.kill();
    let mut module = rig.module(&arguments);
    // All but the flash sector that was being written.
    assert!(offsets(&[module.event("fetch")])[0] > PAYLOAD / 3, "what was stored is kept");
    let ended = watch.end();
    ended.assert_success(NEW);
    assert_eq!(rig.executes(), 1);
}

#[test]
fn a_certificate_that_nobody_trusts_ends_the_download() {
    let rig = Rig::start(Conditions::PERFECT);
    let mut module = rig.module(&["--protocols", "coaps,https"]);
    module.event("registered");
    let id = start(&rig, &format!("https://{}", rig.server.files_https()));
    let idle = module.event("idle");
    assert_eq!(idle["result"], 4);
    rig.server.answer(&["upgrade", "cancel", &id]);
    assert_eq!(rig.server.watch(&id).end().upgrade["outcome"]["code"], "canceled");
}

#[test]
fn a_path_ends_with_its_upgrade_and_foreign_tools_agree() {
    let rig = Rig::start(Conditions::PERFECT);
    let arguments = ["--protocols", "coaps,http", "--speed", SLOWLY];
    let mut module = rig.module(&arguments);
    module.event("registered");
    let id = start(&rig, &format!("http://{}", rig.server.files_http()));
    let uri = module.event("fetch")["uri"].as_str().expect("it is text").to_owned();
    let size = curl(&["-sI", &uri]);
    let length = header(&size, "content-length").parse::<u64>().expect("a number");
    let tag = header(&size, "etag");
    assert!(length > PAYLOAD && size.starts_with("HTTP/1.1 200") && tag.starts_with('"'), "{size}");

    let head_of =
        |arguments: &[&str]| curl(&[&["-s", "-D", "-", "-o", "/dev/null"], arguments, &[&uri]].concat());
    let part = head_of(&["-r", "100-199"]);
    assert!(part.starts_with("HTTP/1.1 206"), "{part}");
    assert_eq!(header(&part, "content-range"), format!("bytes 100-199/{length}"));
    let same = head_of(&["-r", "100-", "-H", &format!("If-Range: {tag}")]);
    assert!(same.starts_with("HTTP/1.1 206"), "{same}");
    let other = head_of(&["-r", "100-", "-H", "If-Range: \"other\""]);
    assert!(other.starts_with("HTTP/1.1 200"), "{other}");
    let beyond = head_of(&["-r", &format!("{length}-")]);
    assert!(beyond.starts_with("HTTP/1.1 416"), "{beyond}");
    assert_eq!(header(&beyond, "content-range"), format!("bytes */{length}"));
    let (folder, _) = uri.rsplit_once('/').expect("a path");
    for elsewhere in [folder.to_owned(), format!("{folder}/"), format!("{folder}/other")] {
        assert!(curl(&["-sI", &elsewhere]).starts_with("HTTP/1.1 404"), "{elsewhere}");
    }

    rig.server.watch(&id).end().assert_success(NEW);
    assert!(curl(&["-sI", &uri]).starts_with("HTTP/1.1 404"));
}

#[test]
fn openssl_trusts_the_certificate_that_the_server_made() {
    let rig = Rig::start(Conditions::PERFECT);
    let trust = trusted(&rig);
    for version in ["-tls1_2", "-tls1_3"] {
        let address = rig.server.files_https().to_string();
        let mut client = Command::new("openssl")
            .args(["s_client", "-quiet", "-verify_return_error", "-verify_ip", "127.0.0.1", version])
            .args(["-CAfile", &trust, "-connect", &address])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is installed");
        let mut input = client.stdin.take().expect("it is piped");
        input.write_all(b"GET /fw/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("it reads");
        let mut answer = String::new();
        client.stdout.take().expect("it is piped").read_to_string(&mut answer).expect("it is text");
        drop(input);
        client.wait().expect("it ends");
        assert!(answer.starts_with("HTTP/1.1 404"), "{version}: {answer}");
    }
}

#[test]
fn a_request_that_is_no_request_is_answered_or_cut() {
    let rig = Rig::start(Conditions::PERFECT);
    for bytes in [&b"\x16\x03\x01\x00\x05hello"[..], b"GET\r\n\r\n", b"GET /fw/x HTTP/9.9\r\n\r\n"] {
        let mut stream = TcpStream::connect(rig.server.files_http()).expect("it listens");
        stream.write_all(bytes).expect("it reads");
        stream.shutdown(std::net::Shutdown::Write).expect("it is open");
        let mut answer = Vec::new();
        // Reset or closed: the server is done with it either way.
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{answer:?}");
    }
}

/// A module behind a relay that cuts its first downloads, each after a third of the image.
fn module(rig: &Rig, files: SocketAddr, arguments: &[&str]) -> (CuttingRelay, Module) {
    let relay = CuttingRelay::start(files, &[PAYLOAD / 3, PAYLOAD / 3]);
    let mut module = rig.module(arguments);
    module.event("registered");
    (relay, module)
}

fn start(rig: &Rig, base: &str) -> String {
    let arguments =
        ["upgrade", "start", crate::rig::ENDPOINT, "new", "--delivery", "pull", "--base-uri", base];
    rig.server.answer(&arguments)["id"].as_str().expect("it is text").to_owned()
}

/// The file that `updraft files certificate` fills.
fn trusted(rig: &Rig) -> String {
    let certificate = rig.server.answer(&["files", "certificate"]);
    rig.files.write_secret("trust.pem", certificate["certificate"].as_str().expect("it is text"))
}

/// Every transfer after the first goes on behind what is stored, and nothing is sent twice but what was under
/// way when the connection was cut.
fn assert_resumed(relay: &CuttingRelay, module: &mut Module) {
    let offsets = offsets(&module.events("fetch"));
    assert_eq!(relay.connections(), 3, "{offsets:?}");
    assert_eq!(offsets.len(), 3);
    assert!(offsets[0] == 0 && offsets[0] < offsets[1] && offsets[1] < offsets[2], "{offsets:?}");
    assert_eq!(module.events("downloading").len(), 1, "the download was not begun again");
}

fn offsets(fetches: &[serde_json::Value]) -> Vec<u64> {
    fetches.iter().map(|fetch| fetch["offset"].as_u64().expect("it is a number")).collect()
}

fn curl(arguments: &[&str]) -> String {
    let output = Command::new("curl").args(["-m", "30"]).args(arguments).output().expect("curl is installed");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let mut found =
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim());
    found.next().unwrap_or_else(|| panic!("{name} is missing in {head}"))
}

impl Server {
    fn files_http(&self) -> SocketAddr {
        self.files().0
    }

    fn files_https(&self) -> SocketAddr {
        self.files().1
    }
}
