//! No key meets a nonce twice, whatever is saved, restored, lost, moved and called again.
//!
//! This looks with the eyes of somebody who records the wire. All that is said consists of zeros, so what is
//! under the seal of a counter mode is the key stream itself, and with CBC the first block is the vector it
//! starts from: the same bytes twice mean that a key met a nonce twice, in whichever session or life.

use core::net::SocketAddr;
use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use dtls::{Config, ConnectionIds, Endpoint, Event, SavedSession, Suite};
use machine::{Instant, Machine, Random, SessionId};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::pair::{KEY, credential, server_address, split};

const DEVICES: usize = 3;
/// More than the key stream of a block, and than the vector of CBC.
const ZEROS: [u8; 32] = [0; 32];

/// What happens next. Every save takes some sessions only, so that the others stay as they were saved earlier.
#[derive(Clone, Debug)]
enum Happening {
    Call { device: usize, lost: u32 },
    ServerSpeaks(u8),
    DeviceSpeaks { device: usize, count: u8, from: u16 },
    Save { some: u8 },
    Restart,
    VainStart,
    Close { device: usize },
}

fn happening() -> impl Strategy<Value = Happening> {
    let device = || 0..DEVICES;
    prop_oneof![
        3 => (device(), any::<u32>()).prop_map(|(device, lost)| Happening::Call { device, lost }),
        4 => (1_u8..8).prop_map(Happening::ServerSpeaks),
        3 => (device(), 1_u8..8, 0_u16..4).prop_map(|(device, count, from)| {
            Happening::DeviceSpeaks { device, count, from }
        }),
        3 => any::<u8>().prop_map(|some| Happening::Save { some }),
        3 => Just(Happening::Restart),
        1 => Just(Happening::VainStart),
        1 => device().prop_map(|device| Happening::Close { device }),
    ]
}

/// What is on the disk: the count of starts, and each session with the count at the time it was saved.
struct Disk {
    starts: u32,
    saved: Vec<(SessionId, u32, Vec<u8>)>,
}

struct Site {
    config: Config,
    server: Endpoint,
    devices: Vec<(Endpoint, Option<SessionId>, SocketAddr)>,
    disk: Disk,
    now: Instant,
    /// What was seen under the seal, in either direction.
    seen: BTreeSet<Vec<u8>>,
    records: usize,
}

impl Site {
    fn new(suite: Suite, with_ids: bool) -> Self {
        let ids = with_ids.then_some(ConnectionIds { shard: 1, node: 0 });
        let config = Config { suites: vec![suite], connection_id: ids, ..Config::default() };
        let device = |number: usize| {
            let config = Config { suites: vec![suite], ..Config::default() };
            let address = SocketAddr::from(([192, 0, 2, number as u8 + 10], 40_000));
            (Endpoint::new(config, [number as u8 + 100; 32]), None, address)
        };
        Self {
            server: Endpoint::new(config.clone(), [1; 32]),
            config,
            devices: (0..DEVICES).map(device).collect(),
            disk: Disk { starts: 1, saved: Vec::new() },
            now: Instant::ZERO,
            seen: BTreeSet::new(),
            records: 0,
        }
    }

    /// Somebody records this datagram.
    fn record(&mut self, datagram: &[u8]) {
        for record in split(datagram).iter().filter(|record| record[3..5] == [0, 1]) {
            let suite = self.config.suites[0];
            let explicit_nonce = if suite == Suite::PskAes128CbcSha256 { 0 } else { 8 };
            let header = if record[0] == 25 { 21 } else { 13 };
            let sealed = &record[header + explicit_nonce..];
            // Of a Finished or an alert nothing is known but that its bytes must not come twice.
            let stream = if sealed.len() >= 40 { sealed[..16].to_vec() } else { record.clone() };
            assert!(self.seen.insert(stream), "a key met a nonce twice: {record:02x?}");
            self.records += 1;
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Call { device, lost } => self.call(device, lost),
            Happening::ServerSpeaks(count) => {
                let sessions: Vec<_> = self.server.sessions().collect();
                for session in sessions {
                    (0..count).for_each(|_| self.server_speaks(session));
                }
            }
            Happening::DeviceSpeaks { device, count, from } => {
                (0..count).for_each(|_| self.device_speaks(device, from));
            }
            Happening::Save { some } => self.save(some),
            Happening::Restart => {
                self.start();
                self.restore();
            }
            Happening::VainStart => self.start(),
            Happening::Close { device } => {
                if let Some(session) = self.devices[device].1.take() {
                    self.devices[device].0.close(session, self.now);
                    self.exchange(device, 0);
                }
            }
        }
    }

