//! What a request or response must look like before anybody acts on it.

use super::Config;
use crate::{Block, BlockError, Code, Message, OptionNumber};

/// Why a request is answered before its owner sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Refusal {
    pub(super) code: Code,
    /// A non-confirmable request with an option that is not understood is rejected without a word
    /// (RFC 7252 section 5.4.1).
    pub(super) silent_if_non_confirmable: bool,
}

const fn refuse(code: Code) -> Result<(), Refusal> {
    Err(Refusal { code, silent_if_non_confirmable: matches!(code, Code::BAD_OPTION) })
}

/// Checks the options and the method of a request.
pub(super) fn check_request(message: &Message<'_>, config: &Config) -> Result<(), Refusal> {
    let (mut count, mut segments, mut queries) = (0_usize, 0_usize, 0_usize);
    let mut previous = None;
    for (number, value) in message.options() {
        count += 1;
        if count > config.max_options {
            return refuse(Code::BAD_OPTION);
        }
        check_critical(number, value, previous == Some(number))?;
        previous = Some(number);
        match number {
            OptionNumber::URI_PATH => {
                segments += 1;
                if segments > config.max_path_segments || !is_path_segment(value) {
                    return refuse(Code::BAD_REQUEST);
                }
            }
            OptionNumber::URI_QUERY => {
                queries += 1;
                if queries > config.max_query_parts {
                    return refuse(Code::BAD_REQUEST);
                }
            }
            OptionNumber::BLOCK1 | OptionNumber::BLOCK2 => check_block(value)?,
            _ => {}
        }
    }
    if message.code().is_known_method() { Ok(()) } else { refuse(Code::METHOD_NOT_ALLOWED) }
}

fn check_critical(number: OptionNumber, value: &[u8], repeated: bool) -> Result<(), Refusal> {
    if !number.is_critical() {
        return Ok(());
    }
    // Conditional requests (If-Match, If-None-Match) are not supported, so they must not be carried out.
    match (number, number.format()) {
        (OptionNumber::PROXY_URI | OptionNumber::PROXY_SCHEME, _) => refuse(Code::PROXYING_NOT_SUPPORTED),
        (OptionNumber::IF_MATCH | OptionNumber::IF_NONE_MATCH, _) | (_, None) => refuse(Code::BAD_OPTION),
        (_, Some(format)) if !format.allows(value.len()) || (repeated && !format.repeatable) => {
            refuse(Code::BAD_OPTION)
        }
        _ => Ok(()),
    }
}

fn check_block(value: &[u8]) -> Result<(), Refusal> {
    match Block::decode(value) {
        Ok(_) => Ok(()),
        Err(BlockError::Length) => refuse(Code::BAD_OPTION),
        Err(BlockError::ReservedSize) => refuse(Code::BAD_REQUEST),
    }
}

/// "." and ".." must not come (RFC 7252 section 5.10.1); the rest is what no resource of ours is named.
fn is_path_segment(segment: &[u8]) -> bool {
    !matches!(segment, b"." | b"..")
        && !segment.iter().any(|byte| matches!(byte, b'/' | 0))
        && core::str::from_utf8(segment).is_ok()
}

/// Whether a response can be taken: it has no critical option that is unknown or unusable.
pub(super) fn is_acceptable_response(message: &Message<'_>) -> bool {
    message.options().filter(|(number, _)| number.is_critical()).all(|(number, value)| match number {
        OptionNumber::BLOCK1 | OptionNumber::BLOCK2 => Block::decode(value).is_ok(),
        _ => number.format().is_some_and(|format| format.allows(value.len())),
    })
}
