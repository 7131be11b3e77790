use std::time::Duration;

use super::*;
use crate::wait_until;

const PATIENCE: Duration = Duration::from_secs(20);

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    socket.set_read_timeout(Some(PATIENCE)).expect("the timeout is not zero");
    socket
}

fn relay(server: &UdpSocket, conditions: Conditions, seed: u64) -> Relay {
    let server = server.local_addr().expect("it is bound");
    Relay::start(server, conditions, seed, None).expect("ports are free")
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 2_048];
    let (length, from) = socket.recv_from(&mut buffer).expect("a datagram comes");
    (buffer[..length].to_vec(), from)
}

/// Sends numbered datagrams one after the other is decided, so that arrival at the relay is in order.
fn send_numbered(module: &UdpSocket, relay: &Relay, number: u8) {
    for value in 0..number {
        module.send_to(&[value], relay.address()).expect("loopback takes it");
        let decided = || (relay.traffic().upward.received == u64::from(value) + 1).then_some(());
        wait_until(PATIENCE, decided).expect("the relay takes it");
    }
}

#[test]
fn datagrams_travel_both_ways_and_modules_are_told_apart() {
    let (server, one, two) = (socket(), socket(), socket());
    let relay = relay(&server, Conditions::PERFECT, 1);
    for (module, text) in [(&one, b"one"), (&two, b"two")] {
        module.send_to(text, relay.address()).expect("loopback takes it");
        let (bytes, seen) = receive(&server);
        assert_eq!(bytes, text);
        server.send_to(&bytes.repeat(2), seen).expect("loopback takes it");
        assert_eq!(receive(module), (text.repeat(2), relay.address()));
    }
    let traffic = relay.finish().expect("there is no capture to fail");
    assert_eq!((traffic.upward.delivered, traffic.downward.delivered), (2, 2));
    assert_eq!((traffic.upward.delivered_bytes, traffic.downward.delivered_bytes), (6, 12));
}

#[test]
fn losses_and_copies_are_counted_and_repeat_with_the_seed() {
    let conditions = Conditions { loss: 0.3, duplication: 0.3, ..Conditions::PERFECT };
    let run = |seed| {
        let (server, module) = (socket(), socket());
        let relay = relay(&server, conditions, seed);
        send_numbered(&module, &relay, 100);
        let expected = relay.traffic().upward;
        let copies = expected.received - expected.lost + expected.duplicated;
        let arrived: Vec<u8> = (0..copies).map(|_| receive(&server).0[0]).collect();
        assert_eq!(relay.finish().expect("there is no capture to fail").upward.delivered, copies);
        assert!(expected.lost > 10 && expected.duplicated > 10, "{expected:?}");
        arrived
    };
    let first = run(5);
    assert_eq!(first, run(5));
    assert_ne!(first, run(6));
}

#[test]
fn held_back_datagrams_are_overtaken() {
    let late = Duration::from_millis(300);
    let conditions = Conditions { reordering: 0.3, reordering_delay: late, ..Conditions::PERFECT };
    let (server, module) = (socket(), socket());
    let relay = relay(&server, conditions, 2);
    for value in 0..30 {
        module.send_to(&[value], relay.address()).expect("loopback takes it");
    }
    let arrived: Vec<u8> = (0..30).map(|_| receive(&server).0[0]).collect();
    assert!(!arrived.is_sorted(), "{arrived:?}");
    let traffic = relay.traffic().upward;
    assert!(traffic.reordered > 0);
    assert_eq!(traffic.delivered, 30);
}

#[test]
fn a_rebind_changes_the_port_and_cuts_the_old_one_off() {
    let (server, module) = (socket(), socket());
    let relay = relay(&server, Conditions::PERFECT, 3);
    let send = || {
        module.send_to(b"x", relay.address()).expect("loopback takes it");
        receive(&server).1
    };
    let old = send();
    assert_eq!(send(), old);
    relay.rebind();
    let new = send();
    assert_ne!(old, new);
    server.send_to(b"to the old port", old).expect("loopback takes it");
    server.send_to(b"to the new port", new).expect("loopback takes it");
    assert_eq!(receive(&module).0, b"to the new port");
}

#[test]
fn nothing_passes_a_blackout() {
    let (server, module) = (socket(), socket());
    let relay = relay(&server, Conditions::PERFECT, 4);
    relay.start_blackout();
    send_numbered(&module, &relay, 5);
    relay.end_blackout();
    module.send_to(b"after", relay.address()).expect("loopback takes it");
    assert_eq!(receive(&server).0, b"after");
    let traffic = relay.finish().expect("there is no capture to fail").upward;
    assert_eq!((traffic.blacked_out, traffic.delivered), (5, 1));
}

#[test]
fn a_server_that_is_restarted_is_served_again() {
    let (server, module) = (socket(), socket());
    let relay = relay(&server, Conditions::PERFECT, 4);
    let address = server.local_addr().expect("it is bound");
    drop(server);
    // Each of these is answered by an ICMP error, which must not end anything.
    send_numbered(&module, &relay, 5);
    let server = UdpSocket::bind(address).expect("it is free again");
    server.set_read_timeout(Some(PATIENCE)).expect("the timeout is not zero");
    module.send_to(b"back", relay.address()).expect("loopback takes it");
    assert_eq!(receive(&server).0, b"back");
}
