//! Operations on devices, and the values that came of them, as the API shows them.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use utoipa::ToSchema;

use super::Problem;

/// What a device is asked to do.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum OperationKind {
    /// Read an object, an instance, a resource or a resource instance.
    Read,
    /// Write a resource, or those resources of an instance that are named.
    Write,
    /// Execute a resource.
    Execute,
    /// List what is there.
    Discover,
    /// Report changes from now on, also after the device or the server was restarted.
    Observe,
    /// Report them no more.
    CancelObservation,
}

/// Where an operation is.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
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

/// An operation to be queued.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct QueueOperation {
    /// What the device is asked to do.
    pub kind: OperationKind,
    /// Where.
    #[schema(example = "/3/0/15")]
    pub path: String,
    /// What to write, typed by the object model: a text, a number, true or false; base64 for opaque values;
    /// an object with numbers for names for an instance or a resource with several values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "Europe/Berlin")]
    pub value: Option<Json>,
    /// The argument of an execute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argument: Option<String>,
    /// How long it may wait for the device, 1 second to 90 days. A day unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<u64>,
}

/// An operation on a device.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
pub struct Operation {
    /// Names it.
    pub id: String,
    /// The endpoint name of the device.
    pub device: String,
    /// What the device is asked to do.
    pub kind: OperationKind,
    /// Where.
    pub paths: Vec<String>,
    /// The value of a write or the argument of an execute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argument: Option<Json>,
    /// Where it is.
    pub state: OperationState,
    /// What the device answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// Why it ended without success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// When it was queued.
    pub created_at: String,
    /// Until when it may wait.
    pub expires_at: String,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
}

/// What a device answered.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug, Default)]
pub struct Answer {
    /// The values that were read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<DeviceValue>,
    /// The links of a discover, as the device wrote them (RFC 6690).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<String>,
    /// Where a new instance is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
}

/// A value of a device.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Debug)]
pub struct DeviceValue {
    /// Where it is.
    #[schema(example = "/3/0/0")]
    pub path: String,
    /// What the object model calls that place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "Manufacturer")]
    pub name: Option<String>,
    /// Its type: string, integer, unsigned, float, boolean, opaque (base64), time (seconds since 1970) or
    /// objlnk.
    pub kind: String,
    /// The value.
    pub value: Json,
    /// When it was so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}
