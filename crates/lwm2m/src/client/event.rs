//! What a client tells its owner.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use coap::Code;
use machine::SessionEnd;

use super::account_objects::Inconsistency;
use super::fetch::FetchId;
use super::firmware_values::{UpdateResult, UpdateState};

/// What has happened in a client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A server has accepted the registration.
    Registered {
        /// Its short server id.
        server: u16,
    },
    /// A server has accepted an update of the registration.
    RegistrationUpdated {
        /// Its short server id.
        server: u16,
    },
    /// A server does not know the registration any more; the client registers again at once.
    RegistrationForgotten {
        /// Its short server id.
        server: u16,
        /// Its answer.
        code: Code,
    },
    /// The registration was refused.
    RegistrationRefused {
        /// The short server id.
        server: u16,
        /// The server's answer.
        code: Code,
        /// When the client tries again, from now.
        retry: Duration,
    },
    /// A server does not answer.
    ServerSilent {
        /// Its short server id.
        server: u16,
        /// When the client tries again, from now.
        retry: Duration,
    },
    /// The session with a server did not come up.
    SessionFailed {
        /// Its short server id; `None` for the bootstrap server.
        server: Option<u16>,
        /// Why.
        end: SessionEnd,
        /// When the client tries again, from now.
        retry: Duration,
    },
    /// The session with a server ended.
    SessionEnded {
        /// Its short server id; `None` for the bootstrap server.
        server: Option<u16>,
        /// Why.
        end: SessionEnd,
    },
    /// The client has deregistered; unless the server asked for a pause, it stays away.
    Deregistered {
        /// The short server id.
        server: u16,
    },
    /// The client will ask the bootstrap server, unless that begins by itself before.
    BootstrapWanted {
        /// When, from now.
        wait: Duration,
    },
    /// The bootstrap server will write now.
    BootstrapBegun,
    /// The bootstrap server refuses.
    BootstrapRefused {
        /// Its answer.
        code: Code,
        /// When the client tries again, from now.
        retry: Duration,
    },
    /// The bootstrap server does not answer, or has stopped in the middle: the old accounts hold.
    BootstrapSilent {
        /// When the client tries again, from now.
        retry: Duration,
    },
    /// What the bootstrap server has written does not fit together; it was told so and may go on.
    BootstrapInconsistent(Inconsistency),
    /// The bootstrap is finished: the client registers with these short server ids.
    Bootstrapped {
        /// The servers.
        servers: Vec<u16>,
    },
    /// The address of a host is wanted; [`Client::address_found`](super::Client::address_found) is to tell.
    AddressWanted {
        /// The name of the host.
        host: String,
    },
    /// What became of [`Client::send`](super::Client::send) at one server.
    Sent {
        /// Its short server id.
        server: u16,
        /// Its answer; `None`: there was none.
        answer: Option<Code>,
    },
    /// The client, in queue mode, listens no more until it has something to say.
    Asleep,
    /// The client listens again.
    Awake,
    /// State or result of object 5 has changed.
    Firmware {
        /// `/5/0/3`
        state: UpdateState,
        /// `/5/0/5`
        result: UpdateResult,
    },
    /// More of a package is stored.
    Progress {
        /// Bytes that are stored.
        bytes: u64,
        /// Bytes of the whole package, if known.
        total: Option<u64>,
    },
    /// The owner is to download this over HTTP or HTTPS, from `offset` on if the entity tag is still the
    /// same, and to report by `Client::fetch_started` and those beside it. A later one replaces it.
    FetchWanted {
        /// Names the transfer.
        fetch: FetchId,
        /// The Package URI.
        uri: String,
        /// How many bytes from the start are stored already.
        offset: u64,
        /// The entity tag that they had, as the server wrote it.
        etag: Option<Vec<u8>>,
    },
    /// The transfer is not wanted any more; nothing about it is expected.
    FetchStopped(FetchId),
    /// Accounts or observations that outlive a restart have changed: the owner is to keep what
    /// [`Client::save`](super::Client::save) gives now.
    SaveWanted,
    /// The owner is to restart the device. The client works on until it is dropped, so that its last
    /// answers can go out.
    RebootWanted(RebootReason),
    /// The store's power was cut. The client is silent from now on.
    PowerLost,
}

/// Why a device is to restart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RebootReason {
    /// `/3/0/4` was executed.
    Requested,
    /// `/5/0/2` was executed and a new image is ready to boot.
    Update,
}
