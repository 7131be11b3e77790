//! ClientHello, HelloVerifyRequest and ServerHello (RFC 6347 section 4.2.1, RFC 5246 section 7.4.1).

use alloc::vec::Vec;

use super::Version;
use super::reader::Reader;
use crate::Suite;

/// The random of a hello.
pub(crate) type HelloRandom = [u8; 32];

/// "I know about renegotiation_info", said as a suite (RFC 5746 section 3.3).
const RENEGOTIATION_SIGNAL: u16 = 0x00FF;
/// The only compression method left.
const NO_COMPRESSION: u8 = 0;

mod extension {
    pub(super) const SERVER_NAME: u16 = 0;
    pub(super) const ENCRYPT_THEN_MAC: u16 = 22;
    pub(super) const EXTENDED_MASTER_SECRET: u16 = 23;
    pub(super) const SESSION_TICKET: u16 = 35;
    pub(super) const CONNECTION_ID: u16 = 54;
    pub(super) const RENEGOTIATION_INFO: u16 = 0xFF01;
}

/// The extensions that matter here; all others are skipped, whatever is in them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Extensions<'a> {
    pub(crate) encrypt_then_mac: bool,
    pub(crate) extended_master_secret: bool,
    pub(crate) renegotiation: Renegotiation,
    /// What the sender wants to find in the records to it; empty where it only grants ids.
    pub(crate) connection_id: Option<&'a [u8]>,
    /// A client's ticket, empty where it wants one; a server announces one.
    pub(crate) ticket: Option<&'a [u8]>,
    /// As it stands: nothing here looks into it.
    pub(crate) server_name: &'a [u8],
}

/// What a hello says about secure renegotiation (RFC 5746).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Renegotiation {
    /// Nothing.
    #[default]
    Silent,
    /// This is a first handshake.
    First,
    /// This claims to continue another handshake.
    Again,
}

impl<'a> Extensions<'a> {
    /// Reads an optional block of extensions: old clients end their hello before it.
    fn parse(reader: &mut Reader<'a>) -> Option<Self> {
        let mut extensions = Self::default();
        if reader.is_empty() {
            return Some(extensions);
        }
        let mut block = Reader(reader.vector16()?);
        while !block.is_empty() {
            let (kind, value) = (block.u16()?, block.vector16()?);
            match kind {
                extension::SERVER_NAME => extensions.server_name = value,
                extension::ENCRYPT_THEN_MAC => extensions.encrypt_then_mac = true,
                extension::EXTENDED_MASTER_SECRET => extensions.extended_master_secret = true,
                extension::SESSION_TICKET => extensions.ticket = Some(value),
                extension::CONNECTION_ID => {
                    let mut value = Reader(value);
                    extensions.connection_id = Some(value.vector8().filter(|_| value.is_empty())?);
                }
                extension::RENEGOTIATION_INFO if value == [0] => {
                    extensions.renegotiation = Renegotiation::First;
                }
                extension::RENEGOTIATION_INFO => extensions.renegotiation = Renegotiation::Again,
                _ => {}
            }
        }
        Some(extensions)
    }

    fn push(self, out: &mut Vec<u8>) {
        if self == Self::default() {
            return;
        }
        let start = out.len();
        out.extend_from_slice(&[0, 0]);
        if self.renegotiation == Renegotiation::First {
            push_extension(extension::RENEGOTIATION_INFO, &[&[0]], out);
        }
        if self.extended_master_secret {
            push_extension(extension::EXTENDED_MASTER_SECRET, &[], out);
        }
        if self.encrypt_then_mac {
            push_extension(extension::ENCRYPT_THEN_MAC, &[], out);
        }
        if let Some(id) = self.connection_id {
            push_extension(extension::CONNECTION_ID, &[&[id.len() as u8], id], out);
        }
        if let Some(ticket) = self.ticket {
            push_extension(extension::SESSION_TICKET, &[ticket], out);
        }
        let length = (out.len() - start - 2) as u16;
        out[start..start + 2].copy_from_slice(&length.to_be_bytes());
    }
}

