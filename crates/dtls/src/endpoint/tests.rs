//! What needs a view inside: used-up numbers, messages that only a session's own peer could send, and sizes.

use alloc::vec::Vec;
use core::time::Duration;

use machine::{Credential, Instant, Machine, SessionEnd, SessionId};

use super::session::Session;
use super::{Association, Endpoint, Key, Slot};
use crate::secrets::work;
use crate::suite::Outgoing;
use crate::wire::alert::Alert;
use crate::wire::message::{Message, MessageType};
use crate::wire::record::{ContentType, Position};
use crate::{Config, Event, KeyTries, SendError, Suite};

const KEY: &[u8] = b"0123456789abcdef";

#[test]
fn d18_session_ends_before_its_numbers_repeat() {
    for suite in Suite::ALL {
        let (mut client, mut server, ours, theirs) = up(suite);
        session(&mut client, ours).channel.set_next_sequence(Position::SEQUENCE_MASK - 18);
        let mut buffer = [0; 256];
        for _ in 0..2 {
            let (_, length) = client.seal(ours, b"last words", &mut buffer).unwrap();
            server.handle_input(client_address(), &buffer[..length], Instant::ZERO);
            assert!(matches!(server.poll_event(), Some(Event::Data { .. })));
        }
        assert_eq!(client.seal(ours, b"one too many", &mut buffer), Err(SendError::Exhausted));
        let down = Event::Down { session: ours, end: SessionEnd::ClosedHere };
        assert_eq!(client.poll_event(), Some(down));
        pass(&mut client, &mut server);
        let down = Event::Down { session: theirs, end: SessionEnd::ClosedByPeer };
        assert_eq!(server.poll_event(), Some(down), "the goodbye still has a number");
    }
}

#[test]
fn d18_authentic_record_with_the_last_number_is_dropped() {
    let (mut client, mut server, ours, _) = up(Suite::PskAes128Ccm8);
    let last = Position::new(1, Position::SEQUENCE_MASK);
    let mut record = [0; 64];
    let random = &mut machine::Random::from_number(1);
    let keys = session(&mut client, ours).channel.keys();
    let kind = ContentType::APPLICATION_DATA;
    let outgoing = Outgoing { kind, position: last, connection_id: &[], plaintext: b"data" };
    let length = keys.seal(&outgoing, random, &mut record);
    server.handle_input(client_address(), &record[..length], Instant::ZERO);
    assert_eq!(server.poll_event(), None);
}

#[test]
fn d19_renegotiation_is_declined_on_both_sides() {
    let (mut client, mut server, ours, theirs) = up(Suite::PskAes128Ccm8);
    let hello = message(MessageType::CLIENT_HELLO);
    send(&mut client, ours, ContentType::HANDSHAKE, &hello, &mut server, client_address());
    let request = message(MessageType::HELLO_REQUEST);
    send(&mut server, theirs, ContentType::HANDSHAKE, &request, &mut client, server_address());
    for endpoint in [&mut client, &mut server] {
        let mut buffer = [0; 256];
        let (_, length) = endpoint.poll_transmit(&mut buffer).unwrap();
        // A protected alert and nothing else.
        assert_eq!((buffer[0], length), (21, 13 + 8 + 2 + 8));
        assert_eq!(endpoint.poll_transmit(&mut buffer), None);
        assert_eq!(endpoint.poll_event(), None);
    }
    assert_eq!((client.session_count(), server.session_count()), (1, 1));
}

#[test]
fn authentic_fatal_alert_ends_the_session() {
    let (mut client, mut server, ours, theirs) = up(Suite::PskAes128CbcSha256);
    let alert = [2, 80];
    send(&mut client, ours, ContentType::ALERT, &alert, &mut server, client_address());
    assert_eq!(server.poll_event(), Some(Event::Down { session: theirs, end: SessionEnd::Alert(80) }));
    assert_eq!(server.session_count(), 0);
}

#[test]
fn authentic_warning_and_nonsense_change_nothing() {
    let (mut client, mut server, ours, _) = up(Suite::PskAes128Ccm8);
    for (kind, bytes) in [
        (ContentType::ALERT, &Alert::NO_RENEGOTIATION.encode()[..]),
        (ContentType::ALERT, &[2]),
        (ContentType::HANDSHAKE, &[1, 2, 3]),
        (ContentType::HANDSHAKE, &message(MessageType::CLIENT_KEY_EXCHANGE)),
        (ContentType::CHANGE_CIPHER_SPEC, &[1]),
        (ContentType(99), &[]),
    ] {
        send(&mut client, ours, kind, bytes, &mut server, client_address());
        assert_eq!((server.poll_event(), server.poll_transmit(&mut [0; 256])), (None, None));
    }
}

/// The budget is 260 bytes a session, of which the table takes 12, the index of addresses some 10 and an identity
/// of 24 characters 32.
#[test]
fn idle_session_is_small() {
    assert!(size_of::<Session>() <= 168, "{}", size_of::<Session>());
    assert!(size_of::<Association>() <= 168, "{}", size_of::<Association>());
}

