//! Bodies in blocks: whatever order, size and repetition they come in, a body that is handed over is right.
//!
//! Every block carries the right bytes for its place, so a body that was joined wrongly does not look like
//! the start of [`BODY`].

use std::sync::LazyLock;

use coap::{
    Block, BlockSize, Code, Config, ContentFormat, Download, Encoder, Endpoint, Event, Kind, Message,
    MessageId, OptionNumber, Request, Response, Token,
};
use machine::{Instant, Machine};

use crate::script::Script;

/// What every body is the start of. (Its period is prime, so that no block looks like another.)
static BODY: LazyLock<Vec<u8>> = LazyLock::new(|| {
    (0..1_u32 << 18).map(|at| ((at % 65_521).wrapping_mul(2_654_435_761) >> 24) as u8).collect()
});

/// Plays a script.
///
/// # Panics
/// If a body is joined wrongly or is larger than allowed.
pub fn target(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    match script.byte() & 1 {
        0 => requests(&mut script),
        _ => responses(&mut script),
    }
}

const PATHS: [&str; 2] = ["/rd", "/5/0/0"];
/// Of a body on `/rd`, in bytes.
const LIMIT: usize = 4_096;

/// A block of the body, or what a sender who errs makes of it.
struct Part {
    number: u32,
    more: bool,
    exponent: u8,
    payload: &'static [u8],
}

impl Part {
    fn of(script: &mut Script<'_>) -> Self {
        let (choice, number) = (script.byte(), script.byte());
        let (exponent, more) = (choice & 7, choice & 8 != 0);
        let size = 1_usize << (exponent + 4);
        let start = usize::from(number) * size;
        let length = if choice & 0x10 == 0 { size } else { usize::from(script.byte()) };
        let start = start.min(BODY.len() - 1);
        let payload = &BODY[start..BODY.len().min(start + length)];
        Self { number: number.into(), more, exponent, payload }
    }

    fn option(&self) -> [u8; 3] {
        let value = self.number << 4 | u32::from(self.more) << 3 | u32::from(self.exponent);
        let [_, rest @ ..] = value.to_be_bytes();
        rest
    }
}

/// Blocks of requests, some on a path whose body is streamed.
fn requests(script: &mut Script<'_>) {
    let config = Config { streamed: vec![PATHS[1].into()], max_body: LIMIT, ..Config::default() };
    let mut endpoint = Endpoint::new(config, [3; 32]);
    let (mut now, mut message_id, mut streamed) = (Instant::ZERO, 0, None);
    for _ in 0..256 {
        if script.is_over() {
            break;
        }
        let choice = script.byte();
        message_id += u16::from(choice & 1);
        now += std::time::Duration::from_secs(u64::from(choice >> 6) * 40);
        let part = Part::of(script);
        let datagram = block_of(&part, choice, message_id);
        endpoint.handle_timeout(now);
        endpoint.handle_input(b'p', &datagram, now);
        while let Some(event) = endpoint.poll_event() {
            let Event::Request { id, request, block, .. } = event else { continue };
            let mut code = Code::CHANGED;
            match block {
                None if request.options.path_string() == PATHS[0] => {
                    assert!(request.payload.len() <= LIMIT);
                    assert_eq!(*request.payload, BODY[..request.payload.len()]);
                }
                None => {}
                Some(block) => {
                    let start = block.offset as usize;
                    assert_eq!(*request.payload, BODY[start..start + request.payload.len()]);
                    assert!(start == 0 || streamed == Some(start), "streamed in order");
                    streamed = (!block.last).then_some(start + request.payload.len());
                    code = if block.last { Code::CHANGED } else { Code::CONTINUE };
                }
            }
            endpoint.respond(id, Response::new(code), now);
        }
        drain(&mut endpoint);
    }
}

