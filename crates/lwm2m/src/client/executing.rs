//! Execute, with its arguments (LwM2M Core 1.1 section 6.3.5).

use core::time::Duration;

use coap::{Code, Response};
use machine::Instant;

use super::Client;
use super::account_objects::{DEFAULT_DISABLE_TIMEOUT, bootstrap_entry, server_entries};
use super::components::Place;
use super::event::{Event, RebootReason};
use super::firmware_store::FirmwareStore;
use super::requests::Asked;
use crate::object::{Access, SERVER};
use crate::path::Path;

/// How long the answer to an Execute may take before what it began cuts the way.
const FAREWELL: Duration = Duration::from_secs(2);

impl<F: FirmwareStore> Client<F> {
    pub(super) fn execute(&mut self, asked: Asked<'_>, path: Path) -> Result<Response, Code> {
        let Asked { server, request, now, .. } = asked;
        if self.objects(server, now).resource_type(path)?.access != Access::Execute {
            return Err(Code::METHOD_NOT_ALLOWED);
        }
        let arguments = &*request.payload;
        let refused = self.config.quirks.refuses_arguments && !arguments.is_empty();
        if refused || !are_arguments(arguments) {
            return Err(Code::BAD_REQUEST);
        }
        self.changed = true;
        let [object, _, number, _] = path.numbers();
        match (object, number) {
            (1, 4) => {
                let timeout = self.data.seconds(SERVER, self.servers.0[server].entry.instance, 5);
                let pause = Duration::from_secs(timeout.unwrap_or(DEFAULT_DISABLE_TIMEOUT).into());
                self.servers.0[server].registration.deregister(Some(pause), now);
            }
            (1, 8) => self.servers.0[server].registration.update_now(now),
            (1, 9) => {
                bootstrap_entry(&self.data).ok_or(Code::METHOD_NOT_ALLOWED)?;
                self.bootstrap.start(now + FAREWELL);
            }
            (3, 4) => self.events.push_back(Event::RebootWanted(RebootReason::Requested)),
            (3, 5) => self.reset_to_factory(now),
            _ => {
                // There is never an error to reset (/3/0/12), and nothing to prove (/16/x/1).
                if let Some(place) = Place::of(path) {
                    self.turn_to(place)?;
                    self.execute_firmware(number, now)?;
                }
            }
        }
        Ok(Response::new(Code::CHANGED))
    }

    /// All that servers have written is undone.
    fn reset_to_factory(&mut self, now: Instant) {
        let known: alloc::vec::Vec<_> = self.servers.0.iter().map(|server| server.entry.clone()).collect();
        self.data = super::factory_data(&self.config);
        self.clock = self.config.unix_time;
        self.save_wanted = true;
        if server_entries(&self.data).ok().as_ref() == Some(&known) {
            for server in &mut self.servers.0 {
                server.attributes = super::attributes::Attributes::default();
                server.registration.register_anew(now);
            }
        } else {
            // Other servers than those that are registered at: they are taken up at the next start.
            self.events.push_back(Event::RebootWanted(RebootReason::Requested));
        }
    }

    /// State of object 5 counts for the server now, or never will.
    pub(super) fn gate_passed(&mut self, passage: super::gate::Passage, _now: Instant) {
        use super::firmware_values::{UpdateResult, UpdateState};
        use super::gate::Passage;
        match passage {
            Passage::Passed(UpdateState::Updating) => {
                if self.update.execute().is_ok() && self.update.state() == UpdateState::Updating {
                    self.events.push_back(Event::RebootWanted(RebootReason::Update));
                }
            }
            Passage::Passed(_) => {}
            Passage::Closed => self.update.abandon(UpdateResult::UpdateFailed),
        }
        self.changed = true;
    }
}

/// `0='text',1`: numbers of one digit, each with a text in quotes or without one.
fn are_arguments(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while !rest.is_empty() {
        let [b'0'..=b'9', after @ ..] = rest else { return false };
        rest = after;
        if let [b'=', b'\'', text @ ..] = rest {
            let Some(end) = text.iter().position(|byte| *byte == b'\'') else { return false };
            rest = &text[end + 1..];
        }
        match rest {
            [] => return true,
            [b',', next @ ..] if !next.is_empty() => rest = next,
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::are_arguments;

    #[test]
    fn dm_08_arguments_have_the_form_of_the_standard() {
        for good in ["", "0", "0='a'", "0='a,b',1", "1,2='',9='x y'"] {
            assert!(are_arguments(good.as_bytes()), "{good}");
        }
        for bad in ["a", "10", "0=", "0='a", "0=a", "0,", ",0", "0 ,1", "0='a'b"] {
            assert!(!are_arguments(bad.as_bytes()), "{bad}");
        }
    }
}
