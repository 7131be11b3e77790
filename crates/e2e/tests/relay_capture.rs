//! What the relay writes is what a foreign dissector reads: libcoap's client and server talk through it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use e2e::{Conditions, Process, Relay, Tshark, TsharkError, free_udp_port};

const PATIENCE: Duration = Duration::from_secs(60);
const KEY: &str = "a key of 16 byte";

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// libcoap serves coap on `port` and coaps on the next one.
fn server(program: &str, port: u16) -> Process {
    let mut command = Command::new(program);
    command.args(["-A", "127.0.0.1", "-p", &port.to_string(), "-k", KEY, "-v", "7"]);
    let mut server = Process::start("coap-server", &mut command).expect("libcoap3-bin is installed");
    server.wait_for_line("created UDP  endpoint", PATIENCE).expect("it binds");
    server
}

fn get(relay: &Relay) {
    let mut command = Command::new("coap-client-openssl");
    command.args(["-B", "50", "-m", "get"]);
    command.arg(format!("coap://{}/", relay.address()));
    let mut client = Process::start("coap-client", &mut command).expect("libcoap3-bin is installed");
    client.wait_for_end(PATIENCE).expect("it gets its answer");
}

fn relay(server: u16, conditions: Conditions, capture: &Path) -> Relay {
    Relay::start(loopback(server), conditions, 11, Some(capture)).expect("ports are free")
}

#[test]
fn plain_coap_is_dissected() {
    let folder = tempfile::tempdir().expect("the disk has room");
    let (capture, port) = (folder.path().join("plain.pcap"), free_udp_port().expect("one is free"));
    let _server = server("coap-server-openssl", port);
    let relay = relay(port, Conditions::PERFECT, &capture);
    get(&relay);
    let traffic = relay.finish().expect("the disk has room");

    let tshark = Tshark::new(&capture).coap(port);
    tshark.check().expect("nothing is malformed");
    let codes = tshark.fields("coap", &["coap.code", "udp.dstport"]).expect("tshark reads it");
    assert_eq!(codes.len() as u64, traffic.upward.delivered + traffic.downward.delivered);
    assert_eq!(codes[0], ["1", &port.to_string()], "the first one is a GET to the server's own port");
    assert_eq!(codes[1][0], "69", "the second one is 2.05");
    let checksums = tshark.fields("ip.checksum.status == 0 || udp.checksum.status == 0", &["frame.number"]);
    assert_eq!(checksums.expect("tshark reads it"), Vec::<Vec<String>>::new());
}

/// openssl speaks the suite, the shell brings the message: `GET /` with message id 0x1234 and no token.
fn get_secured(relay: &Relay, suite: &str) {
    let script = format!(
        "printf '\\100\\001\\022\\064' | openssl s_client -quiet -dtls1_2 -cipher '{suite}:@SECLEVEL=0' \
         -psk_identity module -psk {} -connect {}",
        KEY.bytes().map(|byte| format!("{byte:02x}")).collect::<String>(),
        relay.address(),
    );
    let mut client =
        Process::start("openssl", Command::new("sh").args(["-c", &script])).expect("sh is there");
    client.wait_for_line("This is a test server", PATIENCE).expect("the server answers");
}

fn secured_coap_is_dissected(program: &str, suite: &str, number: &str) {
    let folder = tempfile::tempdir().expect("the disk has room");
    let (capture, port) = (folder.path().join("secured.pcap"), free_udp_port().expect("one is free"));
    let _server = server(program, port);
    let relay = relay(port + 1, Conditions { duplication: 0.2, ..Conditions::PERFECT }, &capture);
    get_secured(&relay, suite);
    relay.finish().expect("the disk has room");

    let tshark = Tshark::new(&capture).coaps(port + 1, KEY.as_bytes());
    tshark.check().expect("nothing is malformed");
    let chosen = tshark.fields("dtls.handshake.type == 2", &["dtls.handshake.ciphersuite"]);
    assert_eq!(chosen.expect("tshark reads it")[0], [number]);
    let codes = tshark.fields("dtls && coap", &["coap.code"]).expect("tshark reads it");
    assert!(codes.iter().any(|code| code[0] == "1") && codes.iter().any(|code| code[0] == "69"), "{codes:?}");
    assert_eq!(tshark.unopened().expect("tshark reads it"), [""; 0]);
    let blind = Tshark::new(&capture).coaps(port + 1, b"another key");
    assert_ne!(blind.unopened().expect("tshark reads it"), [""; 0]);
}

#[test]
fn coap_under_ccm_8_is_decrypted_and_dissected() {
    secured_coap_is_dissected("coap-server-openssl", "PSK-AES128-CCM8", "0xc0a8");
}

#[test]
fn coap_under_cbc_sha256_is_decrypted_and_dissected() {
    secured_coap_is_dissected("coap-server-gnutls", "PSK-AES128-CBC-SHA256", "0x00ae");
}

#[test]
fn a_malformed_message_is_found() {
    let folder = tempfile::tempdir().expect("the disk has room");
    let capture = folder.path().join("broken.pcap");
    let server = std::net::UdpSocket::bind(loopback(0)).expect("a port is free");
    let port = server.local_addr().expect("it is bound").port();
    let relay = relay(port, Conditions::PERFECT, &capture);
    let module = std::net::UdpSocket::bind(loopback(0)).expect("a port is free");
    // A GET whose token is said to have 8 bytes and has 2.
    module.send_to(&[0x48, 0x01, 0x00, 0x01, 0xaa, 0xbb], relay.address()).expect("loopback takes it");
    server.recv_from(&mut [0; 16]).expect("it arrives");
    relay.finish().expect("the disk has room");
    let error = Tshark::new(&capture).coap(port).check().expect_err("it is malformed");
    assert!(matches!(&error, TsharkError::Malformed { packets, .. } if packets.len() == 1), "{error}");
}
