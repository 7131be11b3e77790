//! The 58 datagrams of the CoAP table against the LwM2M server: bytes in, right answer out.

#[path = "../../coap/tests/vectors/table.rs"]
mod table;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use firmware::upgrade::Delivery;
use lwm2m::server::upgrade::{Package, UpgradeId, UpgradePlan, UpgradeRecord};
use lwm2m::server::{Admission, Config, Directory, Event, Server};
use machine::{Instant, Link, Machine, Path, Socket};

use table::{Expected, Vector, check, expected, image, must_not_register, vectors};

/// Takes everybody under the name that they give.
struct Everybody;

impl Directory for Everybody {
    fn admit(&self, _identity: Option<&[u8]>, endpoint: Option<&str>) -> Admission {
        Admission::Accept { endpoint: endpoint.unwrap_or("nobody").into() }
    }
}

struct Rig {
    server: Server,
    registrations: u32,
}

impl Rig {
    /// The image of an upgrade whose device is not there is served at `/fw/x`.
    fn new() -> Self {
        let mut server = Server::new(Config::default(), Arc::new(Everybody), [7; 32]);
        let package = Package {
            name: "x".into(),
            bytes: image().into(),
            model: None,
            version: None,
            source_version: None,
        };
        let plan = UpgradePlan::new(package, Delivery::Pull);
        let record = Some(UpgradeRecord::new("x"));
        server
            .start_upgrade(UpgradeId(1), "elsewhere", plan, record, Instant::ZERO)
            .expect("nothing runs yet");
        Self { server, registrations: 0 }
    }

    fn exchange(&mut self, datagram: &[u8]) -> Vec<Vec<u8>> {
        let remote = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 40_000);
        let from = Link::Open(Path { socket: Socket(0), remote });
        self.server.handle_input(from, datagram, Instant::ZERO);
        while let Some(event) = self.server.poll_event() {
            self.registrations += u32::from(matches!(event, Event::Registered { .. }));
        }
        let (mut answers, mut buffer) = (Vec::new(), [0; 1_500]);
        while let Some((to, length)) = self.server.poll_transmit(&mut buffer) {
            assert_eq!(to, from);
            answers.push(buffer[..length].to_vec());
        }
        answers
    }

    fn check_ping(&mut self, vector: &Vector) {
        let answers = self.exchange(&[0x40, 0x00, 0x55, 0xaa]);
        assert_eq!(answers, [[0x70, 0x00, 0x55, 0xaa]], "ping after {}", vector.id);
    }
}

#[test]
fn every_row_is_answered_as_it_must_be() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 58);
    let mut before: Option<Vec<u8>> = None;
    let mut rig = Rig::new();
    for vector in &vectors {
        // M47 is about what has been remembered of M46.
        if expected(vector.id) != Expected::AsBefore {
            rig = Rig::new();
        }
        for datagram in &vector.datagrams {
            let registrations = rig.registrations;
            let answers = rig.exchange(datagram);
            check(vector, &answers, before.as_deref());
            if must_not_register(vector.id) || expected(vector.id) == Expected::AsBefore {
                assert_eq!(rig.registrations, registrations, "{}: must not register", vector.id);
            }
            if let Expected::Once(_) = expected(vector.id) {
                for _ in 0..2 {
                    assert_eq!(rig.exchange(datagram), [answers[0].clone()], "{}", vector.id);
                }
                assert_eq!(rig.registrations, 1, "{}: counts once", vector.id);
            }
            before = answers.first().cloned();
            rig.check_ping(vector);
        }
    }
}
