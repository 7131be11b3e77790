//! What `vmodule run` prints: one line per change.

use std::io::Write;

use firmware::BootState;
use lwm2m::client::{self, RebootReason, UpdateResult, UpdateState};
use machine::{Instant, SessionEnd};
use serde_json::{Map, Value, json};

use crate::Event;

/// Writes events as lines for people or as one JSON object each.
pub(super) struct Reporter<W> {
    output: W,
    json: bool,
    /// The last step of progress that was printed.
    step: Option<u64>,
}

/// A line about progress per this many percent, or bytes where the size is unknown.
const PERCENT_STEP: u64 = 10;
const BYTES_STEP: u64 = 65_536;

struct Line {
    name: &'static str,
    text: String,
    fields: Value,
}

impl<W: Write> Reporter<W> {
    pub(super) fn new(output: W, json: bool) -> Self {
        Self { output, json, step: None }
    }

    /// Prints an event, unless it is progress too small to tell. A reader that has gone away is no fault.
    pub(super) fn event(&mut self, event: &Event, now: Instant) {
        if let Event::Client(client::Event::Progress { bytes, total }) = event {
            let step = total.map_or(bytes / BYTES_STEP, |total| bytes * 100 / total.max(1) / PERCENT_STEP);
            if self.step.replace(step) == Some(step) {
                return;
            }
        } else {
            self.step = None;
        }
        self.line(line_of(event), now);
    }

    pub(super) fn note(&mut self, name: &'static str, text: String, now: Instant) {
        self.line(Line { name, text, fields: json!({}) }, now);
    }

    fn line(&mut self, line: Line, now: Instant) {
        let Line { name, text, fields } = line;
        let millis = now.as_micros() / 1_000;
        let _ = if self.json {
            let mut object = Map::new();
            object.insert("time_ms".into(), millis.into());
            object.insert("event".into(), name.into());
            if let Value::Object(fields) = fields {
                object.extend(fields);
            }
            writeln!(self.output, "{}", Value::Object(object))
        } else {
            writeln!(self.output, "{:>6}.{:03} s  {text}", millis / 1_000, millis % 1_000)
        };
        let _ = self.output.flush();
    }
}

fn line(name: &'static str, text: impl Into<String>, fields: Value) -> Line {
    Line { name, text: text.into(), fields }
}

fn line_of(event: &Event) -> Line {
    match event {
        Event::Booted { bank, version, state } => {
            let (bank, version) = (bank.to_string(), version.to_string());
            let text = format!("version {version} runs from bank {bank}{}", outcome(*state));
            line("booted", text, json!({ "bank": bank, "version": version }))
        }
        Event::ComponentBooted { component, bank, version, state } => {
            let (bank, version) = (bank.to_string(), version.to_string());
            let outcome = outcome(*state);
            let text = format!("component {}: version {version} runs from bank {bank}{outcome}", component.0);
            let fields = json!({ "component": component.0, "bank": bank, "version": version });
            line("component-booted", text, fields)
        }
        Event::BootFailed(error) => {
            line("boot-failed", format!("cannot start: {error}"), json!({ "cause": error.to_string() }))
        }
        Event::Rebooting(reason) => {
            let reason = match reason {
                RebootReason::Requested => "the server asked for it",
                RebootReason::Update => "to install the update",
            };
            line("rebooting", format!("rebooting: {reason}"), json!({ "reason": reason }))
        }
        Event::Saved(_) => line("saved", "accounts saved", json!({})),
        Event::PowerLost => line("power-lost", "power lost", json!({})),
        Event::Stopped => line("stopped", "stopped", json!({})),
        Event::Client(event) => client_line(event),
    }
}

/// What the boot record says, for people.
fn outcome(state: BootState) -> &'static str {
    match state {
        BootState::Testing { .. } => ", the new image works",
        BootState::Reverted(_) => ", the update was undone",
        BootState::Confirmed | BootState::Updated => "",
    }
}

