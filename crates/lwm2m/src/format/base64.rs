//! Bytes as text (RFC 4648), with either alphabet.

use alloc::vec::Vec;

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Appends `bytes` by section 4, with padding.
pub(super) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    write(bytes, STANDARD, out);
    out.extend(core::iter::repeat_n(b'=', (3 - bytes.len() % 3) % 3));
}

/// Appends `bytes` by section 5, without padding, as SenML wants them.
pub(super) fn encode_url(bytes: &[u8], out: &mut Vec<u8>) {
    write(bytes, URL, out);
}

fn write(bytes: &[u8], alphabet: &[u8; 64], out: &mut Vec<u8>) {
    for chunk in bytes.chunks(3) {
        let mut group = [0; 4];
        group[1..=chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(group);
        let sextets = (0..=chunk.len()).map(|position| (bits >> (18 - 6 * position)) & 0x3F);
        out.extend(sextets.map(|sextet| alphabet[sextet as usize]));
    }
}

/// Reads either alphabet, with or without padding; other characters are refused.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let padding = text.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for chunk in text[..text.len() - padding].chunks(4) {
        let mut bits = 0;
        for letter in chunk {
            bits = bits << 6 | sextet(*letter)?;
        }
        bits <<= 6 * (4 - chunk.len());
        match chunk.len() {
            1 => return None,
            length => bytes.extend_from_slice(&bits.to_be_bytes()[1..length]),
        }
    }
    Some(bytes)
}

const fn sextet(letter: u8) -> Option<u32> {
    Some(match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    } as u32)
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648_section_10() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut out = Vec::new();
            encode(bytes.as_bytes(), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
            let mut out = Vec::new();
            encode_url(bytes.as_bytes(), &mut out);
            let bare = text.trim_end_matches('=');
            assert_eq!(String::from_utf8(out).unwrap(), bare);
            assert_eq!(decode(text.as_bytes()).as_deref(), Some(bytes.as_bytes()));
            assert_eq!(decode(bare.as_bytes()).as_deref(), Some(bytes.as_bytes()));
        }
    }

    #[test]
    fn both_alphabets_are_read() {
        let bytes = [0xFB, 0xEF, 0xFF];
        let (mut standard, mut url) = (Vec::new(), Vec::new());
        encode(&bytes, &mut standard);
        encode_url(&bytes, &mut url);
        assert_eq!((&standard[..], &url[..]), (&b"++//"[..], &b"--__"[..]));
        assert_eq!(decode(&standard).unwrap(), bytes);
        assert_eq!(decode(&url).unwrap(), bytes);
        for broken in ["A", "AAAAA", "A=AA", "AA A", "===", "AA\u{e4}"] {
            assert_eq!(decode(broken.as_bytes()), None, "{broken}");
        }
    }
}
