//! The 58 datagrams of `coap_vectors.tsv` and what each must be answered with.
//!
//! Included by path wherever an endpoint is to be judged by them. All rows use message id 0x1234 and, but
//! for M47, token 4a. The server under test has `/rd` (LwM2M registration) and the image at `/fw/x`.

use coap::Code;

/// One row.
#[derive(Debug)]
pub struct Vector {
    /// Such as `M01`.
    pub id: &'static str,
    /// What it is about.
    pub what: &'static str,
    /// The datagrams: that of the row, and the variants that it names.
    pub datagrams: Vec<Vec<u8>>,
}

/// The right answer to a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expected {
    /// Silence.
    Nothing,
    /// Silence, or a reset of this message.
    NothingOrReset,
    /// A reset of this message and nothing else.
    Reset,
    /// These bytes.
    Exactly(&'static [u8]),
    /// An acknowledgement with one of these codes.
    Acknowledged(&'static [Code]),
    /// An acknowledgement of a block with this code and this Block1 value.
    Block1(Code, u32),
    /// An acknowledgement with the block of the image that starts here, and its length, both in bytes.
    Image(usize, usize),
    /// An acknowledgement with one of these codes, however often the datagram comes; it counts once.
    Once(&'static [Code]),
    /// The bytes that the row before was answered with.
    AsBefore,
    /// Silence, or a non-confirmable message with one of these codes.
    NonConfirmable(&'static [Code]),
}

/// Length of the image at `/fw/x`, in bytes: more than 100 blocks of 512.
pub const IMAGE_LENGTH: usize = 100_000;

/// The image at `/fw/x`.
pub fn image() -> Vec<u8> {
    (0..IMAGE_LENGTH as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// All rows in order.
pub fn vectors() -> Vec<Vector> {
    let table = include_str!("coap_vectors.tsv");
    table.lines().skip(1).filter(|line| !line.is_empty()).map(vector).collect()
}

fn vector(line: &'static str) -> Vector {
    let mut columns = line.split('\t');
    let id = columns.next().expect("a row has an id");
    let datagram = bytes(columns.next().expect("a row has bytes"));
    let what = columns.next().expect("a row says what it is about");
    let mut datagrams = vec![datagram.clone()];
    let mut variant = |at: usize, value: u8| {
        let mut changed = datagram.clone();
        changed[at] = value;
        datagrams.push(changed);
    };
    match id {
        "M04" => variant(0, 0xc1),
        "M05" => (0x4a..=0x4f).for_each(|first| variant(0, first)),
        "M17" => variant(1, 0xe1),
        _ => {}
    }
    Vector { id, what, datagrams }
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    let text = digits.map(|pair| core::str::from_utf8(pair).expect("hex digits are ASCII"));
    text.map(|pair| u8::from_str_radix(pair, 16).expect("two hex digits")).collect()
}

/// The right answer to a row.
pub fn expected(id: &str) -> Expected {
    use Expected::*;
    match id {
        "M01" | "M02" | "M03" | "M04" | "M11" | "M12" | "M13" | "M14" | "M15" | "M30" => Nothing,
        "M06" | "M19" => NothingOrReset,
        "M05" | "M07" | "M08" | "M09" | "M10" | "M16" | "M17" | "M18" => Reset,
        "M21" | "M22" | "M23" | "M24" | "M25" | "M26" | "M27" | "M28" => Reset,
        "M20" => Exactly(&[0x61, 0x85, 0x12, 0x34, 0x4a]),
        "M29" | "M32" | "M34" | "M35" | "B03" => Acknowledged(&[Code::BAD_OPTION]),
        "M31" | "M33" | "M41" => Acknowledged(&[Code::CREATED]),
        "M36" | "M50" | "B02" | "B04" | "B06" => Acknowledged(&[Code::BAD_REQUEST]),
        "M37" => Acknowledged(&[Code::BAD_REQUEST, Code::NOT_FOUND]),
        "M38" | "M39" => Acknowledged(&[Code::PROXYING_NOT_SUPPORTED]),
        "M40" => Acknowledged(&[Code::PRECONDITION_FAILED, Code::BAD_OPTION]),
        "M42" => Acknowledged(&[Code::NOT_ACCEPTABLE]),
        "M43" => Acknowledged(&[Code::UNSUPPORTED_CONTENT_FORMAT]),
        "M44" => Acknowledged(&[Code::METHOD_NOT_ALLOWED]),
        "M45" => Acknowledged(&[Code::NOT_FOUND]),
        "M46" => Once(&[Code::CREATED]),
        "M47" => AsBefore,
        "M48" => NonConfirmable(&[Code::BAD_REQUEST]),
        "M49" => Acknowledged(&[Code::BAD_OPTION, Code::BAD_REQUEST]),
        "B01" => Block1(Code::CONTINUE, 0x0e),
        "B05" => Acknowledged(&[Code::REQUEST_ENTITY_INCOMPLETE]),
        "B07" => Image(100 * 512, 512),
        "B08" => Image(0, 1_024),
        unknown => unreachable!("row {unknown} has no expectation"),
    }
}

/// Whether the row carries a registration that must not take place.
pub fn must_not_register(id: &str) -> bool {
    !matches!(id, "M31" | "M33" | "M41" | "M46" | "M47")
}

/// Checks the answers to one datagram of a row. `before` is the answer to the row before.
pub fn check(vector: &Vector, answers: &[Vec<u8>], before: Option<&[u8]>) {
    use Expected::*;
    let context = format!("{}: {}, answered {answers:02x?}", vector.id, vector.what);
    let expected = expected(vector.id);
    let reset = [0x70, 0x00, 0x12, 0x34];
    let [answer] = answers else {
        let silent = matches!(expected, Nothing | NothingOrReset | NonConfirmable(_));
        assert!(answers.is_empty() && silent, "{context}");
        return;
    };
    match expected {
        Nothing => panic!("{context}"),
        NothingOrReset | Reset => assert_eq!(answer, &reset, "{context}"),
        Exactly(bytes) => assert_eq!(answer, bytes, "{context}"),
        AsBefore => assert_eq!(Some(answer.as_slice()), before, "{context}"),
        _ => check_message(expected, answer, &context),
    }
}

fn check_message(expected: Expected, answer: &[u8], context: &str) {
    let message = coap::Message::parse(answer).expect(context);
    let non_confirmable = matches!(expected, Expected::NonConfirmable(_));
    assert_eq!(message.token().as_bytes(), [0x4a], "{context}");
    if non_confirmable {
        assert_eq!(message.kind(), coap::Kind::NonConfirmable, "{context}");
    } else {
        assert_eq!(message.kind(), coap::Kind::Acknowledgement, "{context}");
        assert_eq!(message.message_id(), coap::MessageId(0x1234), "{context}");
    }
    match expected {
        Expected::Acknowledged(codes) | Expected::Once(codes) | Expected::NonConfirmable(codes) => {
            assert!(codes.contains(&message.code()), "{context}");
        }
        Expected::Block1(code, block) => {
            assert_eq!(message.code(), code, "{context}");
            let value = message.option(coap::OptionNumber::BLOCK1).expect(context);
            assert_eq!(coap::decode_uint(value), Some(block), "{context}");
        }
        Expected::Image(offset, length) => {
            assert_eq!(message.code(), Code::CONTENT, "{context}");
            assert_eq!(message.payload(), &image()[offset..offset + length], "{context}");
            assert!(message.option(coap::OptionNumber::ETAG).is_some(), "{context}");
        }
        other => unreachable!("{other:?} is checked above"),
    }
}
