//! The life cycle of a bootstrap (LwM2M Core 1.1 section 6.1), without any transport.
//!
//! ```text
//!           due           session up       2.04               finish
//!  Waiting ─────► Opening ──────────► Asking ─────► Writing ──────────► Resting
//!     ▲              │ failed            │ refused,     │ 247 s of silence,   │ trigger,
//!     └──────────────┴───────────────────┴─ silence ────┴─ session down ◄─────┘ servers unreachable
//! ```

use core::time::Duration;

use coap::{Code, RequestId};
use machine::{Instant, Link, OpenRequest, Random};

use super::registration::OpenRequests;

/// What the client has to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BootstrapStep {
    /// Ask for a session.
    Open(OpenRequest),
    /// GET /bspack
    AskForPack(Link),
    /// POST /bs
    Ask(Link),
}

/// What has become of an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BootstrapOutcome {
    /// The server will write now.
    Begun,
    /// The server refuses; the next attempt comes after this time.
    Refused(Code, Duration),
    /// Nobody answers, or nothing came any more; the next attempt comes after this time.
    Silence(Duration),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Nothing is wanted.
    Resting,
    /// An attempt begins then. On plain UDP the server may begin by itself meanwhile.
    Waiting {
        until: Instant,
    },
    Opening {
        request: OpenRequest,
    },
    Asking {
        link: Link,
        id: Option<RequestId>,
        pack: bool,
    },
    /// The server writes; each of its requests moves the deadline.
    Writing {
        link: Link,
        deadline: Instant,
    },
}

#[derive(Debug)]
pub(super) struct Bootstrap {
    state: State,
    asks_for_pack: bool,
    failures: u32,
    shortest_retry: Duration,
    longest_retry: Duration,
    /// How long the server may be silent while it writes.
    patience: Duration,
    /// The session of the last bootstrap, and when it may be closed: its last answer may get lost.
    lingering: Option<(Link, Instant)>,
}

/// How long the session is kept after the end.
const FAREWELL: Duration = Duration::from_secs(10);

impl Bootstrap {
    pub(super) const fn new(asks_for_pack: bool, retry: (Duration, Duration), patience: Duration) -> Self {
        Self {
            state: State::Resting,
            asks_for_pack,
            failures: 0,
            shortest_retry: retry.0,
            longest_retry: retry.1,
            patience,
            lingering: None,
        }
    }

    /// Whether a bootstrap is wanted or under way.
    pub(super) fn is_wanted(&self) -> bool {
        self.state != State::Resting
    }

    /// Whether one is under way: the servers have to wait.
    pub(super) fn is_under_way(&self) -> bool {
        !matches!(self.state, State::Resting | State::Waiting { .. })
    }

    pub(super) fn start(&mut self, at: Instant) {
        if self.state == State::Resting {
            self.failures = 0;
            self.state = State::Waiting { until: at };
        }
    }

    /// The next attempt begins now.
    pub(super) fn hurry(&mut self, now: Instant) {
        if let State::Waiting { until } = &mut self.state {
            *until = now;
        }
    }

    /// A server was reached after all.
    pub(super) fn rest_if_waiting(&mut self) {
        if matches!(self.state, State::Waiting { .. }) {
            self.state = State::Resting;
        }
    }

    /// There is nobody to ask any more.
    pub(super) fn abandon(&mut self) {
        self.state = State::Resting;
    }

    /// Whether requests on this link are the bootstrap server's.
    pub(super) fn is_server(&self, link: Link) -> bool {
        match self.state {
            State::Asking { link: own, .. } | State::Writing { link: own, .. } => own == link,
            _ => false,
        }
    }

    /// The server of a plain account has begun by itself while it was given time to.
    pub(super) fn begun_by_server(&mut self, link: Link, now: Instant) -> bool {
        let begun = matches!(self.state, State::Waiting { .. });
        if begun {
            self.state = State::Writing { link, deadline: now + self.patience };
        }
        begun
    }

    /// The server has asked for something.
    pub(super) fn heard(&mut self, now: Instant) {
        match &mut self.state {
            State::Writing { deadline, .. } => *deadline = now + self.patience,
            // It began before its answer to our request arrived.
            State::Asking { link, .. } => {
                self.state = State::Writing { link: *link, deadline: now + self.patience }
            }
            _ => {}
        }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        let own = match self.state {
            State::Waiting { until } => Some(until),
            State::Writing { deadline, .. } => Some(deadline),
            State::Asking { id: None, .. } => Some(Instant::ZERO),
            _ => None,
        };
        own.into_iter().chain(self.lingering.map(|(_, until)| until)).min()
    }

