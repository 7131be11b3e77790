//! Reads and writes object definitions in OMA's DDF XML, as the public registry has them.
//!
//! The reader takes no document type and so no entities but those of XML itself, never opens anything, and
//! is bounded in size and depth (SECURITY u04). Feature `ddf`.

mod write;

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use roxmltree::{Document, Node, ParsingOptions};

pub use self::write::write;
use super::{Access, ObjectDefinition, ObjectVersion, Range, ResourceDefinition};
use crate::path::{ObjectId, ResourceId};
use crate::value::Kind;

/// The largest file that is read, in bytes.
pub const MOST_BYTES: usize = 262_144;
/// How deep elements may lie in each other.
pub const MOST_DEPTH: u32 = 16;
/// Nodes of a file; the largest definition of the registry has about 5,000.
const MOST_NODES: u32 = 65_536;

/// A file does not define objects.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {cause}")]
pub struct DdfError {
    /// Where, from 1.
    pub line: u32,
    /// Why.
    pub cause: DdfCause,
}

/// What is wrong with a file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DdfCause {
    /// More than [`MOST_BYTES`].
    #[error("the file has more than {MOST_BYTES} bytes")]
    TooLarge,
    /// Not UTF-8.
    #[error("the file is not UTF-8")]
    NotText,
    /// Not XML, or XML with a document type.
    #[error("{0}")]
    Xml(String),
    /// A document type: entities are not taken from strangers.
    #[error("the file has a document type (DOCTYPE), which is not allowed; remove it")]
    DocumentType,
    /// More than [`MOST_DEPTH`].
    #[error("elements lie more than {MOST_DEPTH} deep")]
    TooDeep,
    /// No LWM2M element with an Object.
    #[error("the file has no <LWM2M> with an <Object>")]
    NoObject,
    /// A needed element is missing.
    #[error("<{0}> is missing")]
    Missing(&'static str),
    /// An element has another value than it may have.
    #[error("<{element}> takes {takes}, not \"{given}\"")]
    Value {
        /// Which element.
        element: &'static str,
        /// What it takes.
        takes: &'static str,
        /// What it has, cut.
        given: String,
    },
    /// A number twice.
    #[error("{what} {number} is defined twice")]
    Twice {
        /// `object` or `resource`.
        what: &'static str,
        /// Its number.
        number: u16,
    },
}

/// Reads the objects of a file.
///
/// # Errors
/// The first thing that is wrong, with its line.
pub fn read(xml: &[u8]) -> Result<Vec<ObjectDefinition>, DdfError> {
    let first = |cause| DdfError { line: 1, cause };
    if xml.len() > MOST_BYTES {
        return Err(first(DdfCause::TooLarge));
    }
    let text = core::str::from_utf8(xml).map_err(|_| first(DdfCause::NotText))?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| DdfError {
        line: error.pos().row,
        cause: match error {
            roxmltree::Error::DtdDetected => DdfCause::DocumentType,
            other => DdfCause::Xml(other.to_string()),
        },
    })?;
    let reader = Reader { document: &document };
    reader.check_depth(document.root_element(), 1)?;
    reader.objects()
}

struct Reader<'a> {
    document: &'a Document<'a>,
}

impl<'a> Reader<'a> {
    fn error(&self, node: Node<'a, 'a>, cause: DdfCause) -> DdfError {
        DdfError { line: self.document.text_pos_at(node.range().start).row, cause }
    }

    /// Goes at most [`MOST_DEPTH`] deep.
    fn check_depth(&self, node: Node<'a, 'a>, depth: u32) -> Result<(), DdfError> {
        if depth > MOST_DEPTH {
            return Err(self.error(node, DdfCause::TooDeep));
        }
        node.children().filter(Node::is_element).try_for_each(|child| self.check_depth(child, depth + 1))
    }

    fn objects(&self) -> Result<Vec<ObjectDefinition>, DdfError> {
        let root = self.document.root_element();
        let mut objects: Vec<ObjectDefinition> = Vec::new();
        for element in children(root, "Object").filter(|_| root.has_tag_name("LWM2M")) {
            let object = self.object(element)?;
            if objects.iter().any(|known| known.id == object.id) {
                let cause = DdfCause::Twice { what: "object", number: object.id.0 };
                return Err(self.error(element, cause));
            }
            objects.push(object);
        }
        match objects.is_empty() {
            true => Err(self.error(root, DdfCause::NoObject)),
            false => Ok(objects),
        }
    }

