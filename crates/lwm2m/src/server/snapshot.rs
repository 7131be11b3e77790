//! A registration as plain data, so that it survives a restart of the server.
//!
//! ```text
//!  shard: snapshot ──► store ──► restart ──► sessions restored ──► restore
//! ```
//! The bytes are a version, then fields of a tag, a length and a value. A reader skips tags that it does not
//! know, so an older server can read what a newer one wrote.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::str::FromStr;
use core::time::Duration;

use machine::{Link, Path as Way, SessionId, Socket};

use super::oddity::Oddity;
use super::operations::FormatMemory;
use super::parameters::Version;
use crate::path::Path;

/// All that is needed to take up a registration again: [`Server::snapshot`](super::Server::snapshot) gives
/// it, [`Server::restore`](super::Server::restore) takes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RegistrationSnapshot {
    /// The name of the device.
    pub endpoint: String,
    /// The path behind `/rd/`.
    pub location: String,
    /// Where the device is; `None` if its session was down. Numbers of sessions are new after a restart:
    /// the owner puts in that of the restored session, or `None`.
    pub link: Option<Link>,
    /// The identity that its session proved.
    pub identity: Option<Vec<u8>>,
    /// How long it lives without a message; `Duration::MAX` is endless. Stored in seconds.
    pub lifetime: Duration,
    /// What the device speaks.
    pub version: Version,
    /// As the device wrote it.
    pub binding: String,
    /// Whether it listens only for a while after its own messages.
    pub queue_mode: bool,
    /// Its telephone number for SMS.
    pub sms: Option<String>,
    /// What it has, in link-format, with its alternate path and formats.
    pub objects: String,
    /// What was odd about it.
    pub oddities: Vec<Oddity>,
    /// How long ago its last sign of life was when the snapshot was taken. The owner adds the time that has
    /// passed since. Stored in seconds.
    pub silence: Duration,
    /// The observations that are wanted of it.
    pub observations: Vec<ObservationSnapshot>,
    /// What was learnt of its content formats.
    pub formats: FormatMemory,
}

/// An observation that an operation began.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObservationSnapshot {
    /// What is observed: one place, or those of a composite.
    pub paths: Vec<Path>,
    /// Whether the places are observed together.
    pub is_composite: bool,
    /// The attributes of this observation, as a query; empty if there are none.
    pub attributes: String,
    /// What notifications carry, at most 8 bytes; `None` if it has to be begun again.
    pub token: Option<Vec<u8>>,
    /// The content format that was asked for.
    pub format: Option<u16>,
    /// The longest time between two notifications that was written to the device, in seconds.
    pub pmax: Option<u32>,
}

/// The bytes are no snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SnapshotError {
    /// They were written by a version of the codec that is not known here.
    #[error("a stored registration has the unknown version {0}")]
    Version(u8),
    /// They end in the middle of a field.
    #[error("a stored registration is cut off")]
    CutOff,
    /// The field with this tag has no meaning.
    #[error("field {0} of a stored registration is malformed")]
    Field(u8),
    /// The field with this tag is missing.
    #[error("field {0} of a stored registration is missing")]
    Missing(u8),
}

const VERSION: u8 = 1;

/// Tags of fields. They are stored: never use one for anything else.
mod tag {
    pub const ENDPOINT: u8 = 1;
    pub const LOCATION: u8 = 2;
    pub const OPEN_LINK: u8 = 3;
    pub const SESSION: u8 = 4;
    pub const IDENTITY: u8 = 5;
    pub const LIFETIME: u8 = 6;
    pub const LWM2M: u8 = 7;
    pub const BINDING: u8 = 8;
    pub const QUEUE_MODE: u8 = 9;
    pub const SMS: u8 = 10;
    pub const OBJECTS: u8 = 11;
    pub const ODDITIES: u8 = 12;
    pub const SILENCE: u8 = 13;
    pub const OBSERVATION: u8 = 14;
    pub const FORMATS: u8 = 15;
}

/// Stored for a lifetime that does not end.
const ENDLESS_SECONDS: u64 = u64::MAX;

