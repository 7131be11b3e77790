//! The list of objects that a device registers with.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::str::FromStr;

use super::oddity::Oddity;
use crate::format::link::{self, Link, LinkError, LinkWriter};
use crate::model::ObjectVersion;
use crate::object;
use crate::path::{InstanceId, ObjectId, Path};

/// What a device has, as it said at its registration or with a later Update.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ObjectList {
    /// Objects and their instances, sorted; an object without instances has `None`. The Security object is
    /// left out, as are numbers that are reserved.
    pub objects: Box<[(ObjectId, Option<InstanceId>)]>,
    /// The alternate path in front of all others, such as `/lwm2m`; empty if there is none.
    pub root: String,
    /// The content formats that the device names for its root.
    pub formats: Box<[u16]>,
    /// The versions that the device names with `ver`, by object, sorted; the first version is left out.
    pub versions: Box<[(ObjectId, ObjectVersion)]>,
}

impl ObjectList {
    /// Whether the device has this object.
    pub fn contains(&self, object: ObjectId) -> bool {
        self.objects.iter().any(|(listed, _)| *listed == object)
    }

    /// The version of an object; the first one if the device does not name it (LwM2M Core 1.1 section 7.2).
    pub fn version(&self, object: ObjectId) -> ObjectVersion {
        let found = self.versions.binary_search_by_key(&object, |(object, _)| *object);
        found.map_or(ObjectVersion::FIRST, |index| self.versions[index].1)
    }

    /// Writes it as a body in link-format that reads the same.
    pub fn to_links(&self) -> String {
        let mut links = LinkWriter::new();
        links.link(prefix_with_slash(&self.root)).attribute("rt", "\"oma.lwm2m\"");
        if !self.formats.is_empty() {
            let numbers: Vec<String> = self.formats.iter().map(ToString::to_string).collect();
            links.attribute("ct", format_args!("\"{}\"", numbers.join(" ")));
        }
        let mut versions = self.versions.iter().peekable();
        for (object, instance) in &self.objects {
            let path = instance.map_or(Path::Object(*object), |instance| Path::Instance(*object, instance));
            links.link(format_args!("{}{path}", self.root));
            if let Some((_, version)) = versions.next_if(|(versioned, _)| versioned == object) {
                links.attribute("ver", version);
            }
        }
        String::from_utf8(links.into_bytes()).unwrap_or_default()
    }

    /// Reads a body in link-format.
    pub(super) fn parse(body: &[u8]) -> Result<(Self, Vec<Oddity>), LinkError> {
        let list = link::parse(body)?;
        let mut oddities = Vec::new();
        if !list.oddities.is_empty() {
            oddities.push(Oddity::LooseLinkList);
        }
        let mut reading = Reading::default();
        list.links.iter().for_each(|link| reading.take_root(link));
        let mut odd = false;
        for link in &list.links {
            odd |= !reading.take(link);
        }
        let (objects, misplaced) = reading.finish();
        if odd || misplaced {
            oddities.push(Oddity::OddLinks);
        }
        Ok((objects, oddities))
    }
}

/// A list while it is read.
#[derive(Default)]
struct Reading {
    root: String,
    formats: Vec<u16>,
    objects: Vec<(ObjectId, Option<InstanceId>)>,
    versions: Vec<(ObjectId, ObjectVersion)>,
}

impl Reading {
    /// The alternate path and the formats, if this is the link that tells them.
    fn take_root(&mut self, link: &Link<'_>) {
        if link.attribute("rt").is_some_and(|kind| kind.split(' ').any(|kind| kind == "oma.lwm2m")) {
            self.root = prefix(link.target);
        }
        let formats = link.attributes().filter(|(name, _)| *name == "ct").filter_map(|(_, value)| value);
        let formats =
            formats.flat_map(|value| value.split(' ')).filter_map(|number| number.parse::<u16>().ok());
        self.formats.extend(formats.take(MOST_FORMATS - self.formats.len()));
    }

    /// An object or an instance. False if it is neither.
    fn take(&mut self, link: &Link<'_>) -> bool {
        let (object, instance) = match self.place(link.target) {
            Some(Path::Object(object)) => (object, None),
            Some(Path::Instance(object, instance)) => (object, Some(instance)),
            place => return place == Some(Path::Root),
        };
        self.objects.push((object, instance));
        // It belongs to the object, but some clients write it at an instance.
        if let Some(version) = link.attribute("ver").and_then(|version| version.parse().ok()) {
            self.versions.push((object, version));
        }
        true
    }

    /// Sorted and without what has no business there, and whether there was such.
    fn finish(mut self) -> (ObjectList, bool) {
        let before = self.objects.len();
        self.objects.retain(|(object, _)| *object != object::SECURITY);
        self.objects.sort_unstable();
        self.objects.dedup();
        let odd = self.objects.len() != before;
        let counts = |version: &ObjectVersion| *version != ObjectVersion::FIRST;
        self.versions.retain(|(object, version)| *object != object::SECURITY && counts(version));
        self.versions.sort_by_key(|(object, _)| *object);
        self.versions.dedup_by_key(|(object, _)| *object);
        let list = ObjectList {
            objects: self.objects.into(),
            root: self.root,
            formats: self.formats.into(),
            versions: self.versions.into(),
        };
        (list, odd)
    }

