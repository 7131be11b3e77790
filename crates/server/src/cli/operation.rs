//! `updraft device read`, `write`, `execute`, … and what came of them.

use clap::{Args, Subcommand};
use serde_json::Value as Json;

use super::client::{Client, escaped, query};
use super::failure::Failure;
use super::output::{Output, moment, table};
use crate::api::{self, OperationKind};

/// One operation on one device.
#[derive(Subcommand, Debug)]
pub enum Operate {
    /// Read an object, an instance, a resource or a resource instance.
    Read {
        #[command(flatten)]
        target: Target,
    },
    /// Write a resource, or those resources of an instance that are named.
    Write {
        #[command(flatten)]
        target: Target,
        /// The value; {"0": …} for an instance or a resource with several values, base64 for opaque values.
        value: String,
    },
    /// Execute a resource.
    Execute {
        #[command(flatten)]
        target: Target,
        /// The argument, such as 0='a',1.
        argument: Option<String>,
    },
    /// List what is there.
    Discover {
        #[command(flatten)]
        target: Target,
    },
    /// Report changes from now on, also after the device or the server was restarted.
    Observe {
        #[command(flatten)]
        target: Target,
    },
    /// Report them no more.
    CancelObservation {
        #[command(flatten)]
        target: Target,
    },
    /// List the operations on a device: those that wait, and the last ones that have ended.
    Operations {
        /// The endpoint name.
        endpoint: String,
    },
    /// Take an operation back that was not sent yet.
    CancelOperation {
        /// The endpoint name.
        endpoint: String,
        /// The id of the operation.
        id: String,
    },
    /// Show the last values that were seen: read, notified or sent by the device itself.
    Values {
        /// The endpoint name.
        endpoint: String,
    },
}

/// Where, and how long.
#[derive(Args, Debug)]
pub struct Target {
    /// The endpoint name.
    endpoint: String,
    /// Where, such as /3/0/15.
    path: String,
    /// Do not wait for the device; print the id of the operation.
    #[arg(long)]
    queue: bool,
    /// How long it may wait for the device, in seconds; a day unless given.
    #[arg(long, value_name = "SECONDS")]
    expires_in: Option<u64>,
}

impl Operate {
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        let run = |target: &Target, kind, value, argument| target.run(client, output, kind, value, argument);
        match self {
            Self::Read { target } => run(target, OperationKind::Read, None, None),
            Self::Write { target, value } => run(target, OperationKind::Write, Some(json(value)), None),
            Self::Execute { target, argument } => run(target, OperationKind::Execute, None, argument.clone()),
            Self::Discover { target } => run(target, OperationKind::Discover, None, None),
            Self::Observe { target } => run(target, OperationKind::Observe, None, None),
            Self::CancelObservation { target } => run(target, OperationKind::CancelObservation, None, None),
            Self::Operations { endpoint } => {
                let operations: Vec<api::Operation> = client.all(&path(endpoint), &[])?;
                output.value(&operations, || listed(&operations));
                Ok(())
            }
            Self::CancelOperation { endpoint, id } => {
                client.delete(&format!("{}/{}", path(endpoint), escaped(id)))?;
                output.value(&serde_json::json!({"canceled": id}), || format!("canceled {id}"));
                Ok(())
            }
            Self::Values { endpoint } => {
                let address = format!("/api/v1/devices/{}/values", escaped(endpoint));
                let values: Vec<api::DeviceValue> = client.get(&address)?;
                output.value(&values, || valued(&values));
                Ok(())
            }
        }
    }
}

fn path(endpoint: &str) -> String {
    format!("/api/v1/devices/{}/operations", escaped(endpoint))
}

/// What looks like a JSON object is one; everything else is a text, from which the server makes what the
/// object model says.
fn json(text: &str) -> Json {
    let object = text.trim_start().starts_with('{').then(|| serde_json::from_str(text).ok()).flatten();
    object.unwrap_or_else(|| Json::String(text.to_owned()))
}

impl Target {
    fn run(
        &self,
        client: &Client,
        output: &Output,
        kind: OperationKind,
        value: Option<Json>,
        argument: Option<String>,
    ) -> Result<(), Failure> {
        let expires_in_seconds = self.expires_in;
        let path_text = self.path.clone();
        let body = api::QueueOperation { kind, path: path_text, value, argument, expires_in_seconds };
        let operation: api::Operation = client.post(&path(&self.endpoint), &body)?;
        follow(client, output, operation, self.queue)
    }
}

/// Waits for the end of an operation and tells it, or tells its id only.
pub fn follow(
    client: &Client,
    output: &Output,
    mut operation: api::Operation,
    queue: bool,
) -> Result<(), Failure> {
    if queue {
        output.value(&operation, || operation.id.clone());
        return Ok(());
    }
    let address = format!("{}/{}", path(&operation.device), operation.id);
    let mut patience = FIRST_WAIT;
    while operation.finished_at.is_none() {
        operation = client.get(&format!("{address}{}", query(&[("wait_seconds", Some(patience))])))?;
        if operation.finished_at.is_none() && patience == FIRST_WAIT {
            patience = NEXT_WAITS;
            output.aside(&format!(
                "waiting for the device; the operation {} goes on without this command",
                operation.id
            ));
        }
    }
    match operation.problem.take() {
        Some(problem) => Err(Failure::Problem(problem)),
        None => {
            output.value(&operation, || answered(&operation));
            Ok(())
        }
    }
}

/// Whoever waits longer than this is told.
const FIRST_WAIT: &str = "3";
const NEXT_WAITS: &str = "60";

fn answered(operation: &api::Operation) -> String {
    let answer = operation.answer.clone().unwrap_or_default();
    match (answer.links, answer.location) {
        (Some(links), _) => links.replace(",<", ",\n<"),
        (None, Some(location)) => format!("created {location}"),
        (None, None) if !answer.values.is_empty() => valued(&answer.values),
        (None, None) => "done".to_owned(),
    }
}

fn valued(values: &[api::DeviceValue]) -> String {
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

fn listed(operations: &[api::Operation]) -> String {
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
