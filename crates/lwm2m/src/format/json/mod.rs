//! JSON (RFC 8259) as far as the formats need it: a reader that pulls, and writers of single values.
//!
//! Our own instead of `serde_json`, for what a Send from a stranger needs: the depth is bounded at 16, a
//! repeated member is seen by whoever reads the object, whole numbers of 64 bits stay exact, errors name the
//! byte, nothing is built that the caller does not keep, and the pure crates do without serde.

mod reader;
mod writer;

pub(super) use reader::Reader;
pub use reader::{JsonError, JsonFault};
pub(super) use writer::{print, write_text, write_time, write_value};
