//! Why a payload cannot be read or written.

use super::cbor::CborError;
use super::json::JsonError;
use super::lwm2m_cbor::Lwm2mCborError;
use super::lwm2m_json::Lwm2mJsonError;
use super::senml::SenmlError;
use super::tlv::TlvError;
use crate::path::Path;
use crate::value::Kind;

/// The payload could not be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// No codec here reads this Content-Format.
    #[error("content format {0} is not supported")]
    UnsupportedFormat(u16),
    /// The format carries one value and the path names more, or nothing.
    #[error("the format carries a single value, {0} names more")]
    NotASingleValue(Path),
    /// The text is not a value of the type that the object model says.
    #[error("the text is not a value of type {0:?}")]
    WrongText(Kind),
    /// The value is not of the type that the object model says.
    #[error("the value of {path} is not of type {kind:?}")]
    WrongValue {
        /// Whose value it is.
        path: Path,
        /// The type that it should have.
        kind: Kind,
    },
    /// The payload does not hold what was asked for.
    #[error("the payload does not hold {0}")]
    NotThere(Path),
    /// The payload holds something that was not asked for.
    #[error("the payload holds {path}, which is not part of {asked}")]
    Outside {
        /// What it holds.
        path: Path,
        /// What was asked for.
        asked: Path,
    },
    /// A resource has a value and numbered values too.
    #[error("the payload holds {0} once as one value and once as several")]
    Conflict(Path),
    /// The bytes are not UTF-8.
    #[error("the text is not UTF-8")]
    NotText,
    /// The TLV records are broken.
    #[error(transparent)]
    Tlv(#[from] TlvError),
    /// The text is not JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The bytes are not CBOR.
    #[error(transparent)]
    Cbor(#[from] CborError),
    /// The pack breaks the rules of SenML.
    #[error(transparent)]
    Senml(#[from] SenmlError),
    /// The text breaks the rules of OMA's JSON.
    #[error(transparent)]
    Lwm2mJson(#[from] Lwm2mJsonError),
    /// The item breaks the rules of LwM2M CBOR.
    #[error(transparent)]
    Lwm2mCbor(#[from] Lwm2mCborError),
}

/// The value could not be written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EncodeError {
    /// No codec here writes this Content-Format.
    #[error("content format {0} is not supported")]
    UnsupportedFormat(u16),
    /// The format carries one value.
    #[error("the format carries a single value")]
    NotASingleValue,
    /// The format carries bytes only.
    #[error("only opaque values can be sent as octet stream")]
    NotOpaque,
    /// The value does not have the shape of the path.
    #[error("the value does not have the shape of {0}")]
    WrongShape(Path),
    /// A record is longer than 16,777,215 bytes.
    #[error("the value is too long for TLV")]
    TooLong,
    /// JSON has neither infinities nor NaN.
    #[error("JSON cannot carry the value of {0}, which is not a finite number")]
    NotFinite(Path),
    /// The format carries no record without a value.
    #[error("{0} has no value")]
    NoValue(Path),
    /// The format carries no times.
    #[error("the format cannot carry the time of {0}")]
    NoTimes(Path),
    /// A place comes twice, or both with a value and with places below it.
    #[error("{0} comes twice")]
    Conflict(Path),
}
