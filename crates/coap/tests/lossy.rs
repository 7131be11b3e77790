//! Two endpoints over a network that loses, duplicates and reorders: every body arrives whole, once.

use std::sync::Arc;

use coap::{
    BlockSize, Code, Config, ContentFormat, Download, Endpoint, Event, IncomingId, Request, RequestId,
    Response,
};
use machine::simulation::{Network, NodeId, Quality, World};
use machine::{Instant, Path, Socket};

type Net = World<Endpoint<Path>>;

fn image() -> Arc<[u8]> {
    (0..20_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

struct Pair {
    world: Net,
    server: NodeId,
    device: NodeId,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let quality = Quality { loss: 0.2, duplication: 0.1, reordering: 0.1, ..Quality::narrow_band(0.2) };
        let mut world = World::new(Network::new(quality), seed);
        // A device hears its own server only, which has no address to prove.
        let config = Config { streamed: vec!["/5/0/0".into()], amplification: None, ..Config::default() };
        let server = world.add(1, |random, _| Endpoint::new(Config::default(), random.seed()));
        let device = world.add(1, |random, _| Endpoint::new(config, random.seed()));
        Self { world, server, device }
    }

    fn path(&self, to: NodeId) -> Path {
        Path { socket: Socket(0), remote: self.world.address(to, Socket(0)) }
    }

    fn request(&mut self, request: Request) -> RequestId {
        let to = self.path(self.server);
        self.world.with(self.device, |device, now| device.request(to, request, now))
    }

    fn respond(&mut self, node: NodeId, id: IncomingId, response: Response) {
        self.world.with(node, |endpoint, now| endpoint.respond(id, response, now));
    }

    fn next(&mut self) -> (NodeId, Event<Path>) {
        let until = self.world.now() + core::time::Duration::from_secs(3_600);
        self.world.next_event(until).expect("something happens within an hour")
    }
}

/// Asks for one block again and again until it comes; a request may fail, since five messages can be lost.
fn pull(seed: u64) -> (u64, u32) {
    let (mut pair, image, mut answers) = (Pair::new(seed), image(), 0);
    let mut download = Download::new(BlockSize::at_most(512).expect("a size"), 0, None);
    let mut bytes = Vec::new();
    pair.request(download.next_request(Request::get("/fw")));
    loop {
        match pair.next() {
            (node, Event::Request { id, .. }) if node == pair.server => {
                let response = Response::new(Code::CONTENT).etag(b"image");
                let response = response.content(ContentFormat::OCTET_STREAM, image.clone());
                answers += 1;
                pair.respond(node, id, response);
            }
            (_, Event::Response { response, .. }) => {
                let chunk = download.accept(&response).expect("the right block");
                bytes.extend_from_slice(&response.payload[chunk.bytes]);
                if chunk.last {
                    assert_eq!(bytes, *image);
                    return (pair.world.trace(), answers);
                }
                pair.request(download.next_request(Request::get("/fw")));
            }
            (_, Event::Failed { .. }) => {
                pair.request(download.next_request(Request::get("/fw")));
            }
            other => panic!("unexpected {other:?}"),
        }
    }
}

/// Pushes the image until it arrives; the device takes each block once and in order.
fn push(seed: u64) -> u64 {
    let (mut pair, image, mut bytes) = (Pair::new(seed), image(), Vec::new());
    let to = pair.path(pair.device);
    let request = Request::put("/5/0/0").content(ContentFormat::OCTET_STREAM, image.clone());
    let start = |pair: &mut Pair| {
        let request = request.clone();
        pair.world.with(pair.server, |server, now| server.request(to, request, now));
    };
    start(&mut pair);
    loop {
        match pair.next() {
            (node, Event::Request { id, request, block: Some(part), .. }) => {
                if part.offset == 0 {
                    bytes.clear();
                }
                assert_eq!(part.offset, bytes.len() as u64);
                bytes.extend_from_slice(&request.payload);
                let code = if part.last { Code::CHANGED } else { Code::CONTINUE };
                pair.respond(node, id, Response::new(code));
            }
            (_, Event::Progress { .. }) => {}
            (_, Event::Response { response, .. }) => {
                assert_eq!(response.code, Code::CHANGED);
                assert_eq!(bytes, *image);
                assert!(pair.world.network().traffic().lost > 5, "the network was not bad enough");
                return pair.world.trace();
            }
            (_, Event::Failed { .. }) => start(&mut pair),
            other => panic!("unexpected {other:?}"),
        }
    }
}

#[test]
fn a_pull_arrives_whole_and_no_block_is_served_twice_without_need() {
    for seed in 0..20 {
        let (trace, answers) = pull(seed);
        // 40 blocks; only a request that failed and was made anew reaches the owner again.
        assert!((40..50).contains(&answers), "seed {seed}: {answers} blocks served");
        assert_eq!(trace, pull(seed).0, "same seed, same course");
    }
}

#[test]
fn a_push_arrives_whole_and_in_order() {
    for seed in 0..20 {
        assert_eq!(push(seed), push(seed), "same seed, same course");
    }
}

#[test]
fn notifications_arrive_in_order_and_the_last_one_does() {
    for seed in 0..20 {
        let mut pair = Pair::new(seed);
        let to = pair.path(pair.device);
        pair.world.with(pair.server, |server, now| server.observe(to, Request::get("/5/0/3"), now));
        let (mut sequence, mut values, mut watcher) = (0_u32, Vec::new(), None);
        while values.last() != Some(&50) {
            match pair.next() {
                (node, Event::Request { peer, id, .. }) => {
                    watcher = Some((peer, id.token()));
                    pair.respond(node, id, Response::new(Code::CONTENT).observe(0));
                }
                (_, Event::Response { .. }) => notify(&mut pair, watcher, &mut sequence),
                (_, Event::Notification { response, .. }) => {
                    values.push(response.options.observe().expect("a number"));
                }
                (_, Event::Delivered { .. } | Event::Failed { .. }) => {
                    notify(&mut pair, watcher, &mut sequence);
                }
                other => panic!("unexpected {other:?}"),
            }
        }
        assert!(values.is_sorted(), "seed {seed}: {values:?}");
    }
}

fn notify(pair: &mut Pair, watcher: Option<(Path, coap::Token)>, sequence: &mut u32) {
    let (peer, token) = watcher.expect("somebody observes");
    *sequence = 50.min(*sequence + 1);
    let state = Response::new(Code::CONTENT).content(ContentFormat::TEXT_PLAIN, "state");
    let sequence = *sequence;
    pair.world.with(pair.device, |device, now: Instant| {
        device.notify(peer, token, sequence, state, true, now);
    });
}
