//! What reading and writing a message costs: `cargo run --release -p coap --example codec_cost`.
//!
//! A registration update is read and its answer written; then the same through an endpoint.
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::hint::black_box;
use std::time::Instant as Clock;

use coap::{Code, Config, Encoder, Endpoint, Event, Kind, Message, MessageId, OptionNumber, Response};
use machine::{Instant, Machine};

const ROUNDS: u32 = 2_000_000;

fn main() {
    let update = b"\x44\x02\x12\x34tokn\xb2rd\x08abcdefgh\x46lt=300";
    let mut buffer = [0; 1_200];
    let start = Clock::now();
    for _ in 0..ROUNDS {
        black_box(answer(black_box(update), &mut buffer));
    }
    report("parse and serialize", start);
    let mut endpoint = Endpoint::new(Config::default(), [0; 32]);
    let mut update = update.to_vec();
    let start = Clock::now();
    for round in 0..ROUNDS {
        update[2..4].copy_from_slice(&(round as u16).to_be_bytes());
        black_box(serve(
            &mut endpoint,
            round % 10_000,
            &update,
            &mut buffer,
            Instant::from_millis(round.into()),
        ));
    }
    report("request and response through an endpoint with 10,000 peers", start);
}

fn report(what: &str, start: Clock) {
    println!("{what}: {:.1} ns", start.elapsed().as_nanos() as f64 / f64::from(ROUNDS));
}

fn answer(datagram: &[u8], buffer: &mut [u8]) -> usize {
    let Ok(message) = Message::parse(datagram) else { return 0 };
    let segments = message.options().filter(|(number, _)| *number == OptionNumber::URI_PATH).count();
    let code = if segments == 2 { Code::CHANGED } else { Code::NOT_FOUND };
    let MessageId(id) = message.message_id();
    let kind = Kind::Acknowledgement;
    Encoder::new(buffer, kind, code, MessageId(id), message.token()).finish().unwrap_or(0)
}

fn serve(
    endpoint: &mut Endpoint<u32>,
    peer: u32,
    datagram: &[u8],
    buffer: &mut [u8],
    now: Instant,
) -> Option<(u32, usize)> {
    endpoint.handle_input(peer, datagram, now);
    while let Some(event) = endpoint.poll_event() {
        if let Event::Request { id, .. } = event {
            endpoint.respond(id, Response::new(Code::CHANGED), now);
        }
    }
    endpoint.poll_transmit(buffer)
}
