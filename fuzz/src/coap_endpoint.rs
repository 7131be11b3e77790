//! One endpoint, two peers who send anything, and an owner who asks, observes and answers.

use std::time::Duration;

use coap::{
    CancelBy, Code, Config, ContentFormat, Encoder, Endpoint, Event, IncomingId, Kind, Message, MessageId,
    OptionNumber, Request, RequestId, Response, Token,
};
use machine::{Instant, Link, Machine, Path, SessionId, Socket};

use crate::script::Script;

/// Takes a script of at most so many steps.
const MOST_STEPS: usize = 200;

/// Plays a script.
///
/// # Panics
/// If the endpoint sends what is no message, sends an unproved address too much, does not answer a ping, or
/// keeps something for peers that are gone.
pub fn target(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let mut stage = Stage::new(script.byte());
    for _ in 0..MOST_STEPS {
        if script.is_over() {
            break;
        }
        stage.step(&mut script);
        stage.settle();
    }
    stage.finish();
}

struct Stage {
    endpoint: Endpoint<Link>,
    now: Instant,
    /// What it sent last to each peer.
    last: [Vec<u8>; 2],
    received: [usize; 2],
    sent: [usize; 2],
    /// Whether the peer may have acknowledged something, which then does not count.
    acknowledged: [bool; 2],
    requests: Vec<RequestId>,
    unanswered: Vec<IncomingId>,
    observers: Vec<(Link, Token)>,
    answers: u8,
}

fn peer(number: u8) -> Link {
    match number & 1 {
        0 => Link::Open(Path { socket: Socket(0), remote: ([192, 0, 2, 1], 5_683).into() }),
        _ => Link::Secured(SessionId(1)),
    }
}

fn place(link: Link) -> usize {
    usize::from(link.is_secured())
}

impl Stage {
    fn new(choice: u8) -> Self {
        let config = Config {
            streamed: vec!["/5/0/0".into()],
            max_datagram_out: if choice & 1 == 0 { 1_152 } else { 96 },
            token_length: if choice & 2 == 0 { 8 } else { 1 },
            max_remembered_per_peer: 16,
            max_bodies: 3,
            max_queue: 4,
            ..Config::default()
        };
        Self {
            endpoint: Endpoint::new(config, [7; 32]),
            now: Instant::ZERO,
            last: Default::default(),
            received: [0; 2],
            sent: [0; 2],
            acknowledged: [false; 2],
            requests: Vec::new(),
            unanswered: Vec::new(),
            observers: Vec::new(),
            answers: choice,
        }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        let choice = script.byte();
        let link = peer(choice >> 7);
        match choice & 0x0f {
            0 | 1 => self.input(link, script.bytes()),
            2 => self.input(link, script.long_bytes()),
            3 => self.reply(link, script),
            4 => self.pass(Duration::from_millis(u64::from(script.number()))),
            5 => self.pass(Duration::from_secs(u64::from(script.byte()))),
            6 => {
                let request = request(script);
                self.requests.push(self.endpoint.request(link, request, self.now));
            }
            7 => {
                let request = request(script);
                self.requests.push(self.endpoint.observe(link, request, self.now));
            }
            8 => self.cancel(script),
            9 => self.notify(script),
            10 => self.answer_late(script),
            11 => self.endpoint.hold(link, self.now),
            12 => self.endpoint.release(link, self.now),
            13 => self.endpoint.move_observations(link, peer(script.byte()), self.now),
            14 => self.endpoint.prove(link),
            _ => self.endpoint.forget(link, self.now),
        }
    }

    fn input(&mut self, from: Link, bytes: &[u8]) {
        self.received[place(from)] += bytes.len();
        let kind = Message::parse(bytes).map(|message| message.kind());
        self.acknowledged[place(from)] |= kind == Ok(Kind::Acknowledgement);
        self.endpoint.handle_input(from, bytes, self.now);
    }

    /// A message that fits the last one which the peer got: it has the same token and, if wanted, the same id.
    fn reply(&mut self, from: Link, script: &mut Script<'_>) {
        let last = self.last[place(from)].clone();
        let Ok(message) = Message::parse(&last) else { return };
        let choice = script.byte();
        let kind = match choice & 3 {
            0 | 1 => Kind::Acknowledgement,
            2 => Kind::Confirmable,
            _ => Kind::NonConfirmable,
        };
        let id =
            if kind == Kind::Acknowledgement { message.message_id() } else { MessageId(script.number()) };
        let token = if choice & 4 == 0 { message.token() } else { Token::EMPTY };
        let mut buffer = [0; 2_048];
        let encoder = Encoder::new(&mut buffer, kind, Code(script.byte()), id, token);
        let Ok(length) = encoder.finish() else { return };
        let tail = script.bytes();
        buffer[length..length + tail.len()].copy_from_slice(tail);
        self.input(from, &buffer[..length + tail.len()]);
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some((at, _)) = self.endpoint.poll_timeout().filter(|(at, _)| *at <= until) {
            self.now = self.now.max(at);
            self.endpoint.handle_timeout(self.now);
            self.settle();
        }
        self.now = until;
    }

