//! What an endpoint offers, accepts and bounds.

use alloc::vec::Vec;
use core::time::Duration;

use crate::{ConnectionIds, KeyTries, Limits, NetworkLimits, Suite};

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
    /// The connection ids (RFC 9146) that peers are asked to put into their records, by a server and by a client
    /// alike. `None`, as by default, asks for none.
    pub connection_id: Option<ConnectionIds>,
    /// Whether records carry the connection id that the peer asks for. If not, a client does not say that it
    /// could and a server does not answer, so nobody uses any. On by default.
    pub honor_connection_ids: bool,
    /// How long after its key was proved a session can be resumed by its id or by a ticket (RFC 5077); a client
    /// offers to for as long. Zero resumes nothing. By default 24 h. The cookie is asked for all the same, and
    /// the key of the identity must still be the one of then.
    ///
    /// RFC 7627 section 5.3 decides about the extended master secret; sessions of two hellos without it may be
    /// resumed, since fielded modules lack it and what it prevents needs two servers with the same key.
    pub resumption_lifetime: Duration,
    /// Whether a server gives tickets to clients that take them, instead of keeping their sessions in its cache.
    pub issue_tickets: bool,
    /// How many sessions the cache holds that an endpoint has until it is given another one: by default 10,000
    /// of some 250 bytes.
    pub max_resumable_sessions: usize,
    /// What each source may do, see there.
    pub limits: Limits,
    /// Other limits for some networks; the first that fits counts. By default loopback has none.
    pub network_limits: Vec<NetworkLimits>,
    /// How many sources are remembered, the oldest out: by default 16,384 of some 60 bytes.
    pub max_sources: usize,
    /// When wrong keys for an identity slow down further tries.
    pub key_tries: KeyTries,
    /// How many failing identities are remembered, the oldest out: by default 4,096 of some 60 bytes.
    pub max_failing_identities: usize,
    /// How many sessions live at the same time; a new one evicts the one unheard for longest.
    pub max_sessions: usize,
    /// How many handshakes of each role run at the same time. As a server the oldest makes place for a new
    /// one; as a client a further call fails at once. Each holds at most 7 KiB.
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
    /// How often the key behind the cookies changes. A cookie is good for one to two such periods.
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
            connection_id: None,
            honor_connection_ids: true,
            resumption_lifetime: Duration::from_secs(24 * 60 * 60),
            issue_tickets: true,
            max_resumable_sessions: 10_000,
            limits: Limits::default(),
            network_limits: NetworkLimits::LOOPBACK.to_vec(),
            max_sources: 16_384,
            key_tries: KeyTries::default(),
            max_failing_identities: 4_096,
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
