//! A whole module: flash, boot loader and LwM2M client, and the power that may fail.

use std::collections::VecDeque;

use firmware::{BootError, EmulatedFlash, LayoutError, PowerCut};
use lwm2m::client::{self, Client, FetchId, RebootReason};
use machine::{
    Instant, Link, Machine, OpenRequest, Random, Seed, SessionCommand, SessionEvent, SessionMachine,
};

use crate::{FlashStore, PoweredFlash};

mod event;
mod flashes;
mod settings;

pub use event::{Command, Event, Fetched};
pub use settings::{Sends, Settings};

use flashes::{Flashes, Started};

/// A virtual module. Its flash is all that survives a restart.
#[derive(Debug)]
pub struct Module<F = EmulatedFlash> {
    settings: Settings,
    state: State<F>,
    random: Random,
    next_request: OpenRequest,
    /// Sessions of the client that runs, or of the one that ran before the restart.
    links: Vec<Link>,
    sessions: VecDeque<SessionCommand>,
    events: VecDeque<Event>,
    boots: u32,
    /// When values are sent again.
    next_send: Option<Instant>,
    /// It is being shut down.
    stopping: bool,
}

#[derive(Debug)]
enum State<F> {
    /// Starts then.
    Off {
        flashes: Flashes<F>,
        starts: Instant,
    },
    /// Nothing but the owner can change this.
    Dead {
        flashes: Flashes<F>,
    },
    Running {
        client: Box<Client<FlashStore<F>>>,
        reboot: Option<(Instant, RebootReason)>,
    },
    /// Only inside a change of state.
    Changing,
}

impl<F: PoweredFlash> Module<F> {
    /// A module that starts at once with whatever its flash holds.
    ///
    /// # Errors
    /// The flash is too small for two banks.
    pub fn new(settings: Settings, flash: F, seed: Seed, now: Instant) -> Result<Self, LayoutError> {
        Self::with_components(settings, flash, Vec::new(), seed, now)
    }

    /// The same with a flash for each of the components in [`client::Config::components`].
    ///
    /// # Errors
    /// A flash is too small for two banks.
    pub fn with_components(
        settings: Settings,
        flash: F,
        components: Vec<F>,
        seed: Seed,
        now: Instant,
    ) -> Result<Self, LayoutError> {
        Ok(Self {
            settings,
            state: State::Off { flashes: Flashes::new(flash, components)?, starts: now },
            random: Random::new(seed),
            next_request: OpenRequest(0),
            links: Vec::new(),
            sessions: VecDeque::new(),
            events: VecDeque::new(),
            boots: 0,
            next_send: None,
            stopping: false,
        })
    }

    /// The client, while one runs.
    pub fn client(&self) -> Option<&Client<FlashStore<F>>> {
        match &self.state {
            State::Running { client, .. } => Some(client),
            _ => None,
        }
    }

    /// The flash, whatever state the module is in.
    pub fn flash(&self) -> Option<&F> {
        match &self.state {
            State::Off { flashes, .. } | State::Dead { flashes } => Some(flashes.main()),
            State::Running { client, .. } => Some(client.store().flash()),
            State::Changing => None,
        }
    }

    /// How often it has started.
    pub fn boots(&self) -> u32 {
        self.boots
    }

    /// The version that runs, if any does.
    pub fn version(&self) -> Option<String> {
        use client::FirmwareStore as _;
        self.client().map(|client| client.store().running_version())
    }

    /// Lets the power fail in a later flash operation.
    pub fn cut_power_after(&mut self, cut: PowerCut) {
        match &mut self.state {
            State::Off { flashes, .. } | State::Dead { flashes } => flashes.cut_power(cut),
            State::Running { client, .. } => client.store_mut().flash_mut().cut_power(cut),
            State::Changing => {}
        }
    }

    /// Cuts the power now.
    pub fn lose_power(&mut self, now: Instant) {
        if let Some(flashes) = self.take_flashes() {
            self.go_dark(flashes, now);
        }
    }

    /// Deregisters if it is registered, and stops; [`Event::Stopped`] follows.
    pub fn shut_down(&mut self, now: Instant) {
        self.stopping = true;
        if let State::Running { client, .. } = &mut self.state {
            client.shut_down(now);
        }
        self.settle(now);
    }

    /// Hands news of a download to the client, if one runs.
    fn handle_fetched(&mut self, fetch: FetchId, fetched: Fetched, now: Instant) {
        if let State::Running { client, .. } = &mut self.state {
            match fetched {
                Fetched::Started(start) => client.fetch_started(fetch, start, now),
                Fetched::Chunk(bytes) => client.fetch_chunk(fetch, &bytes, now),
                Fetched::Ended => client.fetch_ended(fetch, now),
                Fetched::Failed(failure) => client.fetch_failed(fetch, failure, now),
            }
        }
        self.settle(now);
    }

    /// Takes the flash out of whatever used it; the state has to be set afterwards.
    fn take_flashes(&mut self) -> Option<Flashes<F>> {
        match core::mem::replace(&mut self.state, State::Changing) {
            State::Off { flashes, .. } | State::Dead { flashes } => Some(flashes),
            State::Running { mut client, .. } => {
                self.next_request = client.next_request();
                Some(Flashes::of_stores(client.into_stores()))
            }
            State::Changing => None,
        }
    }

    fn go_dark(&mut self, flashes: Flashes<F>, now: Instant) {
        self.events.push_back(Event::PowerLost);
        self.state = match self.settings.power_returns {
            Some(wait) => State::Off { flashes, starts: now + wait + self.settings.boot_time },
            None => State::Dead { flashes },
        };
    }

