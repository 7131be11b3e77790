//! How fast and how small: `cargo run --release -p dtls --example speed`.
//!
//! Handshakes come with cookie and key lookup, over memory instead of a network; the server's share is measured
//! apart. Figures are of one core, in rounds, of which the fastest counts: others may be using the machine.
#![expect(clippy::disallowed_methods, reason = "measuring needs a clock")]

use core::net::SocketAddr;
use std::time::{Duration, Instant as Clock};

use dtls::{Config, ConnectionIds, Endpoint, Event, Suite};
use machine::{Credential, Instant, Machine, SessionId};

const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";
const HANDSHAKES: u32 = 100_000;
const RECORDS: u32 = 400_000;
const ROUNDS: u32 = 5;
/// What SECURITY n07 asks for.
const TRIES: usize = 10_000;

fn main() {
    for suite in Suite::ALL {
        let plain = plain(suite);
        let bytes = resident_per_session(&plain);
        let (both, server) = handshakes(&plain, false);
        println!(
            "{suite:?}: {:.0} handshakes/s for both sides, {:.0}/s for the server alone ({:.2} us), \
             {bytes} bytes resident an idle session",
            1e6 / both,
            1e6 / server,
            server,
        );
        println!("{suite:?}: {:.3} us to seal and open 64 bytes", records(&plain));
    }
    let plain = plain(Suite::PskAes128Ccm8);
    let hour = Duration::from_secs(3_600);
    let by_ticket = Config { resumption_lifetime: hour, ..plain.clone() };
    let by_id = Config { issue_tickets: false, max_resumable_sessions: 200_000, ..by_ticket.clone() };
    let ids = Config { connection_id: Some(ConnectionIds { shard: 1, node: 1 }), ..plain.clone() };
    for (name, config) in [("a ticket", &by_ticket), ("a session id", &by_id), ("a connection id", &ids)] {
        println!("with {name}: {:.2} us of the server for a full handshake", handshakes(config, false).1);
    }
    for (name, config) in [("ticket", &by_ticket), ("session id", &by_id)] {
        println!("by {name}: {:.2} us of the server for a resumption", handshakes(config, true).1);
    }
    println!("with a connection id: {:.3} us to seal and open 64 bytes", records(&ids));
    let (unknown, wrong, noise) = refusals();
    println!(
        "refusals: {unknown:.2} us for an unknown identity, {wrong:.2} us for a wrong key, quartiles {noise:.2} us \
         apart"
    );
}

/// Nothing is prepared for resumption.
fn plain(suite: Suite) -> Config {
    Config { suites: vec![suite], resumption_lifetime: Duration::ZERO, ..Config::default() }
}

/// The microseconds of both sides and of the server, of the fastest round.
fn handshakes(config: &Config, resumes: bool) -> (f64, f64) {
    let mut best = (f64::MAX, f64::MAX);
    for _ in 0..ROUNDS {
        let mut wire = Wire::new(config);
        let begun = Clock::now();
        for number in 0..HANDSHAKES / ROUNDS {
            let from = address(number);
            if !resumes {
                wire.client = Endpoint::new(config.clone(), [number as u8; 32]);
            }
            wire.connect(from);
        }
        let total = begun.elapsed();
        best = (
            best.0.min(micros(total, HANDSHAKES / ROUNDS)),
            best.1.min(micros(wire.server_time, HANDSHAKES / ROUNDS)),
        );
        assert_eq!(
            wire.server.statistics().resumptions,
            if resumes { u64::from(HANDSHAKES / ROUNDS) - 1 } else { 0 }
        );
    }
    best
}

/// The memory that a session of a server takes once the client has spoken.
fn resident_per_session(config: &Config) -> usize {
    let mut wire = Wire::new(config);
    let before = resident();
    for number in 0..HANDSHAKES {
        let from = address(number);
        wire.client = Endpoint::new(config.clone(), [number as u8; 32]);
        let session = wire.connect(from);
        let mut buffer = [0; 128];
        let (_, length) = wire.client.seal(session, b"x", &mut buffer).expect("it is up");
        wire.server.handle_input(from, &buffer[..length], Instant::ZERO);
        while wire.server.poll_event().is_some() {}
    }
    assert_eq!(wire.server.session_count(), HANDSHAKES as usize);
    (resident() - before) / HANDSHAKES as usize
}

