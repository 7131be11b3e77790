//! The shell: a loop around one machine and its sockets.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use machine::{Instant, Path};
use tokio::sync::mpsc;
use tokio::time::Sleep;

use crate::ports::Ports;
use crate::{BatchSocket, Clock, Commanded};

/// Commands taken per turn, so that a flood of them cannot starve the network.
const COMMANDS: usize = 64;

/// The longest sleep. A machine that wants nothing is looked at this often, which costs nothing and keeps
/// far-away instants out of the runtime's timer.
const LONGEST_SLEEP: Duration = Duration::from_secs(3_600);

/// Why a machine could not be driven.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum DriveError {
    /// The runtime would not watch a socket.
    #[error("cannot watch a socket; raise the limit of open files (`ulimit -n`)")]
    Watch(#[source] io::Error),
    /// The runtime or its thread did not start.
    #[error("cannot start the thread of a shard")]
    Start(#[source] io::Error),
}

/// Drives `machine` over `sockets` until `shutdown` is done, then hands it back.
///
/// The machine sees the sockets by their index. `on_event` is called in the loop and must not wait.
/// Commands are taken from `commands` (its bound is the owner's choice); closing that channel means that
/// no more will come. At shutdown the commands already queued are still carried out, so an owner says
/// goodbye by sending its last commands before it completes `shutdown`, and what the machine wants to send
/// is sent once.
///
/// # Errors
/// Only starting can fail. Faults of the network are counted, never fatal.
pub async fn drive<M, E, S>(
    mut machine: M,
    sockets: Vec<BatchSocket>,
    clock: Clock,
    mut commands: mpsc::Receiver<M::Command>,
    mut on_event: E,
    shutdown: S,
) -> Result<M, DriveError>
where
    M: Commanded<Peer = Path>,
    E: FnMut(M::Event),
    S: Future<Output = ()>,
{
    let mut ports = Ports::register(sockets).map_err(DriveError::Watch)?;
    let mut waiting = Waiting { orders: Vec::with_capacity(COMMANDS), more_orders: true, armed: clock.now() };
    let mut sleep = pin!(tokio::time::sleep_until(clock.deadline(waiting.armed)));
    let mut shutdown = pin!(shutdown);
    loop {
        let now = clock.now();
        if machine.poll_timeout().is_some_and(|(due, _)| due <= now) {
            machine.handle_timeout(now);
        }
        pump(&mut machine, &mut ports, &mut on_event);
        ports.flush();
        let wake_at = machine.poll_timeout().map_or(Instant::FAR_FUTURE, |(due, _)| due);
        waiting.arm(sleep.as_mut(), clock, wake_at.min(now + LONGEST_SLEEP), now);
        let wake = poll_fn(|context| {
            waiting.poll(context, &mut ports, &mut commands, sleep.as_mut(), shutdown.as_mut())
        });
        let shut = wake.await;
        let now = clock.now();
        for order in waiting.orders.drain(..) {
            machine.handle_command(order, now);
            pump(&mut machine, &mut ports, &mut on_event);
        }
        ports.deliver(|ports, path, bytes| {
            machine.handle_input(path, bytes, now);
            pump(&mut machine, ports, &mut on_event);
        });
        if shut {
            while let Ok(order) = commands.try_recv() {
                machine.handle_command(order, now);
                pump(&mut machine, &mut ports, &mut on_event);
            }
            ports.flush();
            return Ok(machine);
        }
    }
}

/// Starts a thread of its own for [`drive`].
///
/// # Errors
/// The thread could not be started; what goes wrong later is what the handle gives.
pub fn spawn<M, E, S>(
    name: &str,
    machine: M,
    sockets: Vec<BatchSocket>,
    clock: Clock,
    commands: mpsc::Receiver<M::Command>,
    on_event: E,
    shutdown: S,
) -> Result<std::thread::JoinHandle<Result<M, DriveError>>, DriveError>
where
    M: Commanded<Peer = Path> + Send + 'static,
    M::Command: Send,
    E: FnMut(M::Event) + Send + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(DriveError::Start)?;
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || runtime.block_on(drive(machine, sockets, clock, commands, on_event, shutdown)))
        .map_err(DriveError::Start)
}

/// Moves events up and datagrams out until the machine has neither, or a socket takes no more: then the
/// rest stays in the machine, whose queues are bounded.
fn pump<M: Commanded<Peer = Path>>(machine: &mut M, ports: &mut Ports, on_event: &mut impl FnMut(M::Event)) {
    loop {
        let mut idle = true;
        while let Some(event) = machine.poll_event() {
            on_event(event);
            idle = false;
        }
        while ports.has_room()
            && let Some((path, length)) = machine.poll_transmit(ports.buffer())
        {
            ports.push(path, length);
            idle = false;
        }
        if idle {
            return;
        }
    }
}

/// What the loop waits for besides its sockets.
struct Waiting<C> {
    orders: Vec<C>,
    more_orders: bool,
    armed: Instant,
}

impl<C> Waiting<C> {
    fn arm(&mut self, sleep: Pin<&mut Sleep>, clock: Clock, at: Instant, now: Instant) {
        // A wake-up that is set and now too early is left alone: it is harmless, setting it anew is not free.
        if at < self.armed || self.armed <= now {
            sleep.reset(clock.deadline(at));
            self.armed = at;
        }
    }

    /// Looks at every source once, so that none can starve another. Ready means that there is something
    /// to do; the value says whether it is time to stop.
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        ports: &mut Ports,
        commands: &mut mpsc::Receiver<C>,
        sleep: Pin<&mut Sleep>,
        shutdown: Pin<&mut impl Future<Output = ()>>,
    ) -> Poll<bool> {
        if shutdown.poll(context).is_ready() {
            return Poll::Ready(true);
        }
        let due = sleep.poll(context).is_ready();
        let ordered = self.more_orders && self.poll_orders(context, commands);
        let moved = ports.poll(context).is_ready();
        if due || ordered || moved { Poll::Ready(false) } else { Poll::Pending }
    }

    fn poll_orders(&mut self, context: &mut Context<'_>, commands: &mut mpsc::Receiver<C>) -> bool {
        match commands.poll_recv_many(context, &mut self.orders, COMMANDS) {
            Poll::Ready(0) => {
                self.more_orders = false;
                false
            }
            Poll::Ready(_) => true,
            Poll::Pending => false,
        }
    }
}
