//! What went wrong, for programs and for people.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A problem (RFC 9457), sent as `application/problem+json`.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Names the kind of problem and never changes, such as `urn:updraft:problem:endpoint-taken`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in a few words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong this time.
    pub detail: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}
