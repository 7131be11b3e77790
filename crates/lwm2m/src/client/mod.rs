//! The client role: a device with its objects, the servers it registers at, and its bootstrap.
//!
//! A [`Client`] bootstraps if it has to, registers at all servers that it has accounts of, keeps its
//! registrations alive, answers and notifies the servers, and updates its firmware, which it keeps in a
//! [`FirmwareStore`] of its owner. It shares nothing with the server role but the codecs and the CoAP endpoint.
//! [`quirks`] makes it behave like other clients.
//!
//! ```text
//!  Register ► 2.01 ► Read, Observe … ► PUT /5/0/1 or /5/0/0 ► state 2 ► POST /5/0/2
//!  ► Event::RebootWanted ► the owner drops the client, boots the store's new image, makes a new client
//!  ► Register ► /5/0/5 and /3/0/3 tell what became of it
//! ```

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use coap::{Endpoint, RequestId};
use firmware::Crc32;
use machine::{Instant, Link, OpenRequest, Random, Seed, SessionCommand};

mod account;
mod account_objects;
mod attributes;
mod bootstrap;
mod bootstrap_interface;
mod bootstrapping;
mod catalog;
mod components;
mod config;
mod data;
mod deferral;
mod driving;
mod event;
mod executing;
mod fetch;
mod firmware_object;
mod firmware_store;
mod firmware_update;
mod firmware_values;
mod gate;
mod life_cycle;
mod links;
mod notify;
mod objects;
mod observations;
mod package_uri;
mod pull;
pub mod quirks;
mod registration;
mod requests;
mod saved;
mod servers;
mod sleep;
#[cfg(test)]
mod tests;
mod writing;

pub use account::{Access, Accounts, BootstrapAccount, MOST_SERVERS, ServerAccount};
pub use account_objects::Inconsistency;
pub use components::{ComponentSettings, MOST_COMPONENTS};
pub use config::{
    Config, Device, DownloadRoute, FirmwareSettings, ObservationsAtRegister, QueueMode, Radio, Saved, Version,
};
pub use deferral::Deferral;
pub use event::{Event, RebootReason};
pub use fetch::{FetchFailure, FetchId, FetchStart};
pub use firmware_store::{FirmwareStore, Kept, PackageName, Recovered, Source, StoreError};
pub use firmware_values::{DeliveryMethod, StateAfterFailure, UpdateResult, UpdateState};
pub use package_uri::{PackageUri, PackageUriError, Scheme};

use account_objects::{Reach, put_accounts};
use bootstrap::Bootstrap;
use data::Data;
use fetch::Fetch;
use firmware_update::{FirmwareUpdate, UriWritten};
use gate::Gate;
use objects::Objects;
use pull::Pull;
use registration::OpenRequests;
use saved::KeptObservation;
use servers::Servers;
use sleep::Sleep;

/// One LwM2M device.
#[derive(Debug)]
pub struct Client<F> {
    config: Config,
    endpoint: Endpoint<Link>,
    random: Random,
    /// What objects other than 5 hold.
    data: Data,
    /// Names what they held when the device left its factory.
    origin: Crc32,
    /// What they held before the bootstrap that is under way, to go back to.
    before_bootstrap: Option<Data>,
    servers: Servers,
    /// Observations of before the restart, until their server is registered at.
    kept: Vec<KeptObservation>,
    bootstrap: Bootstrap,
    /// When the account of the bootstrap server goes.
    bootstrap_account_ends: Option<Instant>,
    /// The update that is worked on, and the others of a device with several components.
    update: FirmwareUpdate<F>,
    others: Vec<FirmwareUpdate<F>>,
    gate: Gate,
    pull: Option<Pull>,
    fetch: Option<Fetch>,
    /// The short id of the server that has written to object 5 last.
    download_server: Option<u16>,
    /// Bytes in front of a package that is pushed in a TLV record.
    package_head: u64,
    requests: OpenRequests,
    /// Addresses that were found, by the name of their host; one per account at most.
    addresses: BTreeMap<String, IpAddr>,
    /// Sessions that wait for an address.
    unresolved: Vec<(OpenRequest, Reach)>,
    sleep: Sleep,
    /// Sends that are not answered yet, with the short id of their server; at most 32.
    sends: VecDeque<(RequestId, u16)>,
    sessions: VecDeque<SessionCommand>,
    events: VecDeque<Event>,
    /// `/3/0/13` at [`Instant::ZERO`].
    clock: i64,
    /// A value that somebody may observe has changed.
    changed: bool,
    /// What outlives a restart has changed.
    save_wanted: bool,
    /// What the owner was told last of object 5: state, result, bytes.
    told: (UpdateState, UpdateResult, u64),
    shutting_down: bool,
    dark: bool,
}

