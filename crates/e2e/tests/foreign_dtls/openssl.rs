//! DTLS against `openssl s_client` and `openssl s_server`, with and without the extensions that both sides can
//! leave out.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ChildStdin;

use super::station::{IDENTITY, KEY, Program, Station};
use dtls::{Event, Suite};
use machine::SessionEnd;

const CCM_8: (&str, Suite) = ("PSK-AES128-CCM8", Suite::PskAes128Ccm8);
const CCM: (&str, Suite) = ("PSK-AES128-CCM", Suite::PskAes128Ccm);
const GCM: (&str, Suite) = ("PSK-AES128-GCM-SHA256", Suite::PskAes128Gcm);
const CBC: (&str, Suite) = ("PSK-AES128-CBC-SHA256", Suite::PskAes128CbcSha256);

#[test]
fn server_serves_openssl_with_ccm_8() {
    serve(CCM_8, "");
}

#[test]
fn server_serves_openssl_with_ccm_8_without_extended_master_secret() {
    serve(CCM_8, "-ExtendedMasterSecret");
}

#[test]
fn server_serves_openssl_with_cbc_and_encrypt_then_mac() {
    serve(CBC, "");
}

#[test]
fn server_serves_openssl_with_cbc_and_mac_then_encrypt() {
    serve(CBC, "-EncryptThenMac");
}

#[test]
fn server_serves_openssl_with_cbc_without_both_extensions() {
    serve(CBC, "-EncryptThenMac,-ExtendedMasterSecret");
}

#[test]
fn server_serves_openssl_with_ccm_and_gcm() {
    for suite in [CCM, GCM] {
        serve(suite, "");
        serve(suite, "-ExtendedMasterSecret");
    }
}

#[test]
fn d24_server_resumes_with_openssl_by_ticket() {
    resume("");
}

#[test]
fn d24_server_resumes_with_openssl_by_session_id() {
    resume("-no_ticket");
}

#[test]
fn client_resumes_with_openssl_by_ticket_and_by_session_id() {
    for arguments in [&["-listen"][..], &["-no_ticket"], &["-no_ticket", "-listen"]] {
        let (mut station, (server, _input), at) = s_server(CCM_8.0, "", arguments);
        for is_second in [false, true] {
            let call = station.call(at);
            let resumed = station.wait_for("session", &server, |event| match event {
                Event::Up { session, resumed, .. } if *session == call => Some(*resumed),
                _ => None,
            });
            assert_eq!(resumed, is_second, "{arguments:?}; {}", server.output());
            station.send(call, b"from updraft\n");
            station.wait_for_output(&server, "from updraft");
            station.close(call);
            let times = if is_second { 2 } else { 1 };
            station.wait_for_outputs(&server, "DONE", times);
        }
    }
}

#[test]
fn server_takes_the_suite_it_wants_most_from_all_that_openssl_offers() {
    let mut station = Station::new(&[Suite::PskAes128CbcSha256, Suite::PskAes128Ccm8]);
    let (client, _input) = s_client(&station, "ALL", "");
    assert_eq!(station.wait_for_session(&client).1, Suite::PskAes128CbcSha256);
}

#[test]
fn wrong_key_of_openssl_is_reported() {
    let mut station = Station::new(&Suite::ALL);
    let at = format!("127.0.0.1:{}", station.port());
    let command =
        ["openssl", "s_client", "-dtls1_2", "-connect", &at, "-psk_identity", IDENTITY, "-psk", "00112233"];
    let (client, _input) = Program::start("openssl", &policy(CCM_8.0, ""), &command);
    let cause = station.wait_for("rejection", &client, |event| match event {
        Event::Rejected { identity, cause, .. } if identity == IDENTITY.as_bytes() => Some(*cause),
        _ => None,
    });
    assert_eq!(cause, dtls::Rejection::WrongKey);
    station.wait_for_output(&client, "decrypt error");
}

#[test]
fn client_calls_openssl_with_ccm_8() {
    call(CCM_8, "", &[]);
}

#[test]
fn client_calls_openssl_with_ccm_8_that_asks_for_a_cookie() {
    call(CCM_8, "", &["-listen"]);
}

#[test]
fn client_calls_openssl_with_ccm_8_without_extended_master_secret() {
    call(CCM_8, "-ExtendedMasterSecret", &[]);
}

#[test]
fn client_calls_openssl_that_sends_an_identity_hint() {
    call(CCM_8, "", &["-psk_hint", "anybody"]);
}

#[test]
fn client_calls_openssl_with_cbc_and_encrypt_then_mac() {
    call(CBC, "", &[]);
}

#[test]
fn client_calls_openssl_with_cbc_and_mac_then_encrypt() {
    call(CBC, "-EncryptThenMac", &["-listen"]);
}

#[test]
fn client_learns_that_openssl_has_no_common_suite() {
    let (mut station, (server, _input), at) = s_server("PSK-AES256-CBC-SHA384", "", &[]);
    let call = station.call(at);
    let end = station.wait_for("refusal", &server, |event| match event {
        Event::Down { session, end } if *session == call => Some(*end),
        _ => None,
    });
    assert_eq!(end, SessionEnd::Alert(40));
}