/// The microseconds of a record, of the fastest round.
fn records(config: &Config) -> f64 {
    let mut wire = Wire::new(config);
    let from = address(1);
    let session = wire.connect(from);
    let mut buffer = [0; 256];
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let begun = Clock::now();
        for _ in 0..RECORDS / ROUNDS {
            let (_, length) = wire.client.seal(session, &[7; 64], &mut buffer).expect("it is up");
            wire.server.handle_input(from, &buffer[..length], Instant::ZERO);
            assert!(matches!(wire.server.poll_event(), Some(Event::Data { .. })));
        }
        best = best.min(micros(begun.elapsed(), RECORDS / ROUNDS));
    }
    best
}

/// What a server takes for an identity that it does not know and for one whose key is another, up to the first
/// Finished that it cannot read: medians of interleaved tries, and how far apart the quartiles of one of them are.
fn refusals() -> (f64, f64, f64) {
    let config = plain(Suite::PskAes128Ccm8);
    let mut times = [Vec::new(), Vec::new()];
    let mut wire = Wire::new(&config);
    for number in 0..2 * TRIES {
        let is_known = number % 2 == 1;
        wire.key = if is_known { Some(b"another secret of thirty-two byt") } else { None };
        let from = address(number as u32);
        wire.client = Endpoint::new(config.clone(), [number as u8; 32]);
        wire.server_time = Duration::ZERO;
        wire.try_connect(from, Instant::ZERO);
        times[usize::from(is_known)].push(wire.server_time.as_secs_f64() * 1e6);
    }
    times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
    let [unknown, wrong] = &times;
    (unknown[TRIES / 2], wrong[TRIES / 2], unknown[TRIES * 3 / 4] - unknown[TRIES / 4])
}

struct Wire {
    client: Endpoint,
    server: Endpoint,
    server_time: Duration,
    key: Option<&'static [u8]>,
}

impl Wire {
    fn new(config: &Config) -> Self {
        let (client, server) =
            (Endpoint::new(config.clone(), [1; 32]), Endpoint::new(config.clone(), [2; 32]));
        Self { client, server, server_time: Duration::ZERO, key: Some(KEY) }
    }

    fn connect(&mut self, from: SocketAddr) -> SessionId {
        self.try_connect(from, Instant::ZERO).expect("it comes up")
    }

    /// Calls until the server has nothing more to say.
    fn try_connect(&mut self, from: SocketAddr, now: Instant) -> Option<SessionId> {
        let to = SocketAddr::from(([192, 0, 2, 2], 5_684));
        let credential = Credential { identity: b"urn:imei:490154203237518".to_vec(), key: KEY.to_vec() };
        let session = self.client.connect(to, credential, now);
        let mut buffer = [0; 1_024];
        loop {
            let (_, length) = self.client.poll_transmit(&mut buffer)?;
            let begun = Clock::now();
            self.server.handle_input(from, &buffer[..length], now);
            while let Some(event) = self.server.poll_event() {
                if let Event::KeyWanted { handshake, .. } = event {
                    self.server.provide_key(handshake, self.key, now);
                }
            }
            let answer = self.server.poll_transmit(&mut buffer);
            self.server_time += begun.elapsed();
            if let Some((_, length)) = answer {
                self.client.handle_input(to, &buffer[..length], now);
            }
            if matches!(self.client.poll_event(), Some(Event::Up { .. })) {
                self.finish(from, now);
                return Some(session);
            }
        }
    }

    /// A client that resumes has the last word.
    fn finish(&mut self, from: SocketAddr, now: Instant) {
        let mut buffer = [0; 1_024];
        while self.client.poll_event().is_some() {}
        while let Some((_, length)) = self.client.poll_transmit(&mut buffer) {
            let begun = Clock::now();
            self.server.handle_input(from, &buffer[..length], now);
            while self.server.poll_event().is_some() {}
            self.server_time += begun.elapsed();
        }
    }
}

fn address(number: u32) -> SocketAddr {
    SocketAddr::from((number.to_be_bytes(), 5_684))
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
