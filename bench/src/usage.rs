//! What the system says that a thread or process has used.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

/// The thread that called [`Thread::current`].
#[derive(Clone, Debug)]
pub struct Thread(PathBuf);

impl Thread {
    /// The thread that calls this.
    pub fn current() -> anyhow::Result<Self> {
        let own = fs::read_link("/proc/thread-self").context("this benchmark needs Linux's /proc")?;
        Ok(Self(PathBuf::from("/proc").join(own).join("schedstat")))
    }

    /// How long it has been running on a processor, user and system time together, to the nanosecond. Exact
    /// while it sleeps.
    pub fn processor_time(&self) -> anyhow::Result<Duration> {
        let text =
            fs::read_to_string(&self.0).with_context(|| format!("cannot read {}", self.0.display()))?;
        let first = text.split_whitespace().next().context("schedstat is empty")?;
        Ok(Duration::from_nanos(first.parse()?))
    }
}

/// Bytes of this process that are in memory.
pub fn resident_memory() -> anyhow::Result<u64> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes * 1_024)
}
