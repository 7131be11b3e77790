//! SenML packs (RFC 8428) in JSON and CBOR, with the rules of LwM2M Core 1.1 sections 7.4.4 and 7.4.5, and
//! their variant for composite requests (RFC 8790).

mod fields;
mod label;
mod read;
mod write;

#[cfg(test)]
mod tests;

pub(super) use read::{read_cbor, read_json};
pub(super) use write::{Absent, write_cbor, write_json};

/// A pack that breaks the rules of SenML.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("record {record} of the SenML pack {fault}")]
pub struct SenmlError {
    /// Which record, from 0.
    pub record: usize,
    /// What is wrong with it.
    pub fault: SenmlFault,
}

/// What is wrong with a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SenmlFault {
    /// It has two fields with this label.
    #[error("has two fields `{0}`")]
    Repeated(&'static str),
    /// The field with this label does not have its type.
    #[error("has a field `{0}` of another type")]
    WrongType(&'static str),
    /// It has two of `v`, `vs`, `vb`, `vd` and `vlo`.
    #[error("has two values")]
    TwoValues,
    /// It has a name but neither a value nor a sum.
    #[error("has no value")]
    NoValue,
    /// It has a field that must be understood and is not (its label ends with an underscore).
    #[error("has a field that must be understood")]
    MustUnderstand,
    /// The pack has a version after 10 (RFC 8428 section 4.4).
    #[error("has an unknown version")]
    UnknownVersion,
    /// Its base name and name together are longer than [`LONGEST_NAME`](super::LONGEST_NAME).
    #[error("has a long name")]
    LongName,
    /// Its base name and name together are no path of a value.
    #[error("has a name that is no path of a value")]
    NotAPath,
    /// Its time is not a number.
    #[error("has no time that is a number")]
    NoTime,
    /// There are more than [`MOST_RECORDS`](super::MOST_RECORDS).
    #[error("is one too many")]
    TooMany,
}

/// What a pack is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// Values: every record that has a name has a value.
    Values,
    /// A composite request: a name alone selects, null removes (RFC 8790).
    Etch,
}