impl RegistrationSnapshot {
    /// What is stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = [VERSION].to_vec();
        let mut put = |tag: u8, value: &[u8]| {
            bytes.push(tag);
            bytes.extend((value.len() as u32).to_be_bytes());
            bytes.extend(value);
        };
        put(tag::ENDPOINT, self.endpoint.as_bytes());
        put(tag::LOCATION, self.location.as_bytes());
        match self.link {
            Some(Link::Open(Way { socket, remote })) => {
                let text = alloc::format!("{} {remote}", socket.0);
                put(tag::OPEN_LINK, text.as_bytes());
            }
            Some(Link::Secured(SessionId(number))) => put(tag::SESSION, &number.to_be_bytes()),
            None => {}
        }
        if let Some(identity) = &self.identity {
            put(tag::IDENTITY, identity);
        }
        let seconds = if self.lifetime == Duration::MAX { ENDLESS_SECONDS } else { self.lifetime.as_secs() };
        put(tag::LIFETIME, &seconds.to_be_bytes());
        put(tag::LWM2M, &[self.version as u8]);
        put(tag::BINDING, self.binding.as_bytes());
        put(tag::QUEUE_MODE, &[self.queue_mode.into()]);
        if let Some(sms) = &self.sms {
            put(tag::SMS, sms.as_bytes());
        }
        put(tag::OBJECTS, self.objects.as_bytes());
        let oddities: Vec<u8> = self.oddities.iter().map(|oddity| oddity.number()).collect();
        put(tag::ODDITIES, &oddities);
        put(tag::SILENCE, &self.silence.as_secs().to_be_bytes());
        for observation in &self.observations {
            put(tag::OBSERVATION, observation.to_text().as_bytes());
        }
        if !self.formats.is_empty() {
            put(tag::FORMATS, alloc::format!("{}", self.formats).as_bytes());
        }
        bytes
    }

    /// Reads what was stored.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let fields = Fields::read(bytes)?;
        let link = match (fields.first(tag::OPEN_LINK), fields.first(tag::SESSION)) {
            (Some(open), _) => Some(open_link(open).ok_or(SnapshotError::Field(tag::OPEN_LINK))?),
            (None, Some(session)) => {
                let number = session.try_into().map_err(|_| SnapshotError::Field(tag::SESSION))?;
                Some(Link::Secured(SessionId(u64::from_be_bytes(number))))
            }
            (None, None) => None,
        };
        let version = match fields.needed(tag::LWM2M)? {
            [0] => Version::V1_0,
            [1] => Version::V1_1,
            [2] => Version::V1_2,
            _ => return Err(SnapshotError::Field(tag::LWM2M)),
        };
        let lifetime = match fields.number(tag::LIFETIME)? {
            ENDLESS_SECONDS => Duration::MAX,
            seconds => Duration::from_secs(seconds),
        };
        let oddities = fields.first(tag::ODDITIES).unwrap_or_default();
        let observations = fields.all(tag::OBSERVATION).map(ObservationSnapshot::read);
        let observations = observations.collect::<Option<_>>();
        Ok(Self {
            endpoint: fields.text(tag::ENDPOINT)?,
            location: fields.text(tag::LOCATION)?,
            link,
            identity: fields.first(tag::IDENTITY).map(ToOwned::to_owned),
            lifetime,
            version,
            binding: fields.text(tag::BINDING)?,
            queue_mode: fields.needed(tag::QUEUE_MODE)? == [1],
            sms: fields.first(tag::SMS).map(|_| fields.text(tag::SMS)).transpose()?,
            objects: fields.text(tag::OBJECTS)?,
            oddities: oddities.iter().filter_map(|number| Oddity::from_number(*number)).collect(),
            silence: Duration::from_secs(fields.number(tag::SILENCE)?),
            observations: observations.ok_or(SnapshotError::Field(tag::OBSERVATION))?,
            // What a newer server has learnt may not be understood; it is learnt again.
            formats: fields.text(tag::FORMATS).ok().and_then(|text| text.parse().ok()).unwrap_or_default(),
        })
    }
}

impl ObservationSnapshot {
    /// Six fields with spaces: `one` or `all`, paths with commas, token in hexadecimal, format, pmax,
    /// attributes; `-` where there is none.
    fn to_text(&self) -> String {
        let mut text = String::from(if self.is_composite { "all" } else { "one" });
        let mut end = String::from(" ");
        for path in &self.paths {
            end += &alloc::format!("{path},");
        }
        text += end.trim_end_matches(',');
        text += " ";
        match &self.token {
            Some(token) => token.iter().for_each(|byte| text += &alloc::format!("{byte:02x}")),
            None => text += "-",
        }
        let number = |number: Option<u32>| number.map_or("-".into(), |number| alloc::format!("{number}"));
        text + &alloc::format!(
            " {} {} {}",
            number(self.format.map(u32::from)),
            number(self.pmax),
            if self.attributes.is_empty() { "-" } else { &self.attributes }
        )
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut fields = core::str::from_utf8(bytes).ok()?.split(' ');
        let is_composite = match fields.next()? {
            "one" => false,
            "all" => true,
            _ => return None,
        };
        let paths: Option<Vec<Path>> = fields.next()?.split(',').map(|path| path.parse().ok()).collect();
        let mut given = || fields.next().map(|text| (text != "-").then_some(text));
        let token = match given()? {
            Some(hexadecimal) => Some(from_hexadecimal(hexadecimal)?),
            None => None,
        };
        let format = given()?.map(str::parse).transpose().ok()?;
        let pmax = given()?.map(str::parse).transpose().ok()?;
        let attributes = given()?.unwrap_or("").into();
        Some(Self { paths: paths?, is_composite, attributes, token, format, pmax })
    }
}

fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits = |pair: &[u8]| u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok();
    text.as_bytes().chunks(2).map(digits).collect()
}

