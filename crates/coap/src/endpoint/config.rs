//! Every parameter and every bound of an endpoint.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::{BlockSize, Options, Token};

/// Parameters and bounds of an [`Endpoint`](crate::Endpoint). The defaults are those of RFC 7252
/// section 4.8 and of a server for many small devices.
#[derive(Clone, Debug)]
pub struct Config {
    /// Shortest time to the first repetition (ACK_TIMEOUT).
    pub ack_timeout: Duration,
    /// Longest time to the first repetition, in percent of `ack_timeout` (ACK_RANDOM_FACTOR).
    pub ack_random_percent: u32,
    /// How often a confirmable message is repeated (MAX_RETRANSMIT).
    pub max_retransmit: u8,
    /// How long a block in the middle of a transfer is repeated, however often that is. Must stay below
    /// the `exchange_lifetime` of the peers: one that has the block already then still knows it as a copy.
    pub block_patience: Duration,
    /// Where the doubling of the time between two repetitions of such a block ends.
    pub longest_block_wait: Duration,
    /// How long the message id of a confirmable message is remembered (EXCHANGE_LIFETIME).
    pub exchange_lifetime: Duration,
    /// How long the message id of a non-confirmable message is remembered (NON_LIFETIME).
    pub non_lifetime: Duration,
    /// How long a confirmable request waits for our answer before it is acknowledged without one. Must
    /// stay below the `ack_timeout` of the peers, or they repeat.
    pub piggyback_window: Duration,
    /// How long our request waits for its response once it is acknowledged (or was not confirmable).
    pub response_timeout: Duration,
    /// How long our tokens are, in bytes: at most 8, which is the only length that proves anything. Zero
    /// imitates clients that have one request at a time and no token.
    pub token_length: usize,
    /// The largest block that we send or ask for.
    pub block_size: BlockSize,
    /// The largest datagram that is read, in bytes; a larger request gets 4.13.
    pub max_datagram_in: usize,
    /// The largest datagram that is sent, in bytes. Blocks shrink until they fit.
    pub max_datagram_out: usize,
    /// The most options in a request; more are answered with 4.02.
    pub max_options: usize,
    /// The most Uri-Path options in a request; more are answered with 4.00.
    pub max_path_segments: usize,
    /// The most Uri-Query options in a request; more are answered with 4.00.
    pub max_query_parts: usize,
    /// The largest body of a request, in bytes, if no [`BodyLimit`] says otherwise; a larger one is
    /// answered with 4.13 and this number in Size1.
    pub max_body: usize,
    /// Other limits for some paths; the first that matches counts.
    pub body_limits: Vec<BodyLimit>,
    /// Paths whose request bodies are not joined: each block is an event of its own, and there is no
    /// limit for the whole body. Exact paths such as `/5/0/0`.
    pub streamed: Vec<String>,
    /// How many bodies of requests may be in the making per peer; the oldest goes first.
    pub max_bodies_per_peer: usize,
    /// How many bodies of requests may be in the making in all; the oldest goes first.
    pub max_bodies: usize,
    /// How many bytes of bodies may be in the making in all; the oldest body goes first.
    pub max_body_bytes: usize,
    /// The largest body of a response that is joined, in bytes.
    pub max_response_body: usize,
    /// How often an upload starts again when the peer says that blocks are missing (4.08).
    pub upload_restarts: u8,
    /// How often a request is made again when the peer is busy (5.03) and says for how long (Max-Age).
    pub busy_retries: u8,
    /// The longest such time that is waited for; if the peer wants more, its answer goes to the owner.
    pub longest_busy_wait: Duration,
    /// How many times the bytes that came from it an address may be sent that has not been proved; `None`
    /// is without bound. An answer that is too large becomes 4.01 with Echo (RFC 9175 section 2.4).
    pub amplification: Option<u8>,
    /// The shortest time between two notifications of a peer on average; what comes faster is neither
    /// taken nor acknowledged, so that a peer which waits for acknowledgements repeats it later.
    pub notification_pause: Duration,
    /// How many notifications of a peer are taken at once all the same.
    pub notification_burst: u32,
    /// How many requests of ours may wait per peer behind the running one.
    pub max_queue: usize,
    /// How many observations of ours a peer may serve.
    pub max_observations: usize,
    /// How many confirmable notifications may wait per peer behind the running one.
    pub max_notifications: usize,
    /// How many answers of ours may wait per peer for their acknowledgement.
    pub max_separate: usize,
    /// How many requests of peers may wait for our answer; further ones are answered with 5.03.
    pub max_unanswered: usize,
    /// How many message ids are remembered per peer; the oldest goes first.
    pub max_remembered_per_peer: usize,
    /// How many message ids are remembered in all; the oldest goes first.
    pub max_remembered: usize,
    /// How many bytes of answers are remembered in all (parts of shared bodies do not count); the oldest
    /// goes first.
    pub max_remembered_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ack_timeout: Duration::from_secs(2),
            ack_random_percent: 150,
            max_retransmit: 4,
            block_patience: Duration::from_secs(200),
            longest_block_wait: Duration::from_secs(16),
            exchange_lifetime: Duration::from_secs(247),
            non_lifetime: Duration::from_secs(145),
            piggyback_window: Duration::from_secs(1),
            response_timeout: Duration::from_secs(120),
            token_length: Token::MAX_LENGTH,
            block_size: BlockSize::LARGEST,
            max_datagram_in: 1_472,
            max_datagram_out: 1_152,
            max_options: 64,
            max_path_segments: 8,
            max_query_parts: 32,
            max_body: 16_384,
            body_limits: Vec::new(),
            streamed: Vec::new(),
            max_bodies_per_peer: 4,
            max_bodies: 10_000,
            max_body_bytes: 16 << 20,
            max_response_body: 65_536,
            upload_restarts: 1,
            busy_retries: 2,
            longest_busy_wait: Duration::from_secs(60),
            amplification: Some(3),
            notification_pause: Duration::from_millis(100),
            notification_burst: 100,
            max_queue: 100,
            max_observations: 64,
            max_notifications: 16,
            max_separate: 16,
            max_unanswered: 65_536,
            max_remembered_per_peer: 256,
            // 300,000 updates in a lifetime of 247 s, at about 200 bytes each.
            max_remembered: 300_000,
            max_remembered_bytes: 32 << 20,
        }
    }
}

impl Config {
    pub(super) fn longest_first_wait(&self) -> Duration {
        self.ack_timeout * self.ack_random_percent / 100
    }

    pub(super) fn body_limit(&self, options: &Options) -> usize {
        let limit = self.body_limits.iter().find(|limit| is_path(options, &limit.path));
        limit.map_or(self.max_body, |limit| limit.bytes)
    }

    pub(super) fn is_streamed(&self, options: &Options) -> bool {
        self.streamed.iter().any(|path| is_path(options, path))
    }
}

/// How large the body of a request for one path may be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BodyLimit {
    /// The exact path, such as `/dp`.
    pub path: String,
    /// The most bytes.
    pub bytes: usize,
}

fn is_path(options: &Options, path: &str) -> bool {
    options.uri_path().eq(path.split('/').filter(|segment| !segment.is_empty()).map(str::as_bytes))
}
