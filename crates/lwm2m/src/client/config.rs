//! What a client is and how it behaves.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use coap::BlockSize;
use machine::Socket;

use super::account::Accounts;
use super::components::ComponentSettings;
use super::deferral::Deferral;
use super::firmware_values::{DeliveryMethod, StateAfterFailure};
use super::package_uri::Scheme;
use super::quirks::Quirks;
use crate::path::ObjectId;

/// What a client is and how it behaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// The endpoint name, such as `urn:imei:015770000031766`.
    pub endpoint_name: String,
    /// The version of LwM2M to register with; a server that refuses it is offered 1.0.
    pub version: Version,
    /// The accounts that the device leaves its factory with.
    pub accounts: Accounts,
    /// What an earlier run of the same device has asked its owner to keep ([`Event::SaveWanted`]). It counts
    /// more than `accounts`, unless those are others than they were then.
    ///
    /// [`Event::SaveWanted`]: super::Event::SaveWanted
    pub saved: Option<Saved>,
    /// The socket for plain CoAP to servers that a bootstrap names.
    pub open_socket: Socket,
    /// Whether the client listens only for a while after each message, and tells so at registration.
    pub queue_mode: Option<QueueMode>,
    /// Object 3.
    pub device: Device,
    /// Object 4.
    pub radio: Radio,
    /// Object 5.
    pub firmware: FirmwareSettings,
    /// Object 33629, if there are any; at most [`MOST_COMPONENTS`](super::MOST_COMPONENTS).
    pub components: Vec<ComponentSettings>,
    /// Whether notifications are confirmable.
    pub confirmable_notifications: bool,
    /// What becomes of observations when the client registers anew.
    pub observations: ObservationsAtRegister,
    /// The wait before the first new attempt to reach the server; it doubles with each one. Half of every
    /// wait is random, so that a fleet does not come back in one moment.
    pub shortest_retry: Duration,
    /// Where the doubling ends.
    pub longest_retry: Duration,
    /// After so many vain attempts in a row at each server the bootstrap server is asked, if there is one.
    pub attempts: u32,
    /// After this silence of a bootstrap server that has begun to write, the bootstrap begins anew. The default
    /// is EXCHANGE_LIFETIME (RFC 7252 section 4.8.2), after which nothing of it is on the way any more.
    pub bootstrap_patience: Duration,
    /// The objects beside 1, 3, 4 and 5 that the device has: of 2, 9, 16 and 19.
    pub optional_objects: Vec<ObjectId>,
    /// `/3/0/13` at [`Instant::ZERO`](machine::Instant::ZERO), in seconds since 1970-01-01T00:00:00Z.
    pub unix_time: i64,
    /// What sets this client apart from others; see [`Profile::imitate`](super::quirks::Profile::imitate).
    pub quirks: Quirks,
    /// Parameters and bounds of CoAP.
    pub coap: coap::Config,
}

impl Config {
    /// A client of this name and these servers with the settings of a small device.
    pub fn new(endpoint_name: &str, accounts: impl Into<Accounts>) -> Self {
        let accounts = accounts.into();
        Self {
            endpoint_name: endpoint_name.into(),
            version: Version::V1_0,
            open_socket: accounts.open_socket(),
            accounts,
            saved: None,
            queue_mode: None,
            device: Device::default(),
            radio: Radio::default(),
            firmware: FirmwareSettings::default(),
            components: Vec::new(),
            confirmable_notifications: false,
            observations: ObservationsAtRegister::Dropped,
            shortest_retry: Duration::from_secs(5),
            longest_retry: Duration::from_secs(600),
            attempts: 5,
            bootstrap_patience: Duration::from_secs(247),
            optional_objects: Vec::new(),
            unix_time: 0,
            quirks: Quirks::STANDARD,
            coap: small_device(),
        }
    }
}

/// One peer, a few exchanges at a time: some tens of kilobytes at most.
fn small_device() -> coap::Config {
    coap::Config {
        streamed: vec!["/5/0/0".into()],
        // It answers its own servers only, and their addresses were given to it.
        amplification: None,
        max_body: 4_096,
        max_bodies_per_peer: 2,
        max_bodies: 4,
        max_body_bytes: 16_384,
        max_response_body: 4_096,
        max_queue: 8,
        max_observations: 0,
        max_unanswered: 8,
        max_remembered_per_peer: 64,
        max_remembered: 128,
        max_remembered_bytes: 65_536,
        ..coap::Config::default()
    }
}

/// A version of LwM2M.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Version {
    /// 1.0
    V1_0,
    /// 1.1
    V1_1,
    /// 1.2
    V1_2,
}

impl Version {
    pub(super) const fn parameter(self) -> &'static str {
        match self {
            Self::V1_0 => "lwm2m=1.0",
            Self::V1_1 => "lwm2m=1.1",
            Self::V1_2 => "lwm2m=1.2",
        }
    }
}

/// How a client in queue mode sleeps (LwM2M Core 1.1 section 6.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueMode {
    /// How long it listens after its last message.
    pub awake: Duration,
    /// It updates its registration at least this often, which is when servers reach it; `None`: as its
    /// lifetime asks.
    pub wakes_every: Option<Duration>,
    /// It opens a new session at each wake-up: an abbreviated handshake is followed by an Update, a full
    /// one by a Register.
    pub new_session: bool,
}

