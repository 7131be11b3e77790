//! The radio of a module that sleeps: what is sent to it then is lost, or waits for its next paging.

use std::collections::VecDeque;
use std::time::Duration;

use lwm2m::client;
use machine::{Instant, Machine, Path};
use net::Commanded;

use crate::Event;

/// How the radio sleeps while the client does (3GPP TS 23.682 sections 4.5.4 and 4.5.13).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RadioSleep {
    /// It never does.
    Never,
    /// Power Saving Mode: nothing reaches it until it speaks by itself.
    Psm,
    /// Extended discontinuous reception: the network keeps what comes until the next paging.
    Edrx {
        /// From one paging to the next.
        cycle: Duration,
    },
}

/// So many datagrams a network keeps for a sleeping device; further ones are lost.
const MOST_KEPT: usize = 8;

/// A machine behind such a radio. Whether the client sleeps is told by its events; whatever the machine sends
/// wakes the radio.
#[derive(Debug)]
pub struct Radio<M> {
    inner: M,
    sleep: RadioSleep,
    /// Since when it sleeps.
    asleep: Option<Instant>,
    kept: VecDeque<(Path, Vec<u8>)>,
    now: Instant,
    lost: u64,
}

impl<M> Radio<M> {
    /// Puts `inner` behind a radio that sleeps like this.
    pub fn new(inner: M, sleep: RadioSleep) -> Self {
        Self { inner, sleep, asleep: None, kept: VecDeque::new(), now: Instant::ZERO, lost: 0 }
    }

    /// The machine behind the radio.
    pub fn inner(&self) -> &M {
        &self.inner
    }

    /// The machine behind the radio.
    pub fn inner_mut(&mut self) -> &mut M {
        &mut self.inner
    }

    /// Whether nothing can be heard now.
    pub fn is_asleep(&self) -> bool {
        self.asleep.is_some()
    }

    /// Datagrams that came in sleep and were lost.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The next moment at which a sleeping radio listens for what the network has kept.
    fn paging(&self) -> Option<Instant> {
        let (Some(since), RadioSleep::Edrx { cycle }) = (self.asleep, self.sleep) else { return None };
        let waiting = !self.kept.is_empty() && !cycle.is_zero();
        let passed = (self.now - since).as_micros() / cycle.as_micros().max(1);
        let cycles = u32::try_from(passed).unwrap_or(u32::MAX).saturating_add(1);
        waiting.then(|| since + cycle.saturating_mul(cycles))
    }
}

impl<M: Machine<Peer = Path>> Radio<M> {
    fn deliver_kept(&mut self, now: Instant) {
        self.asleep = None;
        while let Some((from, bytes)) = self.kept.pop_front() {
            self.inner.handle_input(from, &bytes, now);
        }
    }
}

impl<M: Machine<Peer = Path, Event = Event>> Machine for Radio<M> {
    type Peer = Path;
    type Event = Event;

    fn handle_input(&mut self, from: Path, bytes: &[u8], now: Instant) {
        self.now = now;
        match (self.asleep, self.sleep) {
            (None, _) | (_, RadioSleep::Never) => self.inner.handle_input(from, bytes, now),
            (Some(_), RadioSleep::Edrx { .. }) if self.kept.len() < MOST_KEPT => {
                self.kept.push_back((from, bytes.to_vec()));
            }
            (Some(_), _) => self.lost += 1,
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        let paged = self.paging().is_some_and(|at| at <= now);
        self.now = now;
        if paged {
            self.deliver_kept(now);
        }
        self.inner.handle_timeout(now);
    }

    fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<(Path, usize)> {
        let sent = self.inner.poll_transmit(buffer)?;
        if self.asleep.is_some() {
            // Speaking connects it to the network, which gives it what it has.
            self.deliver_kept(self.now);
        }
        Some(sent)
    }

    fn poll_event(&mut self) -> Option<Event> {
        let event = self.inner.poll_event()?;
        match event {
            Event::Client(client::Event::Asleep) if self.sleep != RadioSleep::Never => {
                self.asleep = Some(self.now);
            }
            Event::Client(client::Event::Awake) | Event::Booted { .. } => self.deliver_kept(self.now),
            _ => {}
        }
        Some(event)
    }

    fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        let paging = self.paging().map(|at| (at, "paging"));
        paging.into_iter().chain(self.inner.poll_timeout()).min_by_key(|(at, _)| *at)
    }
}

impl<M: Commanded<Peer = Path, Event = Event>> Commanded for Radio<M> {
    type Command = M::Command;

    fn handle_command(&mut self, command: M::Command, now: Instant) {
        self.now = now;
        self.inner.handle_command(command, now);
    }
}

#[cfg(test)]
mod tests {
    use machine::Socket;

    use super::*;

    /// Counts what comes; sends and tells what the test wants.
    #[derive(Default)]
    struct Ear {
        heard: usize,
        events: VecDeque<Event>,
        says: bool,
    }

    impl Machine for Ear {
        type Peer = Path;
        type Event = Event;

        fn handle_input(&mut self, _: Path, _: &[u8], _: Instant) {
            self.heard += 1;
        }

        fn handle_timeout(&mut self, _: Instant) {}

        fn poll_transmit(&mut self, _: &mut [u8]) -> Option<(Path, usize)> {
            std::mem::take(&mut self.says).then(|| (path(), 0))
        }

        fn poll_event(&mut self) -> Option<Event> {
            self.events.pop_front()
        }

        fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
            None
        }
    }

    fn path() -> Path {
        Path { socket: Socket(0), remote: "192.0.2.1:5683".parse().unwrap() }
    }

    fn asleep(sleep: RadioSleep) -> Radio<Ear> {
        let mut radio = Radio::new(Ear::default(), sleep);
        radio.handle_timeout(Instant::from_secs(100));
        radio.inner.events.push_back(Event::Client(client::Event::Asleep));
        assert!(radio.poll_event().is_some());
        radio
    }

    #[test]
    fn in_power_saving_mode_what_comes_is_lost_until_the_module_speaks() {
        let mut radio = asleep(RadioSleep::Psm);
        radio.handle_input(path(), b"x", Instant::from_secs(110));
        assert_eq!((radio.inner.heard, radio.lost(), radio.poll_timeout()), (0, 1, None));
        radio.inner.says = true;
        assert!(radio.poll_transmit(&mut []).is_some());
        radio.handle_input(path(), b"x", Instant::from_secs(111));
        assert_eq!(radio.inner.heard, 1);
    }

    #[test]
    fn in_extended_reception_what_comes_waits_for_the_paging() {
        let mut radio = asleep(RadioSleep::Edrx { cycle: Duration::from_secs(20) });
        for _ in 0..10 {
            radio.handle_input(path(), b"x", Instant::from_secs(125));
        }
        assert_eq!((radio.inner.heard, radio.lost()), (0, 2));
        assert_eq!(radio.poll_timeout(), Some((Instant::from_secs(140), "paging")));
        radio.handle_timeout(Instant::from_secs(140));
        assert_eq!((radio.inner.heard, radio.is_asleep()), (8, false));
    }

    #[test]
    fn a_radio_that_never_sleeps_hears_a_client_that_does() {
        let mut radio = asleep(RadioSleep::Never);
        radio.handle_input(path(), b"x", Instant::from_secs(110));
        assert_eq!(radio.inner.heard, 1);
    }
}
