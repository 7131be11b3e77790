//! The shell over real sockets on loopback.

use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use machine::{Instant, Machine, Path, Socket};
use net::{BatchSocket, Clock, Commanded, DATAGRAM_LIMIT, SocketCounts, SocketOptions, SocketStatistics};
use tokio::sync::{mpsc, oneshot};

/// Sends back what it hears, beats once when told to, and sends what it is told to.
#[derive(Default)]
struct Parrot {
    out: VecDeque<(Path, Vec<u8>)>,
    beat: Option<Instant>,
    events: VecDeque<&'static str>,
}

#[derive(Debug)]
enum Command {
    Beat { after: Duration },
    Flood { to: SocketAddr, datagrams: usize, length: usize },
}

impl Machine for Parrot {
    type Peer = Path;
    type Event = &'static str;

    fn handle_input(&mut self, from: Path, bytes: &[u8], _now: Instant) {
        self.out.push_back((from, bytes.to_vec()));
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.beat.take_if(|due| *due <= now).is_some() {
            self.events.push_back("beat");
        }
    }

    fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<(Path, usize)> {
        let (to, bytes) = self.out.pop_front()?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Some((to, bytes.len()))
    }

    fn poll_event(&mut self) -> Option<&'static str> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        self.beat.map(|due| (due, "beat"))
    }
}

impl Commanded for Parrot {
    type Command = Command;

    fn handle_command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Beat { after } => self.beat = Some(now + after),
            Command::Flood { to, datagrams, length } => {
                let path = Path { socket: Socket(0), remote: to };
                self.out.extend((0..datagrams).map(|_| (path, vec![7; length])));
                self.events.push_back("flood");
            }
        }
    }
}

struct Running {
    addresses: Vec<SocketAddr>,
    statistics: Vec<Arc<SocketStatistics>>,
    commands: mpsc::Sender<Command>,
    events: std::sync::mpsc::Receiver<&'static str>,
    stop: oneshot::Sender<()>,
    shard: std::thread::JoinHandle<Result<Parrot, net::DriveError>>,
}

impl Running {
    fn start(addresses: &[&str], options: SocketOptions) -> Self {
        let addresses: Vec<SocketAddr> =
            addresses.iter().map(|text| text.parse().expect("a valid address")).collect();
        let sockets = net::bind(&addresses, NonZeroU8::MIN, options).expect("ports are free").remove(0);
        let addresses = sockets.iter().map(BatchSocket::address).collect();
        let statistics = sockets.iter().map(BatchSocket::statistics).collect();
        let (commands, taken) = mpsc::channel(16);
        let (stop, stopped) = oneshot::channel();
        let (event, events) = std::sync::mpsc::channel();
        let on_event = move |what| event.send(what).expect("the test listens");
        let shutdown = async { drop(stopped.await) };
        let shard =
            net::spawn("parrot", Parrot::default(), sockets, Clock::start(), taken, on_event, shutdown)
                .expect("threads start");
        Self { addresses, statistics, commands, events, stop, shard }
    }

    fn command(&self, command: Command) {
        self.commands.blocking_send(command).expect("the shard runs");
    }

    fn event(&self) -> &'static str {
        self.events.recv_timeout(PATIENCE).expect("an event comes")
    }

    fn finish(self) -> (Parrot, SocketCounts) {
        drop(self.stop);
        let parrot = self.shard.join().expect("the shard does not panic").expect("driving works");
        (parrot, self.statistics[0].counts())
    }
}

const PATIENCE: Duration = Duration::from_secs(20);

fn client(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).expect("a port is free");
    socket.set_read_timeout(Some(PATIENCE)).expect("the timeout is not zero");
    socket
}

#[test]
fn every_socket_is_served_in_its_family() {
    let running = Running::start(&["127.0.0.1:0", "[::1]:0"], SocketOptions::default());
    for (address, from) in running.addresses.iter().zip(["127.0.0.1:0", "[::1]:0"]) {
        let client = client(from);
        for number in 0..100_u8 {
            client.send_to(&[number; 20], address).expect("loopback takes it");
            let mut buffer = [0; 64];
            assert_eq!(client.recv_from(&mut buffer).expect("an echo comes"), (20, *address));
            assert_eq!(buffer[0], number);
        }
    }
    let (_, counts) = running.finish();
    assert_eq!((counts.received, counts.sent), (100, 100));
    assert_eq!((counts.received_bytes, counts.sent_bytes), (2_000, 2_000));
}

