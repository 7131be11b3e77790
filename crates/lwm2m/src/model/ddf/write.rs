//! From an object to a file.

use alloc::string::{String, ToString};
use core::fmt::{self, Write as _};

use crate::model::{Access, ObjectDefinition, ResourceDefinition};
use crate::path::ObjectId;
use crate::value::Kind;

/// Writes an object as a file that [`read`](super::read) reads.
///
/// ```
/// use lwm2m::model::{ObjectModel, ddf};
/// use lwm2m::path::ObjectId;
///
/// let device = ObjectModel::CORE.object(ObjectId(3)).unwrap().clone();
/// assert_eq!(ddf::read(ddf::write(&device).as_bytes()), Ok(vec![device]));
/// ```
pub fn write(object: &ObjectDefinition) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<LWM2M>\n");
    xml += "  <Object ObjectType=\"MODefinition\">\n";
    let mut put = |indent: usize, name: &str, text: &str| {
        let _ = writeln!(xml, "{:indent$}<{name}>{}</{name}>", "", Escaped(text));
    };
    put(4, "Name", &object.name);
    put(4, "Description1", &object.description);
    put(4, "ObjectID", &object.id.0.to_string());
    let urn = alloc::format!("urn:oma:lwm2m:{}:{}:{}", registry(object.id), object.id.0, object.version);
    put(4, "ObjectURN", &urn);
    put(4, "ObjectVersion", &object.version.to_string());
    put(4, "MultipleInstances", if object.multiple { "Multiple" } else { "Single" });
    put(4, "Mandatory", if object.mandatory { "Mandatory" } else { "Optional" });
    xml += "    <Resources>\n";
    for resource in &*object.resources {
        let _ = writeln!(xml, "      <Item ID=\"{}\">", resource.id.0);
        let mut put = |name: &str, text: &str| {
            let _ = writeln!(xml, "        <{name}>{}</{name}>", Escaped(text));
        };
        put("Name", &resource.name);
        put("Operations", resource.access.letters());
        put("MultipleInstances", if resource.multiple { "Multiple" } else { "Single" });
        put("Mandatory", if resource.mandatory { "Mandatory" } else { "Optional" });
        put("Type", type_of(resource));
        put("RangeEnumeration", &resource.range.to_string());
        put("Units", &resource.unit);
        put("Description", &resource.description);
        xml += "      </Item>\n";
    }
    xml + "    </Resources>\n  </Object>\n</LWM2M>\n"
}

/// Whose numbers these are (the public registry's classes).
const fn registry(object: ObjectId) -> &'static str {
    match object.0 {
        0..=1_023 => "oma",
        1_024..=9_999 => "ext",
        _ => "x",
    }
}

fn type_of(resource: &ResourceDefinition) -> &'static str {
    match resource.kind {
        Kind::String if resource.access == Access::Execute => "",
        Kind::String => "String",
        Kind::Integer => "Integer",
        Kind::Unsigned => "Unsigned Integer",
        Kind::Float => "Float",
        Kind::Boolean => "Boolean",
        Kind::Opaque => "Opaque",
        Kind::Time => "Time",
        Kind::ObjectLink => "Objlnk",
    }
}

struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|letter| match letter {
            '&' => formatter.write_str("&amp;"),
            '<' => formatter.write_str("&lt;"),
            '>' => formatter.write_str("&gt;"),
            // As it stands it would be read as a line feed.
            '\r' => formatter.write_str("&#13;"),
            // XML has no other control characters below the space.
            letter if letter < ' ' && !matches!(letter, '\n' | '\t') => Ok(()),
            letter => formatter.write_char(letter),
        })
    }
}
