//! What can be wrong with a handshake, and with a record.

use crate::wire::alert::Description;
use crate::{Dropped, Failures};

/// Why we give a handshake up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// A message cannot be read.
    Malformed,
    /// A message does not belong here.
    UnexpectedMessage,
    /// The peer does not speak 1.2.
    Version,
    /// No suite is wanted by both sides.
    NoCommonSuite,
    /// The peer wants compression.
    Compression,
    /// The peer lacks the extended master secret and policy asks for it.
    NoExtendedMasterSecret,
    /// The server has chosen what was not offered.
    NotOffered,
    /// A first handshake claims to continue another one.
    Renegotiation,
    /// The identity is longer than 128 bytes.
    IdentityLength,
    /// The key is unknown and policy says so openly.
    IdentityRefused,
    /// The key is unknown; on the wire it looks like [`Fault::WrongKey`].
    UnknownIdentity,
    /// The key was not tried; on the wire it looks like [`Fault::WrongKey`].
    TooManyTries,
    /// The peer's Finished cannot be decrypted: it has another key.
    WrongKey,
    /// The peer's Finished can be decrypted and does not fit: somebody has changed messages.
    WrongFinished,
}

impl Fault {
    pub(crate) const fn alert(self) -> Description {
        match self {
            Self::Malformed => Description::DECODE_ERROR,
            Self::UnexpectedMessage => Description::UNEXPECTED_MESSAGE,
            Self::Version => Description::PROTOCOL_VERSION,
            Self::NoCommonSuite | Self::NoExtendedMasterSecret | Self::Renegotiation => {
                Description::HANDSHAKE_FAILURE
            }
            Self::Compression | Self::NotOffered | Self::IdentityLength => Description::ILLEGAL_PARAMETER,
            Self::IdentityRefused => Description::UNKNOWN_PSK_IDENTITY,
            Self::UnknownIdentity | Self::TooManyTries | Self::WrongKey | Self::WrongFinished => {
                Description::DECRYPT_ERROR
            }
        }
    }

    pub(crate) const fn count(self, failures: &mut Failures) {
        let counter = match self {
            Self::Version | Self::NoCommonSuite | Self::Compression | Self::NoExtendedMasterSecret => {
                &mut failures.no_agreement
            }
            Self::IdentityRefused | Self::UnknownIdentity => &mut failures.unknown_identity,
            Self::WrongKey => &mut failures.wrong_key,
            Self::TooManyTries => &mut failures.too_many_tries,
            Self::Malformed
            | Self::UnexpectedMessage
            | Self::NotOffered
            | Self::Renegotiation
            | Self::IdentityLength
            | Self::WrongFinished => &mut failures.misbehaved,
        };
        *counter += 1;
    }
}

/// Why a record is dropped without an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DropCause {
    Malformed,
    Unexpected,
    Stray,
    Unauthentic,
    Replayed,
    Overload,
    Limited,
}

impl DropCause {
    pub(crate) const fn count(self, dropped: &mut Dropped) {
        let counter = match self {
            Self::Malformed => &mut dropped.malformed,
            Self::Unexpected => &mut dropped.unexpected,
            Self::Stray => &mut dropped.stray,
            Self::Unauthentic => &mut dropped.unauthentic,
            Self::Replayed => &mut dropped.replayed,
            Self::Overload => &mut dropped.overload,
            Self::Limited => &mut dropped.limited,
        };
        *counter += 1;
    }
}
