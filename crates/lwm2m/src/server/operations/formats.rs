//! Which content formats a device understands, learnt from its answers (PEERS 1 to 3).
//!
//! Real clients differ: some read no TLV, some no SenML, and what they list with `ct` is not all. So a format
//! that was refused with 4.06 or 4.15 is not tried again for the same kind of request, and one that worked
//! goes first.

use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::format::{
    CBOR, LWM2M_CBOR, LWM2M_JSON, LWM2M_TLV, OCTET_STREAM, SENML_CBOR, SENML_JSON, TEXT_PLAIN,
};
use crate::server::Version;

/// A kind of request whose formats are learnt apart from the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Use {
    /// One value is read.
    ReadOne,
    /// One value of bytes is read.
    ReadBytes,
    /// Several values below one place are read.
    ReadMany,
    /// One value is written.
    WriteOne,
    /// One value of bytes is written.
    WriteBytes,
    /// Several values below one place are written.
    WriteMany,
    /// Several places are read or written at once.
    Composite,
}

/// In the order of their discriminants.
const USES: [(Use, &str); 7] = [
    (Use::ReadOne, "read-one"),
    (Use::ReadBytes, "read-bytes"),
    (Use::ReadMany, "read-many"),
    (Use::WriteOne, "write-one"),
    (Use::WriteBytes, "write-bytes"),
    (Use::WriteMany, "write-many"),
    (Use::Composite, "composite"),
];

/// The formats that can be learnt; a place in this list is stored, so only add at the end.
const KNOWN: [u16; 8] =
    [TEXT_PLAIN, OCTET_STREAM, CBOR, SENML_JSON, SENML_CBOR, LWM2M_TLV, LWM2M_JSON, LWM2M_CBOR];

/// What is learnt of one kind of request.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Learnt {
    /// Place in [`KNOWN`] plus one; 255 for the device's own choice; 0 for nothing.
    worked: u8,
    /// Bits by place in [`KNOWN`].
    refused: u8,
}

const OWN_CHOICE: u8 = u8::MAX;

/// What is known of a device's formats. Its text, such as `read-many=112-11542`, is for the store and for
/// people: what worked, then what was refused.
///
/// ```
/// use lwm2m::server::FormatMemory;
///
/// let memory: FormatMemory = "read-many=112-11542 composite=-110".parse().unwrap();
/// assert_eq!(memory.to_string(), "read-many=112-11542 composite=-110");
/// assert!("read-many=x".parse::<FormatMemory>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct FormatMemory([Learnt; USES.len()]);

impl FormatMemory {
    /// Whether nothing is learnt.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The device answered well to this format, `None` being its own choice. Whether that is worth telling:
    /// it is if something else was refused before, or worked before.
    pub(crate) fn worked(&mut self, which: Use, format: Option<u16>) -> bool {
        let learnt = &mut self.0[which as usize];
        let number = match format {
            Some(format) => match place(format) {
                Some(place) => place + 1,
                None => return false,
            },
            None => OWN_CHOICE,
        };
        if let Some(place) = number.checked_sub(1).filter(|_| number != OWN_CHOICE) {
            learnt.refused &= !(1 << place);
        }
        let before = core::mem::replace(&mut learnt.worked, number);
        before != number && (before != 0 || learnt.refused != 0)
    }

    /// The device refused this format.
    pub(crate) fn refused(&mut self, which: Use, format: u16) {
        let learnt = &mut self.0[which as usize];
        if let Some(place) = place(format) {
            learnt.refused |= 1 << place;
            if learnt.worked == place + 1 {
                learnt.worked = 0;
            }
        }
    }