fn client_line(event: &client::Event) -> Line {
    use client::Event as Client;
    match event {
        Client::Registered { server } => {
            line("registered", format!("registered at server {server}"), json!({ "server": server }))
        }
        Client::RegistrationUpdated { server } => {
            let text = format!("registration at server {server} updated");
            line("registration-updated", text, json!({ "server": server }))
        }
        Client::RegistrationForgotten { server, code } => {
            let text = format!("server {server} has forgotten the registration ({code}); registering again");
            line("registration-forgotten", text, json!({ "server": server, "code": code.to_string() }))
        }
        Client::RegistrationRefused { server, code, retry } => {
            let text = format!(
                "registration refused by server {server} ({code}); next attempt in {} s",
                retry.as_secs()
            );
            let fields = json!({
                "server": server, "code": code.to_string(), "retry_seconds": retry.as_secs()
            });
            line("registration-refused", text, fields)
        }
        Client::ServerSilent { server, retry } => {
            let text = format!("server {server} does not answer; next attempt in {} s", retry.as_secs());
            line("server-silent", text, json!({ "server": server, "retry_seconds": retry.as_secs() }))
        }
        Client::SessionFailed { server, end, retry } => {
            let cause = end_text(*end);
            let text = format!(
                "no DTLS session with {}: {cause}; next attempt in {} s",
                server_text(*server),
                retry.as_secs()
            );
            let fields = json!({ "server": server, "cause": cause, "retry_seconds": retry.as_secs() });
            line("session-failed", text, fields)
        }
        Client::SessionEnded { server, end } => {
            let cause = end_text(*end);
            let text = format!("DTLS session with {} ended: {cause}", server_text(*server));
            line("session-ended", text, json!({ "server": server, "cause": cause }))
        }
        Client::Deregistered { server } => {
            line("deregistered", format!("deregistered at server {server}"), json!({ "server": server }))
        }
        Client::Sent { server, answer } => {
            let answer = answer.map(|code| code.to_string());
            let text = format!("sent to server {server}: {}", answer.as_deref().unwrap_or("no answer"));
            line("sent", text, json!({ "server": server, "answer": answer }))
        }
        Client::Asleep => line("asleep", "asleep", json!({})),
        Client::Awake => line("awake", "awake", json!({})),
        Client::AddressWanted { host } => {
            line("address-wanted", format!("looking for the address of {host}"), json!({ "host": host }))
        }
        Client::BootstrapWanted { .. }
        | Client::BootstrapBegun
        | Client::BootstrapRefused { .. }
        | Client::BootstrapSilent { .. }
        | Client::BootstrapInconsistent(_)
        | Client::Bootstrapped { .. } => bootstrap_line(event),
        Client::Firmware { state, result } => firmware_line(*state, *result),
        Client::Progress { bytes, total } => {
            let text = total.map_or_else(
                || format!("downloading {bytes} bytes"),
                |total| format!("downloading {} % ({bytes} of {total} bytes)", bytes * 100 / total.max(1)),
            );
            line("progress", text, json!({ "bytes": bytes, "total": total }))
        }
        Client::SaveWanted => line("save-wanted", "accounts have changed", json!({})),
        Client::FetchWanted { uri, offset, .. } => {
            let text = format!("downloading from {uri}, byte {offset} on");
            line("fetch", text, json!({ "uri": uri, "offset": offset }))
        }
        Client::FetchStopped(_) => line("fetch-stopped", "download dropped", json!({})),
        Client::RebootWanted(_) => line("reboot-wanted", "about to reboot", json!({})),
        Client::PowerLost => line("power-lost", "power lost", json!({})),
    }
}

fn bootstrap_line(event: &client::Event) -> Line {
    use client::Event as Client;
    match event {
        Client::BootstrapWanted { wait } => {
            let text = format!("asking the bootstrap server in {} s", wait.as_secs());
            line("bootstrap-wanted", text, json!({ "wait_seconds": wait.as_secs() }))
        }
        Client::BootstrapRefused { code, retry } => {
            let text = format!("bootstrap refused ({code}); next attempt in {} s", retry.as_secs());
            let fields = json!({ "code": code.to_string(), "retry_seconds": retry.as_secs() });
            line("bootstrap-refused", text, fields)
        }
        Client::BootstrapSilent { retry } => {
            let text = format!("the bootstrap server does not answer; next attempt in {} s", retry.as_secs());
            line("bootstrap-silent", text, json!({ "retry_seconds": retry.as_secs() }))
        }
        Client::BootstrapInconsistent(cause) => {
            let cause = cause.to_string();
            let text = format!("the bootstrap does not fit together: {cause}");
            line("bootstrap-inconsistent", text, json!({ "cause": cause }))
        }
        Client::Bootstrapped { servers } => {
            let text = format!("bootstrapped with {} servers: {servers:?}", servers.len());
            line("bootstrapped", text, json!({ "servers": servers }))
        }
        _ => line("bootstrap-begun", "the bootstrap server writes", json!({})),
    }
}

fn server_text(server: Option<u16>) -> String {
    server.map_or_else(|| "the bootstrap server".into(), |server| format!("server {server}"))
}

fn firmware_line(state: UpdateState, result: UpdateResult) -> Line {
    let name = match state {
        UpdateState::Idle => "idle",
        UpdateState::Downloading => "downloading",
        UpdateState::Downloaded => "downloaded",
        UpdateState::Updating => "updating",
    };
    let outcome = match result {
        UpdateResult::Initial => "",
        UpdateResult::Success => ": updated",
        UpdateResult::NotEnoughSpace => ": the package does not fit into flash",
        UpdateResult::OutOfMemory => ": out of memory",
        UpdateResult::ConnectionLost => ": connection lost",
        UpdateResult::IntegrityFailure => ": the package is damaged",
        UpdateResult::UnsupportedPackage => ": the package is not for this module",
        UpdateResult::InvalidUri => ": the package URI leads nowhere",
        UpdateResult::UpdateFailed => ": the update failed",
        UpdateResult::UnsupportedProtocol => ": the protocol of the package URI is not supported",
        UpdateResult::Canceled => ": the server canceled the update",
        UpdateResult::Deferred => ": the update is put off",
    };
    let text = format!("{name}{outcome} (state {}, result {})", state as u8, result as u8);
    line(name, text, json!({ "state": state as u8, "result": result as u8 }))
}

fn end_text(end: SessionEnd) -> String {
    match end {
        SessionEnd::ClosedByPeer => "the server closed it".into(),
        SessionEnd::ClosedHere => "closed here".into(),
        SessionEnd::Alert(number) => format!("the server sent alert {number}"),
        SessionEnd::TimedOut => "the server does not answer".into(),
        SessionEnd::NotAuthenticated => "identity or key is not accepted".into(),
        SessionEnd::Replaced => "replaced by a newer session".into(),
        SessionEnd::Evicted => "dropped for lack of room".into(),
    }
}
