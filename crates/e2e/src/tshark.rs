//! The judge of what was on the wire: Wireshark's dissectors.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Why a capture is not as it should be.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum TsharkError {
    /// The program is not there.
    #[error("cannot run tshark; install it with `apt-get install tshark` (`cargo xtask test` does)")]
    Missing(#[source] io::Error),
    /// It ran and failed.
    #[error("tshark failed on {}: {printed}", capture.display())]
    Failed {
        /// The file.
        capture: PathBuf,
        /// Its complaint.
        printed: String,
    },
    /// Packets that break their protocol.
    #[error("{} packets of {} are malformed:\n{}", packets.len(), capture.display(), packets.join("\n"))]
    Malformed {
        /// The file.
        capture: PathBuf,
        /// One line each: number, protocols, complaint, and a summary.
        packets: Vec<String>,
    },
}

/// Dissects one capture file.
#[derive(Clone, Debug)]
pub struct Tshark {
    capture: PathBuf,
    options: Vec<OsString>,
}

/// Packets that a dissector could not read to the end, or with a complaint of the severity "Error".
const BROKEN: &str = "_ws.malformed || _ws.expert.severity == 0x00800000";

impl Tshark {
    /// Looks at this file.
    pub fn new(capture: &Path) -> Self {
        Self { capture: capture.to_owned(), options: Vec::new() }
    }

    /// The port speaks plain CoAP.
    pub fn coap(self, port: u16) -> Self {
        self.decode(&format!("udp.port=={port},coap"))
    }

    /// The port speaks CoAP in DTLS with this pre-shared key.
    pub fn coaps(mut self, port: u16, key: &[u8]) -> Self {
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        self.options.extend(["-o".into(), format!("dtls.psk:{hex}").into()]);
        self.decode(&format!("udp.port=={port},dtls")).decode(&format!("dtls.port=={port},coap"))
    }

    fn decode(mut self, rule: &str) -> Self {
        self.options.extend(["-d".into(), rule.into()]);
        self
    }

    /// The values of `fields` in each packet that `filter` selects (Wireshark's names for both). A field that
    /// occurs more than once in a packet has its values joined by commas.
    ///
    /// # Errors
    /// tshark is missing or does not know the filter.
    pub fn fields(&self, filter: &str, fields: &[&str]) -> Result<Vec<Vec<String>>, TsharkError> {
        let wanted = fields.iter().flat_map(|field| ["-e", *field]);
        let format = ["-T", "fields", "-E", "separator=/t"].into_iter().chain(wanted);
        let printed = self.run(filter, format)?;
        Ok(printed.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
    }

    /// One line per packet that `filter` selects, as tshark summarizes it.
    ///
    /// # Errors
    /// tshark is missing or does not know the filter.
    pub fn lines(&self, filter: &str) -> Result<Vec<String>, TsharkError> {
        Ok(self.run(filter, [])?.lines().map(str::to_owned).collect())
    }

    /// Fails if any packet is malformed or has an expert complaint of the severity "Error".
    ///
    /// # Errors
    /// [`TsharkError::Malformed`] names the packets.
    pub fn check(&self) -> Result<(), TsharkError> {
        let packets =
            self.fields(BROKEN, &["frame.number", "frame.protocols", "_ws.expert.message", "_ws.col.Info"])?;
        if packets.is_empty() {
            return Ok(());
        }
        let packets = packets.into_iter().map(|packet| packet.join("  ")).collect();
        Err(TsharkError::Malformed { capture: self.capture.clone(), packets })
    }

    /// One line per packet with DTLS application data that the given key did not open.
    ///
    /// # Errors
    /// tshark is missing.
    pub fn unopened(&self) -> Result<Vec<String>, TsharkError> {
        self.lines("dtls.record.content_type == 23 && !coap")
    }

    fn run<'a>(
        &self,
        filter: &str,
        format: impl IntoIterator<Item = &'a str>,
    ) -> Result<String, TsharkError> {
        let mut command = Command::new("tshark");
        command.arg("-n").arg("-r").arg(&self.capture).args(&self.options).args(format);
        if !filter.is_empty() {
            command.args(["-Y", filter]);
        }
        let output = command.output().map_err(TsharkError::Missing)?;
        if !output.status.success() {
            let printed = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(TsharkError::Failed { capture: self.capture.clone(), printed });
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
