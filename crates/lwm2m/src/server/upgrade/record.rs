//! What must survive a restart of the server.

use alloc::string::{String, ToString};
use core::fmt;
use core::fmt::Write as _;
use core::str::FromStr;

use firmware::upgrade::{Delivery, Stage};

use super::TransferMemory;

/// The durable part of an upgrade, small and as text: lines of a name and a value.
///
/// ```
/// use lwm2m::server::upgrade::UpgradeRecord;
///
/// let record = UpgradeRecord::new("q2Jc0fV1nT3yX8kLmP7wZA");
/// let text = record.to_string();
/// assert_eq!(text.parse::<UpgradeRecord>().unwrap(), record);
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpgradeRecord {
    /// The stage that was reached.
    pub stage: Stage,
    /// The unguessable part of the image's path.
    pub token: String,
    /// How often the image was offered; above zero, a download on the device is ours.
    pub offers: u32,
    /// How often the order to install was recorded; above zero, it may have been sent.
    pub executes: u32,
    /// Bytes that the device took.
    pub bytes: u64,
    /// The version before, if it was read.
    pub version_before: Option<String>,
    /// Whether the operator canceled it.
    pub canceled: bool,
    /// Who moves the bytes, once it is decided.
    pub delivery: Option<Delivery>,
    /// What was learnt of the device, for its next upgrade too.
    pub memory: TransferMemory,
    /// Which component of the plan it is about.
    pub part: usize,
}

impl UpgradeRecord {
    /// The record of an upgrade that has not begun.
    pub fn new(token: &str) -> Self {
        Self {
            stage: Stage::Waiting,
            token: token.to_string(),
            offers: 0,
            executes: 0,
            bytes: 0,
            version_before: None,
            canceled: false,
            delivery: None,
            memory: TransferMemory::default(),
            part: 0,
        }
    }
}

impl fmt::Display for UpgradeRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "record 1")?;
        writeln!(formatter, "stage {}", self.stage)?;
        writeln!(formatter, "token {}", self.token)?;
        writeln!(formatter, "offers {}", self.offers)?;
        writeln!(formatter, "executes {}", self.executes)?;
        writeln!(formatter, "bytes {}", self.bytes)?;
        if let Some(delivery) = self.delivery {
            writeln!(formatter, "delivery {delivery}")?;
        }
        if self.memory != TransferMemory::default() {
            writeln!(formatter, "memory {}", self.memory)?;
        }
        if self.part > 0 {
            writeln!(formatter, "part {}", self.part)?;
        }
        if let Some(version) = &self.version_before {
            formatter.write_str("version-before ")?;
            // The version is the device's text; a line break in it must not become a line of ours.
            for letter in version.chars() {
                match letter {
                    '\\' => formatter.write_str("\\\\")?,
                    '\n' => formatter.write_str("\\n")?,
                    other => formatter.write_char(other)?,
                }
            }
            formatter.write_char('\n')?;
        }
        if self.canceled { writeln!(formatter, "canceled") } else { Ok(()) }
    }
}

/// The text is not a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RecordError {
    /// It does not start with `record 1`.
    #[error("not a record of version 1")]
    UnknownVersion,
    /// A line has an unknown name or a wrong value; the number counts lines from one.
    #[error("line {0} is not understood")]
    WrongLine(usize),
    /// There is no token.
    #[error("the token is missing")]
    NoToken,
}

impl FromStr for UpgradeRecord {
    type Err = RecordError;

    fn from_str(text: &str) -> Result<Self, RecordError> {
        let mut lines = text.split('\n').enumerate();
        if lines.next().map(|(_, line)| line) != Some("record 1") {
            return Err(RecordError::UnknownVersion);
        }
        let mut record = Self::new("");
        for (number, line) in lines.filter(|(_, line)| !line.is_empty()) {
            read_line(&mut record, line).ok_or(RecordError::WrongLine(number + 1))?;
        }
        if record.token.is_empty() { Err(RecordError::NoToken) } else { Ok(record) }
    }
}

fn read_line(record: &mut UpgradeRecord, line: &str) -> Option<()> {
    let (name, value) = line.split_once(' ').unwrap_or((line, ""));
    match name {
        "stage" => record.stage = Stage::from_code(value)?,
        "token" => record.token = value.to_string(),
        "offers" => record.offers = value.parse().ok()?,
        "executes" => record.executes = value.parse().ok()?,
        "bytes" => record.bytes = value.parse().ok()?,
        "version-before" => record.version_before = Some(unescaped(value)),
        "delivery" => record.delivery = Some(Delivery::from_code(value)?),
        "memory" => record.memory = value.parse().ok()?,
        "part" => record.part = value.parse().ok()?,
        "canceled" => record.canceled = true,
        _ => return None,
    }
    Some(())
}

fn unescaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => text.push(if letters.next() == Some('n') { '\n' } else { '\\' }),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_writes() {
        let mut record = UpgradeRecord::new("token");
        for version in [None, Some("1.0"), Some(""), Some("a\\b\ncanceled\\n")] {
            record.version_before = version.map(String::from);
            record.stage = Stage::Updating;
            record.executes = 2;
            record.part = 3;
            record.delivery = version.map(|_| Delivery::Push);
            record.memory.bytes_per_second = version.map(|_| 700);
            record.canceled = version.is_some();
            assert_eq!(record.to_string().parse(), Ok(record.clone()));
        }
    }

    #[test]
    fn refuses_damaged_text() {
        let parse = |text: &str| text.parse::<UpgradeRecord>();
        assert_eq!(parse(""), Err(RecordError::UnknownVersion));
        assert_eq!(parse("record 2\n"), Err(RecordError::UnknownVersion));
        assert_eq!(parse("record 1\n"), Err(RecordError::NoToken));
        assert_eq!(parse("record 1\ntoken x\nstage flying\n"), Err(RecordError::WrongLine(3)));
        assert_eq!(parse("record 1\ntoken x\noffers -1\n"), Err(RecordError::WrongLine(3)));
    }
}
