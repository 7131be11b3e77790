//! Alerts (RFC 5246 section 7.2).

/// What an alert says; unknown ones keep their number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Description(pub(crate) u8);

impl Description {
    pub(crate) const CLOSE_NOTIFY: Self = Self(0);
    pub(crate) const UNEXPECTED_MESSAGE: Self = Self(10);
    pub(crate) const BAD_RECORD_MAC: Self = Self(20);
    pub(crate) const HANDSHAKE_FAILURE: Self = Self(40);
    pub(crate) const ILLEGAL_PARAMETER: Self = Self(47);
    pub(crate) const DECODE_ERROR: Self = Self(50);
    pub(crate) const DECRYPT_ERROR: Self = Self(51);
    pub(crate) const PROTOCOL_VERSION: Self = Self(70);
    pub(crate) const NO_RENEGOTIATION: Self = Self(100);
    pub(crate) const UNKNOWN_PSK_IDENTITY: Self = Self(115);
}

const WARNING: u8 = 1;
const FATAL: u8 = 2;

/// One alert.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Alert {
    pub(crate) fatal: bool,
    pub(crate) description: Description,
}

impl Alert {
    pub(crate) const CLOSE_NOTIFY: Self = Self { fatal: false, description: Description::CLOSE_NOTIFY };
    pub(crate) const NO_RENEGOTIATION: Self =
        Self { fatal: false, description: Description::NO_RENEGOTIATION };

    pub(crate) const fn fatal(description: Description) -> Self {
        Self { fatal: true, description }
    }

    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let &[level, description] = bytes else { return None };
        Some(Self { fatal: level == FATAL, description: Description(description) })
    }

    pub(crate) const fn encode(self) -> [u8; 2] {
        [if self.fatal { FATAL } else { WARNING }, self.description.0]
    }
}
