//! One bootstrap of one device: what is to be done, and what an answer means.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use coap::{Code, RequestId};
use machine::{Link, TimerId};

use super::FIRST_FORMAT;
use super::discovered::Discovered;
use super::event::{Failure, Step};
use super::plan::{MOST_SERVERS, Plan};
use super::steps::{Content, FORMATS, Task};
use crate::path::{InstanceId, ObjectId, Path};

/// A bootstrap that is under way.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) endpoint: Arc<str>,
    pub(super) link: Link,
    pub(super) timer: TimerId,
    pub(super) asked: Option<RequestId>,
    /// `None` until the owner has stored it.
    plan: Option<Plan>,
    discovered: Discovered,
    /// What comes next; at most a few hundred tasks, by the bounds of [`Plan`].
    tasks: VecDeque<Task>,
    task: Option<Task>,
    /// Of the task under way, counted from one.
    number: u32,
    format: u16,
    /// Formats that the device refused.
    refused: Vec<u16>,
    /// Only what every version must have is written: the device did not like more.
    plain: bool,
    finishes: u8,
}

/// What to do after an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// The next task, or the same once more.
    Go,
    End(Result<(), Failure>),
}

/// How often Finish is sent when the device finds its accounts inconsistent (ETS 9).
const MOST_FINISHES: u8 = 3;

impl Run {
    pub(super) fn new(endpoint: Arc<str>, link: Link, format: Option<u16>, timer: TimerId) -> Self {
        Self {
            endpoint,
            link,
            timer,
            asked: None,
            plan: None,
            discovered: Discovered::default(),
            tasks: VecDeque::new(),
            task: None,
            number: 0,
            format: format.unwrap_or(FIRST_FORMAT),
            refused: Vec::new(),
            plain: false,
            finishes: 0,
        }
    }

    pub(super) fn waits_for_plan(&self) -> bool {
        self.plan.is_none()
    }

    pub(super) fn is_of(&self, endpoint: &str, link: Link) -> bool {
        *self.endpoint == *endpoint && self.link == link
    }

    /// Whether it was waited for.
    pub(super) fn take_plan(&mut self, mut plan: Plan) -> bool {
        if self.plan.is_some() {
            return false;
        }
        plan.servers.truncate(MOST_SERVERS);
        self.plan = Some(plan);
        self.tasks.push_back(Task::bare(Step::Discover));
        true
    }

    /// The task under way: its number and step.
    pub(super) fn step(&self) -> (u32, Step) {
        (self.number, self.task.map_or(Step::Discover, |task| task.step))
    }

    /// The next task as a request.
    pub(super) fn next_request(&mut self) -> Option<coap::Request> {
        let task = self.tasks.pop_front()?;
        self.task = Some(task);
        self.number += 1;
        if task.step == Step::Finish {
            self.finishes += 1;
        }
        Some(task.request(self.plan.as_ref()?, &self.discovered, self.format, self.plain))
    }

    /// What an answer to the task under way means.
    pub(super) fn answered(&mut self, code: Code, payload: &[u8]) -> Next {
        let Some(task) = self.task.take() else { return Next::Go };
        match task.step {
            Step::Discover => {
                // Some clients cannot do it (PEERS 18): then we write without knowing what is there.
                let discovered = Discovered::parse(payload).filter(|_| code.is_success());
                self.discovered = discovered.unwrap_or_default();
                self.lay_out();
                Next::Go
            }
            Step::Delete(_) | Step::Read(_) => Next::Go,
            Step::Write(_) if code.is_success() => Next::Go,
            Step::Write(_) => self.write_refused(task, code),
            Step::Finish if code.is_success() => Next::End(Ok(())),
            Step::Finish if code == Code::NOT_ACCEPTABLE && self.finishes < MOST_FINISHES => {
                self.plain = true;
                self.lay_out();
                Next::Go
            }
            Step::Finish if code == Code::NOT_ACCEPTABLE => {
                Next::End(Err(Failure::Inconsistent(self.finishes)))
            }
            Step::Finish => self.refused(task, code),
        }
    }

    fn refused(&self, task: Task, code: Code) -> Next {
        Next::End(Err(Failure::Refused { number: self.number, step: task.step, code }))
    }

    fn write_refused(&mut self, task: Task, code: Code) -> Next {
        let about_format = code == Code::UNSUPPORTED_CONTENT_FORMAT || code == Code::NOT_ACCEPTABLE;
        if about_format {
            self.refused.push(self.format);
            let next = FORMATS.into_iter().find(|format| !self.refused.contains(format));
            if let Some(format) = next {
                self.format = format;
                self.tasks.push_front(task);
                return Next::Go;
            }
        }
        match task.content {
            // A device may do without object 2, and without what is nice to have.
            Content::Rights(_) | Content::More(_) => Next::Go,
            Content::Security(_) | Content::Server(_) if !self.plain && !about_format => {
                self.plain = true;
                self.tasks.push_front(task);
                Next::Go
            }
            _ => self.refused(task, code),
        }
    }

    /// All that follows Discover, or that repairs what the device finds inconsistent.
    fn lay_out(&mut self) {
        let Some(plan) = &self.plan else { return };
        self.tasks.clear();
        let deletes = self.discovered.to_delete().into_iter().map(|path| Task::bare(Step::Delete(path)));
        self.tasks.extend(deletes);
        for (place, instance) in (0..plan.servers.len()).zip(self.discovered.free_security()) {
            let path = Path::Instance(crate::object::SECURITY, instance);
            self.tasks.push_back(Task { step: Step::Write(path), content: Content::Security(place) });
        }
        for place in 0..plan.servers.len() {
            let path = Path::Instance(ObjectId(1), InstanceId(place as u16));
            self.tasks.push_back(Task { step: Step::Write(path), content: Content::Server(place) });
        }
        let rights = plan.rights(&self.discovered);
        for (place, (path, _)) in rights.iter().enumerate() {
            self.tasks.push_back(Task { step: Step::Write(*path), content: Content::Rights(place) });
        }
        for (place, (path, _)) in plan.more.iter().enumerate() {
            self.tasks.push_back(Task { step: Step::Write(*path), content: Content::More(place) });
        }
        if plan.read_back {
            self.tasks.push_back(Task::bare(Step::Read(Path::Object(ObjectId(1)))));
        }
        self.tasks.push_back(Task::bare(Step::Finish));
    }
}