    fn object(&self, element: Node<'a, 'a>) -> Result<ObjectDefinition, DdfError> {
        let id = self.number(self.needed(element, "ObjectID")?, "ObjectID")?;
        let mut resources: Vec<ResourceDefinition> = Vec::new();
        let items = children(element, "Resources").flat_map(|list| children(list, "Item"));
        for item in items {
            let resource = self.resource(item)?;
            if resources.iter().any(|known| known.id == resource.id) {
                let cause = DdfCause::Twice { what: "resource", number: resource.id.0 };
                return Err(self.error(item, cause));
            }
            resources.push(resource);
        }
        resources.sort_by_key(|resource| resource.id);
        Ok(ObjectDefinition {
            id: ObjectId(id),
            version: self.version(element)?,
            name: Cow::Owned(self.filled(element, "Name")?),
            multiple: self.is_multiple(element)?,
            mandatory: self.is_mandatory(element)?,
            resources: Cow::Owned(resources),
            description: Cow::Owned(text_of(element, "Description1")),
        })
    }

    /// Definitions from before there were versions have none.
    fn version(&self, object: Node<'a, 'a>) -> Result<ObjectVersion, DdfError> {
        match children(object, "ObjectVersion").next() {
            None => Ok(ObjectVersion::FIRST),
            Some(element) => match &*all_text(element) {
                "" => Ok(ObjectVersion::FIRST),
                text => text
                    .parse()
                    .map_err(|_| self.wrong(element, "ObjectVersion", "a version such as 1.0", text)),
            },
        }
    }

    fn resource(&self, item: Node<'a, 'a>) -> Result<ResourceDefinition, DdfError> {
        let id = item.attribute("ID").unwrap_or("");
        let id = self.parsed(item, "Item ID", "a number from 0 to 65534", id)?;
        let access = match &*text_of(item, "Operations") {
            "R" => Access::Read,
            "W" => Access::Write,
            "RW" | "WR" => Access::ReadWrite,
            "E" => Access::Execute,
            "" => Access::Bootstrap,
            given => return Err(self.wrong(item, "Operations", "R, W, RW, E or nothing", given)),
        };
        let kind = match &*text_of(item, "Type") {
            "String" | "Corelnk" => Kind::String,
            "Integer" => Kind::Integer,
            "Unsigned Integer" => Kind::Unsigned,
            "Float" => Kind::Float,
            "Boolean" => Kind::Boolean,
            "Opaque" => Kind::Opaque,
            "Time" => Kind::Time,
            "Objlnk" => Kind::ObjectLink,
            "" | "None" | "none" if matches!(access, Access::Execute | Access::Bootstrap) => Kind::String,
            given => {
                let takes =
                    "String, Integer, Unsigned Integer, Float, Boolean, Opaque, Time, Objlnk or Corelnk";
                return Err(self.wrong(item, "Type", takes, given));
            }
        };
        Ok(ResourceDefinition {
            id: ResourceId(id),
            name: Cow::Owned(self.filled(item, "Name")?),
            kind,
            multiple: self.is_multiple(item)?,
            mandatory: self.is_mandatory(item)?,
            access,
            range: range(kind, &text_of(item, "RangeEnumeration")),
            unit: Cow::Owned(text_of(item, "Units")),
            description: Cow::Owned(text_of(item, "Description")),
        })
    }

    fn needed(&self, parent: Node<'a, 'a>, name: &'static str) -> Result<Node<'a, 'a>, DdfError> {
        children(parent, name).next().ok_or_else(|| self.error(parent, DdfCause::Missing(name)))
    }

    /// The text of an element that must have one.
    fn filled(&self, parent: Node<'a, 'a>, name: &'static str) -> Result<String, DdfError> {
        let element = self.needed(parent, name)?;
        match all_text(element) {
            text if text.is_empty() => Err(self.wrong(element, name, "a text", "")),
            text => Ok(text),
        }
    }

    fn is_multiple(&self, parent: Node<'a, 'a>) -> Result<bool, DdfError> {
        self.either(parent, "MultipleInstances", "Multiple", "Single", "Single or Multiple")
    }

