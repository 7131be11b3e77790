//! The 58 datagrams of the CoAP table against the LwM2M server, one test a row: bytes in, right answer out,
//! and a ping afterwards is answered.

#[path = "../../../coap/tests/vectors/table.rs"]
pub mod table;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use firmware::upgrade::Delivery;
use lwm2m::server::upgrade::{Package, UpgradeId, UpgradePlan, UpgradeRecord};
use lwm2m::server::{Admission, Config, Directory, Event, Server};
use machine::{Instant, Link, Machine, Path, Socket};

use table::{Expected, check, expected, image, must_not_register, vectors};

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
        // A row is one datagram: its sender has no chance to prove its address for a large answer.
        let coap = coap::Config { amplification: None, ..Config::default().coap };
        let config = Config { coap, ..Config::default() };
        let mut server = Server::new(config, Arc::new(Everybody), [7; 32]);
        let package = Package {
            name: "x".into(),
            bytes: image().into(),
            model: None,
            version: None,
            source_version: None,
        };
        let plan = UpgradePlan::new(package, Delivery::Pull);
        let record = Some(UpgradeRecord::new("x"));
        let started = server.start_upgrade(UpgradeId(1), "elsewhere", plan, record, Instant::ZERO);
        started.expect("nothing runs yet");
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
}

/// Sends the datagrams of a row to a server of its own. A row that is about the one before comes after it.
fn run(id: &str) {
    let vectors = vectors();
    let place = vectors.iter().position(|vector| vector.id == id).expect("the table has the row");
    let vector = &vectors[place];
    for datagram in &vector.datagrams {
        let mut rig = Rig::new();
        let before = (expected(id) == Expected::AsBefore)
            .then(|| rig.exchange(&vectors[place - 1].datagrams[0]))
            .and_then(|answers| answers.into_iter().next());
        let before_registrations = rig.registrations;
        check(vector, &rig.exchange(datagram), before.as_deref());
        if matches!(expected(id), Expected::Once(_)) {
            let again = rig.exchange(datagram);
            assert_eq!(again, rig.exchange(datagram), "{id}: copies get the same bytes");
            check(vector, &again, None);
            assert_eq!(rig.registrations, 1, "{id}: copies count once");
        }
        if must_not_register(id) || expected(id) == Expected::AsBefore {
            assert_eq!(rig.registrations, before_registrations, "{id}: nobody registered");
        }
        let ping = rig.exchange(&[0x40, 0x00, 0x55, 0xaa]);
        assert_eq!(ping, [[0x70, 0x00, 0x55, 0xaa]], "{id}: the server goes on");
    }
}

macro_rules! rows {
    ($($row:ident)*) => {
        $(
            #[test]
            fn $row() {
                run(&stringify!($row).to_ascii_uppercase());
            }
        )*
    };
}

rows! {
    m01 m02 m03 m04 m05 m06 m07 m08 m09 m10
    m11 m12 m13 m14 m15 m16 m17 m18 m19 m20
    m21 m22 m23 m24 m25 m26 m27 m28 m29 m30
    m31 m32 m33 m34 m35 m36 m37 m38 m39 m40
    m41 m42 m43 m44 m45 m46 m47 m48 m49 m50
    b01 b02 b03 b04 b05 b06 b07 b08
}
