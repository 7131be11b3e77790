use alloc::format;

use proptest::prelude::*;

use super::*;
use crate::model::ObjectModel;

const TEMPERATURE: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<LWM2M xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <Object ObjectType="MODefinition">
    <Name>Temperature</Name>
    <Description1><![CDATA[A <sensor>.]]></Description1>
    <ObjectID>3303</ObjectID>
    <ObjectURN>urn:oma:lwm2m:ext:3303:1.1</ObjectURN>
    <LWM2MVersion>1.0</LWM2MVersion>
    <ObjectVersion>1.1</ObjectVersion>
    <MultipleInstances>Multiple</MultipleInstances>
    <Mandatory>Optional</Mandatory>
    <Resources>
      <Item ID="5700"><Name>Sensor Value</Name><Operations>R</Operations>
        <MultipleInstances>Single</MultipleInstances><Mandatory>Mandatory</Mandatory>
        <Type>Float</Type><RangeEnumeration/><Units>Cel</Units><Description>Last &amp; current.</Description></Item>
      <Item ID="5605"><Name>Reset</Name><Operations>E</Operations>
        <MultipleInstances>Single</MultipleInstances><Mandatory>Optional</Mandatory>
        <Type></Type><RangeEnumeration></RangeEnumeration><Units></Units><Description></Description></Item>
    </Resources>
    <Description2></Description2>
  </Object>
</LWM2M>"#;

