//! JSON with names for its places, and changes that leave the rest of a text as it is.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::app::text::is_line;

/// What is wrong, and where: `devices[0].manufacturerName`.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Not JSON at all.
    #[error("this is no JSON: {0}")]
    Syntax(serde_json::Error),
    /// Nothing there.
    #[error("{path} is missing; expected {expected}")]
    Missing {
        /// Where.
        path: String,
        /// What should be there.
        expected: Cow<'static, str>,
    },
    /// Something else is there.
    #[error("{path} is {found}; expected {expected}")]
    Wrong {
        /// Where.
        path: String,
        /// What should be there.
        expected: Cow<'static, str>,
        /// What is there.
        found: String,
    },
    /// Readers would differ in which of the two counts.
    #[error("{path} stands there twice")]
    Twice {
        /// Where.
        path: String,
    },
    /// Ours, and not known.
    #[error("{path} is not known; expected one of {expected}")]
    Unknown {
        /// Where.
        path: String,
        /// What there is.
        expected: String,
    },
}

/// A value at its place in a text.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    path: String,
    raw: &'a RawValue,
}

/// An object at its place, its members in their order.
#[derive(Debug)]
pub struct Object<'a> {
    path: String,
    members: Vec<(String, &'a RawValue)>,
}

/// How much of a wrong value is told.
const TOLD: usize = 60;

impl<'a> Node<'a> {
    /// The whole text.
    ///
    /// # Errors
    /// It is no JSON, or nested deeper than 127 levels.
    pub fn root(text: &'a str) -> Result<Self, Fault> {
        // Bounds the depth, which raw values do not.
        serde_json::from_str::<serde_json::Value>(text).map_err(Fault::Syntax)?;
        Ok(Self { path: String::new(), raw: serde_json::from_str(text).map_err(Fault::Syntax)? })
    }

    /// The text of the value.
    pub fn text(&self) -> &'a str {
        self.raw.get()
    }

    /// Where it is.
    pub fn path(&self) -> &str {
        if self.path.is_empty() { "the file" } else { &self.path }
    }

    /// The fault that something else was expected here.
    pub fn wrong(&self, expected: impl Into<Cow<'static, str>>) -> Fault {
        let text = self.text();
        let found = match text.as_bytes().first() {
            Some(b'{') => "an object".to_owned(),
            Some(b'[') => "a list".to_owned(),
            _ if text.chars().count() > TOLD => format!("{}…", text.chars().take(TOLD).collect::<String>()),
            _ => text.to_owned(),
        };
        Fault::Wrong { path: self.path().to_owned(), expected: expected.into(), found }
    }

    /// The members of an object.
    ///
    /// # Errors
    /// It is none, or a name stands there twice.
    pub fn object(&self) -> Result<Object<'a>, Fault> {
        let members: Members<'a> = serde_json::from_str(self.text()).map_err(|_| self.wrong("an object"))?;
        let object = Object { path: self.path.clone(), members: members.0 };
        let mut seen = BTreeSet::new();
        match object.members.iter().find(|(name, _)| !seen.insert(name)) {
            Some((name, _)) => Err(Fault::Twice { path: object.at(name) }),
            None => Ok(object),
        }
    }

    /// The entries of a list.
    ///
    /// # Errors
    /// It is none.
    pub fn list(&self) -> Result<Vec<Self>, Fault> {
        let raws: Vec<&'a RawValue> = serde_json::from_str(self.text()).map_err(|_| self.wrong("a list"))?;
        let nodes = raws.into_iter().enumerate();
        Ok(nodes.map(|(index, raw)| Self { path: format!("{}[{index}]", self.path), raw }).collect())
    }

    /// A text of 1 to 255 bytes without control characters.
    ///
    /// # Errors
    /// It is none.
    pub fn name(&self) -> Result<String, Fault> {
        let name: Option<String> = serde_json::from_str(self.text()).ok();
        let name = name.filter(|name| is_line(name, 1..=255));
        name.ok_or_else(|| self.wrong("a text of 1 to 255 bytes without control characters"))
    }

    /// A truth.
    ///
    /// # Errors
    /// It is none.
    pub fn boolean(&self) -> Result<bool, Fault> {
        serde_json::from_str(self.text()).map_err(|_| self.wrong("true or false"))
    }

    /// Whether nothing is there on purpose.
    pub fn is_null(&self) -> bool {
        self.text() == "null"
    }

    /// One of these words, exactly.
    ///
    /// # Errors
    /// It is none of them.
    pub fn choice<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, Fault> {
        let word: Option<String> = serde_json::from_str(self.text()).ok();
        let found = word.and_then(|word| words.iter().find(|(known, _)| *known == word));
        found.map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            self.wrong(words.join(" or "))
        })
    }

    /// Where its text is in the text that it was read from.
    pub fn span(&self, of: &str) -> Range<usize> {
        let start = (self.text().as_ptr() as usize).saturating_sub(of.as_ptr() as usize);
        start..start + self.text().len()
    }
}

