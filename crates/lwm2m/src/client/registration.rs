//! The life cycle of a registration (LwM2M Core 1.0.2 section 5.3), without any transport.
//!
//! ```text
//!             session up           2.01               lifetime nears its end, trigger
//!  Waiting ─► Opening ─► Registering ─► Registered ◄────────────────────► Updating
//!     ▲          │failed     │refused,      │ session down                   │ refused: Registering
//!     └──────────┴───────────┴─silence──────┴────────────────────────────────┘ silence: Waiting
//!                                       Registered ─► Deregistering ─► Ended or Waiting
//! ```

use alloc::vec::Vec;
use core::time::Duration;

use coap::{Code, RequestId, Response};
use machine::{Instant, Link, OpenRequest, Random};

/// Where a registration can be updated: the segments of a path.
pub(super) type Location = Vec<Vec<u8>>;

/// What the client has to do next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Ask for a session.
    Open(OpenRequest),
    /// POST to /rd.
    Register(Link),
    /// POST to the location.
    Update(Link, Location),
    /// DELETE the location.
    Deregister(Link, Location),
}

/// What an answer, or the lack of one, has led to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    Registered,
    Updated,
    Deregistered,
    /// The registration was refused with this code; the next attempt comes after this time.
    Refused(Code, Duration),
    /// The server does not know the registration any more; the client registers at once.
    Forgotten(Code),
    /// Nobody answered; the next attempt comes after this time.
    Silence(Duration),
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum State {
    Waiting { until: Instant, link: Option<Link> },
    Opening { request: OpenRequest },
    Registering { link: Link, id: Option<RequestId> },
    Registered { link: Link, location: Location, update_at: Instant },
    Updating { link: Link, location: Location, id: Option<RequestId> },
    Deregistering { link: Link, id: Option<RequestId> },
    Ended,
}

/// MAX_TRANSMIT_WAIT (RFC 7252 section 4.8.2): an update that starts this long before the end of the
/// lifetime has either arrived or been given up when it ends.
const MAX_TRANSMIT_WAIT: Duration = Duration::from_secs(93);

/// Numbers for sessions that no other one of the same client has.
#[derive(Debug)]
pub(super) struct OpenRequests(pub(super) u32);

impl OpenRequests {
    pub(super) fn next(&mut self) -> OpenRequest {
        let request = OpenRequest(self.0);
        self.0 = self.0.wrapping_add(1);
        request
    }
}

/// When to try again, and when to give up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RetryPlan {
    /// The first wait; it doubles with each attempt.
    pub(super) shortest: Duration,
    /// Where the doubling ends.
    pub(super) longest: Duration,
    /// Attempts in a sequence (`/1/x/17`).
    pub(super) attempts: u32,
    /// Sequences, and the wait between two of them (`/1/x/20`, `/1/x/19`).
    pub(super) sequences: u32,
    pub(super) between_sequences: Option<Duration>,
}

impl RetryPlan {
    /// How long to wait at most after so many failures in a row.
    fn wait(&self, failures: u32) -> Duration {
        let attempts = self.attempts.max(1);
        match self.between_sequences {
            Some(pause) if failures.is_multiple_of(attempts) => pause,
            Some(_) => self.shortest.saturating_mul(1 << ((failures - 1) % attempts).min(16)),
            None => self.shortest.saturating_mul(1 << (failures - 1).min(16)).min(self.longest),
        }
    }
}

#[derive(Debug)]
pub(super) struct Registration {
    state: State,
    plan: RetryPlan,
    failures: u32,
    /// The registration that a session which is taken up again may still have.
    left: Option<Location>,
    /// What follows a deregistration: a pause, or the end.
    pause: Option<Duration>,
    deregister: bool,
}

impl Registration {
    pub(super) fn new(plan: RetryPlan, at: Instant) -> Self {
        Self {
            state: State::Waiting { until: at, link: None },
            plan,
            failures: 0,
            left: None,
            pause: None,
            deregister: false,
        }
    }

    /// The link to the server, if there is one.
    pub(super) fn link(&self) -> Option<Link> {
        match &self.state {
            State::Waiting { link, .. } => *link,
            State::Registering { link, .. }
            | State::Registered { link, .. }
            | State::Updating { link, .. }
            | State::Deregistering { link, .. } => Some(*link),
            State::Opening { .. } | State::Ended => None,
        }
    }

