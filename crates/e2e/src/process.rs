//! Programs that run for the length of a test.

use std::io::{self, BufRead, BufReader, Read};
use std::net::{TcpListener, UdpSocket};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Lines kept per process; older ones go. A test that needs more is printing for nobody.
const LINES: usize = 20_000;

/// Why a process did not do what was waited for. The text ends with what the process printed last.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum ProcessError {
    /// It could not be started.
    #[error("cannot start {name}")]
    Start {
        /// The process.
        name: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It did not get there in time.
    #[error("{name}: {wanted} did not come within {within:?}; it printed:\n{printed}")]
    TimedOut {
        /// The process.
        name: String,
        /// What was waited for.
        wanted: String,
        /// How long.
        within: Duration,
        /// The end of its output.
        printed: String,
    },
    /// It ended before it got there.
    #[error("{name}: ended ({status}) before {wanted} came; it printed:\n{printed}")]
    Ended {
        /// The process.
        name: String,
        /// How it ended.
        status: String,
        /// What was waited for.
        wanted: String,
        /// The end of its output.
        printed: String,
    },
}

/// A running program. Dropping it kills it, and prints its output if the test is failing.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    output: Arc<Output>,
    readers: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Output {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<String>,
    forgotten: usize,
    open_pipes: usize,
}

impl Output {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last(&self) -> String {
        let state = self.lock();
        let first = state.lines.len().saturating_sub(60);
        state.lines[first..].join("\n")
    }
}