    fn cancel(&mut self, script: &mut Script<'_>) {
        let choice = script.byte();
        if self.requests.is_empty() {
            return;
        }
        let id = self.requests[usize::from(choice >> 2) % self.requests.len()];
        match choice & 3 {
            0 => self.endpoint.cancel(id, self.now),
            1 => self.endpoint.cancel_observation(id, CancelBy::Request, self.now),
            _ => self.endpoint.cancel_observation(id, CancelBy::Reset, self.now),
        }
    }

    fn notify(&mut self, script: &mut Script<'_>) {
        let choice = script.byte();
        let Some((link, token)) = self.observers.last().copied() else { return };
        let state = response(script.byte());
        self.endpoint.notify(link, token, choice.into(), state, choice & 1 == 0, self.now);
    }

    fn answer_late(&mut self, script: &mut Script<'_>) {
        let response = response(script.byte());
        if let Some(id) = self.unanswered.pop() {
            self.endpoint.respond(id, response, self.now);
        }
    }

    /// Takes all that the endpoint has to say.
    fn settle(&mut self) {
        let mut buffer = [0; 1_500];
        loop {
            if let Some((to, length)) = self.endpoint.poll_transmit(&mut buffer) {
                self.take(to, &buffer[..length]);
            } else if let Some(event) = self.endpoint.poll_event() {
                self.handle(event);
            } else {
                return;
            }
        }
    }

    fn take(&mut self, to: Link, bytes: &[u8]) {
        assert!(Message::parse(bytes).is_ok(), "{bytes:02x?} is no message");
        let place = place(to);
        self.sent[place] += bytes.len();
        self.last[place] = bytes.to_vec();
        // A proof may be gone with what is kept for the peer; what was sent then does not come back.
        let bounded = !self.endpoint.is_proved(to) && !self.acknowledged[place];
        if self.endpoint.is_proved(to) {
            (self.sent[place], self.received[place]) = (0, 0);
        }
        assert!(!bounded || self.sent[place] <= 3 * self.received[place], "amplified");
    }

    fn handle(&mut self, event: Event<Link>) {
        if let Event::Request { peer, id, request, block } = event {
            if request.options.observe() == Some(0) {
                self.observers.push((peer, id.token()));
            }
            self.answers = self.answers.wrapping_add(37);
            let code = block.filter(|block| !block.last).map(|_| Code::CONTINUE);
            match (code, self.answers % 4) {
                (Some(code), _) => self.endpoint.respond(id, Response::new(code), self.now),
                (None, 0) => self.unanswered.push(id),
                (None, _) => self.endpoint.respond(id, response(self.answers), self.now),
            }
        }
    }

    fn finish(mut self) {
        for link in [peer(0), peer(1)] {
            self.endpoint.release(link, self.now);
        }
        for id in std::mem::take(&mut self.requests) {
            self.endpoint.cancel(id, self.now);
        }
        self.settle();
        for link in [peer(0), peer(1)] {
            self.last = Default::default();
            self.input(link, &[0x40, 0, 0x55, 0xaa]);
            self.settle();
            assert_eq!(self.last[place(link)], [0x70, 0, 0x55, 0xaa], "a ping is answered");
        }
        self.pass(Duration::from_secs(100_000));
        self.settle();
        assert_eq!(self.endpoint.peer_count(), 0, "nothing is kept for ever");
        assert_eq!(self.endpoint.poll_timeout(), None, "no timer is kept for ever");
    }
}

fn request(script: &mut Script<'_>) -> Request {
    let choice = script.byte();
    let method = [Code::GET, Code::POST, Code::PUT, Code::FETCH][usize::from(choice & 3)];
    let request = Request::new(method, ["/", "/3/0", "/5/0/0", "/rd/1"][usize::from(choice >> 2 & 3)]);
    let request = if choice & 0x10 == 0 { request } else { request.non_confirmable() };
    let request = if choice & 0x20 == 0 { request } else { request.one_block() };
    let request = match choice >> 6 {
        0 => request,
        1 => request.option(OptionNumber::BLOCK2, script.bytes()),
        _ => request.option(OptionNumber::BLOCK1, script.bytes()),
    };
    let length = usize::from(script.byte()) * 16;
    request.content(ContentFormat::OCTET_STREAM, vec![1; length])
}

fn response(choice: u8) -> Response {
    let code = [Code::CONTENT, Code::CHANGED, Code::NOT_FOUND, Code::CREATED][usize::from(choice & 3)];
    let response = Response::new(code).content(ContentFormat::LWM2M_TLV, vec![2; usize::from(choice) * 16]);
    if choice & 4 == 0 { response } else { response.location(&["rd", "1"]) }
}