    /// The link to the server while nothing suggests that it is broken.
    pub(super) fn proven_link(&self) -> Option<Link> {
        match &self.state {
            State::Registered { link, .. } => Some(*link),
            _ => None,
        }
    }

    /// The link over which the server may be told something: also while an update is on its way.
    pub(super) fn registered_link(&self) -> Option<Link> {
        match &self.state {
            State::Registered { link, .. } | State::Updating { link, .. } => Some(*link),
            _ => None,
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Whether nothing is under way: no session, no answer that is waited for.
    pub(super) fn is_quiet(&self) -> bool {
        matches!(self.state, State::Waiting { .. } | State::Registered { .. } | State::Ended)
    }

    /// Whether the plan's attempts have all been in vain.
    pub(super) fn is_exhausted(&self) -> bool {
        self.failures >= self.plan.attempts.max(1).saturating_mul(self.plan.sequences.max(1))
    }

    /// When [`Registration::next_step`] has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        match &self.state {
            State::Waiting { until, .. } => Some(*until),
            State::Registered { .. } if self.deregister => Some(Instant::ZERO),
            State::Registered { update_at, .. } if *update_at < Instant::FAR_FUTURE => Some(*update_at),
            _ => None,
        }
    }

    pub(super) fn next_step(&mut self, requests: &mut OpenRequests, now: Instant) -> Option<Step> {
        if self.due()? > now {
            return None;
        }
        match core::mem::replace(&mut self.state, State::Ended) {
            State::Waiting { .. } if self.deregister => {
                self.state = self.after_deregister(now);
                None
            }
            State::Waiting { link: Some(link), .. } => {
                self.state = State::Registering { link, id: None };
                Some(Step::Register(link))
            }
            State::Waiting { link: None, .. } => {
                let request = requests.next();
                self.state = State::Opening { request };
                Some(Step::Open(request))
            }
            State::Registered { link, location, .. } if self.deregister => {
                self.state = State::Deregistering { link, id: None };
                Some(Step::Deregister(link, location))
            }
            State::Registered { link, location, .. } => {
                let step = Step::Update(link, location.clone());
                self.state = State::Updating { link, location, id: None };
                Some(step)
            }
            other => {
                self.state = other;
                None
            }
        }
    }

    /// The request of the last step is on its way.
    pub(super) fn sent(&mut self, request: RequestId) {
        match &mut self.state {
            State::Registering { id, .. } | State::Updating { id, .. } | State::Deregistering { id, .. } => {
                *id = Some(request);
            }
            _ => {}
        }
    }

    pub(super) fn opens(&self, request: OpenRequest) -> bool {
        self.state == State::Opening { request }
    }

