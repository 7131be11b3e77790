use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

fn one(text: &str) -> Result<Scalar<'_>, JsonError> {
    let mut reader = Reader::new(text.as_bytes())?;
    let value = reader.scalar()?;
    reader.end().map(|()| value)
}

fn skipped(text: &str) -> Result<(), JsonError> {
    let mut reader = Reader::new(text.as_bytes())?;
    reader.skip()?;
    reader.end()
}

const fn error<T>(at: usize, fault: JsonFault) -> Result<T, JsonError> {
    Err(JsonError { at, fault })
}

#[test]
fn single_values_are_read() {
    let whole = |number| Ok(Scalar::Number(Number::Whole(number)));
    let real = |number| Ok(Scalar::Number(Number::Real(number)));
    assert_eq!(one(" true "), Ok(Scalar::Boolean(true)));
    assert_eq!(one("false"), Ok(Scalar::Boolean(false)));
    assert_eq!(one("null"), Ok(Scalar::Null));
    assert_eq!(one("-0"), whole(0));
    assert_eq!(one("18446744073709551615"), whole(i128::from(u64::MAX)));
    assert_eq!(one("-9223372036854775808"), whole(i128::from(i64::MIN)));
    assert_eq!(one("1.0"), real(1.0));
    assert_eq!(one("1e3"), real(1_000.0));
    assert_eq!(one("-2.5E-1"), real(-0.25));
    assert_eq!(one("\"\""), Ok(Scalar::Text("".into())));
    assert_eq!(one("\"gr\u{fc}n\""), Ok(Scalar::Text("gr\u{fc}n".into())));
    let escaped = r#""a\"\\\/\b\f\n\r\t\u00e4\uD83D\uDE00z""#;
    assert_eq!(one(escaped), Ok(Scalar::Text("a\"\\/\u{8}\u{c}\n\r\t\u{e4}\u{1f600}z".into())));
}

#[test]
fn what_is_wrong_is_named_with_its_byte() {
    assert_eq!(one("NaN"), error(0, JsonFault::NoValue));
    assert_eq!(one("Infinity"), error(0, JsonFault::NoValue));
    assert_eq!(one("-Infinity"), error(0, JsonFault::BrokenNumber));
    assert_eq!(one("1e999"), error(0, JsonFault::LargeNumber));
    for text in ["01", "-", "1.", ".5", "1e", "1e+", "+1"] {
        assert!(one(text).is_err(), "{text}");
    }
    assert_eq!(one("1 2"), error(2, JsonFault::Trailing));
    assert_eq!(one("1\0"), error(1, JsonFault::Trailing));
    assert_eq!(one(""), error(0, JsonFault::Ended));
    assert_eq!(one("{}"), error(0, JsonFault::NotSingle));
    assert_eq!(one("\"ab"), error(3, JsonFault::Ended));
    assert_eq!(one("\"a\nb\""), error(2, JsonFault::ControlCharacter));
    for text in [
        r#""\x""#,
        r#""\u12""#,
        r#""\uD83D""#,
        r#""\uD83Dx""#,
        r#""\uDE00""#,
        r#""\uD83D\u0041""#,
        r#""\u+123""#,
    ] {
        assert_eq!(one(text), error(1, JsonFault::BrokenEscape), "{text}");
    }
    assert_eq!(Reader::new(b"\"\xFF\"").err(), Some(JsonError { at: 1, fault: JsonFault::NotText }));
    assert_eq!(skipped("[1 2]"), error(3, JsonFault::NoComma));
    assert_eq!(skipped("[1,]"), error(3, JsonFault::NoValue));
    assert_eq!(skipped("{1:2}"), error(1, JsonFault::NoName));
    assert_eq!(skipped("{\"a\" 2}"), error(5, JsonFault::NoName));
    assert_eq!(skipped("{\"a\":1,}"), error(7, JsonFault::NoName));
    assert_eq!(skipped("[[1"), error(3, JsonFault::Ended));
    let message = JsonError { at: 3, fault: JsonFault::NoComma }.to_string();
    assert_eq!(message, "no comma and no end at byte 3 of the JSON text");
}

#[test]
fn a_repeated_member_is_seen_twice() {
    let mut names = Vec::new();
    let mut reader = Reader::new(br#"{"a":1, "\u0061" : [2,{}] ,"b":{"c":null}}"#).unwrap();
    let read = reader.object(|reader, name| {
        names.push(name.into_owned());
        reader.skip()
    });
    assert_eq!(read, Ok(()));
    assert_eq!(names, ["a", "a", "b"]);
}

#[test]
fn n08_the_depth_is_bounded() {
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(skipped(&nested(DEEPEST)), Ok(()));
    assert_eq!(skipped(&nested(DEEPEST + 1)), error(DEEPEST, JsonFault::TooDeep));
    assert_eq!(skipped(&"[".repeat(1_000)), error(DEEPEST, JsonFault::TooDeep));
    assert_eq!(skipped(&format!("[{}]", vec!["[]"; 100].join(","))), Ok(()));
}

proptest! {
    #[test]
    fn any_likely_text_is_read_or_refused(text in "[\\[\\]{}\",:0-9eE.+\\-\\\\untrfalse ]{0,60}") {
        let _ = skipped(&text);
    }
}
