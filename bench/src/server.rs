//! The measured process. Its parent asks over its standard input and reads its standard output.

use std::collections::HashMap;
use std::future::pending;
use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::num::NonZeroU8;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use anyhow::{Context, bail};
use firmware::upgrade::Delivery;
use lwm2m::server::Event;
use machine::{Path, Random};
use net::{BatchSocket, Clock, Commanded, KeySource, SocketKind, SocketOptions, Stack};
use tokio::sync::mpsc::{Receiver, Sender};
use zeroize::Zeroizing;

use crate::device::DeviceNumber;
use crate::echo::Echo;
use crate::subject::{self, StartUpgrade, Subject};
use crate::usage::{Thread, resident_memory};

/// Runs until its standard input is closed.
pub fn run(devices: u32, image_bytes: usize) -> anyhow::Result<()> {
    let clock = Clock::start();
    let mut random = Random::from_number(1);
    let loopback = || SocketAddr::from(([127, 0, 0, 1], 0));
    let bind = |addresses: &[SocketAddr]| -> anyhow::Result<Vec<BatchSocket>> {
        Ok(net::bind(addresses, NonZeroU8::MIN, SocketOptions::default())?.remove(0))
    };
    let echo = bind(&[loopback()])?;
    let sockets = bind(&[loopback(), loopback()])?;
    let ports = [&echo[0], &sockets[0], &sockets[1]].map(|socket| socket.address().port());
    let statistics = [echo[0].statistics(), sockets[0].statistics(), sockets[1].statistics()];

    let mut image = vec![0; image_bytes];
    random.fill(&mut image);
    let stack = Stack::new(
        Subject::new(image.into(), format!("coap://127.0.0.1:{}", ports[1]), random.seed()),
        vec![SocketKind::Open, SocketKind::Secured],
        dtls::Config::default(),
        Arc::new(Keys::of(devices)),
        random.seed(),
    );
    let (say, delivered) = mpsc::channel();
    let on_event = move |event: Event| {
        if let Some(failure) = subject::failure(&event) {
            eprintln!("{failure}");
        }
        if subject::is_delivered(&event) {
            // Nobody listens only when the process is ending.
            let _ = say.send(());
        }
    };
    let (_, nothing) = tokio::sync::mpsc::channel(1);
    let echo = start("echo", Echo::default(), echo, clock, nothing, |_| {})?;
    let (orders, taken) = tokio::sync::mpsc::channel(64);
    let subject = start("subject", stack, sockets, clock, taken, on_event)?;

    let mut output = std::io::stdout().lock();
    writeln!(output, "{} {} {}", ports[0], ports[1], ports[2])?;
    for question in std::io::stdin().lock().lines() {
        match question?.as_str() {
            "echo" => writeln!(output, "{}", echo.processor_time()?.as_nanos())?,
            "subject" => writeln!(output, "{}", subject.processor_time()?.as_nanos())?,
            "memory" => writeln!(output, "{}", resident_memory()?)?,
            "calls" => {
                let counts = statistics.each_ref().map(|socket| socket.counts());
                let [echo, open, secured] = counts.map(|counts| (counts.received, counts.receive_calls));
                let subject = (open.0 + secured.0, open.1 + secured.1);
                writeln!(output, "{} {} {} {}", echo.0, echo.1, subject.0, subject.1)?;
            }
            order => {
                let devices = upgrade(order, &orders)?;
                let done = (0..devices).take_while(|_| delivered.recv_timeout(PATIENCE).is_ok()).count();
                writeln!(output, "{done}")?;
            }
        }
    }
    Ok(())
}

/// How long a device may take between two others.
const PATIENCE: Duration = Duration::from_secs(60);

/// Understands `upgrade <delivery> <first> <count>` and starts them.
fn upgrade(order: &str, orders: &Sender<StartUpgrade>) -> anyhow::Result<u32> {
    let words: Vec<&str> = order.split_whitespace().collect();
    let ["upgrade", delivery, first, count] = words[..] else { bail!("there is no answer to {order:?}") };
    let (first, count) = (first.parse::<u32>()?, count.parse::<u32>()?);
    let delivery = Delivery::from_code(delivery);
    let delivery = delivery.context("neither pull nor push")?;
    for number in first..first + count {
        let order = StartUpgrade { device: DeviceNumber(number), delivery };
        orders.blocking_send(order).ok().context("the server's shard has ended")?;
    }
    Ok(count)
}

/// Drives a machine in a thread of its own for as long as the process lives.
fn start<M>(
    name: &str,
    machine: M,
    sockets: Vec<BatchSocket>,
    clock: Clock,
    commands: Receiver<M::Command>,
    on_event: impl FnMut(M::Event) + Send + 'static,
) -> anyhow::Result<Thread>
where
    M: Commanded<Peer = Path> + Send + 'static,
    M::Command: Send,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (say, hear) = mpsc::channel();
    let work = move || -> anyhow::Result<()> {
        say.send(Thread::current()?)?;
        runtime.block_on(net::drive(machine, sockets, clock, commands, on_event, pending()))?;
        Ok(())
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        if let Err(error) = work() {
            eprintln!("a shard ended: {error:#}");
        }
    })?;
    hear.recv().context("a shard did not start")
}

/// The keys of all devices in memory, as the product has them.
struct Keys(HashMap<Vec<u8>, Zeroizing<Vec<u8>>>);

impl Keys {
    fn of(devices: u32) -> Self {
        let entry = |number| {
            let device = DeviceNumber(number);
            (device.name().into_bytes(), Zeroizing::new(device.key().to_vec()))
        };
        Self((0..devices).map(entry).collect())
    }
}

impl KeySource for Keys {
    fn key(&self, identity: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.0.get(identity).cloned()
    }
}