fn open_link(bytes: &[u8]) -> Option<Link> {
    let (socket, remote) = core::str::from_utf8(bytes).ok()?.split_once(' ')?;
    let socket = Socket(socket.parse().ok()?);
    Some(Link::Open(Way { socket, remote: SocketAddr::from_str(remote).ok()? }))
}

/// The fields in their order.
struct Fields<'a>(Box<[(u8, &'a [u8])]>);

impl<'a> Fields<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, SnapshotError> {
        let (version, mut rest) = bytes.split_first().ok_or(SnapshotError::CutOff)?;
        if *version != VERSION {
            return Err(SnapshotError::Version(*version));
        }
        let mut fields = Vec::new();
        while let Some((tag, after)) = rest.split_first() {
            let (length, after) = after.split_first_chunk().ok_or(SnapshotError::CutOff)?;
            let length = u32::from_be_bytes(*length) as usize;
            let (value, after) = after.split_at_checked(length).ok_or(SnapshotError::CutOff)?;
            fields.push((*tag, value));
            rest = after;
        }
        Ok(Self(fields.into()))
    }

    fn all(&self, tag: u8) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |(known, _)| *known == tag).map(|(_, value)| *value)
    }

    fn first(&self, tag: u8) -> Option<&'a [u8]> {
        self.all(tag).next()
    }

    fn needed(&self, tag: u8) -> Result<&'a [u8], SnapshotError> {
        self.first(tag).ok_or(SnapshotError::Missing(tag))
    }

    fn text(&self, tag: u8) -> Result<String, SnapshotError> {
        let text = core::str::from_utf8(self.needed(tag)?).map_err(|_| SnapshotError::Field(tag))?;
        Ok(text.to_owned())
    }

    fn number(&self, tag: u8) -> Result<u64, SnapshotError> {
        let bytes = self.needed(tag)?.try_into().map_err(|_| SnapshotError::Field(tag))?;
        Ok(u64::from_be_bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole() -> RegistrationSnapshot {
        RegistrationSnapshot {
            endpoint: "urn:imei:015770000031766".into(),
            location: "AbCdEfGhIjKl".into(),
            link: Some(Link::Open(Way { socket: Socket(1), remote: "[2001:db8::7]:40001".parse().unwrap() })),
            identity: Some(b"\xFFidentity".to_vec()),
            lifetime: Duration::from_secs(300),
            version: Version::V1_2,
            binding: "UN".into(),
            queue_mode: true,
            sms: Some("+4912345".into()),
            objects: "</lwm2m>;rt=\"oma.lwm2m\",</lwm2m/3/0>".into(),
            oddities: [Oddity::OddLinks, Oddity::NoVersion].into(),
            silence: Duration::from_secs(17),
            observations: [ObservationSnapshot {
                paths: [Path::resource(5, 0, 3), Path::Root].into(),
                is_composite: true,
                attributes: "pmin=1&gt".into(),
                token: Some(b"\0\x01token"[..7].to_vec()),
                format: Some(0),
                pmax: Some(60),
            }]
            .into(),
            formats: "read-many=112-11542".parse().unwrap(),
        }
    }

    #[test]
    fn what_is_stored_is_read_back() {
        let mut snapshot = whole();
        for link in [snapshot.link, Some(Link::Secured(SessionId(1 << 40))), None] {
            snapshot.link = link;
            assert_eq!(RegistrationSnapshot::from_bytes(&snapshot.to_bytes()), Ok(snapshot.clone()));
        }
        snapshot.lifetime = Duration::MAX;
        let observation = &mut snapshot.observations[0];
        (observation.format, observation.pmax, observation.token) = (None, None, None);
        (observation.is_composite, observation.attributes) = (false, String::new());
        (snapshot.identity, snapshot.sms) = (None, None);
        assert_eq!(RegistrationSnapshot::from_bytes(&snapshot.to_bytes()), Ok(snapshot));
    }

    #[test]
    fn fields_of_a_newer_server_are_skipped() {
        let mut bytes = whole().to_bytes();
        bytes.extend([200, 0, 0, 0, 2, 1, 2]);
        assert_eq!(RegistrationSnapshot::from_bytes(&bytes), Ok(whole()));
    }

    #[test]
    fn errors_name_what_is_wrong() {
        assert_eq!(RegistrationSnapshot::from_bytes(&[]), Err(SnapshotError::CutOff));
        assert_eq!(RegistrationSnapshot::from_bytes(&[9]), Err(SnapshotError::Version(9)));
        assert_eq!(RegistrationSnapshot::from_bytes(&[1]), Err(SnapshotError::Missing(tag::LWM2M)));
        let bytes = whole().to_bytes();
        assert_eq!(RegistrationSnapshot::from_bytes(&bytes[..bytes.len() - 1]), Err(SnapshotError::CutOff));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = RegistrationSnapshot::from_bytes(&bytes);
            let _ = RegistrationSnapshot::from_bytes(&[&[VERSION][..], &bytes].concat());
        }
    }
}
