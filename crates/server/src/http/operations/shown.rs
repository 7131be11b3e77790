//! Operations and values as the API shows them.

use lwm2m::model::ObjectModel;
use lwm2m::path::Path;

use crate::api;
use crate::app::operations::{OperationKind, OperationState};
use crate::store::operations::Operation;
use crate::store::values::DeviceValue;

/// An operation.
pub fn operation(row: Operation, model: &ObjectModel) -> api::Operation {
    let json = |text: &String| serde_json::from_str(text).ok();
    let answer: Option<api::Answer> =
        row.progress.answer.as_deref().and_then(|text| serde_json::from_str(text).ok());
    api::Operation {
        id: row.id.to_string(),
        device: row.endpoint,
        kind: kind(&row.kind),
        paths: row.paths.split(' ').map(str::to_owned).collect(),
        argument: row.argument.as_ref().and_then(json),
        state: state(&row.progress.state),
        answer: answer.map(|mut answer| {
            answer.values.iter_mut().for_each(|value| value.name = name(&value.path, model));
            answer
        }),
        problem: row.progress.problem.map(|(code, detail)| problem(&code, detail)),
        created_at: row.created_at.to_string(),
        expires_at: row.expires_at.to_string(),
        finished_at: row.progress.finished_at.map(|at| at.to_string()),
    }
}

/// A last value.
pub fn value(row: DeviceValue, model: &ObjectModel) -> api::DeviceValue {
    api::DeviceValue {
        name: name(&row.path, model),
        path: row.path,
        kind: row.kind,
        value: serde_json::from_str(&row.value).unwrap_or_default(),
        at: Some(row.at.to_string()),
    }
}

fn name(path: &str, model: &ObjectModel) -> Option<String> {
    let path: Path = path.parse().ok()?;
    model.resource_at(path).map(|definition| definition.name.to_string())
}

fn kind(code: &str) -> api::OperationKind {
    // What is stored was one of these when it was queued.
    match OperationKind::from_code(code).unwrap_or(OperationKind::Read) {
        OperationKind::Read => api::OperationKind::Read,
        OperationKind::Write => api::OperationKind::Write,
        OperationKind::Replace => api::OperationKind::Replace,
        OperationKind::Execute => api::OperationKind::Execute,
        OperationKind::Create => api::OperationKind::Create,
        OperationKind::Delete => api::OperationKind::Delete,
        OperationKind::Discover => api::OperationKind::Discover,
        OperationKind::WriteAttributes => api::OperationKind::WriteAttributes,
        OperationKind::Observe => api::OperationKind::Observe,
        OperationKind::CancelObservation => api::OperationKind::CancelObservation,
        OperationKind::ReadComposite => api::OperationKind::ReadComposite,
        OperationKind::WriteComposite => api::OperationKind::WriteComposite,
        OperationKind::ObserveComposite => api::OperationKind::ObserveComposite,
        OperationKind::CancelComposite => api::OperationKind::CancelComposite,
    }
}

fn state(code: &str) -> api::OperationState {
    match OperationState::from_code(code).unwrap_or(OperationState::Unknown) {
        OperationState::Waiting => api::OperationState::Waiting,
        OperationState::Running => api::OperationState::Running,
        OperationState::Done => api::OperationState::Done,
        OperationState::Failed => api::OperationState::Failed,
        OperationState::Unknown => api::OperationState::Unknown,
        OperationState::Canceled => api::OperationState::Canceled,
        OperationState::Expired => api::OperationState::Expired,
    }
}

/// Why an operation ended without success.
fn problem(code: &str, detail: String) -> api::Problem {
    let (status, title, remedy) = match code {
        "refused-by-device" => {
            (502, "The device refused", "Its answer says why; see the path in the message.")
        }
        "refused-by-model" => {
            (422, "The operation does not fit the object", "Nothing was sent. Change the path or the value.")
        }
        "no-answer" => (504, "The device did not answer", "Try again, or queue it with a longer expiry."),
        "unreadable-answer" => {
            (502, "The answer could not be read", "Read a smaller part, such as one resource.")
        }
        "outcome-unknown" => (
            504,
            "Whether it was done is not known",
            "Read what it would have changed before doing it again.",
        ),
        "expired" => (504, "The device did not come in time", "Queue it again with a longer expiry."),
        "canceled" => (409, "The operation was taken back", ""),
        "not-observed" => {
            (409, "The path is not observed", "`updraft device observe` begins an observation.")
        }
        _ => (502, "The operation failed", ""),
    };
    api::Problem {
        kind: format!("urn:updraft:problem:{code}"),
        title: title.to_owned(),
        status,
        detail,
        remedy: remedy.to_owned(),
    }
}
