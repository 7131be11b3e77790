//! A server, a module, and a relay between them.

mod caller;
mod files;
mod module;
mod server;
mod watch;

use std::path::PathBuf;

use e2e::{Conditions, Relay, Tshark, TsharkError, wait_until};
use serde_json::Value;

pub use caller::Caller;
pub use files::{Files, NEW, OLD, PAYLOAD};
pub use module::Module;
pub use server::{LAB_PRODUCT, Server, Setting};
pub use watch::{Ended, Watch};

use std::time::Duration;

/// How long any state may take to come, on a machine that is busy with other things.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The device that every test has.
pub const IMEI: &str = "015770000031766";
pub const ENDPOINT: &str = "urn:imei:015770000031766";

/// Everything that a scenario runs on. It is gone when the test is over.
pub struct Rig {
    // First, so that nobody writes into the folder when it is removed.
    pub server: Server,
    pub relay: Relay,
    pub files: Files,
    capture: PathBuf,
}

impl Rig {
    /// A server that knows one device, and the way to it. The packages `new` and `old` are uploaded.
    pub fn start(conditions: Conditions) -> Self {
        Self::start_with(conditions, &[])
    }

    /// The same with a server that is set up in another way.
    pub fn start_with(conditions: Conditions, settings: &[Setting]) -> Self {
        let files = Files::create();
        let server = Server::start_with(files.folder(), settings);
        let capture = files.path("relay.pcap");
        let relay = Relay::start(server.coaps(), conditions, 7, Some(&capture)).expect("ports are free");
        let rig = Self { server, relay, files, capture };
        rig.server.import_lab_product();
        rig.add_device(ENDPOINT, ENDPOINT, "device.key");
        for (name, version) in [("new", NEW), ("old", OLD)] {
            rig.upload(name, version);
        }
        rig
    }

    /// Uploads an image of this version and approves it.
    pub fn upload(&self, name: &str, version: &str) {
        let image = self.files.image(name, version, &[]);
        self.server.upload(name, &image, &["--product", LAB_PRODUCT]);
    }

    /// Makes a key, writes it into this file and adds a device with it.
    pub fn add_device(&self, endpoint: &str, identity: &str, key_file: &str) {
        let key = self.server.answer(&["psk", "generate"]);
        let key_file = self.files.write_secret(key_file, key["key"].as_str().expect("it is text"));
        let arguments = ["device", "add", endpoint, "--identity", identity, "--key-file", &key_file];
        self.server.answer(&arguments);
    }

    /// Switches the device's module on.
    pub fn module(&self, arguments: &[&str]) -> Module {
        self.module_of(IMEI, "device.key", arguments)
    }

    /// Switches a module on that claims to be this one and has this key. All share one flash.
    pub fn module_of(&self, imei: &str, key_file: &str, arguments: &[&str]) -> Module {
        self.module_with(&self.files.flash(), imei, key_file, arguments)
    }

    /// Switches a module on that calls another place than the relay.
    pub fn module_at(&self, server: &str, imei: &str, arguments: &[&str]) -> Module {
        let key_file = self.files.path("device.key");
        Module::start(&self.files.flash(), imei, server, &key_file, arguments)
    }

    /// Switches a module on that has a flash of its own.
    pub fn module_with(&self, flash: &str, imei: &str, key_file: &str, arguments: &[&str]) -> Module {
        let key_file = self.files.path(key_file);
        let server = format!("coaps://{}", self.relay.address());
        Module::start(flash, imei, &server, &key_file, arguments)
    }

    /// Starts an upgrade; gives its id.
    pub fn start_upgrade(&self, package: &str, delivery: &str) -> String {
        let arguments = ["upgrade", "start", ENDPOINT, package, "--delivery", delivery];
        let started = self.server.answer(&arguments);
        started["id"].as_str().expect("it is text").to_owned()
    }

    /// Upgrades from start to end.
    pub fn upgrade(&self, package: &str, delivery: &str) -> Ended {
        let id = self.start_upgrade(package, delivery);
        self.server.watch(&id).end()
    }

    /// What the server shows of a device.
    pub fn device(&self, endpoint: &str) -> Value {
        self.server.answer(&["device", "show", endpoint])
    }

    /// Waits until the device is shown with this value.
    pub fn wait_for_device(&self, field: &str, wanted: &Value) {
        let mut device = Value::Null;
        let found = wait_until(PATIENCE, || {
            device = self.device(ENDPOINT);
            (device[field] == *wanted).then_some(())
        });
        assert!(found.is_some(), "{field} never became {wanted}: {device}");
    }

    /// What went over the wire so far, opened with the key of the device.
    pub fn tshark(&self) -> Tshark {
        self.relay.flush_capture();
        let key = self.files.secret("device.key");
        Tshark::new(&self.capture).coaps(self.server.coaps().port(), &key)
    }

    /// How many orders to install the module was sent, repetitions of one aside.
    pub fn executes(&self) -> usize {
        let filter = "coap.code == 2 && coap.opt.uri_path_recon == \"/5/0/2\"";
        let mut sent = read(self.tshark().fields(filter, &["coap.mid", "coap.token"]));
        sent.sort();
        sent.dedup();
        sent.len()
    }
}

/// What tshark read. The test fails with what is wrong, or with what to install.
pub fn read<T>(result: Result<T, TsharkError>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}
