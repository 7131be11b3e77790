//! Bytes on the wire: records, handshake messages, alerts.

pub(crate) mod alert;
pub(crate) mod hello;
pub(crate) mod message;
pub(crate) mod reader;
pub(crate) mod record;

/// A protocol version as it travels: the ones' complement of the number it is known by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Version(pub(crate) u16);

impl Version {
    pub(crate) const DTLS_1_0: Self = Self(0xFEFF);
    pub(crate) const DTLS_1_2: Self = Self(0xFEFD);

    /// Whether a client that offers this version also speaks 1.2 (RFC 5246 appendix E.1): newer ones count
    /// down.
    pub(crate) const fn includes_1_2(self) -> bool {
        self.0 >> 8 == 0xFE && self.0 <= Self::DTLS_1_2.0
    }
}
