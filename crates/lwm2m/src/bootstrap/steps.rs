//! Sends the steps of a bootstrap and takes their answers.

use alloc::vec::Vec;

use coap::{Code, ContentFormat, Failure as Loss, Request, RequestId, Response};
use machine::Instant;

use super::discovered::Discovered;
use super::event::{Event, Failure, RunId, Step};
use super::plan::Plan;
use super::run::Next;
use super::{Server, Timer};
use crate::format::{self, LINK_FORMAT, LWM2M_CBOR, LWM2M_JSON, LWM2M_TLV, SENML_CBOR, SENML_JSON};

/// What instances are written in: the one that the device prefers first, else in this order.
pub(super) const FORMATS: [u16; 5] = [LWM2M_TLV, SENML_CBOR, SENML_JSON, LWM2M_CBOR, LWM2M_JSON];

/// A step, and where in the plan its content is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Task {
    pub(super) step: Step,
    pub(super) content: Content,
}

/// What is written: places in the plan, so that keys are not copied around.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Content {
    Nothing,
    Security(usize),
    Server(usize),
    Rights(usize),
    More(usize),
}

impl Task {
    pub(super) const fn bare(step: Step) -> Self {
        Self { step, content: Content::Nothing }
    }

    /// Bootstrap requests never carry the device's alternate path (reg_07).
    pub(super) fn request(&self, plan: &Plan, discovered: &Discovered, format: u16, plain: bool) -> Request {
        let path = match self.step {
            Step::Discover => return Request::get("/").accept(ContentFormat(LINK_FORMAT)),
            Step::Delete(path) => return Request::delete(&alloc::format!("{path}")),
            Step::Read(path) => {
                return Request::get(&alloc::format!("{path}")).accept(ContentFormat(format));
            }
            Step::Finish => return Request::post("/bs"),
            Step::Write(path) => path,
        };
        let server = |place: usize| plan.servers.get(place);
        let node = match self.content {
            Content::Nothing => None,
            Content::Security(place) => server(place).map(|server| server.security_node(plain)),
            Content::Server(place) => {
                server(place).map(|server| server.server_node(discovered.version, plain))
            }
            Content::Rights(place) => plan.rights(discovered).get(place).map(|(_, node)| node.clone()),
            Content::More(place) => plan.more.get(place).map(|(_, node)| node.clone()),
        };
        let mut payload = Vec::new();
        if let Some(node) = node
            && format::encode(format, path, &node, &mut payload).is_err()
        {
            payload.clear();
        }
        Request::put(&alloc::format!("{path}")).content(ContentFormat(format), payload)
    }
}

impl Server {
    /// Sends what comes next.
    pub(super) fn next_step(&mut self, id: RunId, now: Instant) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        let Some(request) = run.next_request() else { return };
        self.timers.cancel(run.timer);
        run.timer = self.timers.set(now + self.config.patience, Timer::Patience(id));
        let asked = self.coap.request(run.link, request, now);
        run.asked = Some(asked);
        self.by_request.insert(asked, id);
    }

    /// The run that asked this, which waits for it no more.
    fn take_asked(&mut self, request: RequestId) -> Option<RunId> {
        let id = self.by_request.remove(&request)?;
        self.runs.get_mut(&id)?.asked = None;
        Some(id)
    }

    pub(super) fn handle_answer(&mut self, request: RequestId, response: &Response, now: Instant) {
        if let Some(id) = self.take_asked(request) {
            self.answered(id, response.code, &response.payload, now);
        }
    }

    fn answered(&mut self, id: RunId, code: Code, payload: &[u8], now: Instant) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        let (number, step) = run.step();
        let endpoint = run.endpoint.clone();
        let next = run.answered(code, payload);
        self.events.push_back(Event::Step { run: id, endpoint, number, step, code });
        match next {
            Next::Go => self.next_step(id, now),
            Next::End(result) => self.end(id, result, now),
        }
    }

    pub(super) fn handle_lost(&mut self, request: RequestId, loss: Loss, now: Instant) {
        let Some(id) = self.take_asked(request) else { return };
        match loss {
            Loss::TransferRejected(code) => self.answered(id, code, &[], now),
            // There was an answer, of no use: as good as none that can be read.
            Loss::Malformed | Loss::BodyTooLarge | Loss::BodyChanged => {
                self.answered(id, Code::NOT_IMPLEMENTED, &[], now);
            }
            Loss::PeerGone => self.disconnected(id, now),
            _ => self.gave_up(id, now),
        }
    }

    fn gave_up(&mut self, id: RunId, now: Instant) {
        let Some((number, step)) = self.runs.get(&id).map(|run| run.step()) else { return };
        self.end(id, Err(Failure::NoAnswer { number, step }), now);
    }

    pub(super) fn disconnected(&mut self, id: RunId, now: Instant) {
        let Some((number, step)) = self.runs.get(&id).map(|run| run.step()) else { return };
        self.end(id, Err(Failure::Disconnected { number, step }), now);
    }

    /// The plan or an answer did not come in time (bs_07).
    pub(super) fn lose_patience(&mut self, id: RunId, now: Instant) {
        match self.runs.get(&id) {
            Some(run) if run.waits_for_plan() => self.end(id, Err(Failure::NoPlan), now),
            _ => self.gave_up(id, now),
        }
    }
}
