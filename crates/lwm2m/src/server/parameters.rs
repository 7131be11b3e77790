//! The query of Register and Update, read tolerantly (REFERENCE of the names: LwM2M Core 1.1 section 6.2).
//!
//! What fielded clients send with a clear meaning is accepted with an [`Oddity`]; what has no clear meaning is
//! refused with a text that names the parameter.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::oddity::Oddity;

/// The version that a client speaks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Version {
    /// 1.0
    V1_0,
    /// 1.1
    V1_1,
    /// 1.2
    V1_2,
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
        })
    }
}

/// A parameter without a clear meaning.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParameterError {
    /// A part of the query is not UTF-8.
    #[error("the query is not UTF-8")]
    NotText,
    /// `ep` is empty or longer than 255 bytes.
    #[error("ep must have 1 to 255 bytes")]
    Endpoint,
    /// `lt` is not a number of 32 bits.
    #[error("lt must be a number of seconds from 0 to 4294967295")]
    Lifetime,
    /// `lwm2m` is not a version.
    #[error("lwm2m must be a version such as 1.1")]
    Version,
    /// A version that is not served; answered with 4.12, so that the client tries a lower one (PEERS 12).
    #[error("lwm2m must be 1.0, 1.1 or 1.2")]
    VersionNotServed,
    /// `b` has a letter that the version does not know.
    #[error("b names a transport that this version does not have")]
    Binding,
    /// `Q` has a value.
    #[error("Q has no value")]
    Queue,
    /// `sms` has no number.
    #[error("sms needs a number")]
    Sms,
}

/// What a query says; `None` where it says nothing.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Parameters {
    pub(super) endpoint: Option<String>,
    pub(super) lifetime: Option<Duration>,
    pub(super) version: Option<Version>,
    pub(super) binding: Option<String>,
    pub(super) queue_mode: Option<bool>,
    pub(super) sms: Option<String>,
    /// `pid`: the device refers to a list of objects that it does not send (LwM2M Core 1.2).
    pub(super) profile: bool,
    pub(super) oddities: Vec<Oddity>,
}

/// A lifetime that does not end.
pub(super) const ENDLESS: Duration = Duration::MAX;

impl Parameters {
    /// Reads the parts of a query.
    pub(super) fn parse<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Result<Self, ParameterError> {
        let mut parameters = Self::default();
        let mut queue = None;
        for part in parts {
            let part = core::str::from_utf8(part).map_err(|_| ParameterError::NotText)?;
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (part, None),
            };
            match name {
                "ep" => {
                    let value = endpoint(value)?;
                    parameters.keep(|parameters| &mut parameters.endpoint, value);
                }
                "lt" => {
                    let value = parameters.lifetime_of(value)?;
                    parameters.keep(|parameters| &mut parameters.lifetime, value);
                }
                "lwm2m" => {
                    let value = parameters.version_of(value)?;
                    parameters.keep(|parameters| &mut parameters.version, value);
                }
                "b" => {
                    let value = String::from(value.unwrap_or(""));
                    parameters.keep(|parameters| &mut parameters.binding, value);
                }
                "Q" if value.is_some() => return Err(ParameterError::Queue),
                "Q" => queue = Some(true),
                "sms" => {
                    let value = value.filter(|value| !value.is_empty()).ok_or(ParameterError::Sms)?;
                    parameters.keep(|parameters| &mut parameters.sms, value.into());
                }
                "pid" => parameters.profile = true,
                _ => {}
            }
        }
        parameters.queue_mode = queue;
        Ok(parameters)
    }

    /// Checks the binding against the version and finds queue mode in it.
    pub(super) fn check_binding(&mut self, version: Version) -> Result<(), ParameterError> {
        let Some(binding) = &self.binding else { return Ok(()) };
        let letters = if version == Version::V1_0 { "UQS" } else { "UMHTSNQ" };
        if !binding.chars().all(|letter| letters.contains(letter)) {
            return Err(ParameterError::Binding);
        }
        if binding.is_empty() {
            self.note(Oddity::EmptyBinding);
        } else if binding.contains('Q') {
            if version > Version::V1_0 {
                self.note(Oddity::QueueInBinding);
            }
            self.queue_mode = Some(true);
        } else {
            // A binding is told with or without queue mode; telling it without ends queue mode.
            self.queue_mode = Some(self.queue_mode.unwrap_or(false));
        }
        Ok(())
    }

    pub(super) fn note(&mut self, oddity: Oddity) {
        if !self.oddities.contains(&oddity) {
            self.oddities.push(oddity);
        }
    }

    fn keep<T>(&mut self, slot: impl Fn(&mut Self) -> &mut Option<T>, value: T) {
        if slot(self).is_some() {
            self.note(Oddity::Repeated);
        } else {
            *slot(self) = Some(value);
        }
    }

    fn lifetime_of(&mut self, value: Option<&str>) -> Result<Duration, ParameterError> {
        let value = value.filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()));
        let seconds: u32 = value.and_then(|value| value.parse().ok()).ok_or(ParameterError::Lifetime)?;
        if seconds == 0 {
            self.note(Oddity::ZeroLifetime);
            return Ok(ENDLESS);
        }
        Ok(Duration::from_secs(seconds.into()))
    }

    fn version_of(&mut self, value: Option<&str>) -> Result<Version, ParameterError> {
        let mut numbers = value.ok_or(ParameterError::Version)?.trim_matches('"').split('.');
        let mut next = || numbers.next().map(str::parse::<u16>);
        let (Some(Ok(major)), Some(Ok(minor)), patch) = (next(), next(), next()) else {
            return Err(ParameterError::Version);
        };
        match patch {
            Some(Ok(_)) => self.note(Oddity::PatchVersion),
            Some(Err(_)) => return Err(ParameterError::Version),
            None => {}
        }
        match (major, minor) {
            (1, 0) => Ok(Version::V1_0),
            (1, 1) => Ok(Version::V1_1),
            (1, 2) => Ok(Version::V1_2),
            _ => Err(ParameterError::VersionNotServed),
        }
    }
}