#[test]
fn timers_fire_while_nothing_arrives() {
    let running = Running::start(&["127.0.0.1:0"], SocketOptions::default());
    running.command(Command::Beat { after: Duration::from_millis(30) });
    assert_eq!(running.event(), "beat");
    running.finish();
}

#[test]
fn a_sooner_timer_takes_the_place_of_a_later_one() {
    let running = Running::start(&["127.0.0.1:0"], SocketOptions::default());
    running.command(Command::Beat { after: Duration::from_secs(3_000) });
    running.command(Command::Beat { after: Duration::from_millis(1) });
    assert_eq!(running.event(), "beat");
    running.finish();
}

/// More than a send buffer holds: what does not fit waits in the machine, and nothing is lost on our side.
#[test]
fn a_full_send_buffer_holds_the_machine_back() {
    let options = SocketOptions { send_buffer: 4_096, ..SocketOptions::default() };
    let running = Running::start(&["127.0.0.1:0"], options);
    let sink = client("127.0.0.1:0");
    let to = sink.local_addr().expect("it is bound");
    running.command(Command::Flood { to, datagrams: 5_000, length: 1_000 });
    assert_eq!(running.event(), "flood");
    running.command(Command::Beat { after: Duration::ZERO });
    assert_eq!(running.event(), "beat");
    let (parrot, counts) = running.finish();
    assert_eq!(counts.sent as usize + parrot.out.len(), 5_000);
    assert_eq!((counts.send_errors, counts.too_long), (0, 0));
}

#[test]
fn what_is_too_long_is_counted_and_the_rest_goes_on() {
    let running = Running::start(&["127.0.0.1:0"], SocketOptions::default());
    let client = client("127.0.0.1:0");
    client.send_to(&[1; DATAGRAM_LIMIT + 1], running.addresses[0]).expect("loopback takes it");
    client.send_to(b"short", running.addresses[0]).expect("loopback takes it");
    let mut buffer = [0; 64];
    assert_eq!(client.recv_from(&mut buffer).expect("an echo comes").0, 5);
    let (_, counts) = running.finish();
    assert_eq!((counts.oversized, counts.received), (1, 1));
}

#[test]
fn a_datagram_without_a_way_is_counted_and_the_rest_goes_on() {
    let running = Running::start(&["127.0.0.1:0"], SocketOptions::default());
    let sink = client("127.0.0.1:0");
    let to = sink.local_addr().expect("it is bound");
    // An IPv4 socket bound to loopback cannot reach an IPv6 address.
    let away = "[2001:db8::1]:9".parse().expect("a valid address");
    running.command(Command::Flood { to: away, datagrams: 3, length: 10 });
    running.command(Command::Flood { to, datagrams: 1, length: 10 });
    assert_eq!(sink.recv_from(&mut [0; 64]).expect("it arrives").0, 10);
    let (_, counts) = running.finish();
    assert_eq!((counts.send_errors, counts.sent), (3, 1));
}

#[test]
fn nobody_listening_at_the_peer_disturbs_nothing() {
    let running = Running::start(&["127.0.0.1:0"], SocketOptions::default());
    let (client, gone) = (client("127.0.0.1:0"), client("127.0.0.1:0"));
    let to = gone.local_addr().expect("it is bound");
    drop(gone);
    running.command(Command::Flood { to, datagrams: 40, length: 10 });
    client.send_to(b"still there?", running.addresses[0]).expect("loopback takes it");
    assert_eq!(client.recv_from(&mut [0; 64]).expect("an echo comes").0, 12);
    running.finish();
}

#[test]
fn commands_queued_before_the_stop_are_carried_out() {
    let running = Running::start(&["127.0.0.1:0"], SocketOptions::default());
    let sink = client("127.0.0.1:0");
    let to = sink.local_addr().expect("it is bound");
    for _ in 0..10 {
        running.command(Command::Flood { to, datagrams: 1, length: 3 });
    }
    let (_, counts) = running.finish();
    assert_eq!(counts.sent, 10);
}

#[test]
fn a_closed_command_channel_is_not_a_stop() {
    let mut running = Running::start(&["127.0.0.1:0"], SocketOptions::default());
    running.commands = mpsc::channel(1).0;
    let client = client("127.0.0.1:0");
    client.send_to(b"x", running.addresses[0]).expect("loopback takes it");
    assert_eq!(client.recv_from(&mut [0; 64]).expect("an echo comes").0, 1);
    running.finish();
}
