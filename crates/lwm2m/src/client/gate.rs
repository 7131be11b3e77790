//! A state of object 5 that counts only once its notification was acknowledged, as in LiteOS's client.

use coap::RequestId;

use super::firmware_values::UpdateState;

/// What the server believes, and what it is being told.
#[derive(Debug)]
pub(super) struct Gate {
    enabled: bool,
    /// The state that counts.
    shown: UpdateState,
    /// The state that is announced: the real one, or Updating while the server has to agree to it first.
    announced: UpdateState,
    /// The notification that carries it.
    awaited: Option<RequestId>,
}

/// What follows from a notification's fate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Passage {
    /// The announced state counts now.
    Passed(UpdateState),
    /// The server does not know of it: the update has failed.
    Closed,
}

impl Gate {
    pub(super) const fn new(enabled: bool, state: UpdateState) -> Self {
        Self { enabled, shown: state, announced: state, awaited: None }
    }

    /// What a Read shows; `None`: the real state.
    pub(super) fn shown(&self) -> Option<UpdateState> {
        self.enabled.then_some(self.shown)
    }

    /// What a notification shows; `None`: the real state.
    pub(super) fn announced(&self) -> Option<UpdateState> {
        self.enabled.then_some(self.announced)
    }

    /// The real state is this now; without an observer it counts at once.
    pub(super) fn follow(&mut self, real: UpdateState, observed: bool) {
        if self.announced == UpdateState::Updating && real == UpdateState::Downloaded {
            return;
        }
        self.announced = real;
        if !observed {
            self.shown = real;
            self.awaited = None;
        }
    }

    /// Whether states wait for their acknowledgement at all.
    pub(super) const fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Whether an update waits for it.
    pub(super) fn is_held(&self) -> bool {
        self.announced == UpdateState::Updating
    }

    /// Announces an update that begins once the server has acknowledged it.
    pub(super) fn hold_update(&mut self) {
        self.announced = UpdateState::Updating;
    }

    /// A notification with the announced state is on its way.
    pub(super) fn told(&mut self, id: RequestId) {
        if self.enabled && self.announced != self.shown {
            self.awaited = Some(id);
        }
    }

    pub(super) fn delivered(&mut self, id: RequestId) -> Option<Passage> {
        self.awaited.take_if(|awaited| *awaited == id)?;
        self.shown = self.announced;
        Some(Passage::Passed(self.shown))
    }

    pub(super) fn failed(&mut self, id: RequestId) -> Option<Passage> {
        self.awaited.take_if(|awaited| *awaited == id)?;
        self.announced = UpdateState::Idle;
        self.shown = UpdateState::Idle;
        Some(Passage::Closed)
    }
}