    /// The path of a target without the alternate root.
    fn place(&self, target: &str) -> Option<Path> {
        let target = target.trim_matches('/');
        let below = target.strip_prefix(self.root.trim_matches('/'));
        let below = below.filter(|below| self.root.is_empty() || below.is_empty() || below.starts_with('/'));
        let target = below.unwrap_or(target);
        if target.is_empty() {
            return Some(Path::Root);
        }
        let mut numbers = [0; 2];
        let mut depth = 0;
        for part in target.trim_matches('/').split('/') {
            *numbers.get_mut(depth)? = part.parse().ok().filter(|number| *number != u16::MAX)?;
            depth += 1;
        }
        Path::from_numbers(&numbers[..depth])
    }
}

impl FromStr for ObjectList {
    type Err = LinkError;

    fn from_str(links: &str) -> Result<Self, LinkError> {
        Self::parse(links.as_bytes()).map(|(objects, _)| objects)
    }
}

/// Content formats that are kept of one registration.
const MOST_FORMATS: usize = 8;

/// `/` and the empty target are no prefix; some clients leave out the slash in front.
fn prefix(target: &str) -> String {
    match target.trim_matches('/') {
        "" => String::new(),
        target => alloc::format!("/{target}"),
    }
}

fn prefix_with_slash(root: &str) -> &str {
    if root.is_empty() { "/" } else { root }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(text: &str) -> (Vec<(u16, Option<u16>)>, Vec<Oddity>) {
        let (list, oddities) = ObjectList::parse(text.as_bytes()).unwrap();
        (
            list.objects.iter().map(|(object, instance)| (object.0, instance.map(|id| id.0))).collect(),
            oddities,
        )
    }

    #[test]
    fn reg_07_links_of_all_kinds() {
        let text = "</>;rt=\"oma.lwm2m\";ct=\"110 112\",</1>;ver=1.1,</1/0>,</3/0>;x=y,</5/0>";
        let (list, oddities) = ObjectList::parse(text.as_bytes()).unwrap();
        assert_eq!(oddities, []);
        assert_eq!((list.root.as_str(), &list.formats[..]), ("", &[110, 112][..]));
        assert!(list.contains(object::FIRMWARE));
        assert_eq!(objects(text).0, [(1, None), (1, Some(0)), (3, Some(0)), (5, Some(0))]);
    }

    #[test]
    fn an_alternate_root_is_taken_off_the_paths() {
        let text = "</lwm2m>;rt=oma.lwm2m;ct=11543,</lwm2m/3/0>,</lwm2m/5/0>";
        let (list, oddities) = ObjectList::parse(text.as_bytes()).unwrap();
        assert_eq!((list.root.as_str(), oddities), ("/lwm2m", Vec::new()));
        assert_eq!(
            ObjectList::parse(b"<lwm2m>;rt=oma.lwm2m;ct=11543,<lwm2m/3/0>,<lwm2m/5/0>").unwrap().0,
            list
        );
        let links = list.to_links();
        assert_eq!(links, "</lwm2m>;rt=\"oma.lwm2m\";ct=\"11543\",</lwm2m/3/0>,</lwm2m/5/0>");
        assert_eq!(ObjectList::parse(links.as_bytes()).unwrap(), (list, Vec::new()));
        assert_eq!(objects(text).0, [(3, Some(0)), (5, Some(0))]);
    }

    #[test]
    fn reg_07_versions_of_objects_are_kept() {
        let text =
            "</>;rt=\"oma.lwm2m\";ct=112,</1>;ver=1.1,</1/0>,</5/0>;ver=\"1.2\",</3303>;ver=x,</0>;ver=9.9";
        let (list, _) = ObjectList::parse(text.as_bytes()).unwrap();
        let version = |object| list.version(ObjectId(object)).to_string();
        assert_eq!([1, 5, 3303, 4].map(version), ["1.1", "1.2", "1.0", "1.0"]);
        let links = list.to_links();
        assert_eq!(links, "</>;rt=\"oma.lwm2m\";ct=\"112\",</1>;ver=1.1,</1/0>,</5/0>;ver=1.2,</3303>");
        assert_eq!(links.parse(), Ok(list));
    }

    #[test]
    fn reg_08_odd_objects_are_accepted_with_a_note() {
        assert_eq!(objects("</65535>,</3/0>").0, [(3, Some(0))]);
        assert_eq!(objects("</3/0>,</3/0>"), ([(3, Some(0))].into(), [Oddity::OddLinks].into()));
        assert_eq!(objects("</0/0>,</12345/7>").0, [(12_345, Some(7))]);
        assert_eq!(objects("</3/0/1>,</dev/3>,</5/0>").0, [(5, Some(0))]);
        assert_eq!(objects(""), (Vec::new(), Vec::new()));
    }
}
