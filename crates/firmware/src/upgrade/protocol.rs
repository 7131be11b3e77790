//! By what an image travels when a device fetches it.

use core::fmt;

/// By which protocol a device fetches an image (OMA object 5, resource 8).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Protocol {
    /// CoAP over UDP.
    Coap,
    /// CoAP over DTLS.
    Coaps,
    /// HTTP 1.1.
    Http,
    /// HTTP 1.1 over TLS.
    Https,
    /// CoAP over TCP.
    CoapTcp,
    /// CoAP over TLS.
    CoapsTcp,
}

impl Protocol {
    /// All protocols, in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::Coap, Self::Coaps, Self::Http, Self::Https, Self::CoapTcp, Self::CoapsTcp];

    /// The scheme of its URIs, which is also the stable name for storage and interfaces.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Coap => "coap",
            Self::Coaps => "coaps",
            Self::Http => "http",
            Self::Https => "https",
            Self::CoapTcp => "coap+tcp",
            Self::CoapsTcp => "coaps+tcp",
        }
    }

    /// The number in resource 8.
    pub const fn number(self) -> i64 {
        self as i64
    }

    /// The protocol with this name.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.code() == code)
    }

    /// The protocol of a URI.
    pub fn of_uri(uri: &str) -> Option<Self> {
        uri.split_once("://").and_then(|(scheme, _)| Self::from_code(scheme))
    }

    /// Whether nobody on the way can read or change the image.
    pub const fn is_secured(self) -> bool {
        matches!(self, Self::Coaps | Self::Https | Self::CoapsTcp)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_object() {
        for (number, protocol) in (0..).zip(Protocol::ALL) {
            assert_eq!(protocol.number(), number);
            assert_eq!(Protocol::from_code(protocol.code()), Some(protocol));
        }
        assert_eq!(Protocol::of_uri("https://x/fw/1"), Some(Protocol::Https));
        assert_eq!(Protocol::of_uri("ftp://x"), None);
    }
}
