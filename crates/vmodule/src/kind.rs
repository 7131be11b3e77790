//! The modules that can be played, as their makers' servers see them.

use std::fmt;
use std::str::FromStr;

use firmware::{Model, TextError};
use lwm2m::client::quirks::Profile;
use lwm2m::client::{Accounts, Config, Device, StateAfterFailure};
use lwm2m::path::ObjectId;

/// A kind of module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Kind {
    /// Renesas RYZ014, a Sequans Monarch GM01Q: its client stems from Wakaama.
    Ryz014,
    /// Quectel BC35-G: its client is LiteOS's.
    Bc35G,
    /// Quectel BC28, the same in another case.
    Bc28,
    /// Quectel BC95 R2.0.
    Bc95,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Ryz014, Self::Bc35G, Self::Bc28, Self::Bc95];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ryz014 => "ryz014",
            Self::Bc35G => "bc35-g",
            Self::Bc28 => "bc28",
            Self::Bc95 => "bc95",
        }
    }

    /// `/3/0/0`
    pub const fn manufacturer(self) -> &'static str {
        match self {
            Self::Ryz014 => "SEQUANS Communications",
            Self::Bc35G | Self::Bc28 | Self::Bc95 => "Quectel",
        }
    }

    /// `/3/0/1`, which images have to name.
    pub const fn model_text(self) -> &'static str {
        match self {
            Self::Ryz014 => "GM01Q",
            Self::Bc35G => "BC35-G",
            Self::Bc28 => "BC28",
            Self::Bc95 => "BC95",
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
            Self::Bc35G => "BC35GJBR01A03",
            Self::Bc28 => "BC28JAR01A07",
            Self::Bc95 => "BC95GJBR01A07",
        }
    }

    /// What a client of this kind does.
    pub fn configure(self, imei: &Imei, accounts: impl Into<Accounts>) -> Config {
        let mut config = Config::new(&self.endpoint_name(imei), accounts);
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
            Self::Bc35G | Self::Bc28 | Self::Bc95 => {
                let open_socket = config.open_socket;
                Profile::LiteOs.imitate(&mut config, open_socket);
                config.optional_objects.push(APPLICATION_DATA);
                config.radio.bearer = NB_IOT;
            }
        }
        config
    }

    /// The client that it has inside; a RYZ014's stems from Wakaama, with a DTLS of its own.
    pub const fn profile(self) -> Profile {
        match self {
            Self::Ryz014 => Profile::Standard,
            Self::Bc35G | Self::Bc28 | Self::Bc95 => Profile::LiteOs,
        }
    }

    /// The endpoint name, which is also the usual identity of its pre-shared key.
    pub fn endpoint_name(self, imei: &Imei) -> String {
        match self {
            Self::Ryz014 => format!("urn:imei:{imei}"),
            Self::Bc35G | Self::Bc28 | Self::Bc95 => imei.to_string(),
        }
    }
}

/// BinaryAppDataContainer: what the host of such a module says to its platform.
const APPLICATION_DATA: ObjectId = ObjectId(19);
/// `/4/0/0`
const NB_IOT: u8 = 7;

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The name is of no kind that can be played.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("there is no module kind {0:?}; the kinds are: ryz014, bc35-g, bc28, bc95")]
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