#[test]
fn client_calls_openssl_with_ccm_and_gcm() {
    for suite in [CCM, GCM] {
        call(suite, "", &[]);
        call(suite, "-ExtendedMasterSecret", &["-listen"]);
    }
}

fn s_client(station: &Station, cipher: &str, options: &str) -> (Program, ChildStdin) {
    s_client_with(station, cipher, options, &[])
}

fn s_client_with(
    station: &Station,
    cipher: &str,
    options: &str,
    arguments: &[&str],
) -> (Program, ChildStdin) {
    let (at, key) = (format!("127.0.0.1:{}", station.port()), key_digits());
    let mut command =
        vec!["openssl", "s_client", "-dtls1_2", "-connect", &at, "-psk_identity", IDENTITY, "-psk", &key];
    command.extend(arguments);
    Program::start("openssl", &policy(cipher, options), &command)
}

/// Lets OpenSSL call twice, the second time with the session of the first, each time from another port.
fn resume(argument: &str) {
    let mut station = Station::new(&Suite::ALL);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("session.pem");
    let file = file.to_str().unwrap();
    for (session, is_second) in [(["-sess_out", file], false), (["-sess_in", file], true)] {
        let mut arguments = session.to_vec();
        arguments.extend(Some(argument).filter(|argument| !argument.is_empty()));
        let (client, mut input) = s_client_with(&station, "PSK", "", &arguments);
        let (session, resumed) = station.wait_for("session", &client, |event| match event {
            Event::Up { session, resumed, .. } => Some((*session, *resumed)),
            _ => None,
        });
        assert_eq!(resumed, is_second, "{}", client.output());
        station.wait_for_output(&client, if is_second { "Reused, TLSv1.2" } else { "New, TLSv1.2" });
        station.send(session, b"from updraft\n");
        station.wait_for_output(&client, "from updraft");
        input.write_all(b"from openssl\n").unwrap();
        assert_eq!(station.wait_for_data(&client), b"from openssl\n");
        input.write_all(b"Q\n").unwrap();
        station.wait_for_output(&client, "DONE");
    }
}

/// Lets OpenSSL call us, exchanges a line each way, lets it close, and holds both to the same facts.
fn serve((cipher, suite): (&str, Suite), options: &str) {
    let mut station = Station::new(&Suite::ALL);
    let (client, mut input) = s_client(&station, cipher, options);
    let (session, agreed) = station.wait_for_session(&client);
    assert_eq!(agreed, suite);
    station.wait_for_output(&client, "Extended master secret:");
    let extended = !options.contains("-ExtendedMasterSecret");
    let word = if extended { "yes" } else { "no" };
    station.wait_for_output(&client, &format!("Extended master secret: {word}"));
    input.write_all(b"from openssl\n").unwrap();
    assert_eq!(station.wait_for_data(&client), b"from openssl\n");
    station.send(session, b"from updraft\n");
    station.wait_for_output(&client, "from updraft");
    input.write_all(b"Q\n").unwrap();
    let end = station.wait_for("goodbye", &client, |event| match event {
        Event::Down { session: ended, end } if *ended == session => Some(*end),
        _ => None,
    });
    assert_eq!(end, SessionEnd::ClosedByPeer);
}

fn s_server(cipher: &str, options: &str, arguments: &[&str]) -> (Station, (Program, ChildStdin), SocketAddr) {
    let mut station = Station::new(&Suite::ALL);
    let key = key_digits();
    let mut command =
        vec!["openssl", "s_server", "-dtls1_2", "-nocert", "-psk_identity", IDENTITY, "-psk", &key];
    command.extend(["-accept", "127.0.0.1:0"]);
    command.extend(arguments);
    let (server, input) = Program::start("openssl", &policy(cipher, options), &command);
    station.wait_for_output(&server, "ACCEPT 127.0.0.1:");
    let output = server.output();
    let port = output.split("ACCEPT 127.0.0.1:").nth(1).and_then(|rest| rest.lines().next()).unwrap();
    let at = format!("127.0.0.1:{port}").parse().unwrap();
    (station, (server, input), at)
}

/// Calls OpenSSL, exchanges a line each way, and closes.
fn call((cipher, suite): (&str, Suite), options: &str, arguments: &[&str]) {
    let (mut station, (server, mut input), at) = s_server(cipher, options, arguments);
    let call = station.call(at);
    let (session, agreed) = station.wait_for_session(&server);
    assert_eq!((session, agreed), (call, suite));
    station.send(session, b"from updraft\n");
    station.wait_for_output(&server, "from updraft");
    input.write_all(b"from openssl\n").unwrap();
    assert_eq!(station.wait_for_data(&server), b"from openssl\n");
    station.close(session);
    station.wait_for_output(&server, "DONE");
}

/// An OpenSSL policy that offers this suite only and has these options switched.
fn policy(cipher: &str, options: &str) -> String {
    // Some builds have CCM_8 below their default security level: its tag is short.
    format!("CipherString = {cipher}:@SECLEVEL=0\nOptions = {options}")
}

/// The key in hexadecimal digits, as OpenSSL's programs take it.
fn key_digits() -> String {
    KEY.bytes().map(|byte| format!("{byte:02x}")).collect()
}
