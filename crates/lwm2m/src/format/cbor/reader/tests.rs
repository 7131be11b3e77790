use alloc::vec;

use proptest::prelude::*;

use super::*;

fn one(bytes: &[u8]) -> Result<Scalar<'_>, CborError> {
    let mut reader = Reader::new(bytes);
    let value = reader.scalar()?;
    reader.end().map(|()| value)
}

fn skipped(bytes: &[u8]) -> Result<(), CborError> {
    let mut reader = Reader::new(bytes);
    reader.skip()?;
    reader.end()
}

const fn error<T>(at: usize, fault: CborFault) -> Result<T, CborError> {
    Err(CborError { at, fault })
}

/// From the table of RFC 8949 appendix A.
#[test]
fn numbers_are_read_as_the_standard_says() {
    for (bytes, number) in [
        (&[0x00][..], Number::Whole(0)),
        (&[0x17], Number::Whole(23)),
        (&[0x18, 0x18], Number::Whole(24)),
        (&[0x1B, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], Number::Whole(u64::MAX.into())),
        (&[0x20], Number::Whole(-1)),
        (&[0x3B, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], Number::Whole(-(1 << 64))),
        (&[0xF9, 0x3C, 0x00], Number::Real(1.0)),
        (&[0xF9, 0x7B, 0xFF], Number::Real(65_504.0)),
        (&[0xF9, 0x00, 0x01], Number::Real(5.960_464_477_539_063e-8)),
        (&[0xF9, 0x04, 0x00], Number::Real(0.000_061_035_156_25)),
        (&[0xF9, 0xC4, 0x00], Number::Real(-4.0)),
        (&[0xF9, 0xFC, 0x00], Number::Real(f64::NEG_INFINITY)),
        (&[0xFA, 0x47, 0xC3, 0x50, 0x00], Number::Real(100_000.0)),
        (&[0xFB, 0xC0, 0x10, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66], Number::Real(-4.1)),
    ] {
        assert_eq!(one(bytes), Ok(Scalar::Number(number)), "{bytes:02x?}");
    }
    let Ok(Scalar::Number(Number::Real(number))) = one(&[0xF9, 0x7E, 0x00]) else { panic!("no number") };
    assert!(number.is_nan());
}

#[test]
fn strings_may_come_in_chunks() {
    assert_eq!(one(&[0x62, b'a', b'b']), Ok(Scalar::Text("ab".into())));
    assert_eq!(one(&[0x7F, 0x61, b'a', 0x60, 0x61, b'b', 0xFF]), Ok(Scalar::Text("ab".into())));
    assert_eq!(one(&[0x5F, 0xFF]), Ok(Scalar::Bytes(Cow::Borrowed(&[]))));
    assert_eq!(one(&[0x7F, 0x41, b'a', 0xFF]), error(1, CborFault::Broken));
    assert_eq!(one(&[0x7F, 0x7F, 0xFF, 0xFF]), error(1, CborFault::Broken));
    assert_eq!(one(&[0x7F, 0x61, b'a']), error(3, CborFault::Ended));
    assert_eq!(one(&[0x61, 0xFF]), error(0, CborFault::NotText));
    assert_eq!(one(&[0x7F, 0x61, 0xFF, 0xFF]), error(0, CborFault::NotText));
}

#[test]
fn what_is_wrong_is_named_with_its_byte() {
    assert_eq!(one(&[]), error(0, CborFault::Ended));
    assert_eq!(one(&[0x19, 1]), error(2, CborFault::Ended));
    assert_eq!(one(&[0x5B, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0]), error(10, CborFault::Ended));
    assert_eq!(one(&[0x1C]), error(0, CborFault::Broken));
    assert_eq!(one(&[0x1F]), error(0, CborFault::Broken));
    assert_eq!(one(&[0xFF]), error(0, CborFault::Broken));
    assert_eq!(one(&[0xF7]), error(0, CborFault::NoValue));
    assert_eq!(one(&[0xA0]), error(0, CborFault::NotSingle));
    assert_eq!(one(&[0, 0]), error(1, CborFault::Trailing));
    assert_eq!(one(&[0xC4, 0x01]), error(1, CborFault::BrokenFraction));
    assert_eq!(one(&[0xC4, 0x81, 0x01]), error(1, CborFault::BrokenFraction));
    assert_eq!(one(&[0xC4, 0x83, 0, 1, 2]), error(1, CborFault::BrokenFraction));
    assert_eq!(one(&[0xC4, 0x82, 0x19, 0x03, 0xE8, 1]), error(1, CborFault::BrokenFraction), "1e1000");
    assert_eq!(skipped(&[0x82, 1]), error(2, CborFault::Ended));
    assert_eq!(
        skipped(&[0x9B, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1]),
        error(10, CborFault::Ended)
    );
    assert_eq!(skipped(&[0xBF, 1, 0xFF]), error(2, CborFault::Broken));
    assert_eq!(skipped(&[0x82, 0xF7, 0xE0]), Ok(()));
    let mut keys = Vec::new();
    let mut reader = Reader::new(&[0xA3, 0x21, 0, 0x61, b'n', 0, 0x41, 1, 0]);
    let read = reader.map(|reader| {
        keys.push(reader.key()?);
        reader.skip()
    });
    assert_eq!(read, error(6, CborFault::NoKey));
    assert_eq!(keys, [Key::Number(-2), Key::Text("n".into())]);
}

#[test]
fn n08_the_depth_is_bounded() {
    for opening in [0x81, 0x9F, 0xC1] {
        assert_eq!(skipped(&vec![opening; 1_000]).unwrap_err().fault, CborFault::TooDeep, "{opening:02x}");
    }
    let nested = |depth| [vec![0x81; depth], vec![0x80]].concat();
    assert_eq!(skipped(&nested(DEEPEST - 1)), Ok(()));
    assert_eq!(skipped(&nested(DEEPEST)), error(DEEPEST, CborFault::TooDeep));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = skipped(&bytes);
        let _ = one(&bytes);
    }
}
