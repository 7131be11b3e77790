//! The answer to Discover: what a device has before it is bootstrapped.

use alloc::vec::Vec;

use crate::format::link;
use crate::object;
use crate::path::{InstanceId, ObjectId, Path};
use crate::server::Version;

const SERVER: ObjectId = ObjectId(1);
const ACCESS_CONTROL: ObjectId = ObjectId(2);

/// What was listed; nothing if the device does not answer Discover.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Discovered {
    pub(super) version: Option<Version>,
    /// Whether there was an answer that could be read.
    known: bool,
    /// Instances and whether they name a server (`ssid`).
    instances: Vec<(ObjectId, InstanceId, bool)>,
}

impl Discovered {
    /// Reads `</>;lwm2m=1.1,</0/0>,</0/1>;ssid=101,…`, or the form of 1.0, `lwm2m="1.0",</0/0>,…`.
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let text = core::str::from_utf8(payload).ok()?;
        let (head, links) = text.split_at(text.find('<').unwrap_or(text.len()));
        let list = link::parse(links.as_bytes()).ok()?;
        let mut version = head.trim().strip_prefix("lwm2m=").and_then(version_of);
        let mut instances = Vec::new();
        for link in &list.links {
            if let Some(named) = link.attribute("lwm2m") {
                version = version.or(version_of(named));
            }
            if let Ok(Path::Instance(object, instance)) = link.target.parse() {
                instances.push((object, instance, link.attribute("ssid").is_some()));
            }
        }
        instances.sort_unstable();
        instances.dedup_by_key(|(object, instance, _)| (*object, *instance));
        Some(Self { version, known: true, instances })
    }

    fn of(&self, wanted: ObjectId) -> impl Iterator<Item = (InstanceId, bool)> {
        let instances = self.instances.iter().filter(move |(object, ..)| *object == wanted);
        instances.map(|(_, instance, named)| (*instance, *named))
    }

    /// Instances of object 0 that may be the account of the bootstrap server: it names no server.
    fn own(&self) -> impl Iterator<Item = InstanceId> {
        self.of(object::SECURITY).filter(|(_, named)| !named).map(|(instance, _)| instance)
    }

    /// What is removed: the accounts of other servers and their rights, never our own and never /3/0
    /// (bs_04). Where our own cannot be told apart, object 0 as a whole: the device keeps the account of
    /// the bootstrap server then by itself (LwM2M Core 1.1 section 6.1.7.5).
    pub(super) fn to_delete(&self) -> Vec<Path> {
        let mut paths = Vec::new();
        if self.known && self.own().count() == 1 {
            let others = self.of(object::SECURITY).filter(|(_, named)| *named);
            paths.extend(others.map(|(instance, _)| Path::Instance(object::SECURITY, instance)));
        } else {
            paths.push(Path::Object(object::SECURITY));
        }
        if !self.known {
            paths.push(Path::Object(SERVER));
        }
        for object in [SERVER, ACCESS_CONTROL] {
            paths.extend(self.of(object).map(|(instance, _)| Path::Instance(object, instance)));
        }
        paths
    }

    /// Numbers for new instances of object 0, never that of our own account. If we do not know it they
    /// begin where no client puts it.
    pub(super) fn free_security(&self) -> impl Iterator<Item = InstanceId> {
        const FAR: u16 = 10;
        let start = if self.own().next().is_some() { 0 } else { FAR };
        (start..u16::MAX).map(InstanceId).filter(|instance| self.own().all(|own| own != *instance))
    }

    /// Everything but accounts and rights.
    pub(super) fn others(&self) -> impl Iterator<Item = (ObjectId, InstanceId)> {
        let accounts = [object::SECURITY, SERVER, ACCESS_CONTROL];
        let others = self.instances.iter().filter(move |(object, ..)| !accounts.contains(object));
        others.map(|(object, instance, _)| (*object, *instance))
    }
}

fn version_of(text: &str) -> Option<Version> {
    match text.trim_matches(['"', ',', ' ']) {
        "1.0" => Some(Version::V1_0),
        "1.1" => Some(Version::V1_1),
        "1.2" => Some(Version::V1_2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn paths(text: &str) -> Vec<alloc::string::String> {
        let discovered = Discovered::parse(text.as_bytes()).unwrap();
        discovered.to_delete().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn bs_04_its_own_account_and_the_device_are_never_deleted() {
        let text = "</>;lwm2m=1.1,</0/0>,</0/1>;ssid=101,</1/0>;ssid=101,</3/0>,</5/0>";
        assert_eq!(paths(text), ["/0/1", "/1/0"]);
        let discovered = Discovered::parse(text.as_bytes()).unwrap();
        assert_eq!(discovered.version, Some(Version::V1_1));
        let free: Vec<_> = discovered.free_security().take(2).collect();
        assert_eq!(free, [InstanceId(1), InstanceId(2)]);
        assert_eq!(discovered.others().count(), 2);
    }

    #[test]
    fn bs_04_what_cannot_be_told_apart_is_left_to_the_device() {
        assert_eq!(paths("lwm2m=\"1.0\",</0/0>,</0/1>,</1/0>,</3/0>"), ["/0", "/1/0"]);
        assert_eq!(Discovered::default().to_delete().len(), 2);
        assert_eq!(Discovered::default().free_security().next(), Some(InstanceId(10)));
        let both = Discovered::parse(b"lwm2m=\"1.0\",</0/0>,</0/1>").unwrap();
        assert_eq!(both.version, Some(Version::V1_0));
        assert_eq!(both.free_security().next(), Some(InstanceId(2)));
    }
}
