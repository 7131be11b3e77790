//! DTLS against `gnutls-cli` and `gnutls-serv`, with and without the extensions that both sides can leave out.

use std::io::Write;
use std::net::UdpSocket;

use super::station::{IDENTITY, KEY, Program, Station};
use dtls::{Event, Suite};
use machine::SessionEnd;

const CCM_8: (&str, Suite) = ("+AES-128-CCM-8:+AEAD", Suite::PskAes128Ccm8);
const CCM: (&str, Suite) = ("+AES-128-CCM:+AEAD", Suite::PskAes128Ccm);
const GCM: (&str, Suite) = ("+AES-128-GCM:+AEAD", Suite::PskAes128Gcm);
const CBC: (&str, Suite) = ("+AES-128-CBC:+SHA256", Suite::PskAes128CbcSha256);

#[test]
fn server_serves_gnutls_in_every_suite() {
    for suite in [CCM_8, CCM, GCM, CBC] {
        serve(suite, "");
    }
}

#[test]
fn server_serves_gnutls_without_extended_master_secret() {
    for suite in [CCM_8, CCM, GCM, CBC] {
        serve(suite, ":%NO_SESSION_HASH");
    }
}

#[test]
fn server_serves_gnutls_with_mac_then_encrypt() {
    serve(CBC, ":%NO_ETM");
    serve(CBC, ":%NO_ETM:%NO_SESSION_HASH");
}

#[test]
fn client_calls_gnutls_in_every_suite() {
    for suite in [CCM_8, CCM, GCM, CBC] {
        call(suite, "");
        call(suite, ":%NO_SESSION_HASH");
    }
    call(CBC, ":%NO_ETM");
}

fn priority((algorithms, _): (&str, Suite), options: &str) -> String {
    format!("NONE:+VERS-DTLS1.2:+PSK:+COMP-NULL:+SIGN-ALL:+GROUP-ALL:{algorithms}{options}")
}

fn key_digits() -> String {
    KEY.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// Lets GnuTLS call us, exchanges a line each way, and lets it close.
fn serve(suite: (&str, Suite), options: &str) {
    let mut station = Station::new(&Suite::ALL);
    let (port, key) = (station.port().to_string(), key_digits());
    let (priority, identity) = (priority(suite, options), IDENTITY);
    let command = ["gnutls-cli", "--udp", "--port", &port, "--pskusername", identity, "--pskkey", &key];
    let command = [&command[..], &["--priority", &priority, "127.0.0.1"]].concat();
    let (client, mut input) = Program::start("gnutls-bin", "", &command);
    let (session, agreed) = station.wait_for_session(&client);
    assert_eq!(agreed, suite.1);
    station.wait_for_output(&client, "Simple Client Mode");
    input.write_all(b"from gnutls\n").unwrap();
    assert_eq!(station.wait_for_data(&client), b"from gnutls\n");
    station.send(session, b"from updraft\n");
    station.wait_for_output(&client, "from updraft");
    drop(input);
    let end = station.wait_for("goodbye", &client, |event| match event {
        Event::Down { session: ended, end } if *ended == session => Some(*end),
        _ => None,
    });
    assert_eq!(end, SessionEnd::ClosedByPeer);
}

/// Calls GnuTLS, which sends back what it gets, and closes.
fn call(suite: (&str, Suite), options: &str) {
    let mut station = Station::new(&Suite::ALL);
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    // Two separators: one is in the identity.
    std::fs::write(&keys, format!("#{}:{}\n", hex(IDENTITY.as_bytes()), key_digits())).unwrap();
    let port = free_port();
    let (number, priority) = (port.to_string(), priority(suite, options));
    let keys = keys.to_str().unwrap();
    let command = ["gnutls-serv", "--udp", "--echo", "--port", &number, "--pskpasswd", keys];
    let command = [&command[..], &["--priority", &priority]].concat();
    let (server, _input) = Program::start("gnutls-bin", "", &command);
    station.wait_for_output(&server, "listening on");
    let call = station.call(format!("127.0.0.1:{port}").parse().unwrap());
    let (session, agreed) = station.wait_for_session(&server);
    assert_eq!((session, agreed), (call, suite.1));
    station.send(session, b"from updraft\n");
    assert_eq!(station.wait_for_data(&server), b"from updraft\n");
    station.close(session);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `gnutls-serv` cannot choose a port itself.
fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