/// What the objects hold before any server has written to them.
fn factory_data(config: &Config) -> Data {
    let mut data = Data::of_device(config);
    put_accounts(&mut data, &config.accounts, config.bindings());
    data
}

impl<F: FirmwareStore> Client<F> {
    /// A client that has just started: it registers at once, or bootstraps if it has no account of a server.
    ///
    /// `first_request` must be beyond all requests of clients that ran on the same sockets before, so that
    /// a late answer to one of theirs is not taken for ours.
    pub fn new(config: Config, store: F, seed: Seed, first_request: OpenRequest, now: Instant) -> Self {
        Self::with_components(config, store, Vec::new(), seed, first_request, now)
    }

    /// The same for a device with components, of which `components` are the stores, in the order of
    /// [`Config::components`]; what has no counterpart in the other list is left out.
    pub fn with_components(
        mut config: Config,
        store: F,
        components: Vec<F>,
        seed: Seed,
        first_request: OpenRequest,
        now: Instant,
    ) -> Self {
        let others = components::take_up(&mut config, components);
        let mut random = Random::new(seed);
        let mut data = factory_data(&config);
        let origin = saved::origin(&data);
        let saved = config.saved.as_ref().map(Saved::as_bytes);
        let kept = saved.and_then(|saved| saved::decode(saved, origin, &mut data));
        let update = FirmwareUpdate::new(store, &config.firmware);
        let retry = (config.shortest_retry, config.longest_retry);
        let mut client = Self {
            endpoint: Endpoint::new(config.coap.clone(), random.seed()),
            servers: Servers::of(&config, &data, now),
            data,
            origin,
            before_bootstrap: None,
            kept: kept.unwrap_or_default(),
            bootstrap: Bootstrap::new(
                config.quirks.bootstrap.asks_for_pack,
                retry,
                config.bootstrap_patience,
            ),
            bootstrap_account_ends: None,
            gate: Gate::new(config.quirks.state_needs_acknowledgement, update.state()),
            pull: None,
            fetch: None,
            download_server: None,
            package_head: 0,
            requests: OpenRequests(first_request.0),
            addresses: BTreeMap::new(),
            unresolved: Vec::new(),
            sleep: Sleep::new(config.queue_mode, now),
            sends: VecDeque::new(),
            sessions: VecDeque::new(),
            events: VecDeque::new(),
            clock: config.unix_time,
            changed: false,
            save_wanted: false,
            told: (update.state(), update.result(), 0),
            shutting_down: false,
            dark: false,
            config,
            random,
            update,
            others,
        };
        client.restore_observations(now);
        if client.servers.0.is_empty() {
            client.want_bootstrap(now);
        } else {
            client.end_bootstrap_account_later(now);
        }
        client.turn_to_interrupted();
        if let Some(UriWritten::Download(uri, kept)) = client.update.interrupted_download() {
            client.start_pull(uri, &kept, now);
        }
        client
    }

    /// Where the firmware is.
    pub fn store(&self) -> &F {
        self.main_update().store()
    }

    /// Where the firmware is, to change what lies outside of this client's view.
    pub fn store_mut(&mut self) -> &mut F {
        self.main_update_mut().store_mut()
    }

