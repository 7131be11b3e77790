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
    /// Write a resource, or those resources of an instance that are named; the others stay.
    Write,
    /// Write an instance or a resource, and take away what is not named.
    Replace,
    /// Execute a resource.
    Execute,
    /// Create an instance: at an object, where the device chooses its number, or at its own path.
    Create,
    /// Delete an instance, or one value of a resource (LwM2M 1.2).
    Delete,
    /// List what is there.
    Discover,
    /// Say when the device reports what is observed there.
    WriteAttributes,
    /// Report changes from now on, also after the device or the server was restarted.
    Observe,
    /// Report them no more.
    CancelObservation,
    /// Read several places at once (LwM2M 1.1); what is not there is left out.
    ReadComposite,
    /// Write several places at once, all or nothing (LwM2M 1.1).
    WriteComposite,
    /// Report changes of several places together (LwM2M 1.1), also after the device or the server was
    /// restarted.
    ObserveComposite,
    /// Report them no more; the same paths in the same order.
    CancelComposite,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "/3/0/15")]
    pub path: Option<String>,
    /// The places of a composite read or observation, in place of `path`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// What to write or create, typed by the object model: a text, a number, true or false; base64 for opaque
    /// values; an object with numbers for names for an instance or a resource with several values. For a
    /// composite write, an object with paths for names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "Europe/Berlin")]
    pub value: Option<Json>,
    /// The argument of an execute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argument: Option<String>,
    /// Attributes to write, or of an observation alone (LwM2M 1.2): pmin, pmax, gt, lt, st, epmin, epmax,
    /// edge, con, hqmax. A name without a number takes the attribute away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "pmin=10&pmax=60")]
    pub attributes: Option<String>,
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
    /// The value of a write, the argument of an execute, or attributes.
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
