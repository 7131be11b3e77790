//! What a device tells about itself when it is asked to discover.

use alloc::string::String;
use alloc::vec::Vec;

use super::attributes::{Attribute, Attributes};
use crate::format::link::{self, LinkError};
use crate::path::Path;

/// One place of the answer to Discover.
#[derive(Clone, PartialEq, Debug)]
pub struct Discovered {
    /// Where.
    pub path: Path,
    /// How many values a resource has that has several (`dim`).
    pub dimension: Option<u32>,
    /// The version of an object (`ver`), without quotes.
    pub version: Option<String>,
    /// The short server id of an account (`ssid`).
    pub server: Option<u16>,
    /// When the device reports.
    pub attributes: Attributes,
}

impl Discovered {
    /// Reads the links of an answer; `root` is the device's alternate path
    /// ([`ObjectList::root`](crate::server::ObjectList)). Links that name no place and attributes without
    /// sense are left out.
    ///
    /// # Errors
    /// They are no links.
    pub fn read(links: &str, root: &str) -> Result<Vec<Self>, LinkError> {
        let list = link::parse(links.as_bytes())?;
        Ok(list.links.iter().filter_map(|link| Self::of(link, root)).collect())
    }

    fn of(link: &link::Link<'_>, root: &str) -> Option<Self> {
        let target = link.target.strip_prefix(root).unwrap_or(link.target);
        let path = if target.starts_with('/') { target.parse() } else { alloc::format!("/{target}").parse() };
        let number = |name| link.attribute(name).and_then(|value| value.parse().ok());
        let mut attributes = Attributes::new();
        for (name, value) in link.attributes() {
            let told = Attribute::named(name).zip(value.and_then(|value| value.parse().ok()));
            if let Some((attribute, number)) = told {
                attributes = attributes.clone().with(attribute, number).unwrap_or(attributes);
            }
        }
        Some(Self {
            path: path.ok()?,
            dimension: number("dim"),
            version: link.attribute("ver").filter(|version| !version.is_empty()).map(String::from),
            server: number("ssid").and_then(|number| u16::try_from(number).ok()),
            attributes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ets_260_261_dimensions_and_attributes_are_read_quoted_and_not() {
        let links = "</3>;ver=\"1.2\",</3/0>;pmin=10, </3/0/11>;dim=1;pmin=10;pmax=\"320\",\
                     </3/0/11/0>;pmax=100;epmin=1;epmax=20,</3/0/9>;gt=90.5;lt=\"-3\";st=1;odd=x,</dev>";
        let found = Discovered::read(links, "").unwrap();
        let told: Vec<_> = found
            .iter()
            .map(|place| alloc::format!("{} {:?} {}", place.path, place.dimension, place.attributes))
            .collect();
        assert_eq!(
            told,
            [
                "/3 None ",
                "/3/0 None pmin=10",
                "/3/0/11 Some(1) pmin=10&pmax=320",
                "/3/0/11/0 None pmax=100&epmin=1&epmax=20",
                "/3/0/9 None gt=90.5&lt=-3&st=1",
            ]
        );
        assert_eq!(found[0].version.as_deref(), Some("1.2"));
    }

    #[test]
    fn an_alternate_path_is_taken_off() {
        let found = Discovered::read("</lwm2m/3/0/9>,<lwm2m/1>,</lwm2m/1/0>;ssid=7", "/lwm2m").unwrap();
        let paths: Vec<_> = found.iter().map(|place| place.path).collect();
        assert_eq!(paths, [Path::resource(3, 0, 9), Path::instance(1, 0)]);
        assert_eq!(found[1].server, Some(7));
        assert!(Discovered::read("</3", "").is_err());
    }
}
