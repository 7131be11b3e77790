//! What a device does that the standard does not allow, let through because its meaning is clear.

use core::fmt;

/// What was let through although the standard does not allow it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Oddity {
    /// No `lwm2m`: taken for 1.0.
    NoVersion,
    /// `lwm2m=1.0.2` or the like.
    PatchVersion,
    /// `lt=0`: taken for a registration without end.
    ZeroLifetime,
    /// `b=UQ` from a client of 1.1 or later.
    QueueInBinding,
    /// `b=` without a letter.
    EmptyBinding,
    /// A parameter came twice; the first counts.
    Repeated,
    /// The body has no Content-Format.
    NoContentFormat,
    /// White space, commas or zeros where a link list has none.
    LooseLinkList,
    /// Links that name no object, or one number twice.
    OddLinks,
}

impl Oddity {
    /// All of them. Places are stored: new ones go to the end.
    const ALL: [Self; 9] = [
        Self::NoVersion,
        Self::PatchVersion,
        Self::ZeroLifetime,
        Self::QueueInBinding,
        Self::EmptyBinding,
        Self::Repeated,
        Self::NoContentFormat,
        Self::LooseLinkList,
        Self::OddLinks,
    ];

    /// The number under which it is stored.
    pub(super) fn number(self) -> u8 {
        Self::ALL.iter().position(|oddity| *oddity == self).unwrap_or(usize::from(u8::MAX)) as u8
    }

    pub(super) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

impl fmt::Display for Oddity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NoVersion => "registers without lwm2m, taken for 1.0",
            Self::PatchVersion => "registers with a version of three numbers",
            Self::ZeroLifetime => "registers with lt=0, taken for endless",
            Self::QueueInBinding => "registers with Q inside b, as in 1.0",
            Self::EmptyBinding => "registers with an empty b",
            Self::Repeated => "repeats a parameter of the registration; the first counts",
            Self::NoContentFormat => "registers without a content format",
            Self::LooseLinkList => "sends a link list with stray white space, commas or zeros",
            Self::OddLinks => "lists links that name no object, or one twice",
        })
    }
}