/// What the server does between the identity and the end of the flight, and once more when the flight is repeated.
fn work_for(suite: Suite, key: Option<&[u8]>, tries: KeyTries) -> Vec<[usize; 4]> {
    let config = Config { suites: alloc::vec![suite], key_tries: tries, ..Config::default() };
    let (mut client, mut server) = (Endpoint::new(config.clone(), [1; 32]), Endpoint::new(config, [2; 32]));
    let mut done = Vec::new();
    // The first try of each is for what it leaves behind.
    for _ in 0..2 {
        let credential = Credential { identity: b"device".to_vec(), key: KEY.to_vec() };
        let call = client.connect(server_address(), credential, Instant::ZERO);
        let mut buffer = [0; 512];
        for _ in 0..3 {
            while let Some((_, length)) = client.poll_transmit(&mut buffer) {
                work::take();
                let times = if buffer[13] == 16 { 2 } else { 1 };
                for _ in 0..times {
                    server.handle_input(client_address(), &buffer[..length], Instant::ZERO);
                    while let Some(event) = server.poll_event() {
                        if let Event::KeyWanted { handshake, .. } = event {
                            server.provide_key(handshake, key, Instant::ZERO);
                        }
                    }
                }
                done = work::take();
            }
            while let Some((_, length)) = server.poll_transmit(&mut buffer) {
                client.handle_input(server_address(), &buffer[..length], Instant::ZERO);
            }
        }
        assert_eq!(server.session_count(), 0);
        server.handle_timeout(Instant::from_secs(1_000));
        client.close(call, Instant::ZERO);
    }
    done
}

#[test]
fn n07_unknown_identities_and_wrong_keys_cost_the_same_work() {
    let slowed = KeyTries { failures: 1, window: Duration::from_secs(10_000), ..KeyTries::default() };
    for suite in Suite::ALL {
        let unknown = work_for(suite, None, KeyTries::default());
        assert!(unknown.len() >= 2, "{suite:?}: a master secret and a key block, {unknown:?}");
        assert_eq!(work_for(suite, Some(b"a wrong 128b key"), KeyTries::default()), unknown, "{suite:?}");
        assert_eq!(work_for(suite, Some(b"a wrong 128b key"), slowed), unknown, "{suite:?}");
        assert_eq!(work_for(suite, None, slowed), unknown, "{suite:?}");
    }
}

fn up(suite: Suite) -> (Endpoint, Endpoint, SessionId, SessionId) {
    let config = Config { suites: alloc::vec![suite], ..Config::default() };
    let (mut client, mut server) = (Endpoint::new(config.clone(), [1; 32]), Endpoint::new(config, [2; 32]));
    let credential = Credential { identity: b"device".to_vec(), key: KEY.to_vec() };
    let ours = client.connect(server_address(), credential, Instant::ZERO);
    loop {
        pass(&mut client, &mut server);
        while let Some(event) = server.poll_event() {
            match event {
                Event::KeyWanted { handshake, .. } => server.provide_key(handshake, Some(KEY), Instant::ZERO),
                Event::Up { session, .. } => {
                    pass(&mut client, &mut server);
                    assert!(matches!(client.poll_event(), Some(Event::Up { .. })));
                    return (client, server, ours, session);
                }
                event => panic!("{event:?}"),
            }
        }
    }
}

fn pass(client: &mut Endpoint, server: &mut Endpoint) {
    let mut buffer = [0; 512];
    while let Some((_, length)) = client.poll_transmit(&mut buffer) {
        server.handle_input(client_address(), &buffer[..length], Instant::ZERO);
    }
    while let Some((_, length)) = server.poll_transmit(&mut buffer) {
        client.handle_input(server_address(), &buffer[..length], Instant::ZERO);
    }
}

/// Sends what an endpoint itself never would.
fn send(
    from: &mut Endpoint,
    id: SessionId,
    kind: ContentType,
    bytes: &[u8],
    to: &mut Endpoint,
    address: core::net::SocketAddr,
) {
    let mut record = Vec::new();
    let random = &mut machine::Random::from_number(1);
    session(from, id).channel.push(kind, bytes, random, &mut record);
    to.handle_input(address, &record, Instant::ZERO);
}

fn session(endpoint: &mut Endpoint, id: SessionId) -> &mut Session {
    let slot: Slot = endpoint.roster.find(Key(id.0)).unwrap();
    match endpoint.roster.get_mut(slot) {
        Some(Association::Session(session)) => session,
        _ => panic!("no session"),
    }
}

fn message(kind: MessageType) -> Vec<u8> {
    let mut bytes = Vec::new();
    Message { kind, sequence: 9, body: &[0; 60] }.push(&mut bytes);
    bytes
}

fn client_address() -> core::net::SocketAddr {
    "192.0.2.1:40000".parse().unwrap()
}

fn server_address() -> core::net::SocketAddr {
    "192.0.2.2:5684".parse().unwrap()
}