fn endpoint(value: Option<&str>) -> Result<String, ParameterError> {
    let value = value.filter(|value| (1..=255).contains(&value.len()));
    value.map(String::from).ok_or(ParameterError::Endpoint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<Parameters, ParameterError> {
        Parameters::parse(query.split('&').map(str::as_bytes))
    }

    fn checked(query: &str) -> Result<Parameters, ParameterError> {
        let mut parameters = parse(query)?;
        parameters.check_binding(parameters.version.unwrap_or(Version::V1_0))?;
        Ok(parameters)
    }

    #[test]
    fn reads_a_registration() {
        let parameters = checked("ep=urn:imei:015770000031766&lt=60&lwm2m=1.1&b=U&Q&sms=+49").unwrap();
        assert_eq!(parameters.endpoint.as_deref(), Some("urn:imei:015770000031766"));
        assert_eq!(parameters.lifetime, Some(Duration::from_secs(60)));
        assert_eq!(parameters.version, Some(Version::V1_1));
        assert_eq!(parameters.queue_mode, Some(true));
        assert_eq!(parameters.sms.as_deref(), Some("+49"));
        assert_eq!(parameters.oddities, []);
    }

    #[test]
    fn reg_04_versions() {
        for (query, expected) in [
            ("lwm2m=1.0", Ok(Some(Version::V1_0))),
            ("lwm2m=1.2", Ok(Some(Version::V1_2))),
            ("lwm2m=1.0.2", Ok(Some(Version::V1_0))),
            ("ep=a", Ok(None)),
            ("lwm2m=9.0", Err(ParameterError::VersionNotServed)),
            ("lwm2m=1.3", Err(ParameterError::VersionNotServed)),
            ("lwm2m=", Err(ParameterError::Version)),
            ("lwm2m", Err(ParameterError::Version)),
            ("lwm2m=1", Err(ParameterError::Version)),
            ("lwm2m=1.x", Err(ParameterError::Version)),
            ("lwm2m=1.0.", Err(ParameterError::Version)),
        ] {
            assert_eq!(parse(query).map(|parameters| parameters.version), expected, "{query}");
        }
    }

    #[test]
    fn reg_06_lifetimes() {
        for query in ["lt=abc", "lt=-1", "lt=+1", "lt=4294967296", "lt=", "lt", "lt=1.5"] {
            assert_eq!(parse(query), Err(ParameterError::Lifetime), "{query}");
        }
        assert_eq!(parse("lt=4294967295").unwrap().lifetime, Some(Duration::from_secs(4_294_967_295)));
        let endless = parse("lt=0").unwrap();
        assert_eq!((endless.lifetime, &endless.oddities[..]), (Some(ENDLESS), &[Oddity::ZeroLifetime][..]));
    }

    #[test]
    fn reg_06b_bindings_queue_mode_and_sms() {
        for (query, error) in [
            ("sms", ParameterError::Sms),
            ("sms=", ParameterError::Sms),
            ("Q=1", ParameterError::Queue),
            ("lwm2m=1.0&b=UT", ParameterError::Binding),
            ("lwm2m=1.1&b=u", ParameterError::Binding),
        ] {
            assert_eq!(checked(query), Err(error), "{query}");
        }
        let queue = |query: &str| checked(query).unwrap().queue_mode;
        assert_eq!(queue("lwm2m=1.0&b=UQ"), Some(true));
        assert_eq!(queue("lwm2m=1.1&b=U"), Some(false));
        assert_eq!(queue("lt=60"), None);
        assert_eq!(checked("lwm2m=1.1&b=UQ").unwrap().oddities, [Oddity::QueueInBinding]);
        assert_eq!(checked("lwm2m=1.1&b=").unwrap().oddities, [Oddity::EmptyBinding]);
    }

    #[test]
    fn reg_20_endpoint_names() {
        let long = "x".repeat(255);
        for name in ["a", long.as_str(), "o'neil", "100%", "<script>", "\0", "\u{202E}abc"] {
            let parameters = Parameters::parse([alloc::format!("ep={name}").as_bytes()].into_iter()).unwrap();
            assert_eq!(parameters.endpoint.as_deref(), Some(name));
        }
        assert_eq!(parse("ep="), Err(ParameterError::Endpoint));
        assert_eq!(parse("ep"), Err(ParameterError::Endpoint));
        let query = alloc::format!("ep={}", "x".repeat(256));
        assert_eq!(parse(&query), Err(ParameterError::Endpoint));
        let not_text = [&b"ep=\xFF"[..]];
        assert_eq!(Parameters::parse(not_text.into_iter()), Err(ParameterError::NotText));
    }

    #[test]
    fn a_repeated_parameter_counts_once() {
        let parameters = parse("lt=60&lt=90&unknown=1").unwrap();
        assert_eq!(parameters.lifetime, Some(Duration::from_secs(60)));
        assert_eq!(parameters.oddities, [Oddity::Repeated]);
    }
}