    fn is_mandatory(&self, parent: Node<'a, 'a>) -> Result<bool, DdfError> {
        self.either(parent, "Mandatory", "Mandatory", "Optional", "Mandatory or Optional")
    }

    fn either(
        &self,
        parent: Node<'a, 'a>,
        name: &'static str,
        yes: &str,
        no: &str,
        takes: &'static str,
    ) -> Result<bool, DdfError> {
        let element = self.needed(parent, name)?;
        match &*all_text(element) {
            text if text.eq_ignore_ascii_case(yes) => Ok(true),
            text if text.eq_ignore_ascii_case(no) => Ok(false),
            given => Err(self.wrong(element, name, takes, given)),
        }
    }

    fn number(&self, element: Node<'a, 'a>, name: &'static str) -> Result<u16, DdfError> {
        self.parsed(element, name, "a number from 0 to 65534", &all_text(element))
    }

    fn parsed(
        &self,
        node: Node<'a, 'a>,
        element: &'static str,
        takes: &'static str,
        given: &str,
    ) -> Result<u16, DdfError> {
        let number = given.trim().parse().ok().filter(|number| *number != u16::MAX);
        number.ok_or_else(|| self.wrong(node, element, takes, given))
    }

    fn wrong(&self, node: Node<'a, 'a>, element: &'static str, takes: &'static str, given: &str) -> DdfError {
        const SHOWN: usize = 40;
        let given = given.chars().take(SHOWN).collect();
        self.error(node, DdfCause::Value { element, takes, given })
    }
}

fn children<'a>(parent: Node<'a, 'a>, name: &'static str) -> impl Iterator<Item = Node<'a, 'a>> {
    parent.children().filter(move |child| child.has_tag_name(name))
}

/// The text of the first element with this name; empty if there is none.
fn text_of(parent: Node<'_, '_>, name: &str) -> String {
    parent.children().find(|child| child.has_tag_name(name)).map(all_text).unwrap_or_default()
}

/// Text and CDATA without the space around it.
fn all_text(element: Node<'_, '_>) -> String {
    let text: String = element.children().filter_map(|child| child.text()).collect();
    text.trim().into()
}

/// What a definition says about values, as far as it can be checked; any value where it cannot.
fn range(kind: Kind, text: &str) -> Range {
    let bare = text.trim_end_matches("bytes").trim_end_matches("byte").trim();
    let Some((least, most)) = bare.split_once("..") else { return listed(kind, bare) };
    let (least, most) = (least.trim(), most.trim_start_matches('.').trim());
    match kind {
        Kind::Integer | Kind::Unsigned | Kind::Time => {
            ends(least, most).map_or(Range::Any, |(least, most)| Range::Whole(least, most))
        }
        Kind::Float => ends::<f64>(least, most)
            .filter(|(least, most)| least.is_finite() && most.is_finite())
            .map_or(Range::Any, |(least, most)| Range::Real(least, most)),
        Kind::String | Kind::Opaque => {
            ends(least, most).map_or(Range::Any, |(least, most)| Range::Length(least, most))
        }
        Kind::Boolean | Kind::ObjectLink => Range::Any,
    }
}

/// Both ends, unless nothing lies between them: a slip of the pen must not forbid every value.
fn ends<T: core::str::FromStr + PartialOrd>(least: &str, most: &str) -> Option<(T, T)> {
    let (least, most) = (least.parse().ok()?, most.parse().ok()?);
    (least <= most).then_some((least, most))
}

/// `0,1,2,3` where no number is left out; a list with gaps is not checked.
fn listed(kind: Kind, text: &str) -> Range {
    if !matches!(kind, Kind::Integer | Kind::Unsigned) {
        return Range::Any;
    }
    let numbers: Option<Vec<i64>> = text.split([',', ';']).map(|number| number.trim().parse().ok()).collect();
    match numbers.as_deref() {
        Some([least, .., most]) => {
            let numbers = numbers.as_deref().unwrap_or_default();
            let whole = numbers.windows(2).all(|pair| pair[0].checked_add(1) == Some(pair[1]));
            if whole { Range::Whole(*least, *most) } else { Range::Any }
        }
        _ => Range::Any,
    }
}

#[cfg(test)]
mod tests;
