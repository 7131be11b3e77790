//! Collects settings from file, environment and flags, the later over the earlier.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::{Fault, KEYS};

/// Where a setting was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    Default,
    File { path: PathBuf, line: usize },
    Environment(String),
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::File { path, line } => write!(formatter, "{} line {line}", path.display()),
            Self::Environment(name) => write!(formatter, "environment variable {name}"),
            Self::Flag => formatter.write_str("command line"),
        }
    }
}

/// One setting as text.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub text: String,
    pub origin: Origin,
}

/// All settings by the name of their key, and what was wrong with the sources.
#[derive(Debug)]
pub(super) struct Layers {
    pub settings: BTreeMap<&'static str, Setting>,
    pub faults: Vec<Fault>,
}

/// Variables of the commands that are no settings.
const NOT_SETTINGS: [&str; 2] = ["UPDRAFT_CONFIG", "UPDRAFT_URL"];

impl Layers {
    /// The defaults alone.
    pub fn new() -> Self {
        let setting = |text: &str| Setting { text: text.to_owned(), origin: Origin::Default };
        let settings = KEYS.iter().map(|key| (key.name, setting(key.default))).collect();
        Self { settings, faults: Vec::new() }
    }

    /// Adds the text of a TOML file.
    pub fn add_file(&mut self, path: &Path, text: &str) {
        let line_of = |offset: usize| text[..offset.min(text.len())].matches('\n').count() + 1;
        match DeTable::parse(text) {
            Ok(table) => self.add_table("", table.get_ref(), &|offset| Origin::File {
                path: path.to_owned(),
                line: line_of(offset),
            }),
            Err(error) => {
                let line = line_of(error.span().map_or(0, |span| span.start));
                let origin = Origin::File { path: path.to_owned(), line };
                self.faults
                    .push(Fault::Syntax { origin: origin.to_string(), message: error.message().to_owned() });
            }
        }
    }

    fn add_table(&mut self, prefix: &str, table: &DeTable<'_>, origin: &dyn Fn(usize) -> Origin) {
        for (key, value) in table {
            let name = if prefix.is_empty() {
                key.get_ref().to_string()
            } else {
                format!("{prefix}.{}", key.get_ref())
            };
            let at = origin(key.span().start);
            match value.get_ref() {
                DeValue::Table(inner) => self.add_table(&name, inner, origin),
                value => match plain_text(value) {
                    Some(text) => self.set(&name, text, at),
                    None => self.faults.push(Fault::Syntax {
                        origin: at.to_string(),
                        message: format!(
                            "{name} must be a text, a number, true or false, or a list of texts"
                        ),
                    }),
                },
            }
        }
    }

    /// Adds `UPDRAFT_A__B` variables; `__` stands for the dot.
    pub fn add_environment(&mut self, variables: impl Iterator<Item = (String, String)>) {
        for (variable, text) in variables {
            let Some(name) = variable.strip_prefix("UPDRAFT_") else { continue };
            if !NOT_SETTINGS.contains(&variable.as_str()) {
                let name = name.to_ascii_lowercase().replace("__", ".");
                self.set(&name, text, Origin::Environment(variable));
            }
        }
    }

    /// Adds `key=value` flags.
    pub fn add_flags<'a>(&mut self, flags: impl Iterator<Item = (&'a str, &'a str)>) {
        for (name, text) in flags {
            self.set(name, text.to_owned(), Origin::Flag);
        }
    }

    fn set(&mut self, name: &str, text: String, origin: Origin) {
        match KEYS.iter().find(|key| key.name == name) {
            Some(key) => {
                self.settings.insert(key.name, Setting { text, origin });
            }
            None => self.faults.push(Fault::UnknownKey {
                key: name.to_owned(),
                origin: origin.to_string(),
                nearest: nearest(name),
            }),
        }
    }
}

fn plain_text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.as_str().replace('_', "")),
        DeValue::Boolean(truth) => Some(truth.to_string()),
        DeValue::Array(items) if items.is_empty() => Some("off".to_owned()),
        DeValue::Array(items) => {
            let texts: Option<Vec<String>> = items
                .iter()
                .map(|item| match item.get_ref() {
                    DeValue::String(text) => Some(text.to_string()),
                    _ => None,
                })
                .collect();
            Some(texts?.join(", "))
        }
        _ => None,
    }
}

/// The key that was probably meant.
fn nearest(name: &str) -> Option<&'static str> {
    KEYS.iter()
        .map(|key| (edits(name, key.name), key.name))
        .min()
        .filter(|(edits, key)| *edits <= key.len() / 3)
        .map(|(_, key)| key)
}

/// How many letters must be added, removed or replaced to get from one text to the other.
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, letter) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, other) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_key_that_was_meant() {
        assert_eq!(nearest("htpp.bind"), Some("http.bind"));
        assert_eq!(nearest("lwm2m.coap_binds"), Some("lwm2m.coap_bind"));
        assert_eq!(nearest("something.else.entirely"), None);
    }

    #[test]
    fn counts_edits() {
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("same", "same"), 0);
    }
}
