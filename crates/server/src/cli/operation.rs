//! `updraft device read`, `write`, `execute`, … and what came of them.

mod answers;

use clap::{Args, Subcommand};
use serde_json::{Map, Value as Json};

use super::client::{Client, escaped, query};
use super::failure::Failure;
use super::output::Output;
use crate::api::{self, OperationKind, QueueOperation};
use answers::{answered, listed, valued};

/// One operation on one device.
#[derive(Subcommand, Debug)]
pub enum Operate {
    /// Read an object, an instance, a resource or one value of it.
    ///
    /// Example: updraft device read urn:imei:015770000031766 /3/0
    Read {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Write a resource, one value of it, or the named resources of an instance
    ///
    /// The object model says how the value is read. Examples:
    ///   updraft device write ENDPOINT /1/0/1 300
    ///   updraft device write ENDPOINT /1/0 '{"1": 300, "6": true}'
    ///   updraft device write ENDPOINT /5/0/0 aGVsbG8=      (opaque values are base64)
    #[command(verbatim_doc_comment)]
    Write {
        #[command(flatten)]
        place: Place,
        /// The value; {"0": …} for an instance or a resource with several values, base64 for opaque values.
        #[arg(allow_hyphen_values = true)]
        value: String,
        /// Take away what is not named, instead of leaving it as it is.
        #[arg(long)]
        replace: bool,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Execute a resource, such as /3/0/4 to reboot.
    Execute {
        #[command(flatten)]
        place: Place,
        /// The argument, such as 0='a',1.
        argument: Option<String>,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Create an instance: at an object such as /2, or with a number of its own such as /2/1.
    ///
    /// Example: updraft device create ENDPOINT /2 '{"0": 3, "1": 0, "3": 101}'
    Create {
        #[command(flatten)]
        place: Place,
        /// Its resources by their numbers: {"0": …}. Nothing unless given.
        value: Option<String>,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Delete an instance such as /2/1, or one value of a resource (LwM2M 1.2).
    Delete {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// List what is at a place, with the attributes that are set there.
    Discover {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Say when the device reports what is observed at a place.
    ///
    /// pmin and pmax are the shortest and the longest time between two reports in seconds; gt, lt and st are
    /// for numbers. A name alone takes the attribute away.
    ///
    /// Example: updraft device write-attributes ENDPOINT /3/0/9 pmin=10 pmax=3600 st=5 gt
    WriteAttributes {
        #[command(flatten)]
        place: Place,
        /// Such as pmin=10 pmax=60; also epmin, epmax, gt, lt, st, edge, con and hqmax.
        #[arg(required = true)]
        attributes: Vec<String>,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Report changes from now on, also after the device or the server was restarted.
    ///
    /// `updraft device values` shows what was reported last.
    Observe {
        #[command(flatten)]
        place: Place,
        /// Attributes of this observation alone, such as pmin=10 (LwM2M 1.2); for other devices write them
        /// first with write-attributes.
        attributes: Vec<String>,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Report changes of a place no more.
    CancelObservation {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Read several places at once (LwM2M 1.1); what is not there is left out.
    ///
    /// Example: updraft device read-composite ENDPOINT /3/0/0 /3/0/3 /5
    ReadComposite {
        #[command(flatten)]
        places: Places,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Write several places at once, all or nothing (LwM2M 1.1).
    ///
    /// Example: updraft device write-composite ENDPOINT /1/0/1=300 /3/0/15=Europe/Berlin
    WriteComposite {
        /// The endpoint name.
        endpoint: String,
        /// What to write where, such as /1/0/1=300; `=` and nothing takes one value of a resource away.
        #[arg(required = true, value_name = "PATH=VALUE")]
        values: Vec<String>,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Report changes of several places together (LwM2M 1.1), also after a restart.
    ///
    /// Example: updraft device observe-composite ENDPOINT /3/0/9 /4/0/2
    ObserveComposite {
        #[command(flatten)]
        places: Places,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Report several places together no more: the same paths in the same order.
    CancelComposite {
        #[command(flatten)]
        places: Places,
        #[command(flatten)]
        waiting: Waiting,
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
        /// The id of the operation, as `updraft device operations` shows it.
        id: String,
    },
    /// Show the last values that were seen: read, reported or sent by the device itself.
    Values {
        /// The endpoint name.
        endpoint: String,
    },
}

/// Where.
#[derive(Args, Debug)]
pub struct Place {
    /// The endpoint name.
    endpoint: String,
    /// Where: object, instance, resource and value, such as /3/0/15.
    path: String,
}

/// Several places.
#[derive(Args, Debug)]
pub struct Places {
    /// The endpoint name.
    endpoint: String,
    /// Where, such as /3/0/0 /5.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
}

/// How long.
#[derive(Args, Debug)]
pub struct Waiting {
    /// Do not wait for the device; print the id of the operation.
    #[arg(long)]
    queue: bool,
    /// How long it may wait for the device, in seconds; a day unless given.
    #[arg(long, value_name = "SECONDS")]
    expires_in: Option<u64>,
}

impl Operate {
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        match self {
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
            _ => match self.asked()? {
                Some((endpoint, body, waiting)) => ask(client, output, endpoint, body, waiting),
                None => Ok(()),
            },
        }
    }

    /// What is to be queued, on which device.
    fn asked(&self) -> Result<Option<(&str, QueueOperation, &Waiting)>, Failure> {
        use OperationKind as Kind;
        Ok(Some(match self {
            Self::Read { place, waiting } => place.asked(Kind::Read, waiting),
            Self::Write { place, value, replace, waiting } => {
                let kind = if *replace { Kind::Replace } else { Kind::Write };
                let (endpoint, body, waiting) = place.asked(kind, waiting);
                (endpoint, QueueOperation { value: Some(json(value)), ..body }, waiting)
            }
            Self::Execute { place, argument, waiting } => {
                let (endpoint, body, waiting) = place.asked(Kind::Execute, waiting);
                (endpoint, QueueOperation { argument: argument.clone(), ..body }, waiting)
            }
            Self::Create { place, value, waiting } => {
                let (endpoint, body, waiting) = place.asked(Kind::Create, waiting);
                (endpoint, QueueOperation { value: value.as_deref().map(json), ..body }, waiting)
            }
            Self::Delete { place, waiting } => place.asked(Kind::Delete, waiting),
            Self::Discover { place, waiting } => place.asked(Kind::Discover, waiting),
            Self::WriteAttributes { place, attributes, waiting } => {
                let (endpoint, body, waiting) = place.asked(Kind::WriteAttributes, waiting);
                (endpoint, with_attributes(body, attributes), waiting)
            }
            Self::Observe { place, attributes, waiting } => {
                let (endpoint, body, waiting) = place.asked(Kind::Observe, waiting);
                (endpoint, with_attributes(body, attributes), waiting)
            }
            Self::CancelObservation { place, waiting } => place.asked(Kind::CancelObservation, waiting),
            Self::ReadComposite { places, waiting } => places.asked(Kind::ReadComposite, waiting),
            Self::ObserveComposite { places, waiting } => places.asked(Kind::ObserveComposite, waiting),
            Self::CancelComposite { places, waiting } => places.asked(Kind::CancelComposite, waiting),
            Self::WriteComposite { endpoint, values, waiting } => {
                let body =
                    QueueOperation { value: Some(named(values)?), ..body(Kind::WriteComposite, waiting) };
                (endpoint, body, waiting)
            }
            Self::Operations { .. } | Self::CancelOperation { .. } | Self::Values { .. } => return Ok(None),
        }))
    }
}

impl Place {
    fn asked<'a>(
        &'a self,
        kind: OperationKind,
        waiting: &'a Waiting,
    ) -> (&'a str, QueueOperation, &'a Waiting) {
        let body = QueueOperation { path: Some(self.path.clone()), ..body(kind, waiting) };
        (&self.endpoint, body, waiting)
    }
}

impl Places {
    fn asked<'a>(
        &'a self,
        kind: OperationKind,
        waiting: &'a Waiting,
    ) -> (&'a str, QueueOperation, &'a Waiting) {
        let body = QueueOperation { paths: self.paths.clone(), ..body(kind, waiting) };
        (&self.endpoint, body, waiting)
    }
}

fn body(kind: OperationKind, waiting: &Waiting) -> QueueOperation {
    QueueOperation {
        kind,
        path: None,
        paths: Vec::new(),
        value: None,
        argument: None,
        attributes: None,
        expires_in_seconds: waiting.expires_in,
    }
}

fn with_attributes(body: QueueOperation, attributes: &[String]) -> QueueOperation {
    let attributes = (!attributes.is_empty()).then(|| attributes.join("&"));
    QueueOperation { attributes, ..body }
}

/// The values of a composite write, by their paths.
fn named(values: &[String]) -> Result<Json, Failure> {
    let mut named = Map::new();
    for text in values {
        let Some((path, value)) = text.split_once('=') else {
            let wrong = anyhow::anyhow!("{text:?} is no path with a value; give it like /1/0/1=300");
            return Err(Failure::Usage(wrong));
        };
        let value = if value.is_empty() { Json::Null } else { json(value) };
        if named.insert(path.to_owned(), value).is_some() {
            return Err(Failure::Usage(anyhow::anyhow!("{path} is given twice")));
        }
    }
    Ok(Json::Object(named))
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

/// Whoever waits longer than this is told.
const FIRST_WAIT: &str = "3";
const NEXT_WAITS: &str = "60";

/// Queues an operation, and waits for its end unless that is not wanted.
fn ask(
    client: &Client,
    output: &Output,
    endpoint: &str,
    body: QueueOperation,
    waiting: &Waiting,
) -> Result<(), Failure> {
    let operation: api::Operation = client.post(&path(endpoint), &body)?;
    follow(client, output, operation, waiting.queue)
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
