//! Programs that run beside the demo.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::After;
use xtask::Failure;

/// A program in the background whose output goes into a file. It ends with the demo unless it is kept.
#[derive(Debug)]
pub struct Background {
    name: &'static str,
    child: Option<Child>,
    log: PathBuf,
}

impl Background {
    pub fn start(
        name: &'static str,
        command: &mut Command,
        folder: &Path,
        after: After,
    ) -> Result<Self, Failure> {
        if after == After::Keep {
            // A group of its own: it neither gets the terminal's Ctrl-C nor ends with the terminal.
            command.process_group(0);
        }
        let log = folder.join(format!("{name}.log"));
        let started = File::create(&log).and_then(|file| {
            let errors = file.try_clone()?;
            command.stdin(Stdio::null()).stdout(file).stderr(errors).spawn()
        });
        let child = started.map_err(|error| Failure::new(format!("start {name}"), error))?;
        Ok(Self { name, child: Some(child), log })
    }

    /// Waits until `look` finds what it looks for; fails early, with the end of the log, if the program ends.
    pub fn wait_for<T>(&mut self, wanted: &str, look: impl Fn(&str) -> Option<T>) -> Result<T, Failure> {
        for _ in 0..ATTEMPTS {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            if let Some(found) = look(&log) {
                return Ok(found);
            }
            if let Some(ended) = self.ended() {
                return Err(self.failure(wanted, &format!("{} ended: {ended}", self.name)));
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "nothing wakes us when another program has written"
            )]
            thread::sleep(PAUSE);
        }
        Err(self.failure(wanted, "it did not come within 30 s"))
    }

    fn ended(&mut self) -> Option<String> {
        match self.child.as_mut()?.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(status.to_string()),
            Err(error) => Some(error.to_string()),
        }
    }

    fn failure(&self, wanted: &str, cause: &str) -> Failure {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(20)..].join("\n");
        Failure::new(
            format!("wait for {wanted}"),
            format!("{cause}; the end of {}:\n{last}", self.log.display()),
        )
    }

    /// Lets the program run on after the demo.
    pub fn keep(&mut self) -> Option<u32> {
        self.child.take().map(|child| child.id())
    }
}

const PAUSE: Duration = Duration::from_millis(50);
const ATTEMPTS: u32 = 600;

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Both fail only if it has ended already.
            let _: io::Result<()> = child.kill();
            let _: io::Result<_> = child.wait();
        }
    }
}
