//! A whole module: flash, boot loader and LwM2M client, and the power that may fail.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use firmware::{
    Bank, Banks, BootError, BootLoader, BootState, Booted, EmulatedFlash, LayoutError, Model, PowerCut,
    Version,
};
use lwm2m::client::{self, Client, FetchFailure, FetchId, FetchStart, RebootReason, Saved};
use lwm2m::path::Path;
use machine::{
    Instant, Link, Machine, OpenRequest, Random, Seed, SessionCommand, SessionEvent, SessionMachine,
};

use crate::{FlashStore, PoweredFlash};

/// What a module is and how long its steps take.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the client is and does.
    pub client: client::Config,
    /// Which images suit.
    pub model: Model,
    /// How long the client goes on after it was told to restart, so that its answer gets out.
    pub farewell: Duration,
    /// How long a start takes.
    pub boot_time: Duration,
    /// How long the first start of a new image takes: installing is done then.
    pub install_time: Duration,
    /// What is sent to the servers without being asked for, and how often.
    pub sends: Option<Sends>,
    /// After how long the power comes back once it was cut; `None`: never.
    pub power_returns: Option<Duration>,
}

impl Settings {
    /// Settings with the times of a small module: five seconds to start, ten with a new image.
    pub fn new(client: client::Config, model: Model) -> Self {
        Self {
            client,
            model,
            farewell: Duration::from_secs(2),
            boot_time: Duration::from_secs(5),
            install_time: Duration::from_secs(10),
            sends: None,
            power_returns: None,
        }
    }
}

/// Values that are sent regularly (LwM2M Core 1.1 section 6.4.5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sends {
    /// Which.
    pub paths: Vec<Path>,
    /// How often.
    pub every: Duration,
}

/// What has happened in a module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// An image runs.
    Booted {
        /// The bank that it is in.
        bank: Bank,
        /// Its version.
        version: Version,
        /// What the boot record said at this start; `Testing` becomes `Updated` at once, since every image
        /// that boots here works.
        state: BootState,
    },
    /// No image can run: the module would have to be rewritten by wire.
    BootFailed(BootError),
    /// The client reports.
    Client(client::Event),
    /// What a restart must not take away has changed. The module itself keeps it over its restarts; for
    /// those of the process it has to be in [`client::Config::saved`] the next time.
    Saved(Saved),
    /// The module restarts.
    Rebooting(RebootReason),
    /// The power was cut; whether and when it comes back is in [`Settings::power_returns`].
    PowerLost,
    /// It was shut down and does nothing any more.
    Stopped,
}

/// What an owner in another thread may ask for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// [`Module::shut_down`]
    ShutDown,
    /// [`Module::lose_power`]
    LosePower,
    /// [`Client::address_found`]
    AddressFound(String, Option<IpAddr>),
    /// News of a download that the client asked for by [`client::Event::FetchWanted`].
    Fetched(FetchId, Fetched),
}

/// What came of a download over HTTP.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fetched {
    /// [`Client::fetch_started`]
    Started(FetchStart),
    /// [`Client::fetch_chunk`]
    Chunk(Vec<u8>),
    /// [`Client::fetch_ended`]
    Ended,
    /// [`Client::fetch_failed`]
    Failed(FetchFailure),
}

/// A virtual module. Its flash is all that survives a restart.
#[derive(Debug)]
pub struct Module<F = EmulatedFlash> {
    settings: Settings,
    banks: Banks,
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
        flash: F,
        starts: Instant,
    },
    /// Nothing but the owner can change this.
    Dead {
        flash: F,
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
        Ok(Self {
            banks: Banks::new(flash.geometry())?,
            settings,
            state: State::Off { flash, starts: now },
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
            State::Off { flash, .. } | State::Dead { flash } => Some(flash),
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
            State::Off { flash, .. } | State::Dead { flash } => flash.cut_power(cut),
            State::Running { client, .. } => client.store_mut().flash_mut().cut_power(cut),
            State::Changing => {}
        }
    }

    /// Cuts the power now.
    pub fn lose_power(&mut self, now: Instant) {
        if let Some(flash) = self.take_flash() {
            self.go_dark(flash, now);
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
    fn take_flash(&mut self) -> Option<F> {
        match core::mem::replace(&mut self.state, State::Changing) {
            State::Off { flash, .. } | State::Dead { flash } => Some(flash),
            State::Running { mut client, .. } => {
                self.next_request = client.next_request();
                Some(client.into_store().into_flash())
            }
            State::Changing => None,
        }
    }

    fn go_dark(&mut self, flash: F, now: Instant) {
        self.events.push_back(Event::PowerLost);
        self.state = match self.settings.power_returns {
            Some(wait) => State::Off { flash, starts: now + wait + self.settings.boot_time },
            None => State::Dead { flash },
        };
    }

    fn restart(&mut self, reason: RebootReason, now: Instant) {
        let Some(flash) = self.take_flash() else { return };
        self.events.push_back(Event::Rebooting(reason));
        let takes = match reason {
            RebootReason::Requested => self.settings.boot_time,
            RebootReason::Update => self.settings.install_time,
        };
        self.state = State::Off { flash, starts: now + takes };
    }

    /// Boots, confirms, and starts the client.
    fn start(&mut self, now: Instant) {
        let Some(mut flash) = self.take_flash() else { return };
        // A driver below DTLS knows nothing of our restart: what it still holds belongs to the dead.
        let old = core::mem::take(&mut self.links);
        self.sessions.extend(old.into_iter().map(SessionCommand::Close));
        if !flash.is_powered() {
            flash.restore_power();
        }
        self.boots += 1;
        match boot(&mut flash, self.banks) {
            Ok((booted, state)) => {
                let Booted { bank, header, .. } = booted;
                self.events.push_back(Event::Booted { bank, version: header.version, state });
                let store = FlashStore::new(flash, self.banks, self.settings.model, booted);
                let (seed, first) = (self.random.seed(), self.next_request);
                let client = Client::new(self.settings.client.clone(), store, seed, first, now);
                self.state = State::Running { client: Box::new(client), reboot: None };
            }
            Err(BootError::Flash(firmware::FlashError::PowerLost)) => self.go_dark(flash, now),
            Err(error) => {
                self.events.push_back(Event::BootFailed(error));
                self.state = State::Dead { flash };
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
        let Some(flash) = self.take_flash() else { return };
        self.stopping = false;
        self.state = State::Dead { flash };
        self.events.push_back(Event::Stopped);
    }
}

/// Chooses the image, and confirms one that is on trial: it has booted, which is all that an image here
/// can prove. The second value is what the boot record said before.
fn boot<F: PoweredFlash>(flash: &mut F, banks: Banks) -> Result<(Booted, BootState), BootError> {
    let loader = BootLoader::new(banks);
    let mut booted = loader.start(flash)?;
    let state = booted.state;
    if let BootState::Testing { .. } = state {
        loader.confirm(flash, booted.bank)?;
        booted.state = BootState::Updated;
    }
    Ok((booted, state))
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