    /// A handshake, full or resumed; each bit of `lost` is a datagram that does not come.
    fn call(&mut self, device: usize, lost: u32) {
        let (endpoint, session, _) = &mut self.devices[device];
        *session = Some(endpoint.connect(server_address(), credential(KEY), self.now));
        // Lost flights are repeated, with what is sealed in them.
        let mut lost = lost;
        for _ in 0..6 {
            lost = self.exchange(device, lost);
            self.now += Duration::from_secs(2);
            self.devices[device].0.handle_timeout(self.now);
            self.server.handle_timeout(self.now);
        }
        self.exchange(device, 0);
    }

    /// Lets one device and the server say what they want to; gives what is left of the losses.
    fn exchange(&mut self, device: usize, mut lost: u32) -> u32 {
        let mut buffer = [0; 2_048];
        let mut loses = || {
            let is_lost = lost & 1 == 1;
            lost >>= 1;
            is_lost
        };
        loop {
            let mut idle = true;
            while let Some((_, length)) = self.devices[device].0.poll_transmit(&mut buffer) {
                idle = false;
                self.record(&buffer[..length]);
                if !loses() {
                    self.server.handle_input(self.devices[device].2, &buffer[..length], self.now);
                }
            }
            while let Some(event) = self.server.poll_event() {
                if let Event::KeyWanted { handshake, .. } = event {
                    self.server.provide_key(handshake, Some(KEY), self.now);
                }
            }
            while let Some((to, length)) = self.server.poll_transmit(&mut buffer) {
                idle = false;
                self.record(&buffer[..length]);
                if to == self.devices[device].2 && !loses() {
                    self.devices[device].0.handle_input(server_address(), &buffer[..length], self.now);
                }
            }
            while self.devices[device].0.poll_event().is_some() {}
            if idle {
                return lost;
            }
        }
    }

    fn server_speaks(&mut self, session: SessionId) {
        let mut buffer = [0; 256];
        if let Ok((to, length)) = self.server.seal(session, &ZEROS, &mut buffer) {
            self.record(&buffer[..length]);
            for (device, _, address) in &mut self.devices {
                if *address == to {
                    device.handle_input(server_address(), &buffer[..length], self.now);
                }
            }
        }
    }

    fn device_speaks(&mut self, device: usize, from: u16) {
        let mut buffer = [0; 256];
        let (endpoint, session, address) = &mut self.devices[device];
        if self.config.connection_id.is_some() {
            address.set_port(40_000 + from);
        }
        let address = *address;
        let Some(Ok((_, length))) = session.map(|session| endpoint.seal(session, &ZEROS, &mut buffer)) else {
            return;
        };
        self.record(&buffer[..length]);
        self.server.handle_input(address, &buffer[..length], self.now);
        self.exchange(device, 0);
    }

    fn save(&mut self, some: u8) {
        let sessions: Vec<_> = self.server.sessions().collect();
        for (index, session) in sessions.into_iter().enumerate() {
            if some & (1 << (index % 8)) != 0 {
                let bytes = self.server.save(session).expect("it is up").to_bytes().to_vec();
                self.disk.saved.retain(|(saved, ..)| *saved != session);
                self.disk.saved.push((session, self.disk.starts, bytes));
            }
        }
    }

    /// The process is gone without a word, and there is a new one.
    fn start(&mut self) {
        self.disk.starts += 1;
        let seed = Random::from_number(self.disk.starts.into()).seed();
        self.server = Endpoint::new(self.config.clone(), seed);
    }

    fn restore(&mut self) {
        for (_, then, bytes) in &self.disk.saved {
            let since = NonZeroU32::new(self.disk.starts - then).expect("it was saved in an earlier life");
            let saved = SavedSession::from_bytes(bytes).expect("the bytes are whole");
            // Its place may be taken by another one, from the same address.
            let _ = self.server.restore(saved.advance(since).expect("there are blocks left"), self.now);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 150,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(11),
        ..ProptestConfig::default()
    })]

    #[test]
    fn d31_no_key_meets_a_nonce_twice(
        suite in prop::sample::select(Suite::ALL.to_vec()),
        with_ids in any::<bool>(),
        happenings in prop::collection::vec(happening(), 1..50),
    ) {
        let mut site = Site::new(suite, with_ids);
        site.call(0, 0);
        let (_, session, _) = &site.devices[0];
        prop_assert!(session.is_some() && site.server.session_count() == 1);
        for happening in happenings {
            site.happen(happening);
        }
        prop_assert!(site.records >= 2);
    }
}

/// The rule is what keeps them apart: without it this test's eyes see the repetition.
#[test]
#[should_panic(expected = "a key met a nonce twice")]
fn d31_a_start_that_is_not_counted_would_be_seen() {
    let mut site = Site::new(Suite::PskAes128Ccm8, false);
    site.call(0, 0);
    site.save(u8::MAX);
    for _ in 0..2 {
        // As if the count had not become durable: both lives use the same block.
        site.disk.starts = 1;
        site.start();
        site.restore();
        assert_eq!(site.server.session_count(), 1);
        site.happen(Happening::ServerSpeaks(1));
    }
}