fn refusal(xml: &str) -> String {
    read(xml.as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_definition_of_the_registry_is_read() {
    let objects = read(TEMPERATURE.as_bytes()).unwrap();
    let object = &objects[0];
    assert_eq!((object.id.0, &*object.name, object.version), (3303, "Temperature", ObjectVersion::new(1, 1)));
    assert_eq!((object.multiple, object.mandatory, &*object.description), (true, false, "A <sensor>."));
    let value = object.resource(ResourceId(5700)).unwrap();
    assert_eq!((value.kind, value.access, &*value.unit), (Kind::Float, Access::Read, "Cel"));
    assert_eq!((value.mandatory, value.range, &*value.description), (true, Range::Any, "Last & current."));
    assert_eq!(object.resource(ResourceId(5605)).map(|reset| reset.kind), Some(Kind::String));
}

#[test]
fn the_built_in_objects_are_read_back_as_they_are_written() {
    for object in ObjectModel::CORE.objects() {
        assert_eq!(read(write(object).as_bytes()), Ok([object.clone()].into()), "{}", object.name);
    }
}

#[test]
fn errors_name_the_line_and_the_reason() {
    let with = |from: &str, to: &str| refusal(&TEMPERATURE.replace(from, to));
    assert_eq!(
        with("<Type>Float", "<Type>Double"),
        "line 13: <Type> takes String, Integer, Unsigned Integer, Float, Boolean, Opaque, Time, Objlnk or Corelnk, not \"Double\""
    );
    assert_eq!(
        with("3303</ObjectID>", "65535</ObjectID>"),
        "line 6: <ObjectID> takes a number from 0 to 65534, not \"65535\""
    );
    assert_eq!(with("<ObjectID>3303</ObjectID>", ""), "line 3: <ObjectID> is missing");
    assert_eq!(
        with("Operations>E<", "Operations>X<"),
        "line 16: <Operations> takes R, W, RW, E or nothing, not \"X\""
    );
    assert_eq!(
        with("1.1</ObjectVersion>", "one</ObjectVersion>"),
        "line 9: <ObjectVersion> takes a version such as 1.0, not \"one\""
    );
    assert_eq!(with("ID=\"5605\"", "ID=\"5700\""), "line 16: resource 5700 is defined twice");
    assert_eq!(with("<Name>Temperature</Name>", "<Name> </Name>"), "line 4: <Name> takes a text, not \"\"");
    assert!(with("</LWM2M>", "").starts_with("line "));
    assert_eq!(refusal("<html/>"), "line 1: the file has no <LWM2M> with an <Object>");
    assert_eq!(read(b"\xFF").unwrap_err().cause, DdfCause::NotText);
}

#[test]
fn a_version_that_is_not_given_is_the_first() {
    for without in ["", "<ObjectVersion/>"] {
        let xml = TEMPERATURE.replace("<ObjectVersion>1.1</ObjectVersion>", without);
        assert_eq!(read(xml.as_bytes()).unwrap()[0].version, ObjectVersion::FIRST);
    }
}

#[test]
fn texts_are_read_back_as_they_are_written() {
    for text in ["a\rb", "a\n\tb", "\u{7F} \u{85}x", "]]> & <b>", "\u{1F600}"] {
        let name = alloc::borrow::Cow::Owned(String::from(text.trim()));
        let object = ObjectDefinition { name, ..ObjectDefinition::new(40_000, "", &[], "") };
        assert_eq!(read(write(&object).as_bytes()), Ok([object].into()), "{text:?}");
    }
}

#[test]
fn ranges_are_taken_where_they_are_clear() {
    for (kind, text, expected) in [
        (Kind::Integer, "0..65535", Range::Whole(0, 65_535)),
        (Kind::Integer, "-128 .. 127", Range::Whole(-128, 127)),
        (Kind::Integer, "0,1,2", Range::Whole(0, 2)),
        (Kind::Integer, "0,1,7", Range::Any),
        (Kind::String, "0..255 bytes", Range::Length(0, 255)),
        (Kind::Opaque, "8", Range::Any),
        (Kind::Float, "0.0..1.5", Range::Real(0.0, 1.5)),
        (Kind::Integer, "see below", Range::Any),
        (Kind::Integer, "", Range::Any),
        (Kind::Boolean, "0..1", Range::Any),
        // These would forbid every value.
        (Kind::Integer, "9..1", Range::Any),
        (Kind::Float, "nan..1", Range::Any),
        (Kind::Float, "-inf..1e999", Range::Any),
    ] {
        assert_eq!(range(kind, text), expected, "{text}");
    }
}

#[test]
fn sec_u04_entities_and_external_documents_are_refused() {
    let body = TEMPERATURE.split_once("?>").unwrap().1;
    let xxe = format!("<!DOCTYPE LWM2M [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>{body}");
    let laughs = format!(
        "<!DOCTYPE LWM2M [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;\">]>{}",
        body.replace("Temperature", "&c;")
    );
    let external = format!("<!DOCTYPE LWM2M SYSTEM \"http://attacker.example/x.dtd\">{body}");
    for xml in [xxe, laughs, external] {
        assert_eq!(read(xml.as_bytes()).unwrap_err().cause, DdfCause::DocumentType);
    }
    assert!(refusal(&TEMPERATURE.replace("Temperature", "&unknown;")).contains("unknown"));
}

#[test]
fn sec_u04_size_and_depth_are_bounded() {
    let deep = format!("<LWM2M>{}{}</LWM2M>", "<a>".repeat(16), "</a>".repeat(16));
    assert_eq!(read(deep.as_bytes()).unwrap_err().cause, DdfCause::TooDeep);
    let deepest = "<a>".repeat(60_000);
    assert!(read(deepest.as_bytes()).is_err());
    let deepest = format!("<LWM2M>{}{}</LWM2M>", "<a>".repeat(30_000), "</a>".repeat(30_000));
    assert_eq!(read(deepest.as_bytes()).unwrap_err().cause, DdfCause::TooDeep);
    let large = format!("{TEMPERATURE}{}", " ".repeat(MOST_BYTES));
    assert_eq!(read(large.as_bytes()).unwrap_err().cause, DdfCause::TooLarge);
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(<[A-Za-z/!?]{0,8}|>|[ -~\\n]){0,60}") {
        let _ = read(text.as_bytes());
    }

    #[test]
    fn any_change_of_a_definition_is_read_or_refused(at in 0..TEMPERATURE.len(), byte: u8) {
        let mut xml = TEMPERATURE.as_bytes().to_vec();
        xml[at] = byte;
        let _ = read(&xml);
    }
}