impl<'a> Object<'a> {
    /// The member with this name.
    pub fn get(&self, name: &str) -> Option<Node<'a>> {
        let (name, raw) = self.members.iter().find(|(known, _)| known == name)?;
        Some(Node { path: self.at(name), raw })
    }

    /// The member with this name.
    ///
    /// # Errors
    /// There is none.
    pub fn needed(&self, name: &str, expected: &'static str) -> Result<Node<'a>, Fault> {
        let missing = || Fault::Missing { path: self.at(name), expected: expected.into() };
        self.get(name).ok_or_else(missing)
    }

    /// All members, in their order.
    pub fn members(&self) -> impl Iterator<Item = (&str, Node<'a>)> {
        self.members.iter().map(|(name, raw)| (&**name, Node { path: self.at(name), raw }))
    }

    /// Where a member is.
    pub fn at(&self, name: &str) -> String {
        let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        match (plain, self.path.is_empty()) {
            (true, true) => name.to_owned(),
            (true, false) => format!("{}.{name}", self.path),
            (false, _) => format!("{}[{name:?}]", self.path),
        }
    }
}

/// Members in their order.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// A text in which the member `name` of the object `within` (a part of `text`) has this value, and nothing
/// else is changed.
///
/// # Errors
/// `within` is no object.
pub fn with_member(
    text: &str,
    within: &Node<'_>,
    name: &str,
    value: &serde_json::Value,
) -> Result<String, Fault> {
    let object = within.object()?;
    let span = within.span(text);
    // Members stand below each other if the object has lines; they are indented as its first one is.
    let inside = &text[span.start + 1..span.end];
    let blank = &inside[..inside.len() - inside.trim_start().len()];
    let indent = blank.rsplit_once('\n').map(|(_, indent)| indent);
    let written = match indent {
        Some(indent) => {
            let pretty = serde_json::to_string_pretty(value).unwrap_or_default();
            pretty.replace('\n', &format!("\n{indent}"))
        }
        None => value.to_string(),
    };
    if let Some(old) = object.get(name) {
        let old = old.span(text);
        return Ok([&text[..old.start], &written, &text[old.end..]].concat());
    }
    let member = format!("{}: {written}", serde_json::Value::from(name));
    match (object.members.last(), indent) {
        (Some((_, last)), indent) => {
            let end = Node { path: String::new(), raw: last }.span(text).end;
            let gap = indent.map_or(" ".to_owned(), |indent| format!("\n{indent}"));
            Ok([&text[..end], ",", &gap, &member, &text[end..]].concat())
        }
        (None, _) => Ok([&text[..=span.start], &member, &text[span.end - 1..]].concat()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn faults_name_their_place() {
        let text = r#"{"a": [{"b": 7, "c d": null}], "e": {"f": 1, "f": 2}}"#;
        let root = Node::root(text).unwrap().object().unwrap();
        let entry = root.get("a").unwrap().list().unwrap()[0].object().unwrap();
        let told = |fault: Fault| fault.to_string();
        let wrong = told(entry.get("b").unwrap().boolean().unwrap_err());
        assert_eq!(wrong, "a[0].b is 7; expected true or false");
        assert_eq!(entry.at("c d"), "a[0][\"c d\"]");
        let missing = told(entry.needed("x", "a text").unwrap_err());
        assert_eq!(missing, "a[0].x is missing; expected a text");
        assert_eq!(told(root.get("e").unwrap().object().unwrap_err()), "e.f stands there twice");
        let choice = entry.get("b").unwrap().choice(&[("one", 1), ("two", 2)]).unwrap_err();
        assert_eq!(told(choice), "a[0].b is 7; expected \"one\" or \"two\"");
        assert_eq!(
            told(Node::root("[1]").unwrap().object().unwrap_err()),
            "the file is a list; expected an object"
        );
    }

    #[test]
    fn what_is_nested_too_deeply_is_no_json_for_us() {
        assert!(matches!(Node::root(&"[".repeat(100_000)), Err(Fault::Syntax(_))));
        let deep = ["[".repeat(200), "]".repeat(200)].concat();
        assert!(matches!(Node::root(&deep), Err(Fault::Syntax(_))));
    }

    /// The largest profile has room for so many; comparing each with each would take long.
    #[test]
    fn many_members_are_read_in_reasonable_time() {
        let members: Vec<String> = (0..25_000).map(|number| format!("\"{number:x}\":0")).collect();
        let text = format!("{{{}}}", members.join(","));
        assert_eq!(Node::root(&text).unwrap().object().unwrap().members().count(), 25_000);
    }

    #[test]
    fn a_change_leaves_the_rest_of_the_text_as_it_is() {
        let check = |text: &str, name: &str, value: serde_json::Value, expect: &str| {
            let root = Node::root(text).unwrap();
            assert_eq!(with_member(text, &root, name, &value).unwrap(), expect);
        };
        check(r#"{"b":1,"a" : 1e0}"#, "c", json!({"d": 1}), r#"{"b":1,"a" : 1e0, "c": {"d":1}}"#);
        check(r#"{"b":1,"a" : 1e0}"#, "b", json!(2), r#"{"b":2,"a" : 1e0}"#);
        check("{}", "b", json!(2), r#"{"b": 2}"#);
        let lines = "{\n  \"a\": 1\n}\n";
        check(lines, "b", json!({"c": 1}), "{\n  \"a\": 1,\n  \"b\": {\n    \"c\": 1\n  }\n}\n");
    }
}
