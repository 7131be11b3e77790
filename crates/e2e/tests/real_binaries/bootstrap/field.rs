//! A server, a module with a bootstrap account, and a relay between them.

use std::path::PathBuf;

use e2e::{Conditions, Relay, Tshark, wait_until};
use serde_json::Value;

use crate::rig::{ENDPOINT, Files, IMEI, Module, NEW, OLD, PATIENCE, Server, Setting};

/// The identity of the device at the bootstrap server.
pub const IDENTITY: &str = "bs:015770000031766";

/// Tests wait for steps.
const STEPS_IN_LOG: [Setting; 1] = [("UPDRAFT_LOG__FILTER", "info,server::bootstrap=debug")];

/// Everything that a bootstrap runs on. It is gone when the test is over.
pub struct Field {
    // First, so that nobody writes into the folder when it is removed.
    pub server: Server,
    /// In front of the bootstrap port for DTLS.
    pub relay: Relay,
    pub files: Files,
    capture: PathBuf,
}

impl Field {
    /// A server that knows one device by its bootstrap key. The packages `new` and `old` are uploaded.
    pub fn start(conditions: Conditions) -> Self {
        let field = Self::start_without_device(conditions);
        let key = field.server.answer(&["psk", "generate"]);
        let key_file = field.files.write_secret("bootstrap.key", key["key"].as_str().expect("it is text"));
        let device = ["device", "add", ENDPOINT, "--bootstrap-identity", IDENTITY];
        field.server.answer(&[&device[..], &["--bootstrap-key-file", &key_file]].concat());
        field
    }

    /// The same with a server that knows no device.
    pub fn start_without_device(conditions: Conditions) -> Self {
        let files = Files::create();
        let server = Server::start_with(files.folder(), &STEPS_IN_LOG);
        let capture = files.path("relay.pcap");
        let relay =
            Relay::start(server.bootstrap().0, conditions, 7, Some(&capture)).expect("ports are free");
        server.import_lab_product();
        let field = Self { server, relay, files, capture };
        for (name, version) in [("new", NEW), ("old", OLD)] {
            let image = field.files.image(name, version, &[]);
            field.server.upload(name, &image, &[]);
        }
        field
    }

    /// Switches the device's module on.
    pub fn module(&self, arguments: &[&str]) -> Module {
        self.module_at(&format!("coaps://{}", self.relay.address()), "bootstrap.key", arguments)
    }

    /// Switches it on with this bootstrap server and the key in this file.
    pub fn module_at(&self, server: &str, key_file: &str, arguments: &[&str]) -> Module {
        let arguments = [&["--identity", IDENTITY], arguments].concat();
        let key_file = self.files.path(key_file);
        Module::bootstrapping(&self.files.flash(), IMEI, server, &key_file, &arguments)
    }

    /// What the server shows of the device.
    pub fn device(&self) -> Value {
        self.server.answer(&["device", "show", ENDPOINT])
    }

    /// The device, once it is registered with a key that it has proved, and its bootstrap is `state`.
    pub fn settled(&self, state: &str) -> Value {
        let mut device = Value::Null;
        let found = wait_until(PATIENCE, || {
            device = self.device();
            let settled = device["registered"] == true
                && device["identity"].is_string()
                && device["staged_credential"].is_null()
                && device["bootstrap"]["state"] == state;
            settled.then_some(())
        });
        assert!(found.is_some(), "{device:#}");
        device
    }

    /// What went over the wire to the bootstrap server so far, opened with the key for it.
    pub fn tshark(&self) -> Tshark {
        self.relay.flush_capture();
        let key = self.files.secret("bootstrap.key");
        Tshark::new(&self.capture).coaps(self.server.bootstrap().0.port(), &key)
    }
}
