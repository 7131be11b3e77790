//! What an endpoint offers, accepts and bounds.

use alloc::vec::Vec;
use core::time::Duration;

use crate::Suite;

/// The settings of an endpoint. The bounds are hard: memory under a flood stays under their sum.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// The suites that are offered and accepted, the most wanted first. A server takes the first of these
    /// that the client offers.
    pub suites: Vec<Suite>,
    /// Whether a peer without the extended master secret (RFC 7627) is refused. Off by default: fielded
    /// modules lack it, and with pre-shared keys it adds little.
    pub require_extended_master_secret: bool,
    /// Whether a client with an unknown identity is told so by the alert `unknown_psk_identity`
    /// (RFC 4279 section 2). Off by default, since the answer lets anybody probe for identities.
    pub reveal_unknown_identities: bool,
    /// How many sessions live at the same time; a new one evicts the one unheard for longest.
    pub max_sessions: usize,
    /// How many handshakes of each role run at the same time. As a server the oldest makes place for a new
    /// one; as a client a further call fails at once. Each holds at most 6 KiB.
    pub max_half_open: usize,
    /// How long a client has to finish its handshake after it has returned its cookie. It covers four
    /// lost flights of a client that starts with the 9 s of RFC 7925 section 11.
    pub handshake_timeout: Duration,
    /// How long a call may take in all.
    pub connect_timeout: Duration,
    /// The first retransmission timeout; each further one is twice as long (RFC 6347 section 4.2.4.1).
    pub first_retransmission: Duration,
    /// The longest retransmission timeout.
    pub longest_retransmission: Duration,
    /// How often the secret behind the cookies changes. A cookie is good for one to two such periods.
    pub cookie_rotation: Duration,
    /// A session that was not heard for this long is forgotten without a word.
    pub idle_limit: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            suites: Suite::ALL.to_vec(),
            require_extended_master_secret: false,
            reveal_unknown_identities: false,
            max_sessions: 1_000_000,
            max_half_open: 2_000,
            handshake_timeout: Duration::from_secs(180),
            connect_timeout: Duration::from_secs(93),
            first_retransmission: Duration::from_secs(1),
            longest_retransmission: Duration::from_secs(60),
            cookie_rotation: Duration::from_secs(60),
            idle_limit: Duration::from_secs(7 * 24 * 60 * 60),
        }
    }
}
