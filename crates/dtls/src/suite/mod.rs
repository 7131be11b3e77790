//! Cipher suites: how the records of a session are protected.

/// A cipher suite that this crate speaks. All of them prove identities by pre-shared keys (RFC 4279).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Suite {
    /// `TLS_PSK_WITH_AES_128_CCM_8`, 0xC0A8 (RFC 6655), the one that LwM2M requires.
    PskAes128Ccm8,
    /// `TLS_PSK_WITH_AES_128_CBC_SHA256`, 0x00AE (RFC 5487), the only one of some Quectel modules. Used with
    /// encrypt-then-MAC (RFC 7366) where both sides can.
    PskAes128CbcSha256,
}

impl Suite {
    /// All suites, the most wanted first.
    pub const ALL: [Self; 2] = [Self::PskAes128Ccm8, Self::PskAes128CbcSha256];

    /// The number of the suite in the IANA registry.
    pub const fn code(self) -> u16 {
        match self {
            Self::PskAes128Ccm8 => 0xC0A8,
            Self::PskAes128CbcSha256 => 0x00AE,
        }
    }

    /// The suite of this number, if it is spoken here.
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.code() == code)
    }
}
