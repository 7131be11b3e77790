//! Paths as the names of SenML and of OMA's JSON write them.

use alloc::format;
use alloc::string::{String, ToString};

use super::Record;
use crate::path::Path;

/// How names are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Naming {
    /// They name values and start at the root; where that cannot be meant, at what was asked for.
    Values,
    /// They name values and start at what was asked for; where that cannot be meant, at the root.
    ValuesBelow,
    /// They name anything and start at the root.
    Places,
}

impl Naming {
    /// The path that a name means in an answer to a request for `base`. It may lie outside of `base`.
    pub(super) fn path(self, base: Path, name: &str) -> Option<Path> {
        let shallowest = if self == Self::Places { 0 } else { 3 };
        let parse = |text: &str| text.parse().ok().filter(|path: &Path| path.depth() >= shallowest);
        if name.starts_with('/') {
            return parse(name);
        }
        let absolute = parse(&format!("/{name}"));
        let relative = match name {
            "" => Some(base).filter(|path| path.depth() >= shallowest),
            name => parse(&(prefix(base) + name)),
        };
        let (first, second) = match self {
            Self::Values | Self::Places => (absolute, relative),
            Self::ValuesBelow => (relative, absolute),
        };
        let fits = |path: &Path| base.contains(*path);
        first.filter(fits).or_else(|| second.filter(fits)).or(first).or(second)
    }
}

/// The deepest place above all of the records' places.
pub(super) fn above_all(records: &[Record]) -> Path {
    let above = |path: Path| Path::from_numbers(&path.numbers()[..path.depth().saturating_sub(1)]);
    let mut places = records.iter().map(|record| above(record.path).unwrap_or(Path::Root));
    let first = places.next().unwrap_or(Path::Root);
    places.fold(first, |common, place| {
        let (one, other) = (common.numbers(), place.numbers());
        let most = common.depth().min(place.depth());
        let depth = (0..most).take_while(|index| one[*index] == other[*index]).count();
        Path::from_numbers(&one[..depth]).unwrap_or(Path::Root)
    })
}

/// The path with a slash at its end, for names to follow.
pub(super) fn prefix(path: Path) -> String {
    match path {
        Path::Root => "/".into(),
        path => format!("{path}/"),
    }
}

/// What follows [`prefix`] in the name of a place below `base`.
pub(super) fn name_below(base: Path, path: Path) -> String {
    let text = path.to_string();
    text.strip_prefix(&prefix(base)).map_or_else(|| text.clone(), String::from)
}

/// The time of all records, if they have one and the same.
pub(super) fn common_time(records: &[Record]) -> Option<f64> {
    let first = records.first()?.time;
    first.filter(|_| records.iter().all(|record| record.time == first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_starts_at_the_root_or_at_what_was_asked_for() {
        let level = Some(Path::resource(3, 0, 9));
        for (base, name) in [
            ("/3/0", "/3/0/9"),
            ("/3/0", "3/0/9"),
            ("/3/0", "9"),
            ("/3", "0/9"),
            ("/", "3/0/9"),
            ("/3/0/9", ""),
            ("/3/0/9", "3/0/9"),
        ] {
            let base = base.parse().unwrap();
            assert_eq!(Naming::Values.path(base, name), level, "{name} at {base}");
            assert_eq!(Naming::ValuesBelow.path(base, name), level, "{name} at {base}");
        }
        let base = Path::object(3);
        assert_eq!(Naming::Values.path(base, "3/1/2"), Some(Path::resource(3, 1, 2)));
        assert_eq!(Naming::ValuesBelow.path(base, "3/1/2"), Some(Path::resource_instance(3, 3, 1, 2)));
        for name in ["", "x", "/3", "3/0/9/1/1", "/3/0/x", "urn:dev:1"] {
            assert_eq!(Naming::Values.path(Path::instance(3, 0), name), None, "{name}");
        }
        assert_eq!(Naming::Places.path(Path::Root, "/3"), Some(Path::object(3)));
        assert_eq!(Naming::Places.path(Path::Root, "/"), Some(Path::Root));
        assert_eq!(Naming::Values.path(Path::instance(3, 0), "/4/0/9"), Some(Path::resource(4, 0, 9)));
    }

    #[test]
    fn records_share_what_lies_above_all_of_them() {
        let above = |paths: &[&str]| {
            let places = paths.iter().map(|path| Record::place(path.parse().unwrap()));
            above_all(&places.collect::<alloc::vec::Vec<_>>()).to_string()
        };
        assert_eq!(above(&["/3/0/9"]), "/3/0");
        assert_eq!(above(&["/3/0/9", "/3/0/6/1"]), "/3/0");
        assert_eq!(above(&["/3/0/6/0", "/3/0/6/1"]), "/3/0/6");
        assert_eq!(above(&["/3/0/6", "/3/1/6"]), "/3");
        assert_eq!(above(&["/3/0/6", "/5/0/6"]), "/");
        assert_eq!(above(&["/3"]), "/");
        assert_eq!(name_below(Path::instance(3, 0), Path::resource_instance(3, 0, 6, 1)), "6/1");
        assert_eq!(name_below(Path::Root, Path::object(3)), "3");
    }
}