    /// Ends the client without a word to the server and gives the store back.
    pub fn into_store(self) -> F {
        self.into_stores().0
    }

    /// The same, with the stores of the components.
    pub fn into_stores(self) -> (F, Vec<F>) {
        components::into_stores(self.update, self.others)
    }

    /// State and result of object 5.
    pub fn firmware(&self) -> (UpdateState, UpdateResult) {
        (self.main_update().state(), self.main_update().result())
    }

    /// Whether a server has accepted the registration and nothing has gone wrong since.
    pub fn is_registered(&self) -> bool {
        self.registered_servers().next().is_some()
    }

    /// The short ids of the servers that have accepted the registration, where nothing has gone wrong since.
    pub fn registered_servers(&self) -> impl Iterator<Item = u16> {
        let registered = self.servers.0.iter().filter(|server| server.registration.proven_link().is_some());
        registered.map(|server| server.entry.short_server_id)
    }

    /// Whether the client has deregistered for good.
    pub fn has_ended(&self) -> bool {
        self.shutting_down && self.servers.0.iter().all(|server| server.registration.has_ended())
    }

    /// The first session request that a later client on the same sockets may use.
    pub fn next_request(&mut self) -> OpenRequest {
        self.requests.next()
    }

    /// What the owner is to keep over a restart; see [`Event::SaveWanted`].
    pub fn save(&self) -> Saved {
        Saved(saved::encode(self.origin, &self.data, &self.observations_to_keep()))
    }

    /// Deregisters everywhere; an [`Event::Deregistered`] for each server follows.
    pub fn shut_down(&mut self, now: Instant) {
        self.shutting_down = true;
        for server in &mut self.servers.0 {
            server.registration.deregister(None, now);
        }
        self.settle(now);
    }

    /// Tries to register or to bootstrap now instead of waiting for the next attempt.
    pub fn hurry(&mut self, now: Instant) {
        for server in &mut self.servers.0 {
            server.registration.hurry(now);
        }
        self.bootstrap.hurry(now);
        self.settle(now);
    }

    /// Sets what object 4 shows.
    pub fn set_radio(&mut self, radio: Radio, now: Instant) {
        self.data.put(crate::object::CONNECTIVITY, crate::path::InstanceId(0), radio.instance());
        self.config.radio = radio;
        self.changed = true;
        self.settle(now);
    }

    /// Puts bytes into `/19/0/0`, where the server finds data of the host (BC35-G).
    ///
    /// Without object 19 nothing happens.
    pub fn set_uplink_data(&mut self, bytes: &[u8], now: Instant) {
        use crate::path::{InstanceId, ObjectId, ResourceId, ResourceInstanceId};
        use crate::value::{Resource, Value};
        if self.config.has_object(ObjectId(19)) {
            let value = Value::Opaque(bytes.to_vec());
            let values = Resource::Multiple(BTreeMap::from([(ResourceInstanceId(0), value)]));
            self.data.set(ObjectId(19), InstanceId(0), ResourceId(0), values);
            self.changed = true;
            self.settle(now);
        }
    }

    fn view(&self, shown_state: Option<UpdateState>, now: Instant) -> Objects<'_, F> {
        Objects {
            config: &self.config,
            data: &self.data,
            update: &self.update,
            others: &self.others,
            shown_state,
            time: self.clock.saturating_add(writing::seconds_of(now)),
            own_server: None,
        }
    }

    /// Everything, as one server may read it.
    fn objects(&self, server: usize, now: Instant) -> Objects<'_, F> {
        let own_server = self.servers.0.get(server).map(|server| server.entry.instance);
        Objects { own_server, ..self.view(self.gate.shown(), now) }
    }

    /// Everything, as one server is told of it.
    fn told_objects(&self, server: usize, now: Instant) -> Objects<'_, F> {
        Objects { shown_state: self.gate.announced(), ..self.objects(server, now) }
    }
}