    fn restart(&mut self, reason: RebootReason, now: Instant) {
        let Some(flashes) = self.take_flashes() else { return };
        self.events.push_back(Event::Rebooting(reason));
        let takes = match reason {
            RebootReason::Requested => self.settings.boot_time,
            RebootReason::Update => self.settings.install_time,
        };
        self.state = State::Off { flashes, starts: now + takes };
    }

    /// Boots, confirms, and starts the client.
    fn start(&mut self, now: Instant) {
        let Some(flashes) = self.take_flashes() else { return };
        // A driver below DTLS knows nothing of our restart: what it still holds belongs to the dead.
        let old = core::mem::take(&mut self.links);
        self.sessions.extend(old.into_iter().map(SessionCommand::Close));
        self.boots += 1;
        match flashes.start(&self.settings) {
            Ok(Started { main, components, events }) => {
                self.events.extend(events);
                let (seed, first) = (self.random.seed(), self.next_request);
                let config = self.settings.client.clone();
                let client = Client::with_components(config, main, components, seed, first, now);
                self.state = State::Running { client: Box::new(client), reboot: None };
            }
            Err((flashes, BootError::Flash(firmware::FlashError::PowerLost))) => self.go_dark(flashes, now),
            Err((flashes, error)) => {
                self.events.push_back(Event::BootFailed(error));
                self.state = State::Dead { flashes };
            }
        }
    }

    /// Follows up on what the client has said.
    fn settle(&mut self, now: Instant) {
        if let State::Off { starts, .. } = self.state
            && starts <= now
            && !self.stopping
        {
            self.start(now);
        }
        let mut power_lost = false;
        if let State::Running { client, reboot } = &mut self.state {
            while let Some(event) = client.poll_event() {
                if let client::Event::RebootWanted(reason) = event {
                    reboot.get_or_insert((now + self.settings.farewell, reason));
                }
                power_lost |= event == client::Event::PowerLost;
                match event {
                    client::Event::PowerLost => {}
                    client::Event::SaveWanted => {
                        let saved = client.save();
                        self.settings.client.saved = Some(saved.clone());
                        self.events.push_back(Event::Saved(saved));
                    }
                    event => self.events.push_back(Event::Client(event)),
                }
            }
            self.sessions.extend(core::iter::from_fn(|| client.poll_session()));
        }
        if power_lost {
            self.lose_power(now);
        }
        if let State::Running { reboot: Some((at, reason)), .. } = self.state
            && at <= now
        {
            self.restart(reason, now);
        }
        let busy = matches!(&self.state, State::Running { client, .. } if !client.has_ended());
        if self.stopping && !busy {
            self.stop();
        }
    }

    /// Sends what is to be sent, if it is time and somebody is there to take it.
    fn send(&mut self, now: Instant) {
        let (Some(sends), State::Running { client, .. }) = (&self.settings.sends, &mut self.state) else {
            return;
        };
        let due = *self.next_send.get_or_insert(now + sends.every);
        if due <= now {
            self.next_send = Some(now + sends.every);
            client.send(&sends.paths, now);
        }
    }

    fn stop(&mut self) {
        let Some(flashes) = self.take_flashes() else { return };
        self.stopping = false;
        self.state = State::Dead { flashes };
        self.events.push_back(Event::Stopped);
    }
}

impl<F: PoweredFlash> Machine for Module<F> {
    type Peer = Link;
    type Event = Event;

    fn handle_input(&mut self, from: Link, bytes: &[u8], now: Instant) {
        if let State::Running { client, .. } = &mut self.state {
            client.handle_input(from, bytes, now);
            self.settle(now);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let State::Running { client, .. } = &mut self.state {
            client.handle_timeout(now);
        }
        self.send(now);
        self.settle(now);
    }

    fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<(Link, usize)> {
        match &mut self.state {
            State::Running { client, .. } => client.poll_transmit(buffer),
            _ => None,
        }
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        match &self.state {
            State::Off { starts, .. } => Some((*starts, "start")),
            State::Running { client, reboot } => {
                let restart = reboot.map(|(at, _)| (at, "restart"));
                let send = self.next_send.map(|at| (at, "values to send"));
                restart.into_iter().chain(send).chain(client.poll_timeout()).min_by_key(|(at, _)| *at)
            }
            State::Dead { .. } | State::Changing => None,
        }
    }
}

impl<F: PoweredFlash> SessionMachine for Module<F> {
    fn handle_session(&mut self, event: SessionEvent<'_>, now: Instant) {
        match event {
            SessionEvent::Up { link, .. } => self.links.push(link),
            SessionEvent::Down { link, .. } => self.links.retain(|known| *known != link),
            SessionEvent::Moved { .. } | SessionEvent::Failed { .. } => {}
        }
        if let State::Running { client, .. } = &mut self.state {
            client.handle_session(event, now);
            self.settle(now);
        }
    }

    fn poll_session(&mut self) -> Option<SessionCommand> {
        self.sessions.pop_front()
    }
}

impl<F: PoweredFlash> net::Commanded for Module<F> {
    type Command = Command;

    fn handle_command(&mut self, command: Command, now: Instant) {
        match command {
            Command::ShutDown => self.shut_down(now),
            Command::LosePower => self.lose_power(now),
            Command::AddressFound(host, address) => {
                if let State::Running { client, .. } = &mut self.state {
                    client.address_found(&host, address, now);
                    self.settle(now);
                }
            }
            Command::Fetched(fetch, fetched) => self.handle_fetched(fetch, fetched, now),
        }
    }
}
