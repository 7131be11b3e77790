//! Malformed archives, each with the reason for which it is refused.

mod contents;
mod entries;
mod layout;

use package::ArchiveError;

use crate::forge::{Entry, Forge};

pub struct Case {
    pub name: String,
    pub bytes: Vec<u8>,
    pub expected: String,
    pub is_expected: Box<dyn Fn(&ArchiveError) -> bool>,
}

/// Appends a case: its name, its bytes, the error.
macro_rules! refused {
    ($cases:expr, $name:expr, $bytes:expr, $pattern:pat $(if $guard:expr)?) => {
        $cases.push($crate::archives::Case {
            name: ($name).to_string(),
            bytes: $bytes,
            expected: stringify!($pattern $(if $guard)?).to_owned(),
            is_expected: Box::new(move |error| matches!(error, $pattern $(if $guard)?)),
        })
    };
}
pub(crate) use refused;

/// SECURITY u01 and u02, FAULTS F25.
pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    entries::add(&mut cases);
    layout::add(&mut cases);
    contents::add(&mut cases);
    cases
}

/// Archives that look odd and are right.
pub fn good() -> Vec<(&'static str, Vec<u8>)> {
    layout::good()
}

/// Machine code of a kind: it compresses by about a third.
pub fn machine_code(length: usize) -> Vec<u8> {
    let mut state = 0x2545_F491_u32;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        // Six bits of eight: deflate finds them.
        (state >> 20) as u8 & 0x3F
    };
    (0..length).map(next).collect()
}

/// An archive with two files of which one has been changed.
fn with(change: impl FnOnce(&mut Entry)) -> Vec<u8> {
    forged(|forge| change(&mut forge.entries[0]))
}

/// An archive with two files that has been changed.
fn forged(change: impl FnOnce(&mut Forge)) -> Vec<u8> {
    let mut forge = two();
    change(&mut forge);
    forge.bytes()
}

fn two() -> Forge {
    let code = machine_code(3_000);
    Forge::of(vec![Entry::deflated("firmware.bin", &code), Entry::stored("notes.txt", b"for the operator")])
}