fn push_extension(kind: u16, parts: &[&[u8]], out: &mut Vec<u8>) {
    out.extend_from_slice(&kind.to_be_bytes());
    let length = parts.iter().map(|part| part.len()).sum::<usize>();
    out.extend_from_slice(&(length as u16).to_be_bytes());
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// What a client offers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientHello<'a> {
    pub(crate) version: Version,
    pub(crate) random: &'a HelloRandom,
    /// The session to resume; empty where there is none.
    pub(crate) session: &'a [u8],
    pub(crate) cookie: &'a [u8],
    pub(crate) extensions: Extensions<'a>,
    /// The body up to the session, and from behind the cookie to the extensions: what RFC 6347 section 4.2.1
    /// binds to the cookie, but for the session. mbedTLS invents another one when it returns the cookie.
    pub(crate) parameters: [&'a [u8]; 2],
    suites: &'a [u8],
    compressions: &'a [u8],
}

impl<'a> ClientHello<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(body);
        let version = Version(reader.u16()?);
        let random = reader.array()?;
        let before = &body[..body.len() - reader.0.len()];
        let session = reader.vector8()?;
        let cookie = reader.vector8()?;
        let behind = reader.0;
        let suites = reader.vector16()?;
        let compressions = reader.vector8()?;
        let behind = &behind[..behind.len() - reader.0.len()];
        let mut extensions = Extensions::parse(&mut reader)?;
        if session.len() > 32 || suites.len() % 2 != 0 || !reader.is_empty() {
            return None;
        }
        if extensions.renegotiation == Renegotiation::Silent && has_suite(suites, RENEGOTIATION_SIGNAL) {
            extensions.renegotiation = Renegotiation::First;
        }
        let parameters = [before, behind];
        Some(Self { version, random, session, cookie, extensions, parameters, suites, compressions })
    }

    pub(crate) fn offers(&self, suite: Suite) -> bool {
        has_suite(self.suites, suite.code())
    }

    pub(crate) fn offers_no_compression(&self) -> bool {
        self.compressions.contains(&NO_COMPRESSION)
    }
}

fn has_suite(suites: &[u8], code: u16) -> bool {
    suites.chunks_exact(2).any(|suite| suite == code.to_be_bytes())
}

/// The body of a ClientHello for this version.
pub(crate) fn client_hello(
    random: &HelloRandom,
    session: &[u8],
    cookie: &[u8],
    suites: &[Suite],
    extensions: Extensions<'_>,
) -> Vec<u8> {
    let mut body = Vec::with_capacity(128 + cookie.len() + extensions.ticket.map_or(0, <[u8]>::len));
    body.extend_from_slice(&Version::DTLS_1_2.0.to_be_bytes());
    body.extend_from_slice(random);
    body.push(session.len() as u8);
    body.extend_from_slice(session);
    body.push(cookie.len() as u8);
    body.extend_from_slice(cookie);
    body.extend_from_slice(&(2 * suites.len() as u16).to_be_bytes());
    for suite in suites {
        body.extend_from_slice(&suite.code().to_be_bytes());
    }
    body.extend_from_slice(&[1, NO_COMPRESSION]);
    extensions.push(&mut body);
    body
}

/// The cookie in a HelloVerifyRequest.
pub(crate) fn parse_verify_request(body: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader(body);
    reader.u16()?;
    let cookie = reader.vector8()?;
    reader.is_empty().then_some(cookie)
}

/// The body of a HelloVerifyRequest. Its version is 1.0 whatever follows (RFC 6347 section 4.2.1).
pub(crate) fn verify_request(cookie: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(3 + cookie.len());
    body.extend_from_slice(&Version::DTLS_1_0.0.to_be_bytes());
    body.push(cookie.len() as u8);
    body.extend_from_slice(cookie);
    body
}

/// What a server has chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerHello<'a> {
    pub(crate) version: Version,
    pub(crate) random: &'a HelloRandom,
    /// Empty where the session cannot be resumed by it.
    pub(crate) session: &'a [u8],
    pub(crate) suite: u16,
    pub(crate) compression: u8,
    pub(crate) extensions: Extensions<'a>,
}

impl<'a> ServerHello<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(body);
        let version = Version(reader.u16()?);
        let random = reader.array()?;
        let session = reader.vector8().filter(|session| session.len() <= 32)?;
        let suite = reader.u16()?;
        let compression = reader.u8()?;
        let extensions = Extensions::parse(&mut reader)?;
        reader.is_empty().then_some(Self { version, random, session, suite, compression, extensions })
    }

    pub(crate) const fn compresses(&self) -> bool {
        self.compression != NO_COMPRESSION
    }
}

/// The body of a ServerHello.
pub(crate) fn server_hello(
    random: &HelloRandom,
    session: &[u8],
    suite: Suite,
    extensions: Extensions<'_>,
) -> Vec<u8> {
    let mut body = Vec::with_capacity(112);
    body.extend_from_slice(&Version::DTLS_1_2.0.to_be_bytes());
    body.extend_from_slice(random);
    body.push(session.len() as u8);
    body.extend_from_slice(session);
    body.extend_from_slice(&suite.code().to_be_bytes());
    body.push(NO_COMPRESSION);
    extensions.push(&mut body);
    body
}

/// The ticket in a NewSessionTicket (RFC 5077 section 3.3); empty where the server changed its mind.
pub(crate) fn parse_ticket(body: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader(body);
    reader.take(4)?;
    let ticket = reader.vector16()?;
    reader.is_empty().then_some(ticket)
}

/// The body of a NewSessionTicket. `lifetime` is in seconds.
pub(crate) fn new_session_ticket(lifetime: u32, ticket: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(6 + ticket.len());
    body.extend_from_slice(&lifetime.to_be_bytes());
    body.extend_from_slice(&(ticket.len() as u16).to_be_bytes());
    body.extend_from_slice(ticket);
    body
}
