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

/// What the client has to do next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Ask for a session.
    Open(OpenRequest),
    /// POST to /rd.
    Register(Link),
    /// POST to the location.
    Update(Link, Vec<Vec<u8>>),
    /// DELETE the location.
    Deregister(Link, Vec<Vec<u8>>),
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
    Registered { link: Link, location: Vec<Vec<u8>>, update_at: Instant },
    Updating { link: Link, location: Vec<Vec<u8>>, id: Option<RequestId> },
    Deregistering { link: Link, id: Option<RequestId> },
    Ended,
}

/// MAX_TRANSMIT_WAIT (RFC 7252 section 4.8.2): an update that starts this long before the end of the
/// lifetime has either arrived or been given up when it ends.
const MAX_TRANSMIT_WAIT: Duration = Duration::from_secs(93);

#[derive(Debug)]
pub(super) struct Registration {
    state: State,
    /// Plain UDP: there is never a session to open.
    open_link: Option<Link>,
    lifetime: u32,
    failures: u32,
    shortest_retry: Duration,
    longest_retry: Duration,
    next_request: u32,
    /// What follows a deregistration: a pause, or the end.
    pause: Option<Duration>,
    deregister: bool,
}

impl Registration {
    pub(super) fn new(
        open_link: Option<Link>,
        lifetime: u32,
        retry: (Duration, Duration),
        first_request: OpenRequest,
        now: Instant,
    ) -> Self {
        Self {
            state: State::Waiting { until: now, link: open_link },
            open_link,
            lifetime,
            failures: 0,
            shortest_retry: retry.0,
            longest_retry: retry.1,
            next_request: first_request.0,
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

    pub(super) fn has_ended(&self) -> bool {
        self.state == State::Ended
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

    pub(super) fn next_step(&mut self, now: Instant) -> Option<Step> {
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
                let request = self.open_request();
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

    /// A number for a session of our own that no other one has.
    pub(super) fn open_request(&mut self) -> OpenRequest {
        let request = OpenRequest(self.next_request);
        self.next_request = self.next_request.wrapping_add(1);
        request
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

    /// A session came up. Whether it is ours.
    pub(super) fn opened(&mut self, request: OpenRequest, link: Link, now: Instant) -> bool {
        let ours = self.state == State::Opening { request };
        if ours {
            self.state = State::Waiting { until: now, link: Some(link) };
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
        (self.state == State::Opening { request }).then(|| self.wait(None, now, random))
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

    fn awaits(&self, request: RequestId) -> bool {
        match &self.state {
            State::Registering { id, .. } | State::Updating { id, .. } | State::Deregistering { id, .. } => {
                *id == Some(request)
            }
            _ => false,
        }
    }

    /// An answer came. What it leads to, if it is to a request of ours.
    pub(super) fn answered(
        &mut self,
        id: RequestId,
        response: &Response,
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
                self.registered(link, location, now);
                Outcome::Registered
            }
            State::Registering { link, .. } => Outcome::Refused(code, self.wait(Some(link), now, random)),
            State::Updating { link, location, .. } if code == Code::CHANGED => {
                self.registered(link, location, now);
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
        Some((link, Outcome::Silence(self.wait(self.open_link, now, random))))
    }

    /// The server was told another lifetime, or the link shall prove itself: update now.
    pub(super) fn update_now(&mut self, lifetime: u32, now: Instant) {
        self.lifetime = lifetime;
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
            Some(pause) => State::Waiting { until: now + pause, link: self.open_link },
            None => State::Ended,
        }
    }

    fn registered(&mut self, link: Link, location: Vec<Vec<u8>>, now: Instant) {
        self.failures = 0;
        let update_at = update_after(self.lifetime).map_or(Instant::FAR_FUTURE, |wait| now + wait);
        self.state = State::Registered { link, location, update_at };
    }

    fn wait(&mut self, link: Option<Link>, now: Instant, random: &mut Random) -> Duration {
        let doublings = self.failures.min(16);
        self.failures += 1;
        let longest = self.shortest_retry.saturating_mul(1 << doublings).min(self.longest_retry);
        let wait = random.duration(longest / 2, longest);
        self.state = State::Waiting { until: now + wait, link };
        wait
    }
}

/// When to update a registration of this many seconds; 0 never ends.
fn update_after(lifetime: u32) -> Option<Duration> {
    let lifetime = Duration::from_secs(lifetime.into());
    let early = lifetime.checked_sub(MAX_TRANSMIT_WAIT).filter(|early| *early > lifetime / 2);
    (!lifetime.is_zero()).then(|| early.unwrap_or(lifetime / 2))
}