    /// The formats to try, the last one first: what worked, then the wanted ones in their order without
    /// those that were refused. If all were refused, all are tried again: the device may have new firmware.
    pub(crate) fn order(&self, which: Use, wanted: &[Option<u16>]) -> Vec<Option<u16>> {
        let learnt = self.0[which as usize];
        let is_refused = |format: &Option<u16>| {
            format.and_then(place).is_some_and(|place| learnt.refused & 1 << place != 0)
        };
        let worked = match learnt.worked {
            0 => None,
            OWN_CHOICE => Some(None),
            number => KNOWN.get(usize::from(number) - 1).copied().map(Some),
        };
        let mut order: Vec<_> = wanted.iter().copied().filter(|format| !is_refused(format)).collect();
        if order.is_empty() {
            order = wanted.to_vec();
        }
        if let Some(index) = order.iter().position(|format| Some(*format) == worked) {
            let first = order.remove(index);
            order.insert(0, first);
        }
        order.reverse();
        order
    }
}

fn place(format: u16) -> Option<u8> {
    KNOWN.iter().position(|known| *known == format).map(|place| place as u8)
}

impl fmt::Display for FormatMemory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut space = "";
        for ((_, name), learnt) in USES.iter().zip(self.0) {
            if learnt == Learnt::default() {
                continue;
            }
            write!(formatter, "{space}{name}=")?;
            space = " ";
            match learnt.worked {
                0 => {}
                OWN_CHOICE => formatter.write_str("any")?,
                number => write!(formatter, "{}", KNOWN.get(usize::from(number) - 1).unwrap_or(&0))?,
            }
            for (place, format) in KNOWN.iter().enumerate() {
                if learnt.refused & 1 << place != 0 {
                    write!(formatter, "-{format}")?;
                }
            }
        }
        Ok(())
    }
}

/// The text is no memory of formats.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the text does not tell content formats")]
pub struct ParseFormatMemoryError;

impl FromStr for FormatMemory {
    type Err = ParseFormatMemoryError;

    fn from_str(text: &str) -> Result<Self, ParseFormatMemoryError> {
        let mut memory = Self::default();
        let number = |text: &str| text.parse().ok().and_then(place).ok_or(ParseFormatMemoryError);
        for part in text.split(' ').filter(|part| !part.is_empty()) {
            let (name, formats) = part.split_once('=').ok_or(ParseFormatMemoryError)?;
            let found = USES.iter().find(|(_, known)| *known == name);
            let (which, _) = found.ok_or(ParseFormatMemoryError)?;
            let mut formats = formats.split('-');
            let learnt = &mut memory.0[*which as usize];
            learnt.worked = match formats.next() {
                None | Some("") => 0,
                Some("any") => OWN_CHOICE,
                Some(format) => number(format)? + 1,
            };
            for format in formats {
                learnt.refused |= 1 << number(format)?;
            }
        }
        Ok(memory)
    }
}

/// What is known of a device before anything was tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spoken<'a> {
    pub(crate) version: Version,
    /// What it lists with `ct`; never everything, but what it lists it does speak.
    pub(crate) listed: &'a [u16],
}

