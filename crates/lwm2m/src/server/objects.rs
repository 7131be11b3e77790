//! The list of objects that a device registers with.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::oddity::Oddity;
use crate::format::link::{self, LinkError, LinkWriter};
use crate::object;
use crate::path::{InstanceId, ObjectId, Path};

/// What a device has, as it said at its registration or with a later Update.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ObjectList {
    /// Objects and their instances, sorted; an object without instances has `None`. The Security object is
    /// left out, as are numbers that are reserved.
    pub objects: Vec<(ObjectId, Option<InstanceId>)>,
    /// The alternate path in front of all others, such as `/lwm2m`; empty if there is none.
    pub root: String,
    /// The content formats that the device names for its root.
    pub formats: Vec<u16>,
}

impl ObjectList {
    /// Whether the device has this object.
    pub fn contains(&self, object: ObjectId) -> bool {
        self.objects.iter().any(|(listed, _)| *listed == object)
    }

    /// Writes it as a body in link-format that reads the same.
    pub fn to_links(&self) -> String {
        let mut links = LinkWriter::new();
        links.link(prefix_with_slash(&self.root)).attribute("rt", "\"oma.lwm2m\"");
        if !self.formats.is_empty() {
            let numbers: Vec<String> = self.formats.iter().map(ToString::to_string).collect();
            links.attribute("ct", format_args!("\"{}\"", numbers.join(" ")));
        }
        for (object, instance) in &self.objects {
            let path = instance.map_or(Path::Object(*object), |instance| Path::Instance(*object, instance));
            links.link(format_args!("{}{path}", self.root));
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
        let mut objects = Self::default();
        for link in &list.links {
            if link.attribute("rt").is_some_and(|kind| kind.split(' ').any(|kind| kind == "oma.lwm2m")) {
                objects.root = prefix(link.target);
            }
            let formats = link.attributes().filter(|(name, _)| *name == "ct").filter_map(|(_, value)| value);
            let formats =
                formats.flat_map(|value| value.split(' ')).filter_map(|number| number.parse::<u16>().ok());
            objects.formats.extend(formats.take(MOST_FORMATS));
        }
        objects.formats.truncate(MOST_FORMATS);
        let mut odd = false;
        for link in &list.links {
            match objects.place(link.target) {
                Some(Path::Object(object)) => objects.objects.push((object, None)),
                Some(Path::Instance(object, instance)) => objects.objects.push((object, Some(instance))),
                Some(Path::Root) => {}
                _ => odd = true,
            }
        }
        let before = objects.objects.len();
        objects.objects.retain(|(object, _)| *object != object::SECURITY);
        odd |= objects.objects.len() != before;
        objects.objects.sort_unstable();
        let sorted = objects.objects.len();
        objects.objects.dedup();
        odd |= objects.objects.len() != sorted;
        objects.objects.shrink_to_fit();
        if odd {
            oddities.push(Oddity::OddLinks);
        }
        Ok((objects, oddities))
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
    fn reg_08_odd_objects_are_accepted_with_a_note() {
        assert_eq!(objects("</65535>,</3/0>").0, [(3, Some(0))]);
        assert_eq!(objects("</3/0>,</3/0>"), ([(3, Some(0))].into(), [Oddity::OddLinks].into()));
        assert_eq!(objects("</0/0>,</12345/7>").0, [(12_345, Some(7))]);
        assert_eq!(objects("</3/0/1>,</dev/3>,</5/0>").0, [(5, Some(0))]);
        assert_eq!(objects(""), (Vec::new(), Vec::new()));
    }
}
