//! CoRE link-format (RFC 6690), read tolerantly: what fielded clients register with and answer Discover with.
//!
//! Reading is one pass over the bytes and never goes back. White space around commas and semicolons, a comma
//! at the end, values with and without quotes, and repeated attributes are let through and reported as
//! [`Oddity`], so that the device's page can show them.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

/// How many links one list may have.
pub const MOST_LINKS: usize = 1_000;

/// One link: a target and its attributes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link<'a> {
    /// What stands between the angle brackets.
    pub target: &'a str,
    /// `;name=value;name` after it, unparsed.
    attributes: &'a str,
}

impl<'a> Link<'a> {
    /// The attributes as name and value without quotes, in their order.
    pub fn attributes(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
        Attributes(self.attributes)
    }

    /// The value of the first attribute with this name; empty if it has none.
    pub fn attribute(&self, name: &str) -> Option<&'a str> {
        let mut attributes = self.attributes();
        attributes.find(|(candidate, _)| *candidate == name).map(|(_, value)| value.unwrap_or(""))
    }
}

/// Something in a link list that the standard does not allow but whose meaning is clear.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Oddity {
    /// White space outside of quotes.
    WhiteSpace,
    /// Two commas in a row, or one at the end.
    EmptyLink,
    /// A NUL or line break at the end of the list.
    TrailingBytes,
}

/// The list cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LinkError {
    /// It is not UTF-8.
    #[error("the link list is not UTF-8")]
    NotText,
    /// A link does not start with `<`; the number is the byte.
    #[error("no link starts at byte {0}")]
    NoLink(usize),
    /// A `<` has no `>`, or another `<` inside.
    #[error("the link at byte {0} is not closed")]
    Unclosed(usize),
    /// A quoted value has no end.
    #[error("the quotes at byte {0} are not closed")]
    UnclosedQuote(usize),
    /// More than [`MOST_LINKS`] links.
    #[error("more than {MOST_LINKS} links")]
    TooMany,
}

/// A list that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Links<'a> {
    /// In their order.
    pub links: Vec<Link<'a>>,
    /// What was let through, without repetition, in the order first seen.
    pub oddities: Vec<Oddity>,
}

/// Reads a list of links.
pub fn parse(payload: &[u8]) -> Result<Links<'_>, LinkError> {
    let text = core::str::from_utf8(payload).map_err(|_| LinkError::NotText)?;
    let mut reader = Reader { text, at: 0, oddities: Vec::new() };
    let mut links = Vec::new();
    let mut after_comma = false;
    loop {
        reader.skip_space();
        match reader.peek() {
            None if after_comma => {
                reader.note(Oddity::EmptyLink);
                break;
            }
            None => break,
            Some(b',') => {
                reader.at += 1;
                reader.note(Oddity::EmptyLink);
                continue;
            }
            Some(b'<') if links.len() == MOST_LINKS => return Err(LinkError::TooMany),
            Some(b'<') => links.push(reader.link()?),
            Some(0) if text[reader.at..].bytes().all(|byte| byte == 0) => {
                reader.note(Oddity::TrailingBytes);
                break;
            }
            Some(_) => return Err(LinkError::NoLink(reader.at)),
        }
        // A link ends at a comma, at zeros or at the end.
        after_comma = reader.peek() == Some(b',');
        reader.at += usize::from(after_comma);
    }
    Ok(Links { links, oddities: reader.oddities })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    oddities: Vec<Oddity>,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn note(&mut self, oddity: Oddity) {
        if !self.oddities.contains(&oddity) {
            self.oddities.push(oddity);
        }
    }

    fn skip_space(&mut self) {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
        if self.at > start {
            self.note(Oddity::WhiteSpace);
        }
    }

    /// One link with its attributes; stands at its `<`.
    fn link(&mut self) -> Result<Link<'a>, LinkError> {
        let open = self.at;
        let inner = &self.text[open + 1..];
        // Stopping at `<` keeps a list of unclosed links linear.
        let length = inner.find(['<', '>']).ok_or(LinkError::Unclosed(open))?;
        if inner.as_bytes()[length] == b'<' {
            return Err(LinkError::Unclosed(open));
        }
        self.at = open + 1 + length + 1;
        let start = self.at;
        if self.peek().is_some_and(|byte| !matches!(byte, b';' | b',' | 0) && !byte.is_ascii_whitespace()) {
            return Err(LinkError::NoLink(self.at));
        }
        let mut quote = None;
        while let Some(byte) = self.peek() {
            match (byte, quote) {
                (b'"', None) => quote = Some(self.at),
                (b'"', Some(_)) => quote = None,
                (b',' | 0, None) => break,
                (b'\\', Some(_)) => self.at += 1,
                (byte, None) if byte.is_ascii_whitespace() => self.note(Oddity::WhiteSpace),
                _ => {}
            }
            self.at += 1;
        }
        if let Some(at) = quote {
            return Err(LinkError::UnclosedQuote(at));
        }
        self.at = self.at.min(self.text.len());
        Ok(Link { target: inner[..length].trim(), attributes: self.text[start..self.at].trim_end() })
    }
}

/// Splits `;name=value;name="quoted; value"`.
struct Attributes<'a>(&'a str);

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a str, Option<&'a str>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let trimmed = self.0.trim_start_matches(|letter: char| letter == ';' || letter.is_whitespace());
            if trimmed.is_empty() {
                return None;
            }
            let mut quoted = false;
            let mut escaped = false;
            let end = trimmed.bytes().position(|byte| {
                if escaped {
                    escaped = false;
                } else {
                    escaped = quoted && byte == b'\\';
                    quoted ^= byte == b'"';
                }
                byte == b';' && !quoted
            });
            let (attribute, rest) = trimmed.split_at(end.unwrap_or(trimmed.len()));
            self.0 = rest;
            let (name, value) = match attribute.split_once('=') {
                Some((name, value)) => (name.trim(), Some(unquoted(value.trim()))),
                None => (attribute.trim(), None),
            };
            if !name.is_empty() {
                return Some((name, value));
            }
        }
    }
}

