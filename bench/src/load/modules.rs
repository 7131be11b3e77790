//! Devices that download: whole LwM2M clients, driven like those of `vmodule`.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use lwm2m::client::{
    Access, Client, Config, Event, FirmwareStore, Kept, PackageName, Recovered, ServerAccount, Source,
    StoreError,
};
use machine::{
    Credential, Instant, Link, Machine, OpenRequest, Path, Random, SessionCommand, SessionEvent,
    SessionMachine, Socket,
};
use net::{Clock, Commanded, NoKeys, SocketKind, SocketOptions, Stack};
use tokio::sync::watch;

use crate::device::DeviceNumber;
use crate::target::Target;

/// How a module reaches the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkKind {
    /// Plain CoAP.
    Open,
    /// CoAP over DTLS.
    Secured,
}

/// Registered modules in a thread of their own. They end when this is dropped.
pub struct Modules {
    stop: Option<watch::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Modules {
    /// Starts modules of these numbers and waits until they are registered.
    pub fn start(target: &Target, kind: LinkKind, numbers: &[DeviceNumber]) -> anyhow::Result<Self> {
        let clock = Clock::start();
        let (say, registered) = channel();
        let (stop, stopping) = watch::channel(());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        for number in numbers {
            let sockets =
                net::bind(&[number.address()], std::num::NonZeroU8::MIN, SocketOptions::default())?.remove(0);
            let (_, commands) = tokio::sync::mpsc::channel(1);
            let say = say.clone();
            let on_event = move |event| tell(&say, event);
            let mut stopping = stopping.clone();
            let shutdown = async move { drop(stopping.changed().await) };
            let stack = stack(target, kind, *number, clock);
            runtime.spawn(net::drive(stack, sockets, clock, commands, on_event, shutdown));
        }
        let mut stopping = stopping;
        let thread = std::thread::spawn(move || runtime.block_on(async { drop(stopping.changed().await) }));
        let modules = Self { stop: Some(stop), thread: Some(thread) };
        wait_for(&registered, numbers.len())?;
        Ok(modules)
    }
}

impl Drop for Modules {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A module that panicked has told so already.
            drop(thread.join());
        }
    }
}

fn tell(registered: &Sender<()>, event: Event) {
    if matches!(event, Event::Registered { .. }) {
        // Nobody listens any more once all have registered.
        let _ = registered.send(());
    }
}

fn wait_for(registered: &Receiver<()>, count: usize) -> anyhow::Result<()> {
    for _ in 0..count {
        registered.recv_timeout(Duration::from_secs(30)).context("a module could not register")?;
    }
    Ok(())
}

fn stack(target: &Target, kind: LinkKind, number: DeviceNumber, clock: Clock) -> Stack<Module> {
    let mut random = Random::from_number(number.0.into());
    let (access, socket) = match kind {
        LinkKind::Open => (Access::Open(Path { socket: Socket(0), remote: target.open }), SocketKind::Open),
        LinkKind::Secured => {
            let credential = Credential { identity: number.name().into_bytes(), key: number.key().to_vec() };
            (Access::Secured { remote: target.secured, credential }, SocketKind::Secured)
        }
    };
    let account = ServerAccount { access, short_server_id: 1, lifetime: 86_400 };
    let config = Config::new(&number.name(), account);
    let client = Client::new(config, Discard::default(), random.seed(), OpenRequest(0), clock.now());
    Stack::new(Module(client), vec![socket], dtls::Config::default(), Arc::new(NoKeys), random.seed())
}

/// A client that nobody commands.
struct Module(Client<Discard>);

impl Machine for Module {
    type Peer = Link;
    type Event = Event;

    fn handle_input(&mut self, from: Link, bytes: &[u8], now: Instant) {
        self.0.handle_input(from, bytes, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.0.handle_timeout(now);
    }

    fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<(Link, usize)> {
        self.0.poll_transmit(buffer)
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.0.poll_event()
    }

    fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        self.0.poll_timeout()
    }
}

impl SessionMachine for Module {
    fn handle_session(&mut self, event: SessionEvent<'_>, now: Instant) {
        self.0.handle_session(event, now);
    }

    fn poll_session(&mut self) -> Option<SessionCommand> {
        self.0.poll_session()
    }
}

impl Commanded for Module {
    type Command = Infallible;

    fn handle_command(&mut self, command: Infallible, _now: Instant) {
        match command {}
    }
}

/// Flash that keeps nothing and finds every image good.
#[derive(Default)]
struct Discard {
    finished: bool,
}

impl FirmwareStore for Discard {
    fn running_version(&self) -> String {
        "1.0.0".into()
    }

    fn recover(&mut self) -> Recovered {
        Recovered::Nothing
    }

    fn begin(&mut self, _source: Source<'_>) -> Result<Kept, StoreError> {
        Ok(Kept::default())
    }

    fn restart(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn identify(&mut self, _etag: Option<&[u8]>, _total: Option<u64>) -> Result<(), StoreError> {
        Ok(())
    }

    fn write(&mut self, _offset: u64, _bytes: &[u8]) -> Result<(), StoreError> {
        Ok(())
    }

    fn finish(&mut self) -> Result<(), StoreError> {
        self.finished = true;
        Ok(())
    }

    fn package(&self) -> Option<PackageName> {
        self.finished.then(|| PackageName { name: "bench".into(), version: "2.0.0".into() })
    }

    fn activate(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn discard(&mut self) -> Result<(), StoreError> {
        self.finished = false;
        Ok(())
    }
}
