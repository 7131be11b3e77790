//! The modules that can be played, as their makers' servers see them.

use std::fmt;
use std::str::FromStr;

use firmware::{Model, TextError};
use lwm2m::client::{Config, Device, ServerAccount, StateAfterFailure};

/// A kind of module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Kind {
    /// Renesas RYZ014, a Sequans Monarch GM01Q: its client stems from Wakaama.
    Ryz014,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 1] = [Self::Ryz014];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ryz014 => "ryz014",
        }
    }

    /// `/3/0/0`
    pub const fn manufacturer(self) -> &'static str {
        match self {
            Self::Ryz014 => "SEQUANS Communications",
        }
    }

    /// `/3/0/1`, which images have to name.
    pub const fn model_text(self) -> &'static str {
        match self {
            Self::Ryz014 => "GM01Q",
        }
    }

    /// The model as images name it.
    ///
    /// # Errors
    /// Never for the kinds that exist.
    pub fn model(self) -> Result<Model, TextError> {
        Model::new(self.model_text())
    }

    /// The version that it leaves the factory with.
    pub const fn factory_version(self) -> &'static str {
        match self {
            Self::Ryz014 => "5.4.1.1-57857",
        }
    }

    /// What a client of this kind does.
    pub fn configure(self, imei: &Imei, server: ServerAccount) -> Config {
        let mut config = Config::new(&self.endpoint_name(imei), server);
        config.device = Device {
            manufacturer: self.manufacturer().into(),
            model: self.model_text().into(),
            serial: imei.to_string(),
            ..Device::default()
        };
        match self {
            Self::Ryz014 => {
                config.quirks.formats.single = lwm2m::format::LWM2M_TLV;
                config.firmware.after_failure = StateAfterFailure::Idle;
            }
        }
        config
    }

    /// The endpoint name, which is also the usual identity of its pre-shared key.
    pub fn endpoint_name(self, imei: &Imei) -> String {
        match self {
            Self::Ryz014 => format!("urn:imei:{imei}"),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The name is of no kind that can be played.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("there is no module kind {0:?}; the kinds are: ryz014")]
pub struct UnknownKind(String);

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| UnknownKind(name.into()))
    }
}

/// The International Mobile Equipment Identity of a module: 15 digits (3GPP TS 23.003 section 6.2).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Imei(String);

/// Not 15 digits.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is not an IMEI: it has to be 15 digits")]
pub struct NotAnImei(String);

impl FromStr for Imei {
    type Err = NotAnImei;

    /// The check digit is not checked: the number printed in Renesas's own guide fails it.
    fn from_str(text: &str) -> Result<Self, NotAnImei> {
        let digits = text.len() == 15 && text.bytes().all(|byte| byte.is_ascii_digit());
        if digits { Ok(Self(text.into())) } else { Err(NotAnImei(text.into())) }
    }
}

impl fmt::Display for Imei {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