fn block_of(part: &Part, choice: u8, message_id: u16) -> Vec<u8> {
    let mut buffer = vec![0; 4_096];
    let path = PATHS[usize::from(choice >> 1 & 1)];
    let (kind, token) = (Kind::Confirmable, Token::new(&[choice >> 5 & 1]).unwrap_or_default());
    let mut encoder = Encoder::new(&mut buffer, kind, Code::PUT, MessageId(message_id), token);
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        encoder.option(OptionNumber::URI_PATH, segment.as_bytes());
    }
    let tag = choice >> 3 & 1;
    encoder.option_uint(OptionNumber::CONTENT_FORMAT, 42 + u32::from(choice >> 4 & 1));
    encoder.option(OptionNumber::BLOCK1, &part.option());
    if tag != 0 && choice & 2 == 0 {
        encoder.option(OptionNumber::REQUEST_TAG, &[tag]);
    }
    let length = encoder.payload(part.payload).finish().unwrap_or_default();
    buffer.truncate(length);
    buffer
}

/// Blocks of a response, joined by the endpoint or by a download.
fn responses(script: &mut Script<'_>) {
    let mut endpoint = Endpoint::new(Config::default(), [3; 32]);
    let size = BlockSize::from_exponent(script.byte() % 7).unwrap_or(BlockSize::LARGEST);
    let mut download = Download::new(size, u64::from(script.byte()), None);
    if script.byte() & 1 == 1 {
        download = download.begin_plainly();
    }
    endpoint.request(b'p', Request::get("/joined"), Instant::ZERO);
    endpoint.request(b'p', download.next_request(Request::get("/pulled")), Instant::ZERO);
    for _ in 0..256 {
        let Some(asked) = drain(&mut endpoint).pop() else { return };
        if script.is_over() {
            return;
        }
        let choice = script.byte();
        let part = if choice & 1 == 0 { wanted(&asked, choice) } else { Part::of(script) };
        endpoint.handle_input(b'p', &answer_of(&asked, &part, choice), Instant::ZERO);
        while let Some(event) = endpoint.poll_event() {
            let Event::Response { response, .. } = event else { continue };
            if is_pulled(&asked) {
                if let Ok(chunk) = download.accept(&response) {
                    let (start, bytes) = (chunk.offset as usize, &response.payload[chunk.bytes]);
                    assert_eq!(*bytes, BODY[start..start + bytes.len()]);
                    assert_eq!(download.offset(), (start + bytes.len()) as u64);
                }
                endpoint.request(b'p', download.next_request(Request::get("/pulled")), Instant::ZERO);
            } else if response.code.is_success() && !response.payload.is_empty() {
                assert_eq!(*response.payload, BODY[..response.payload.len()]);
            }
        }
    }
}

/// The block that was asked for.
fn wanted(asked: &[u8], choice: u8) -> Part {
    let message = Message::parse(asked).expect("a message");
    let block = message.option(OptionNumber::BLOCK2).and_then(|value| Block::decode(value).ok());
    let size = block.map_or(BlockSize::LARGEST, |block| block.size);
    let start = block.map_or(0, Block::offset) as usize;
    let start = start.min(BODY.len() - size.bytes());
    let payload = &BODY[start..start + size.bytes()];
    let number = (start / size.bytes()) as u32;
    Part { number, more: choice & 2 == 0, exponent: size.exponent(), payload }
}

fn answer_of(asked: &[u8], part: &Part, choice: u8) -> Vec<u8> {
    let message = Message::parse(asked).expect("a message");
    let code = if choice & 0x40 == 0 { Code::CONTENT } else { Code(choice) };
    let mut buffer = vec![0; 4_096];
    let kind = Kind::Acknowledgement;
    let mut encoder = Encoder::new(&mut buffer, kind, code, message.message_id(), message.token());
    encoder.option(OptionNumber::ETAG, &[choice >> 4 & 1]);
    encoder.option_uint(OptionNumber::CONTENT_FORMAT, ContentFormat::OCTET_STREAM.0.into());
    encoder.option(OptionNumber::BLOCK2, &part.option());
    let length = encoder.payload(part.payload).finish().unwrap_or_default();
    buffer.truncate(length);
    buffer
}

fn is_pulled(asked: &[u8]) -> bool {
    let message = Message::parse(asked).expect("a message");
    message.option(OptionNumber::URI_PATH) == Some(b"pulled")
}

fn drain(endpoint: &mut Endpoint<u8>) -> Vec<Vec<u8>> {
    let (mut sent, mut buffer) = (Vec::new(), [0; 1_500]);
    while let Some((_, length)) = endpoint.poll_transmit(&mut buffer) {
        sent.push(buffer[..length].to_vec());
    }
    sent
}
