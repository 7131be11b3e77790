//! Object 5 as a server sees it: from its table to the state machine.

use coap::Code;
use machine::Instant;

use super::Client;
use super::components::Place;
use super::config::Config;
use super::data::{number, numbers, text};
use super::event::{Event, RebootReason};
use super::firmware_store::FirmwareStore;
use super::firmware_update::{FirmwareUpdate, Part, Refusal, UriWritten};
use super::firmware_values::UpdateState;
use crate::object::ADVANCED_FIRMWARE;
use crate::path::{InstanceId, ResourceInstanceId};
use crate::value::{Resource, Value};

/// `/5/0/10`
const CANCEL: u16 = 10;

impl<F: FirmwareStore> FirmwareUpdate<F> {
    /// The value of a resource, if it has one now.
    pub(super) fn read(&self, resource: u16, config: &Config) -> Option<Resource> {
        let old_draft = config.quirks.method_in_resource_8;
        Some(match resource {
            1 => text(self.uri()),
            3 => number(self.state() as u8),
            5 => number(self.result() as u8),
            6 => text(&self.package()?.name),
            7 => text(&self.package()?.version),
            8 if old_draft => number(self.method() as u8),
            8 => numbers(self.schemes().iter().map(|scheme| scheme.protocol().into())),
            9 if !old_draft => number(self.method() as u8),
            11 => number(self.policy()?.severity()),
            12 => Resource::Single(Value::Time(self.policy()?.changed_at()?)),
            13 => Resource::Single(Value::Unsigned(self.policy()?.defer_period().into())),
            _ => return self.read_of_component(resource),
        })
    }

    /// What only object 33629 has.
    fn read_of_component(&self, resource: u16) -> Option<Resource> {
        if self.place() == Place::FIRMWARE {
            return None;
        }
        let link = |instance: &InstanceId| Value::ObjectLink(ADVANCED_FIRMWARE, *instance);
        match resource {
            14 => Some(text(self.name())),
            15 => Some(text(&self.running_version())),
            16 => {
                let links = (0..).map(ResourceInstanceId).zip(self.linked().iter().map(link));
                Some(Resource::Multiple(links.collect()))
            }
            _ => None,
        }
    }
}

impl<F: FirmwareStore> Client<F> {
    pub(super) fn write_firmware(&mut self, resource: u16, value: &Value, now: Instant) -> Result<(), Code> {
        match resource {
            0 => {
                let bytes = value.as_bytes().ok_or(Code::BAD_REQUEST)?;
                let part = Part { offset: 0, bytes, last: true, total: Some(bytes.len() as u64) };
                self.update.write_package(part, now).map_err(code)
            }
            1 => self.write_uri(value.as_text().ok_or(Code::BAD_REQUEST)?, now),
            11 | 13 if self.update.policy().is_some() => {
                let value = value.as_integer().ok_or(Code::BAD_REQUEST)?;
                self.update.write_policy(resource, value).ok_or(Code::BAD_REQUEST)
            }
            11 | 13 => Err(Code::NOT_FOUND),
            _ => Err(Code::METHOD_NOT_ALLOWED),
        }
    }

    fn write_uri(&mut self, uri: &str, now: Instant) -> Result<(), Code> {
        match self.update.write_uri(uri).map_err(code)? {
            UriWritten::Download(uri, kept) => self.start_pull(uri, &kept, now),
            UriWritten::Reset => self.drop_pull(now),
            UriWritten::Unusable => {}
        }
        Ok(())
    }

    pub(super) fn execute_firmware(&mut self, resource: u16, now: Instant) -> Result<(), Code> {
        if resource == CANCEL {
            self.update.policy().ok_or(Code::NOT_FOUND)?;
            self.update.cancel().map_err(code)?;
            self.drop_pull(now);
            return Ok(());
        }
        if self.gate.is_enabled() {
            return self.announce_update();
        }
        self.update.execute_or_defer(now).map_err(code)?;
        self.install_linked();
        if self.update.state() == UpdateState::Updating {
            self.events.push_back(Event::RebootWanted(RebootReason::Update));
        }
        Ok(())
    }

    /// The update begins once the server has acknowledged the state; without an observation it never does.
    fn announce_update(&mut self) -> Result<(), Code> {
        if self.update.state() != UpdateState::Downloaded || self.gate.is_held() {
            return Err(Code::BAD_REQUEST);
        }
        if self.state_is_observed() {
            self.gate.hold_update();
        }
        Ok(())
    }
}

pub(super) const fn code(refusal: Refusal) -> Code {
    match refusal {
        Refusal::NotAllowed => Code::METHOD_NOT_ALLOWED,
        Refusal::Busy => Code::BAD_REQUEST,
        Refusal::Incomplete => Code::REQUEST_ENTITY_INCOMPLETE,
        Refusal::NotStored => Code::INTERNAL_SERVER_ERROR,
    }
}
