//! Reading a datagram: what is accepted can be written again, byte for byte.

use coap::{Block, Encoder, Message, Options, Request, decode_uint};

/// Takes one datagram.
///
/// # Panics
/// If a message that was read is written differently.
pub fn target(bytes: &[u8]) {
    let Ok(message) = Message::parse(bytes) else { return };
    let mut buffer = vec![0; bytes.len()];
    let (code, id, token) = (message.code(), message.message_id(), message.token());
    let mut encoder = Encoder::new(&mut buffer, message.kind(), code, id, token);
    for (number, value) in message.options() {
        encoder.option(number, value);
        let _ = (Block::decode(value).map(Block::offset), decode_uint(value));
    }
    let length = encoder.payload(message.payload()).finish().expect("no longer than what was read");
    assert_eq!(buffer[..length], *bytes, "written as it was read");
    check_options(&message);
}

/// The owned options hold the same, however they are put together.
fn check_options(message: &Message<'_>) {
    let options = Options::of(message);
    assert!(options.iter().eq(message.options()));
    let mut backwards = Options::new();
    let mut distinct: Vec<_> = message.options().collect();
    distinct.dedup_by_key(|(number, _)| *number);
    distinct.iter().rev().for_each(|(number, value)| {
        backwards.push(*number, value);
    });
    assert!(backwards.iter().eq(distinct));
    let mut request = Request::get("/");
    request.options = options;
    let _ = (request.options.path_string(), request.options.block1(), request.options.block2());
    let _ = (request.options.content_format(), request.options.accept(), request.options.observe());
}
