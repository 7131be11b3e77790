//! What came of operations, for people.

use serde_json::Value as Json;

use crate::api;
use crate::cli::output::{moment, table};

pub fn answered(operation: &api::Operation) -> String {
    let answer = operation.answer.clone().unwrap_or_default();
    match (answer.links, answer.location) {
        (Some(links), _) => links.replace(",<", ",\n<"),
        (None, Some(location)) => format!("created {location}"),
        (None, None) if !answer.values.is_empty() => valued(&answer.values),
        (None, None) => "done".to_owned(),
    }
}

pub fn valued(values: &[api::DeviceValue]) -> String {
    if values.is_empty() {
        return "no values; `updraft device read` reads some".to_owned();
    }
    let rows = values.iter().map(|value| {
        let mut row = vec![value.path.clone(), value.name.clone().unwrap_or_default(), shown(value)];
        row.extend(value.at.as_deref().map(moment));
        row
    });
    let with_time = values.iter().any(|value| value.at.is_some());
    let header: &[&str] =
        if with_time { &["PATH", "NAME", "VALUE", "AT"] } else { &["PATH", "NAME", "VALUE"] };
    table(header, rows)
}

fn shown(value: &api::DeviceValue) -> String {
    match &value.value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

pub fn listed(operations: &[api::Operation]) -> String {
    if operations.is_empty() {
        return "no operations".to_owned();
    }
    let rows = operations.iter().map(|operation| {
        vec![
            operation.id.clone(),
            word(&operation.kind),
            operation.paths.join(" "),
            word(&operation.state),
            moment(&operation.created_at),
            operation.problem.as_ref().map(|problem| problem.detail.clone()).unwrap_or_default(),
        ]
    });
    table(&["ID", "KIND", "PATH", "STATE", "CREATED", "PROBLEM"], rows)
}

fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}