/// The inside of quotes; escapes stay, since no attribute that we read has any.
fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value)
}

/// Writes a list of links.
#[derive(Clone, Default, Debug)]
pub struct LinkWriter(String);

impl LinkWriter {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts the next link; its attributes follow.
    pub fn link(&mut self, target: impl core::fmt::Display) -> &mut Self {
        let comma = if self.0.is_empty() { "" } else { "," };
        write!(self.0, "{comma}<{target}>").expect("writing to a string does not fail");
        self
    }

    /// Adds an attribute to the link written last. Values other than numbers need their quotes here.
    pub fn attribute(&mut self, name: &str, value: impl core::fmt::Display) -> &mut Self {
        write!(self.0, ";{name}={value}").expect("writing to a string does not fail");
        self
    }

    /// The payload.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;

    fn targets(text: &str) -> Vec<&str> {
        parse(text.as_bytes()).unwrap().links.iter().map(|link| link.target).collect()
    }

    #[test]
    fn reads_a_registration() {
        let text = "</>;rt=\"oma.lwm2m\";ct=\"110 112\",</1/0>,</3/0>;ver=1.1,</5>;ver=\"1.0\",</5/0>";
        let list = parse(text.as_bytes()).unwrap();
        assert_eq!(list.oddities, []);
        assert_eq!(list.links.len(), 5);
        assert_eq!(list.links[0].attribute("rt"), Some("oma.lwm2m"));
        assert_eq!(list.links[0].attribute("ct"), Some("110 112"));
        assert_eq!(list.links[2].attribute("ver"), Some("1.1"));
        assert_eq!(list.links[3].attribute("ver"), Some("1.0"));
        assert_eq!(list.links[4].attribute("ver"), None);
    }

    #[test]
    fn lets_through_what_fielded_clients_send() {
        assert_eq!(targets(""), [""; 0]);
        assert_eq!(targets("</1/0>, </3/0>"), ["/1/0", "/3/0"]);
        assert_eq!(targets("</1/0>,</3/0>,"), ["/1/0", "/3/0"]);
        assert_eq!(targets("</1/0>,,</3/0>"), ["/1/0", "/3/0"]);
        assert_eq!(targets("</1/0>\0"), ["/1/0"]);
        assert_eq!(targets("<lwm2m/1/0>"), ["lwm2m/1/0"]);
        let list = parse(b"</>;rt=oma.lwm2m;ct=110;ct=112 ,</3/0>").unwrap();
        assert_eq!(list.oddities, [Oddity::WhiteSpace]);
        assert_eq!(list.links[0].attribute("rt"), Some("oma.lwm2m"));
        let formats: Vec<_> = list.links[0].attributes().filter(|(name, _)| *name == "ct").collect();
        assert_eq!(formats, [("ct", Some("110")), ("ct", Some("112"))]);
        let list = parse(b"</1/0>,</3/0>,").unwrap();
        assert_eq!(list.oddities, [Oddity::EmptyLink]);
    }

    #[test]
    fn commas_and_semicolons_in_quotes_belong_to_the_value() {
        let list = parse(b"</1>;title=\"a,b;c\";obs,</2>").unwrap();
        assert_eq!(list.links.len(), 2);
        assert_eq!(list.links[0].attribute("title"), Some("a,b;c"));
        assert_eq!(list.links[0].attribute("obs"), Some(""));
    }

    #[test]
    fn names_the_byte_at_which_it_fails() {
        assert_eq!(parse(b"</1/0>,/3/0"), Err(LinkError::NoLink(7)));
        assert_eq!(parse(b"</1/0></3/0>"), Err(LinkError::NoLink(6)));
        assert_eq!(parse(b"</1/0>,</3/0"), Err(LinkError::Unclosed(7)));
        assert_eq!(parse(b"</</</</"), Err(LinkError::Unclosed(0)));
        assert_eq!(parse(b"</1>;rt=\"oma"), Err(LinkError::UnclosedQuote(8)));
        assert_eq!(parse(b"</\xFF>"), Err(LinkError::NotText));
    }

    #[test]
    fn n08_the_number_of_links_is_bounded() {
        let list = |links| vec!["</1/0>"; links].join(",");
        assert_eq!(targets(&list(MOST_LINKS)).len(), MOST_LINKS);
        assert_eq!(parse(list(MOST_LINKS + 1).as_bytes()), Err(LinkError::TooMany));
    }

    #[test]
    fn reads_what_the_writer_writes() {
        let mut writer = LinkWriter::new();
        writer.link("/3").attribute("ver", "1.1");
        writer.link("/3/0/11").attribute("dim", 1).attribute("pmin", 10);
        let bytes = writer.into_bytes();
        assert_eq!(bytes, b"</3>;ver=1.1,</3/0/11>;dim=1;pmin=10");
        assert_eq!(parse(&bytes).unwrap().links[1].attribute("dim"), Some("1"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(list) = parse(&bytes) {
                for link in list.links {
                    let _ = link.attributes().count();
                }
            }
        }

        #[test]
        fn any_likely_text_is_read_or_refused(text in "[<>/0-9;,=\"\\\\ a-c]{0,120}") {
            if let Ok(list) = parse(text.as_bytes()) {
                for link in list.links {
                    let _ = link.attributes().count();
                }
            }
        }
    }
}