    pub(super) fn next_step(&mut self, requests: &mut OpenRequests, now: Instant) -> Option<BootstrapStep> {
        match self.state {
            State::Waiting { until } if until <= now => {
                let request = requests.next();
                self.state = State::Opening { request };
                Some(BootstrapStep::Open(request))
            }
            State::Asking { link, id: None, pack: true } => Some(BootstrapStep::AskForPack(link)),
            State::Asking { link, id: None, pack: false } => Some(BootstrapStep::Ask(link)),
            _ => None,
        }
    }

    pub(super) fn sent(&mut self, request: RequestId) {
        if let State::Asking { id, .. } = &mut self.state {
            *id = Some(request);
        }
    }

    /// A session came up. Whether it is ours.
    pub(super) fn opened(&mut self, request: OpenRequest, link: Link) -> bool {
        let ours = self.state == State::Opening { request };
        if ours {
            self.state = State::Asking { link, id: None, pack: self.asks_for_pack };
        }
        ours
    }

    /// A session did not come up. If it was ours: when the next attempt comes.
    pub(super) fn open_failed(
        &mut self,
        request: OpenRequest,
        now: Instant,
        random: &mut Random,
    ) -> Option<Duration> {
        (self.state == State::Opening { request }).then(|| self.wait(now, random))
    }

    /// A session ended. If it was ours and still needed: when the next attempt comes.
    pub(super) fn closed(&mut self, link: Link, now: Instant, random: &mut Random) -> Option<Duration> {
        self.lingering.take_if(|(last, _)| *last == link);
        self.is_server(link).then(|| self.wait(now, random))
    }

    pub(super) fn awaits(&self, request: RequestId) -> bool {
        matches!(self.state, State::Asking { id: Some(id), .. } if id == request)
    }

    /// The answer to our request.
    pub(super) fn answered(
        &mut self,
        code: Code,
        now: Instant,
        random: &mut Random,
    ) -> Option<BootstrapOutcome> {
        let State::Asking { link, pack, .. } = self.state else { return None };
        if pack {
            // Packs are not read here: whatever the answer, the usual way follows.
            self.state = State::Asking { link, id: None, pack: false };
            return None;
        }
        if code == Code::CHANGED {
            self.state = State::Writing { link, deadline: now + self.patience };
            return Some(BootstrapOutcome::Begun);
        }
        Some(BootstrapOutcome::Refused(code, self.wait(now, random)))
    }

    /// Our request has come to nothing, or the server has stopped writing. The link that is of no use any
    /// more comes with it.
    pub(super) fn unanswered(
        &mut self,
        now: Instant,
        random: &mut Random,
    ) -> Option<(Link, BootstrapOutcome)> {
        let (State::Asking { link, .. } | State::Writing { link, .. }) = self.state else { return None };
        Some((link, BootstrapOutcome::Silence(self.wait(now, random))))
    }

    /// Whether the server has stopped writing.
    pub(super) fn has_stalled(&self, now: Instant) -> bool {
        matches!(self.state, State::Writing { deadline, .. } if deadline <= now)
    }

    /// What was written is in force.
    pub(super) fn finish(&mut self, now: Instant) {
        if let State::Writing { link, .. } | State::Asking { link, .. } = self.state {
            self.lingering = Some((link, now + FAREWELL));
        }
        self.state = State::Resting;
        self.failures = 0;
    }

    /// The session of the last bootstrap, once nobody needs it any more.
    pub(super) fn take_lingering(&mut self, now: Instant) -> Option<Link> {
        self.lingering.take_if(|(_, until)| *until <= now).map(|(link, _)| link)
    }

    fn wait(&mut self, now: Instant, random: &mut Random) -> Duration {
        let longest = self.shortest_retry.saturating_mul(1 << self.failures.min(16)).min(self.longest_retry);
        self.failures += 1;
        let wait = random.duration(longest / 2, longest);
        self.state = State::Waiting { until: now + wait };
        wait
    }
}