impl Process {
    /// Starts `command`, keeping its output; its input is empty.
    ///
    /// # Errors
    /// The program is missing or may not be run.
    pub fn start(name: &str, command: &mut Command) -> Result<Self, ProcessError> {
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let spawned = piped.spawn();
        let mut child = spawned.map_err(|source| ProcessError::Start { name: name.to_owned(), source })?;
        let output = Arc::new(Output::default());
        let pipes: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
            child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
        ];
        output.lock().open_pipes = pipes.iter().flatten().count();
        let read = |pipe| {
            let output = Arc::clone(&output);
            std::thread::spawn(move || collect(pipe, &output))
        };
        let readers = pipes.into_iter().flatten().map(read).collect();
        Ok(Self { name: name.to_owned(), child, output, readers })
    }

    /// The system's number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything it has printed so far, both streams, in the order in which it arrived.
    pub fn lines(&self) -> Vec<String> {
        self.output.lock().lines.clone()
    }

    /// Waits for a line that contains `part`, printed at any time since the start, and gives it.
    ///
    /// # Errors
    /// It ended, or the time is over.
    pub fn wait_for_line(&mut self, part: &str, within: Duration) -> Result<String, ProcessError> {
        self.wait_for_line_after(0, part, within).map(|(_, line)| line)
    }

    /// As [`Process::wait_for_line`], looking only at lines from number `after` on (counted from zero); also
    /// gives the number of the line after the one found, to go on from.
    ///
    /// # Errors
    /// It ended, or the time is over.
    pub fn wait_for_line_after(
        &mut self,
        after: usize,
        part: &str,
        within: Duration,
    ) -> Result<(usize, String), ProcessError> {
        let deadline = now() + within;
        let mut state = self.output.lock();
        loop {
            let skip = after.saturating_sub(state.forgotten);
            let found = state.lines.iter().enumerate().skip(skip).find(|(_, line)| line.contains(part));
            if let Some((index, line)) = found {
                return Ok((state.forgotten + index + 1, line.clone()));
            }
            let left = deadline.saturating_duration_since(now());
            if state.open_pipes == 0 || left.is_zero() {
                break;
            }
            state = self.output.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let closed = state.open_pipes == 0;
        drop(state);
        Err(self.failure(&format!("a line with {part:?}"), within, closed))
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// It still runs when the time is over.
    pub fn wait_for_end(&mut self, within: Duration) -> Result<ExitStatus, ProcessError> {
        let ended = wait_until(within, || self.child.try_wait().ok().flatten());
        ended.ok_or_else(|| self.failure("its end", within, false))
    }

    /// Ends it as a power cut does (SIGKILL) and waits until it is gone.
    pub fn kill(&mut self) {
        // Both only fail if it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }

    fn failure(&mut self, wanted: &str, within: Duration, closed: bool) -> ProcessError {
        let (name, wanted, printed) = (self.name.clone(), wanted.to_owned(), self.output.last());
        if closed {
            let status =
                self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
            ProcessError::Ended { name, status, wanted, printed }
        } else {
            ProcessError::TimedOut { name, wanted, within, printed }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        for reader in self.readers.drain(..) {
            // A grandchild may still hold the pipe; its reader ends with it.
            if self.output.lock().open_pipes == 0 || reader.is_finished() {
                drop(reader.join());
            }
        }
        if std::thread::panicking() {
            eprintln!("--- {} printed:\n{}\n---", self.name, self.output.last());
        }
    }
}

fn collect(pipe: impl Read, output: &Output) {
    let mut pipe = BufReader::new(pipe);
    let mut line = Vec::new();
    while pipe.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        line.clear();
        let mut state = output.lock();
        if state.lines.len() >= LINES {
            state.lines.drain(..LINES / 2);
            state.forgotten += LINES / 2;
        }
        state.lines.push(text);
        output.changed.notify_all();
    }
    output.lock().open_pipes -= 1;
    output.changed.notify_all();
}

/// Looks at a state until it is there: `None` if it is not within this time.
pub fn wait_until<T>(within: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = now() + within;
    // Nothing wakes us; the growing pause only keeps the cores free for what we wait for.
    let mut pause = Duration::from_micros(200);
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if now() >= deadline {
            return None;
        }
        std::thread::park_timeout(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// A UDP port of loopback that was free a moment ago, for programs that cannot say which one they chose.
///
/// # Errors
/// The system has none left.
pub fn free_udp_port() -> io::Result<u16> {
    Ok(UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A TCP port of loopback that was free a moment ago.
///
/// # Errors
/// The system has none left.
pub fn free_tcp_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

#[expect(
    clippy::disallowed_methods,
    reason = "whole-system tests bound how long they wait for real programs"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Process {
        Process::start("shell", Command::new("sh").args(["-c", script])).expect("every system has sh")
    }

    #[test]
    fn lines_of_both_streams_are_seen() {
        let mut process = shell("echo one; echo two >&2; echo three");
        assert_eq!(process.wait_for_line("two", PATIENCE).expect("it prints it"), "two");
        let (after, _) = process.wait_for_line_after(0, "one", PATIENCE).expect("it prints it");
        assert_eq!(process.wait_for_line_after(after, "hre", PATIENCE).expect("it prints it").1, "three");
    }

    #[test]
    fn a_process_that_ends_early_is_reported_with_its_output() {
        let mut process = shell("echo some reason >&2; exit 3");
        let error = process.wait_for_line("ready", PATIENCE).expect_err("it never says so");
        let text = error.to_string();
        assert!(matches!(error, ProcessError::Ended { .. }), "{text}");
        assert!(text.contains("some reason") && text.contains('3') && text.contains("ready"), "{text}");
    }

    #[test]
    fn a_process_that_stays_silent_is_reported_in_time() {
        let mut process = shell("echo starting; exec tail -f /dev/null");
        process.wait_for_line("starting", PATIENCE).expect("it prints it");
        let error = process.wait_for_line("ready", Duration::from_millis(10)).expect_err("it is silent");
        assert!(matches!(error, ProcessError::TimedOut { .. }));
        assert!(process.wait_for_end(Duration::ZERO).is_err());
    }

    #[test]
    fn a_killed_process_is_gone() {
        let mut process = shell("echo up; exec tail -f /dev/null");
        process.wait_for_line("up", PATIENCE).expect("it prints it");
        process.kill();
        assert!(!process.wait_for_end(PATIENCE).expect("it is gone").success());
    }

    #[test]
    fn a_missing_program_is_named() {
        let error =
            Process::start("ghost", &mut Command::new("/no/such/program")).expect_err("it is missing");
        assert!(error.to_string().contains("ghost"));
    }
}
