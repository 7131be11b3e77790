//! The module as a process.

use std::path::Path;
use std::process::Command;

use e2e::{Process, Program, binary};
use serde_json::Value;

use super::PATIENCE;

/// `vmodule run`. Dropping it cuts its power.
pub struct Module {
    process: Process,
    /// Lines that have been looked at.
    seen: usize,
}

impl Module {
    /// Lifetime and repetitions are short, so that a server that went away is missed soon.
    pub(super) fn start(flash: &str, imei: &str, server: &str, key_file: &Path, arguments: &[&str]) -> Self {
        Self::calling(flash, imei, &["--server", server], key_file, arguments)
    }

    /// The same for a module that has a bootstrap server only.
    pub fn bootstrapping(flash: &str, imei: &str, server: &str, key_file: &Path, arguments: &[&str]) -> Self {
        Self::calling(flash, imei, &["--bootstrap", server, "--lwm2m-1-1"], key_file, arguments)
    }

    fn calling(flash: &str, imei: &str, whom: &[&str], key_file: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(binary(Program::Vmodule).expect("it was built"));
        command.args(["run", "--json", "--imei", imei, "--flash", flash]).args(whom);
        command.arg("--key-file").arg(key_file).env_remove("VMODULE_KEY");
        let usual = [["--boot-time", "0"], ["--lifetime", "10"], ["--ack-timeout", "0.05"]];
        command.args(usual.iter().filter(|usual| !arguments.contains(&usual[0])).flatten()).args(arguments);
        Self { process: Process::start("vmodule", &mut command).expect("it starts"), seen: 0 }
    }

    /// Waits for the next event of this name.
    pub fn event(&mut self, name: &str) -> Value {
        let part = format!("\"event\":\"{name}\"");
        let found = self.process.wait_for_line_after(self.seen, &part, PATIENCE);
        let (seen, line) = found.unwrap_or_else(|error| panic!("{error}"));
        self.seen = seen;
        serde_json::from_str(&line).expect("it is JSON")
    }

    /// Waits until so many bytes of an image have been stored; gives how many they are.
    pub fn stored(&mut self, bytes: u64) -> u64 {
        loop {
            let stored = self.event("progress")["bytes"].as_u64().expect("it is a number");
            if stored >= bytes {
                return stored;
            }
        }
    }

    /// Everything it has said about this.
    pub fn events(&self, name: &str) -> Vec<Value> {
        let lines = self.process.lines();
        let events = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.filter(|event| event["event"] == name).collect()
    }

    /// Cuts its power.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Waits until it has ended by itself; gives its exit code.
    pub fn end(&mut self) -> Option<i32> {
        self.process.wait_for_end(PATIENCE).expect("it ends").code()
    }
}
