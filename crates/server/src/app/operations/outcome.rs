//! What became of an operation, as it is stored and shown.

use lwm2m::format::{Record, records_of};
use lwm2m::path::Path;
use lwm2m::server::{OperationError, OperationOutput};
use lwm2m::value::Value;
use serde_json::{Value as Json, json};

use super::request::Request;
use super::values::{code, to_json};
use crate::clock::Moment;
use crate::store::operations::Progress;
use crate::store::values::DeviceValue;

/// Where an operation is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OperationState {
    /// It waits for the device, or for others before it.
    Waiting,
    /// It is on its way.
    Running,
    /// The device did it.
    Done,
    /// The device did not do it.
    Failed,
    /// It was sent, and whether the device did it is not known.
    Unknown,
    /// An operator took it back before it was sent.
    Canceled,
    /// The device did not come in time.
    Expired,
}

impl OperationState {
    const ALL: [Self; 7] = [
        Self::Waiting,
        Self::Running,
        Self::Done,
        Self::Failed,
        Self::Unknown,
        Self::Canceled,
        Self::Expired,
    ];

    /// The stable name for storage and interfaces.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
        }
    }

    /// The one with this name.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }
}

impl Progress {
    /// Not ended.
    pub fn open(state: OperationState) -> Self {
        Self { state: state.code().to_owned(), answer: None, problem: None, finished_at: None }
    }

    /// Ended without success.
    pub fn ended(state: OperationState, problem: &str, detail: String, at: Moment) -> Self {
        let problem = Some((problem.to_owned(), detail));
        Self { state: state.code().to_owned(), answer: None, problem, finished_at: Some(at) }
    }

    /// Nobody knows whether the device did it.
    pub fn unknown(request: &Request, at: Moment) -> Self {
        let detail = format!(
            "{request}: it was sent, but no answer was seen; the device may have carried it out or not"
        );
        Self::ended(OperationState::Unknown, "outcome-unknown", detail, at)
    }

    /// The device did not come in time.
    pub fn expired(request: &Request, at: Moment) -> Self {
        let detail = format!("{request}: the device was not there before it expired");
        Self::ended(OperationState::Expired, "expired", detail, at)
    }

    /// What the device said, or why it was not asked.
    pub fn of(request: &Request, result: &Result<OperationOutput, OperationError>, at: Moment) -> Self {
        match result {
            Ok(output) => Self {
                state: OperationState::Done.code().to_owned(),
                answer: Some(answer(request, output).to_string()),
                problem: None,
                finished_at: Some(at),
            },
            Err(error) => {
                let detail = match error {
                    // A composite has no place of its own.
                    OperationError::NotObserved(_) if request.kind.is_composite() => {
                        format!("{request}: these places are not observed together in this order")
                    }
                    _ if request.kind.is_composite() => {
                        format!("{request}: {}", error.to_string().trim_start_matches("/: "))
                    }
                    // These name the place themselves.
                    OperationError::NotRegistered | OperationError::QueueFull => {
                        format!("{request}: {error}")
                    }
                    OperationError::Unreadable { cause, .. } => {
                        format!("{}: {error}: {cause}", request.kind.code())
                    }
                    _ => format!("{}: {error}", request.kind.code()),
                };
                Self::ended(OperationState::Failed, problem(error), detail, at)
            }
        }
    }
}

/// The stable name of a failure.
fn problem(error: &OperationError) -> &'static str {
    match error {
        OperationError::Refused { .. } => "refused-by-device",
        OperationError::NoAnswer(_) => "no-answer",
        OperationError::Unreadable { .. } => "unreadable-answer",
        OperationError::NotRegistered => "not-registered",
        OperationError::QueueFull => "queue-full",
        OperationError::NotObserved(_) => "not-observed",
        OperationError::Invalid { .. } => "refused-by-model",
    }
}

fn answer(request: &Request, output: &OperationOutput) -> Json {
    match output {
        OperationOutput::Value(node) => {
            let path = request.paths.first().copied().unwrap_or(Path::Root);
            json!({"values": recorded(&records_of(path, node).unwrap_or_default())})
        }
        OperationOutput::Links(links) => json!({"links": links}),
        OperationOutput::Records(records) => json!({"values": recorded(records)}),
        OperationOutput::Created(path) => json!({"location": path.map(|path| path.to_string())}),
        OperationOutput::Done => json!({}),
    }
}

fn recorded(records: &[Record]) -> Vec<Json> {
    let told = records.iter().filter_map(|record| Some((record.path, record.value.as_ref()?)));
    let shown = |(path, value): (Path, &Value)| json!({"path": path.to_string(), "kind": code(value.kind()), "value": to_json(value)});
    told.map(shown).collect()
}

/// Longest value that is kept as the last one of its path; longer ones are only in the answer of their
/// operation.
const LONGEST_KEPT: usize = 4_096;

/// The values of records that a device sent at this time, to be kept as the last ones.
pub fn recorded_values(records: &[Record], now: Moment) -> impl Iterator<Item = DeviceValue> {
    const MICROSECONDS: f64 = 1e6;
    let at = move |record: &Record| match record.time {
        Some(_) => Moment((record.seconds(now.0 as f64 / MICROSECONDS) * MICROSECONDS) as i64),
        None => now,
    };
    let values = records.iter().filter_map(move |record| {
        // A clock that is ahead would keep later values out.
        Some(kept(record.path, record.value.as_ref()?, at(record).min(now)))
    });
    values.filter(is_short)
}

fn kept(path: Path, value: &Value, at: Moment) -> DeviceValue {
    DeviceValue {
        path: path.to_string(),
        kind: code(value.kind()).to_owned(),
        value: to_json(value).to_string(),
        at,
    }
}

fn is_short(value: &DeviceValue) -> bool {
    value.value.len() <= LONGEST_KEPT
}
