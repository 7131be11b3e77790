//! Names of entries: plain file names that mean the same to every system and every reader.

use std::fmt;

/// Bytes of the longest name: what file systems allow.
pub const LONGEST_NAME: usize = 255;

/// Why something is not a plain file name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NameFault {
    /// There is none.
    Empty,
    /// It has more than [`LONGEST_NAME`] bytes.
    TooLong {
        /// How many.
        bytes: usize,
    },
    /// It is not UTF-8.
    Encoding,
    /// It holds a separator of folders or drives: `/`, `\` or `:`.
    Path,
    /// It begins with a dot (`.`, `..`, hidden files) or a blank, or ends with one, which Windows drops.
    Edge,
    /// It holds a character that is invisible, turns the direction of text or has a meaning to a shell.
    Character(char),
    /// Windows has a device of this name.
    Device,
}

impl fmt::Display for NameFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => formatter.write_str("is empty"),
            Self::TooLong { bytes } => write!(formatter, "has {bytes} bytes; {LONGEST_NAME} are allowed"),
            Self::Encoding => formatter.write_str("is not UTF-8"),
            Self::Path => formatter.write_str("holds a path; only plain file names are allowed"),
            Self::Edge => formatter.write_str("begins or ends with a dot or a blank"),
            Self::Character(character) => {
                write!(formatter, "holds the character U+{:04X}", *character as u32)
            }
            Self::Device => formatter.write_str("is that of a device in Windows"),
        }
    }
}

/// The name in a header. Without the mark of UTF-8 (APPNOTE 4.4.4, bit 11) it would be code page 437, but
/// Info-ZIP on UNIX writes UTF-8 and does not mark it, and nobody writes 437.
pub(super) fn parse(bytes: &[u8]) -> Result<&str, NameFault> {
    if bytes.len() > LONGEST_NAME {
        return Err(NameFault::TooLong { bytes: bytes.len() });
    }
    let name = str::from_utf8(bytes).map_err(|_| NameFault::Encoding)?;
    check(name)?;
    Ok(name)
}

/// Whether a name is that of a plain file.
pub(super) fn check(name: &str) -> Result<(), NameFault> {
    if name.is_empty() {
        return Err(NameFault::Empty);
    }
    if name.len() > LONGEST_NAME {
        return Err(NameFault::TooLong { bytes: name.len() });
    }
    if name.contains(['/', '\\', ':']) {
        return Err(NameFault::Path);
    }
    if name.starts_with(['.', ' ']) || name.ends_with(['.', ' ']) {
        return Err(NameFault::Edge);
    }
    if let Some(character) = name.chars().find(|character| !is_allowed(*character)) {
        return Err(NameFault::Character(character));
    }
    if is_device(name) {
        return Err(NameFault::Device);
    }
    Ok(())
}

/// Letters and digits of any script, and the signs that no shell and no file system interprets in a file
/// name. Marks that combine, format characters and everything invisible are neither.
fn is_allowed(character: char) -> bool {
    character.is_alphanumeric() || " !#%&'()+,-.=@[]^_{}~".contains(character)
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_ascii_uppercase();
    let numbered = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || numbered.is_some_and(|number| matches!(number.as_bytes(), [b'0'..=b'9']))
}

/// The same for two names that a system or a person may take for one another: case, full-width forms, and
/// the Cyrillic and Greek letters that look like Latin ones (a selection of Unicode UTS 39).
pub(super) fn fold(name: &str) -> String {
    name.chars().map(narrow).flat_map(char::to_lowercase).map(look).collect()
}

/// The ASCII form of a full-width character.
fn narrow(character: char) -> char {
    match character {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(character as u32 - 0xFEE0).unwrap_or(character),
        other => other,
    }
}

/// The Latin lower-case letter that a lower-case letter is taken for; of capitals, their lower case counts,
/// so that `В` and `Н`, which look like Latin capitals only, are here as well.
fn look(character: char) -> char {
    match character {
        'а' | 'α' | 'ɑ' => 'a',
        'в' | 'β' => 'b',
        'с' | 'ϲ' => 'c',
        'ԁ' => 'd',
        'е' | 'є' | 'ε' => 'e',
        'ɡ' => 'g',
        'һ' | 'н' | 'η' => 'h',
        'і' | 'ι' | 'ı' | 'ї' => 'i',
        'ј' | 'ϳ' => 'j',
        'к' | 'κ' => 'k',
        'м' | 'μ' => 'm',
        'ո' => 'n',
        'о' | 'ο' | 'σ' | 'օ' => 'o',
        'р' | 'ρ' => 'p',
        'ԛ' => 'q',
        'ѕ' => 's',
        'т' | 'τ' => 't',
        'υ' | 'ս' => 'u',
        'ν' | 'ѵ' => 'v',
        'ԝ' | 'ω' => 'w',
        'х' | 'χ' => 'x',
        'у' | 'γ' | 'ү' => 'y',
        'ᴢ' | 'ζ' => 'z',
        other => other,
    }
}
