//! The codec under arbitrary bytes.

use coap::{Code, Encoder, Kind, Message, MessageId, OptionNumber, Options, Token};
use proptest::collection::vec;
use proptest::prelude::*;

fn encoded(message: &Message<'_>) -> Vec<u8> {
    let mut buffer = vec![0; 70_000];
    let (kind, code) = (message.kind(), message.code());
    let mut encoder = Encoder::new(&mut buffer, kind, code, message.message_id(), message.token());
    for (number, value) in message.options() {
        encoder.option(number, value);
    }
    let length = encoder.payload(message.payload()).finish().expect("the buffer is large");
    buffer[..length].to_vec()
}

/// Bytes that look enough like a message to get far into the parser.
fn plausible() -> impl Strategy<Value = Vec<u8>> {
    (0x40..0x80_u8, any::<u8>(), any::<u16>(), vec(any::<u8>(), 0..60)).prop_map(|(first, code, id, rest)| {
        let [high, low] = id.to_be_bytes();
        [vec![first & 0xf3, code, high, low], rest].concat()
    })
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Confirmable), Just(Kind::NonConfirmable)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_panic_and_what_parses_is_stable(bytes in prop_oneof![vec(any::<u8>(), 0..100), plausible()]) {
        if let Ok(message) = Message::parse(&bytes) {
            let once = encoded(&message);
            let again = Message::parse(&once).expect("what was written parses");
            prop_assert_eq!(encoded(&again), once.as_slice());
            prop_assert_eq!(again.payload(), message.payload());
            prop_assert!(again.options().eq(message.options()));
        }
    }

    #[test]
    fn what_is_written_is_read_back(
        kind in kind(),
        code in 1..32_u8,
        id in any::<u16>(),
        token in vec(any::<u8>(), 0..9),
        mut options in vec((any::<u16>(), vec(any::<u8>(), 0..600)), 0..8),
        payload in vec(any::<u8>(), 0..100),
    ) {
        options.sort_by_key(|(number, _)| *number);
        let mut buffer = vec![0; 10_000];
        let token = Token::new(&token).expect("at most eight bytes");
        let mut encoder = Encoder::new(&mut buffer, kind, Code(code), MessageId(id), token);
        for (number, value) in &options {
            encoder.option(OptionNumber(*number), value);
        }
        let length = encoder.payload(&payload).finish().expect("the buffer is large");
        let message = Message::parse(&buffer[..length]).expect("what was written parses");
        prop_assert_eq!((message.kind(), message.code(), message.message_id()), (kind, Code(code), MessageId(id)));
        prop_assert_eq!((message.token(), message.payload()), (token, &payload[..]));
        let read: Vec<_> = message.options().map(|(number, value)| (number.0, value.to_vec())).collect();
        prop_assert_eq!(read, options);
    }

    #[test]
    fn owned_options_keep_what_a_stable_sort_would(pushed in vec((0..50_u16, vec(any::<u8>(), 0..300)), 0..20)) {
        let mut options = Options::new();
        for (number, value) in &pushed {
            options.push(OptionNumber(*number), value);
        }
        let mut sorted = pushed.clone();
        sorted.sort_by_key(|(number, _)| *number);
        let kept: Vec<_> = options.iter().map(|(number, value)| (number.0, value.to_vec())).collect();
        prop_assert_eq!(kept, sorted);
    }
}

#[test]
fn a_buffer_that_is_too_small_is_told_at_any_length() {
    for length in 0..14 {
        let mut buffer = vec![0; length];
        let token = Token::new(b"ab").unwrap();
        let mut encoder = Encoder::new(&mut buffer, Kind::Confirmable, Code::GET, MessageId(1), token);
        encoder.option(OptionNumber::URI_PATH, b"rd").payload(b"1234");
        assert_eq!(encoder.finish().is_err(), length < 14);
    }
    let mut buffer = [0; 100];
    let mut encoder = Encoder::new(&mut buffer, Kind::Confirmable, Code::GET, MessageId(1), Token::EMPTY);
    encoder.option(OptionNumber(5), b"").option(OptionNumber(4), b"");
    assert_eq!(encoder.finish(), Err(coap::EncodeError::OptionOrder));
}
