//! What a module tells its owner, and what its owner may ask for.

use std::net::IpAddr;

use firmware::{Bank, BootError, BootState, Version};
use lwm2m::client::{self, FetchFailure, FetchId, FetchStart, RebootReason, Saved};
use lwm2m::path::InstanceId;

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
    /// An image of a component runs; comes after [`Event::Booted`].
    ComponentBooted {
        /// Its instance of object 33629.
        component: InstanceId,
        /// The bank that it is in.
        bank: Bank,
        /// Its version.
        version: Version,
        /// As in [`Event::Booted`].
        state: BootState,
    },
    /// No image can run, of the module or of a component: the module would have to be rewritten by wire.
    BootFailed(BootError),
    /// The client reports.
    Client(client::Event),
    /// What a restart must not take away has changed. The module itself keeps it over its restarts; for
    /// those of the process it has to be in [`client::Config::saved`] the next time.
    Saved(Saved),
    /// The module restarts.
    Rebooting(RebootReason),
    /// The power was cut; whether and when it comes back is in [`Settings::power_returns`](super::Settings::power_returns).
    PowerLost,
    /// It was shut down and does nothing any more.
    Stopped,
}

/// What an owner in another thread may ask for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// [`Module::shut_down`](super::Module::shut_down)
    ShutDown,
    /// [`Module::lose_power`](super::Module::lose_power)
    LosePower,
    /// [`Client::address_found`](client::Client::address_found)
    AddressFound(String, Option<IpAddr>),
    /// News of a download that the client asked for by [`client::Event::FetchWanted`].
    Fetched(FetchId, Fetched),
}

/// What came of a download over HTTP.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fetched {
    /// [`Client::fetch_started`](client::Client::fetch_started)
    Started(FetchStart),
    /// [`Client::fetch_chunk`](client::Client::fetch_chunk)
    Chunk(Vec<u8>),
    /// [`Client::fetch_ended`](client::Client::fetch_ended)
    Ended,
    /// [`Client::fetch_failed`](client::Client::fetch_failed)
    Failed(FetchFailure),
}