    /// A session came up; `resumed` if it goes on with the keys of an earlier one. Whether it is ours.
    pub(super) fn opened(&mut self, request: OpenRequest, link: Link, resumed: bool, now: Instant) -> bool {
        let ours = self.opens(request);
        if ours {
            self.state = match self.left.take() {
                Some(location) if resumed => State::Registered { link, location, update_at: now },
                _ => State::Waiting { until: now, link: Some(link) },
            };
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
        self.opens(request).then(|| self.wait(None, now, random))
    }

    /// A session ended. Whether it was ours; then a new one is opened at once.
    pub(super) fn closed(&mut self, link: Link, now: Instant) -> bool {
        let ours = self.link() == Some(link);
        if ours {
            self.state = match &self.state {
                State::Deregistering { .. } => self.after_deregister(now),
                State::Waiting { until, .. } => State::Waiting { until: *until, link: None },
                _ => State::Waiting { until: now, link: None },
            };
        }
        ours
    }

    /// Leaves the session for a new one, on which the registration may be found again. The old link.
    pub(super) fn renew_session(&mut self, now: Instant) -> Option<Link> {
        let State::Registered { link, location, .. } = &mut self.state else { return None };
        let link = *link;
        self.left = Some(core::mem::take(location));
        self.state = State::Waiting { until: now, link: None };
        Some(link)
    }

    pub(super) fn awaits(&self, request: RequestId) -> bool {
        match &self.state {
            State::Registering { id, .. } | State::Updating { id, .. } | State::Deregistering { id, .. } => {
                *id == Some(request)
            }
            _ => false,
        }
    }

    /// An answer came. What it leads to, if it is to a request of ours; `update_after` is how long the
    /// registration may be left alone.
    pub(super) fn answered(
        &mut self,
        id: RequestId,
        response: &Response,
        update_after: Option<Duration>,
        now: Instant,
        random: &mut Random,
    ) -> Option<Outcome> {
        if !self.awaits(id) {
            return None;
        }
        let code = response.code;
        Some(match core::mem::replace(&mut self.state, State::Ended) {
            State::Registering { link, .. } if code == Code::CREATED => {
                let location = response.options.location_path().map(<[u8]>::to_vec).collect();
                self.registered(link, location, update_after, now);
                Outcome::Registered
            }
            State::Registering { link, .. } => Outcome::Refused(code, self.wait(Some(link), now, random)),
            State::Updating { link, location, .. } if code == Code::CHANGED => {
                self.registered(link, location, update_after, now);
                Outcome::Updated
            }
            State::Updating { link, .. } => {
                self.state = State::Waiting { until: now, link: Some(link) };
                Outcome::Forgotten(code)
            }
            _ => {
                self.state = self.after_deregister(now);
                Outcome::Deregistered
            }
        })
    }

    /// No answer came. What it leads to, if it was to a request of ours.
    pub(super) fn unanswered(
        &mut self,
        id: RequestId,
        now: Instant,
        random: &mut Random,
    ) -> Option<(Link, Outcome)> {
        if !self.awaits(id) {
            return None;
        }
        let link = self.link()?;
        if matches!(self.state, State::Deregistering { .. }) {
            self.state = self.after_deregister(now);
            return Some((link, Outcome::Deregistered));
        }
        // The session may be dead on the other side: only a new handshake can tell.
        Some((link, Outcome::Silence(self.wait(None, now, random))))
    }

    /// The server shall be told something, or the link shall prove itself: update now.
    pub(super) fn update_now(&mut self, now: Instant) {
        if let State::Registered { update_at, .. } = &mut self.state {
            *update_at = now;
        }
    }

    /// Register again at once if the client was waiting for a new attempt.
    pub(super) fn hurry(&mut self, now: Instant) {
        if let State::Waiting { until, .. } = &mut self.state {
            *until = now;
        }
    }

    /// Register anew on the session that is there, as if the server had forgotten us.
    pub(super) fn register_anew(&mut self, now: Instant) {
        if let State::Registered { link, .. } = &self.state {
            self.state = State::Waiting { until: now, link: Some(*link) };
        }
    }

    /// Deregister, and come back after the pause if there is one.
    pub(super) fn deregister(&mut self, pause: Option<Duration>, now: Instant) {
        self.pause = pause;
        self.deregister = true;
        if matches!(self.state, State::Opening { .. } | State::Waiting { .. }) {
            self.state = self.after_deregister(now);
        }
    }

    fn after_deregister(&mut self, now: Instant) -> State {
        self.deregister = false;
        match self.pause.take() {
            Some(pause) => State::Waiting { until: now + pause, link: None },
            None => State::Ended,
        }
    }

    fn registered(&mut self, link: Link, location: Location, update_after: Option<Duration>, now: Instant) {
        self.failures = 0;
        let update_at = update_after.map_or(Instant::FAR_FUTURE, |wait| now + wait);
        self.state = State::Registered { link, location, update_at };
    }

    fn wait(&mut self, link: Option<Link>, now: Instant, random: &mut Random) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let longest = self.plan.wait(self.failures);
        let wait = random.duration(longest / 2, longest);
        self.state = State::Waiting { until: now + wait, link };
        wait
    }
}

/// When to update a registration of this many seconds; 0 never ends.
pub(super) fn update_after(lifetime: u32) -> Option<Duration> {
    let lifetime = Duration::from_secs(lifetime.into());
    let early = lifetime.checked_sub(MAX_TRANSMIT_WAIT).filter(|early| *early > lifetime / 2);
    (!lifetime.is_zero()).then(|| early.unwrap_or(lifetime / 2))
}
