//! DTLS against libcoap's client and server, which stand on OpenSSL.

use std::net::{SocketAddr, UdpSocket};

use super::station::{IDENTITY, KEY, Program, Station};
use dtls::{Event, Suite};
use machine::SessionEnd;

const PACKAGE: &str = "libcoap3-bin";
/// libcoap asks OpenSSL for all suites with pre-shared keys; some builds have CCM_8 below their default
/// security level. Which suite comes out is our choice.
const POLICY: &str = "CipherString = ALL:@SECLEVEL=0";

#[test]
fn server_serves_libcoap_with_ccm_8() {
    serve(Suite::PskAes128Ccm8);
}

#[test]
fn server_serves_libcoap_with_cbc() {
    serve(Suite::PskAes128CbcSha256);
}

/// Its server leaves out the suites that exist since before TLS 1.2, CBC among them.
#[test]
fn client_calls_libcoap() {
    let mut station = Station::new(&Suite::ALL);
    let port = free_port_pair();
    let plain = port.to_string();
    let command = ["coap-server-openssl", "-A", "127.0.0.1", "-p", &plain, "-k", KEY];
    let (server, _input) = Program::start(PACKAGE, "", &command);
    let call = station.call(SocketAddr::from(([127, 0, 0, 1], port + 1)));
    let (session, agreed) = station.wait_for_session(&server);
    assert_eq!((session, agreed), (call, Suite::PskAes128Ccm8));
    station.send(session, &GET_ROOT);
    let answer = station.wait_for_data(&server);
    assert_eq!((answer[0] & 0xF0, answer[1], &answer[2..4]), (0x60, 0x45, &GET_ROOT[2..4]), "2.05 as ACK");
    assert!(answer.windows(7).any(|window| window == b"libcoap"), "{answer:02x?}");
    station.close(session);
}

/// Lets `coap-client` get a resource from us.
fn serve(suite: Suite) {
    let mut station = Station::new(&[suite]);
    let uri = format!("coaps://127.0.0.1:{}/greeting", station.port());
    let command = ["coap-client-openssl", "-m", "get", "-u", IDENTITY, "-k", KEY, "-B", "30", &uri];
    let (client, _input) = Program::start(PACKAGE, POLICY, &command);
    let (session, agreed) = station.wait_for_session(&client);
    assert_eq!(agreed, suite);
    let request = station.wait_for_data(&client);
    assert!(request.windows(8).any(|window| window == b"greeting"), "{request:02x?}");
    station.send(session, &content(&request, b"good morning"));
    station.wait_for_output(&client, "good morning");
    let end = station.wait_for("goodbye", &client, |event| match event {
        Event::Down { end, .. } => Some(*end),
        _ => None,
    });
    assert_eq!(end, SessionEnd::ClosedByPeer);
}

/// Confirmable, GET, no token, message id 0x1234, no options (RFC 7252 section 3).
const GET_ROOT: [u8; 4] = [0x40, 0x01, 0x12, 0x34];

/// An acknowledgement 2.05 with the id and token of `request`.
fn content(request: &[u8], payload: &[u8]) -> Vec<u8> {
    let token_length = usize::from(request[0] & 0x0F);
    let mut answer = vec![0x60 | request[0] & 0x0F, 0x45, request[2], request[3]];
    answer.extend_from_slice(&request[4..4 + token_length]);
    answer.push(0xFF);
    answer.extend_from_slice(payload);
    answer
}

/// libcoap wants a port for CoAP and takes the next one for DTLS.
fn free_port_pair() -> u16 {
    for _ in 0..100 {
        let first = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        if port < u16::MAX && UdpSocket::bind(("127.0.0.1", port + 1)).is_ok() {
            return port;
        }
    }
    panic!("no two free ports side by side");
}