impl Spoken<'_> {
    /// Formats for several values, most likely first. TLV is what every client of 1.0 has; those of 1.1 and
    /// later answer in SenML CBOR by themselves, and small ones of 1.2 have LwM2M CBOR and no TLV.
    fn several(self) -> Vec<u16> {
        let by_version: &[u16] = match self.version {
            Version::V1_0 => &[LWM2M_TLV, LWM2M_JSON],
            Version::V1_1 => &[LWM2M_TLV, SENML_CBOR, SENML_JSON, LWM2M_JSON, LWM2M_CBOR],
            Version::V1_2 => &[SENML_CBOR, LWM2M_CBOR, LWM2M_TLV, SENML_JSON, LWM2M_JSON],
        };
        let mut formats = by_version.to_vec();
        // Stable: listed ones first, in our order.
        formats.sort_by_key(|format| !self.listed.contains(format));
        formats
    }

    /// For reading `first` (if one value is read) or several. After two refusals the device may choose:
    /// whatever comes is read.
    pub(crate) fn to_read(self, first: Option<u16>) -> Vec<Option<u16>> {
        let mut formats = self.to_write(first);
        formats.insert(if first.is_some() { 2 } else { 1 }, None);
        formats
    }

    /// For writing `first` (if one value is written) or several.
    pub(crate) fn to_write(self, first: Option<u16>) -> Vec<Option<u16>> {
        let mut formats: Vec<_> = first.into_iter().chain(self.several()).map(Some).collect();
        if first.is_some() && self.version > Version::V1_0 {
            formats.push(Some(CBOR));
        }
        formats
    }

    /// For composites.
    pub(crate) fn composite(self) -> Vec<Option<u16>> {
        let mut formats = [SENML_CBOR, SENML_JSON, LWM2M_CBOR].to_vec();
        if self.version < Version::V1_2 {
            formats.pop();
        }
        formats.sort_by_key(|format| !self.listed.contains(format));
        formats.into_iter().map(Some).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(memory: FormatMemory, which: Use, wanted: &[Option<u16>]) -> Vec<Option<u16>> {
        let mut order = memory.order(which, wanted);
        order.reverse();
        order
    }

    #[test]
    fn peers_1_text_goes_first_for_one_value_and_the_own_choice_is_near() {
        let spoken = |version, listed| Spoken { version, listed };
        let one = spoken(Version::V1_1, &[]).to_read(Some(TEXT_PLAIN));
        assert_eq!(one[..3], [Some(TEXT_PLAIN), Some(LWM2M_TLV), None]);
        assert_eq!(spoken(Version::V1_0, &[]).to_read(None), [Some(LWM2M_TLV), None, Some(LWM2M_JSON)]);
        assert_eq!(spoken(Version::V1_2, &[]).to_read(None)[..2], [Some(SENML_CBOR), None]);
        let listed = spoken(Version::V1_1, &[SENML_JSON, 40]);
        assert_eq!(listed.to_read(None)[0], Some(SENML_JSON));
        assert_eq!(listed.composite(), [Some(SENML_JSON), Some(SENML_CBOR)]);
    }

    #[test]
    fn peers_2_what_worked_goes_first_and_what_was_refused_not_at_all() {
        let wanted = [Some(LWM2M_TLV), None, Some(SENML_CBOR), Some(LWM2M_CBOR)];
        let mut memory = FormatMemory::default();
        assert_eq!(tried(memory, Use::ReadMany, &wanted), wanted);
        memory.refused(Use::ReadMany, LWM2M_TLV);
        assert!(memory.worked(Use::ReadMany, Some(LWM2M_CBOR)));
        assert!(!memory.worked(Use::ReadMany, Some(LWM2M_CBOR)), "nothing new");
        assert_eq!(tried(memory, Use::ReadMany, &wanted), [Some(LWM2M_CBOR), None, Some(SENML_CBOR)]);
        assert_eq!(tried(memory, Use::WriteMany, &wanted), wanted, "kinds are learnt apart");
        for format in [SENML_CBOR, LWM2M_CBOR] {
            memory.refused(Use::ReadMany, format);
        }
        assert_eq!(tried(memory, Use::ReadMany, &wanted), [None]);
        let all = [Some(LWM2M_TLV), Some(SENML_CBOR)];
        assert_eq!(tried(memory, Use::ReadMany, &all), all, "all again");
    }

    #[test]
    fn a_first_choice_that_works_is_not_worth_telling() {
        let mut memory = FormatMemory::default();
        assert!(!memory.worked(Use::ReadOne, Some(TEXT_PLAIN)));
        assert!(memory.worked(Use::ReadOne, None), "another one is");
        assert!(!memory.worked(Use::ReadOne, Some(9)));
    }

    #[test]
    fn the_text_is_read_back() {
        let mut memory = FormatMemory::default();
        memory.refused(Use::ReadOne, TEXT_PLAIN);
        memory.refused(Use::Composite, SENML_CBOR);
        memory.worked(Use::ReadOne, None);
        memory.worked(Use::WriteMany, Some(LWM2M_TLV));
        let text = alloc::string::ToString::to_string(&memory);
        assert_eq!(text, "read-one=any-0 write-many=11542 composite=-112");
        assert_eq!(text.parse(), Ok(memory));
        assert_eq!("".parse(), Ok(FormatMemory::default()));
        for text in ["x", "read-one", "read-one=1", "read-one=0-x", "write=0"] {
            assert_eq!(text.parse::<FormatMemory>(), Err(ParseFormatMemoryError), "{text}");
        }
    }
}
