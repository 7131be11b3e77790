//! How fast and how small: `cargo run --release -p dtls --example speed`.
//!
//! Handshakes are full ones with cookie and key lookup, over memory instead of a network; the server's share is
//! measured apart. Figures are of one core.
#![expect(clippy::disallowed_methods, reason = "measuring needs a clock")]

use core::net::SocketAddr;
use std::time::{Duration, Instant as Clock};

use dtls::{Config, Endpoint, Event, Suite};
use machine::{Credential, Instant, Machine, SessionId};

const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";
const HANDSHAKES: u32 = 100_000;
const RECORDS: u32 = 1_000_000;

fn main() {
    for suite in Suite::ALL {
        let (both, server, bytes) = handshakes(suite);
        println!(
            "{suite:?}: {:.0} handshakes/s for both sides, {:.0}/s for the server alone ({:.2} us), \
             {bytes} bytes resident an idle session",
            f64::from(HANDSHAKES) / both.as_secs_f64(),
            f64::from(HANDSHAKES) / server.as_secs_f64(),
            micros(server, HANDSHAKES),
        );
        let time = records(suite);
        println!("{suite:?}: {:.3} us to seal and open 64 bytes", micros(time, RECORDS));
    }
}

/// The time of both sides, that of the server, and the memory a session of it takes once the client has spoken.
fn handshakes(suite: Suite) -> (Duration, Duration, usize) {
    let mut wire = Wire::new(suite);
    let before = resident();
    let begun = Clock::now();
    for number in 0..HANDSHAKES {
        let from = SocketAddr::from((number.to_be_bytes(), 5_684));
        wire.client = endpoint(suite, number as u8);
        let session = wire.connect(from);
        let mut buffer = [0; 128];
        let (_, length) = wire.client.seal(session, b"x", &mut buffer).expect("it is up");
        wire.server.handle_input(from, &buffer[..length], Instant::ZERO);
        while wire.server.poll_event().is_some() {}
    }
    let total = begun.elapsed();
    assert_eq!(wire.server.session_count(), HANDSHAKES as usize);
    (total, wire.server_time, (resident() - before) / HANDSHAKES as usize)
}

fn records(suite: Suite) -> Duration {
    let mut wire = Wire::new(suite);
    let from = SocketAddr::from(([192, 0, 2, 1], 5_684));
    let session = wire.connect(from);
    let mut buffer = [0; 256];
    let begun = Clock::now();
    for _ in 0..RECORDS {
        let (_, length) = wire.client.seal(session, &[7; 64], &mut buffer).expect("it is up");
        wire.server.handle_input(from, &buffer[..length], Instant::ZERO);
        assert!(matches!(wire.server.poll_event(), Some(Event::Data { .. })));
    }
    begun.elapsed()
}

struct Wire {
    client: Endpoint,
    server: Endpoint,
    server_time: Duration,
}

impl Wire {
    fn new(suite: Suite) -> Self {
        let (client, server) = (endpoint(suite, 1), endpoint(suite, 2));
        Self { client, server, server_time: Duration::ZERO }
    }

    fn connect(&mut self, from: SocketAddr) -> SessionId {
        let to = SocketAddr::from(([192, 0, 2, 2], 5_684));
        let credential = Credential { identity: b"urn:imei:490154203237518".to_vec(), key: KEY.to_vec() };
        let session = self.client.connect(to, credential, Instant::ZERO);
        let mut buffer = [0; 512];
        loop {
            let (_, length) = self.client.poll_transmit(&mut buffer).expect("a flight");
            let begun = Clock::now();
            self.server.handle_input(from, &buffer[..length], Instant::ZERO);
            while let Some(event) = self.server.poll_event() {
                if let Event::KeyWanted { handshake, .. } = event {
                    self.server.provide_key(handshake, Some(KEY), Instant::ZERO);
                }
            }
            let (_, length) = self.server.poll_transmit(&mut buffer).expect("an answer");
            self.server_time += begun.elapsed();
            self.client.handle_input(to, &buffer[..length], Instant::ZERO);
            if self.client.poll_event().is_some() {
                return session;
            }
        }
    }
}

fn endpoint(suite: Suite, seed: u8) -> Endpoint {
    Endpoint::new(Config { suites: vec![suite], ..Config::default() }, [seed; 32])
}

fn micros(time: Duration, count: u32) -> f64 {
    time.as_secs_f64() * 1e6 / f64::from(count)
}

/// Bytes of this process in memory.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|line| line.split(' ').nth(1)?.parse::<usize>().ok());
    pages.unwrap_or(0) * 4_096
}
