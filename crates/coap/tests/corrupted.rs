//! Two endpoints over a way that changes bytes: nothing panics, nothing is kept for ever.

use std::time::Duration;

use coap::{CancelBy, Code, Config, ContentFormat, Endpoint, Event, Request, Response};
use machine::{Instant, Machine, Random};

/// Both ends know each other as peer 0.
struct Ends {
    ends: [Endpoint<u8>; 2],
    random: Random,
    now: Instant,
}

impl Ends {
    fn new(seed: u64) -> Self {
        let config = Config { streamed: vec!["/5/0/0".into()], ..Config::default() };
        let mut random = Random::from_number(seed);
        let ends = [(); 2].map(|()| Endpoint::new(config.clone(), random.seed()));
        Self { ends, random, now: Instant::ZERO }
    }

    /// Carries everything back and forth, one datagram in five with a byte changed or its end cut off.
    fn carry(&mut self) {
        let mut buffer = [0; 1_500];
        while let Some((from, length)) = self.next_datagram(&mut buffer) {
            let mut length = length;
            if self.random.chance(0.2) {
                let at = self.random.below(length as u64) as usize;
                buffer[at] ^= self.random.below(256) as u8;
                length -= self.random.below(2) as usize * self.random.below(length as u64) as usize;
            }
            self.ends[1 - from].handle_input(0, &buffer[..length], self.now);
            self.answer(1 - from);
        }
    }

    fn next_datagram(&mut self, buffer: &mut [u8]) -> Option<(usize, usize)> {
        let sent = (0..2).find_map(|end| Some((end, self.ends[end].poll_transmit(buffer)?.1)))?;
        Some(sent)
    }

    fn answer(&mut self, end: usize) {
        while let Some(event) = self.ends[end].poll_event() {
            if let Event::Request { peer, id, request, block } = event {
                let code =
                    if block.is_some_and(|block| !block.last) { Code::CONTINUE } else { Code::CONTENT };
                let body = vec![7; self.random.below(3_000) as usize];
                let response = Response::new(code).content(ContentFormat::OCTET_STREAM, body);
                let observed = request.options.observe() == Some(0);
                let response = if observed { response.observe(1) } else { response };
                self.ends[end].respond(id, response.clone(), self.now);
                if observed {
                    self.ends[end].notify(peer, id.token(), 2, response, true, self.now);
                }
            }
        }
    }
}

#[test]
fn changed_bytes_do_no_harm() {
    let mut malformed = 0;
    for seed in 0..300 {
        let mut ends = Ends::new(seed);
        let push = Request::put("/5/0/0").content(ContentFormat::OCTET_STREAM, vec![1; 8_000]);
        ends.ends[0].request(0, push.clone(), ends.now);
        ends.ends[1].request(0, push, ends.now);
        ends.ends[1].request(0, Request::get("/3"), ends.now);
        let observation = ends.ends[0].observe(0, Request::get("/5/0/3"), ends.now);
        for round in 0..600 {
            ends.carry();
            if round == 300 {
                ends.ends[0].cancel_observation(observation, CancelBy::Request, ends.now);
            }
            ends.now += Duration::from_secs(2);
            (0..2).for_each(|end| ends.ends[end].handle_timeout(ends.now));
        }
        ends.ends[0].cancel(observation, ends.now);
        for _ in 0..1_000 {
            ends.carry();
            ends.now += Duration::from_secs(2);
            (0..2).for_each(|end| ends.ends[end].handle_timeout(ends.now));
        }
        let kept = ends.ends.each_ref().map(Endpoint::peer_count);
        assert_eq!(kept, [0, 0], "seed {seed}");
        malformed += ends.ends[0].statistics().malformed;
    }
    assert!(malformed > 100, "only {malformed} datagrams were spoiled");
}