impl Default for QueueMode {
    fn default() -> Self {
        // MAX_TRANSMIT_WAIT (RFC 7252 section 4.8.2).
        Self { awake: Duration::from_secs(93), wakes_every: None, new_session: false }
    }
}

/// What a device keeps over a restart beside its firmware: the objects that a bootstrap has written, and the
/// observations that outlive a registration. It contains keys.
#[derive(Clone, PartialEq, Eq)]
pub struct Saved(pub(super) Vec<u8>);

impl Saved {
    /// What [`Saved::as_bytes`] gave. Bytes that mean nothing are noticed when a client starts: it then has
    /// the accounts of its configuration.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// The bytes to keep.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Saved {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Saved").field(&self.0.len()).finish()
    }
}

/// Object 3, Device.
#[derive(Clone, Debug)]
pub struct Device {
    /// `/3/0/0`
    pub manufacturer: String,
    /// `/3/0/1`
    pub model: String,
    /// `/3/0/2`
    pub serial: String,
    /// `/3/0/7`, the voltage of each power source in millivolts.
    pub voltages: Vec<i64>,
    /// `/3/0/8`, the current of each power source in milliamperes.
    pub currents: Vec<i64>,
    /// `/3/0/14`
    pub utc_offset: String,
    /// `/3/0/15`
    pub timezone: String,
}

impl Default for Device {
    fn default() -> Self {
        Self {
            manufacturer: "Updraft".into(),
            model: "virtual".into(),
            serial: String::new(),
            voltages: vec![3_800],
            currents: vec![125],
            utc_offset: "+00:00".into(),
            timezone: "Etc/UTC".into(),
        }
    }
}

/// Object 4, Connectivity Monitoring.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Radio {
    /// `/4/0/0` (6 is LTE-FDD, 7 is NB-IoT).
    pub bearer: u8,
    /// `/4/0/2`, RSRP in dBm.
    pub signal_strength: i16,
    /// `/4/0/3`, RSRQ in dB.
    pub link_quality: i16,
    /// `/4/0/4`
    pub addresses: BTreeMap<u16, String>,
    /// `/4/0/7`
    pub access_points: BTreeMap<u16, String>,
    /// `/4/0/8`
    pub cell: u32,
    /// `/4/0/9`, the mobile network code.
    pub network_code: u16,
    /// `/4/0/10`, the mobile country code.
    pub country_code: u16,
    /// `/4/0/11`, in dB.
    pub noise_ratio: i16,
}

impl Default for Radio {
    fn default() -> Self {
        Self {
            bearer: 6,
            signal_strength: -95,
            link_quality: -11,
            addresses: BTreeMap::from([(0, "10.0.0.2".into())]),
            access_points: BTreeMap::from([(0, "iot".into())]),
            cell: 0x0001_9A2B,
            network_code: 1,
            country_code: 1,
            noise_ratio: 9,
        }
    }
}

/// How object 5 behaves.
#[derive(Clone, Debug)]
pub struct FirmwareSettings {
    /// `/5/0/8`; a Package URI of another scheme gives result 9. The owner has to carry out
    /// [`Event::FetchWanted`](super::Event::FetchWanted) if HTTP is among them.
    pub schemes: Vec<Scheme>,
    /// `/5/0/9`
    pub method: DeliveryMethod,
    /// The state after result 8.
    pub after_failure: StateAfterFailure,
    /// Where the GETs for a Package URI go.
    pub route: DownloadRoute,
    /// The block size that a download asks for.
    pub block_size: BlockSize,
    /// How fast a download may be, in bytes a second.
    pub bytes_per_second: Option<u32>,
    /// How many times in a row an exchange of a download may be given up before result 4.
    pub attempts: u32,
    /// How long an open push may pause before result 4.
    pub push_patience: Duration,
    /// Whether all other requests get 5.03 while a push is open, as Anjay does.
    pub busy_during_push: bool,
    /// Resources 10 to 13 of object version 1.1; `None` is version 1.0 without them.
    pub deferral: Option<Deferral>,
}

impl Default for FirmwareSettings {
    fn default() -> Self {
        Self {
            schemes: vec![Scheme::Coap, Scheme::Coaps],
            method: DeliveryMethod::Both,
            after_failure: StateAfterFailure::Idle,
            route: DownloadRoute::Registration,
            block_size: BlockSize::LARGEST,
            bytes_per_second: None,
            attempts: 5,
            push_patience: Duration::from_secs(300),
            busy_during_push: false,
            deferral: None,
        }
    }
}

/// Where the GETs for a Package URI go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DownloadRoute {
    /// To the server of the registration, on its session; host and port of the URI are ignored.
    Registration,
    /// To the host and port of the URI: over this socket for coap, on a session of its own with the same
    /// credential for coaps. The host has to be an address.
    Separate(Socket),
}

/// What becomes of observations when a client registers anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ObservationsAtRegister {
    /// They end; the server has to observe again (Anjay).
    Dropped,
    /// They go on, with their tokens, on the new session.
    Kept,
}
