//! The measured process, seen from its parent.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use firmware::upgrade::Delivery;

use crate::device::DeviceNumber;

/// A server process. It ends when this is dropped.
#[derive(Debug)]
pub struct Target {
    child: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// Where the plain echo is.
    pub echo: SocketAddr,
    /// Where CoAP is.
    pub open: SocketAddr,
    /// Where CoAP over DTLS is.
    pub secured: SocketAddr,
}

/// One of the two threads whose processor time counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Service {
    /// The floor.
    Echo,
    /// The server.
    Subject,
}

/// What a service has used so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Used {
    /// Processor time.
    pub time: Duration,
    /// Datagrams received.
    pub datagrams: u64,
    /// System calls that it took.
    pub calls: u64,
}

impl Target {
    /// Starts this program again as a server that knows so many devices and has an image of so many bytes.
    pub fn start(devices: u32, image_bytes: usize) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", &devices.to_string(), &image_bytes.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the measured process")?;
        let questions = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().context("the output is piped")?);
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut target = Self { child, questions, answers, echo: nowhere, open: nowhere, secured: nowhere };
        let ports = target.numbers::<3>()?.map(|port| SocketAddr::from(([127, 0, 0, 1], port as u16)));
        [target.echo, target.open, target.secured] = ports;
        Ok(target)
    }

    /// What `service` has used so far. Exact, since it sleeps when nobody asks it anything.
    pub fn used(&mut self, service: Service) -> anyhow::Result<Used> {
        self.ask("calls")?;
        let [echo, echo_calls, subject, subject_calls] = self.numbers()?;
        let (question, datagrams, calls) = match service {
            Service::Echo => ("echo", echo, echo_calls),
            Service::Subject => ("subject", subject, subject_calls),
        };
        self.ask(question)?;
        let [nanoseconds] = self.numbers()?;
        Ok(Used { time: Duration::from_nanos(nanoseconds), datagrams, calls })
    }

    /// Its resident memory in bytes.
    pub fn memory(&mut self) -> anyhow::Result<u64> {
        self.ask("memory")?;
        let [bytes] = self.numbers()?;
        Ok(bytes)
    }

    /// Starts an upgrade of each of these registered devices and waits until all have the image.
    pub fn upgrade(&mut self, delivery: Delivery, first: DeviceNumber, count: u32) -> anyhow::Result<()> {
        self.ask(&format!("upgrade {} {} {count}", delivery.code(), first.0))?;
        let [done] = self.numbers()?;
        ensure!(done == u64::from(count), "{done} of {count} devices got their image");
        Ok(())
    }

    fn ask(&mut self, question: &str) -> anyhow::Result<()> {
        let questions = self.questions.as_mut().context("the input is piped")?;
        writeln!(questions, "{question}").context("the measured process has ended")
    }

    fn numbers<const N: usize>(&mut self) -> anyhow::Result<[u64; N]> {
        let mut line = String::new();
        let length = self.answers.read_line(&mut line)?;
        ensure!(length > 0, "the measured process has ended");
        let numbers: Vec<u64> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        numbers.try_into().map_err(|_| anyhow::anyhow!("not {N} numbers: {line:?}"))
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.questions = None;
        // It ends by itself now; if waiting fails it is gone already.
        drop(self.child.wait());
    }
}
