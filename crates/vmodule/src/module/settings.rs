//! What a module is and how long its steps take.

use std::time::Duration;

use firmware::Model;
use lwm2m::client;
use lwm2m::path::Path;

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
