//! What the server may ask for: Read, Observe, Discover, Write, Write-Attributes and Execute.

use alloc::vec::Vec;
use core::time::Duration;

use coap::{BodyBlock, Code, ContentFormat, IncomingId, OptionNumber, Request, Response};
use machine::{Instant, Link};

use super::Client;
use super::attributes::AttributeError;
use super::event::{Event, RebootReason};
use super::firmware_store::FirmwareStore;
use super::firmware_update::{Part, Refusal, UriWritten};
use super::objects::{access_of, resources_of};
use crate::format::{self, DecodeError};
use crate::model::ObjectModel;
use crate::object::{self, Access, firmware};
use crate::path::{InstanceId, Path};
use crate::value::{Instance, Node, Resource, Value};

impl<F: FirmwareStore> Client<F> {
    pub(super) fn handle_request(
        &mut self,
        peer: Link,
        id: IncomingId,
        request: &Request,
        block: Option<BodyBlock>,
        now: Instant,
    ) {
        let answer = self.answer(peer, id, request, block, now);
        let response = answer.unwrap_or_else(Response::new);
        self.endpoint.respond(id, response, now);
    }

    /// The answer, or the code of a bare one.
    fn answer(
        &mut self,
        peer: Link,
        id: IncomingId,
        request: &Request,
        block: Option<BodyBlock>,
        now: Instant,
    ) -> Result<Response, Code> {
        if self.registration.link() != Some(peer) {
            return Err(Code::UNAUTHORIZED);
        }
        let path: Path = request.options.path_string().parse().map_err(|_| Code::NOT_FOUND)?;
        let busy = self.config.firmware.busy_during_push && self.update.is_pushing();
        if busy && path != firmware::PACKAGE {
            return Err(Code::SERVICE_UNAVAILABLE);
        }
        match request.method {
            Code::GET if request.options.accept() == Some(ContentFormat::LINK_FORMAT) => self.discover(path),
            Code::GET => self.read(peer, id, path, request, now),
            Code::PUT if is_write_attributes(request) => self.write_attributes(path, request),
            Code::PUT if path == firmware::PACKAGE => self.write_package(request, block, now),
            Code::PUT | Code::POST if path.depth() == 2 || request.method == Code::PUT => {
                self.write(path, request, now)
            }
            Code::POST if path.depth() == 3 => self.execute(path, now),
            _ => resources_of(path.object_id().unwrap_or(object::DEVICE)).and(Err(Code::METHOD_NOT_ALLOWED)),
        }
    }

    fn read(
        &mut self,
        peer: Link,
        id: IncomingId,
        path: Path,
        request: &Request,
        now: Instant,
    ) -> Result<Response, Code> {
        let node = self.objects().read(path)?;
        let chosen = request.options.accept().map_or_else(|| self.default_format(&node), |accept| accept.0);
        let payload = encode(chosen, path, &node)?;
        let mut response = Response::new(Code::CONTENT).content(ContentFormat(chosen), payload.clone());
        match request.options.observe() {
            Some(0) => {
                let periods = self.attributes.effective(path, self.server.periods);
                let begun =
                    self.observations.begin((peer, id.token()), path, (chosen, payload), periods, now);
                if let Some(sequence) = begun {
                    response.options.set_uint(OptionNumber::OBSERVE, sequence);
                }
            }
            Some(_) => drop(self.observations.end(peer, id.token())),
            None => {}
        }
        Ok(response)
    }

    fn default_format(&self, node: &Node) -> u16 {
        let formats = self.config.quirks.formats;
        match node.value() {
            Some(Value::Opaque(_)) if formats.single == format::TEXT_PLAIN => format::OCTET_STREAM,
            Some(_) => formats.single,
            None => formats.several,
        }
    }

    /// Tells every observer whose time has come.
    pub(super) fn notify(&mut self, now: Instant) {
        if core::mem::take(&mut self.changed) {
            let (objects, attributes, server) = (
                super::objects::Objects {
                    server: &self.server,
                    device: &self.config.device,
                    radio: &self.config.radio,
                    firmware: &self.update,
                },
                &self.attributes,
                &self.server,
            );
            self.observations.refresh(
                |path, chosen| encode(chosen, path, &objects.read(path).ok()?).ok(),
                |path| attributes.effective(path, server.periods),
            );
        }
        while let Some(observation) = self.observations.next_due(now) {
            let objects = super::objects::Objects {
                server: &self.server,
                device: &self.config.device,
                radio: &self.config.radio,
                firmware: &self.update,
            };
            let (path, chosen) = (observation.path, observation.format);
            let payload = objects.read(path).and_then(|node| encode(chosen, path, &node)).unwrap_or_default();
            let sequence = observation.tell(&payload, now);
            let (peer, token) = (observation.peer, observation.token);
            let response = Response::new(Code::CONTENT).content(ContentFormat(chosen), payload);
            let confirmable = self.config.confirmable_notifications;
            self.endpoint.notify(peer, token, sequence, response, confirmable, now);
        }
    }

    fn discover(&self, path: Path) -> Result<Response, Code> {
        let object = path.object_id().ok_or(Code::NOT_FOUND)?;
        let resources = resources_of(object)?;
        let mut links = format::link::LinkWriter::new();
        if path.instance_id().is_some_and(|instance| instance != InstanceId(0)) || path.depth() > 3 {
            return Err(Code::NOT_FOUND);
        }
        if path.resource_id().is_some() {
            access_of(path)?;
        }
        let instance = Path::Instance(object, InstanceId(0));
        for place in [Path::Object(object), instance] {
            if path.contains(place) {
                self.link(place, None, &mut links);
            }
        }
        for (resource, access) in resources {
            let place = Path::resource(object.0, 0, *resource);
            if path.contains(place) && self.objects().has(object, *resource, *access) {
                self.link(place, self.objects().dimension(object, *resource), &mut links);
            }
        }
        Ok(Response::new(Code::CONTENT).content(ContentFormat::LINK_FORMAT, links.into_bytes()))
    }

    fn link(&self, place: Path, dimension: Option<usize>, links: &mut format::link::LinkWriter) {
        let own = self.attributes.own(place);
        let writer = links.link(place);
        if let Some(dimension) = dimension {
            writer.attribute("dim", dimension);
        }
        for (name, value) in [("pmin", own.minimum), ("pmax", own.maximum)] {
            if let Some(value) = value {
                writer.attribute(name, value);
            }
        }
    }

    fn write_attributes(&mut self, path: Path, request: &Request) -> Result<Response, Code> {
        match path {
            Path::Root | Path::ResourceInstance(..) => return Err(Code::METHOD_NOT_ALLOWED),
            Path::Resource(..) => drop(access_of(path)?),
            Path::Object(object) | Path::Instance(object, InstanceId(0)) => drop(resources_of(object)?),
            Path::Instance(object, _) => return resources_of(object).and(Err(Code::NOT_FOUND)),
        }
        self.attributes.write(path, request.options.uri_query()).map_err(|error| match error {
            AttributeError::Unusable => Code::BAD_REQUEST,
            AttributeError::Full => Code::INTERNAL_SERVER_ERROR,
        })?;
        self.changed = true;
        Ok(Response::new(Code::CHANGED))
    }

    fn write_package(
        &mut self,
        request: &Request,
        block: Option<BodyBlock>,
        now: Instant,
    ) -> Result<Response, Code> {
        let format = request.options.content_format().unwrap_or(ContentFormat::OCTET_STREAM);
        if format != ContentFormat::OCTET_STREAM {
            return Err(Code::UNSUPPORTED_CONTENT_FORMAT);
        }
        let whole = (0, true, Some(request.payload.len() as u64));
        let (offset, last, total) = block.map_or(whole, |block| (block.offset, block.last, block.total));
        self.changed = true;
        self.update
            .write_package(Part { offset, bytes: &request.payload, last, total }, now)
            .map_err(code)?;
        self.stop_pull_unless_downloading(now);
        Ok(Response::new(if last { Code::CHANGED } else { Code::CONTINUE }))
    }

    fn write(&mut self, path: Path, request: &Request, now: Instant) -> Result<Response, Code> {
        match path {
            Path::Instance(object, InstanceId(0)) => drop(resources_of(object)?),
            Path::Instance(object, _) => return resources_of(object).and(Err(Code::NOT_FOUND)),
            Path::Resource(..) if access_of(path)?.is_writable() => {}
            _ => return Err(Code::METHOD_NOT_ALLOWED),
        }
        let chosen = request.options.content_format().map_or(format::TEXT_PLAIN, |chosen| chosen.0);
        let node =
            format::decode(chosen, path, &request.payload, &ObjectModel::CORE).map_err(
                |error| match error {
                    DecodeError::UnsupportedFormat(_) => Code::UNSUPPORTED_CONTENT_FORMAT,
                    _ => Code::BAD_REQUEST,
                },
            )?;
        match node {
            Node::Resource(Resource::Single(value)) => self.write_resource(path, value, now)?,
            Node::Instance(values) => {
                self.write_instance(path, values, request.method == Code::PUT, now)?;
            }
            _ => return Err(Code::BAD_REQUEST),
        }
        Ok(Response::new(Code::CHANGED))
    }

    /// All of the values or, if one of them may not be written, none.
    fn write_instance(
        &mut self,
        path: Path,
        values: Instance,
        replace: bool,
        now: Instant,
    ) -> Result<(), Code> {
        let mut writes = Vec::with_capacity(values.len());
        for (id, resource) in values {
            let place = path.child(id.0).ok_or(Code::BAD_REQUEST)?;
            let Resource::Single(value) = resource else { return Err(Code::BAD_REQUEST) };
            match access_of(place)? {
                access if access.is_writable() => writes.push((place, value)),
                // Replacing with what was read before may name what is read-only, unchanged.
                Access::Read
                    if self.objects().read(place).ok().as_ref().and_then(Node::value) == Some(&value) => {}
                _ => return Err(Code::METHOD_NOT_ALLOWED),
            }
        }
        if replace && path.object_id() == Some(object::SERVER) {
            self.server.clear_optional();
        }
        writes.into_iter().try_for_each(|(place, value)| self.write_resource(place, value, now))
    }

    fn write_resource(&mut self, path: Path, value: Value, now: Instant) -> Result<(), Code> {
        self.changed = true;
        if path == firmware::PACKAGE_URI {
            return self.write_uri(value.as_text().ok_or(Code::BAD_REQUEST)?, now);
        }
        if path == firmware::PACKAGE {
            let bytes = value.as_bytes().ok_or(Code::BAD_REQUEST)?;
            let part = Part { offset: 0, bytes, last: true, total: Some(bytes.len() as u64) };
            return self.update.write_package(part, now).map_err(code);
        }
        let seconds = || {
            let number = value.as_integer().and_then(|number| u32::try_from(number).ok());
            number.ok_or(Code::BAD_REQUEST)
        };
        match path.numbers() {
            [1, _, 1, _] => {
                self.server.lifetime = seconds()?;
                self.registration.update_now(self.server.lifetime, now);
                self.lifetime_changed = true;
            }
            [1, _, 2, _] => self.server.periods.minimum = Some(seconds()?),
            [1, _, 3, _] => self.server.periods.maximum = Some(seconds()?),
            [1, _, 5, _] => self.server.disable_timeout = seconds()?,
            [1, _, 6, _] => match value {
                Value::Boolean(storing) => self.server.storing = storing,
                _ => return Err(Code::BAD_REQUEST),
            },
            // This client is always awake: no binding but UDP.
            [1, _, 7, _] if value.as_text() == Some("U") => {}
            [3, _, 14, _] => self.config.device.utc_offset = short_text(&value)?,
            [3, _, 15, _] => self.config.device.timezone = short_text(&value)?,
            _ => return Err(Code::BAD_REQUEST),
        }
        Ok(())
    }

    fn write_uri(&mut self, uri: &str, now: Instant) -> Result<(), Code> {
        match self.update.write_uri(uri).map_err(code)? {
            UriWritten::Download(uri, kept) => self.start_pull(uri, &kept, now),
            UriWritten::Reset => self.drop_pull(now),
            UriWritten::Unusable => {}
        }
        Ok(())
    }

    fn execute(&mut self, path: Path, now: Instant) -> Result<Response, Code> {
        if access_of(path)? != Access::Execute {
            return Err(Code::METHOD_NOT_ALLOWED);
        }
        self.changed = true;
        match path.numbers() {
            [1, _, 4, _] => {
                let pause = Duration::from_secs(self.server.disable_timeout.into());
                self.registration.deregister(Some(pause), now);
            }
            [1, _, 8, _] => self.registration.update_now(self.server.lifetime, now),
            [3, _, 4, _] => self.events.push_back(Event::RebootWanted(RebootReason::Requested)),
            // There is never an error to reset.
            [3, _, 12, _] => {}
            _ => {
                self.update.execute().map_err(code)?;
                if self.update.state() == super::UpdateState::Updating {
                    self.events.push_back(Event::RebootWanted(RebootReason::Update));
                }
            }
        }
        Ok(Response::new(Code::CHANGED))
    }
}

/// PUT with a query and neither body nor format (LwM2M Core 1.0.2 section 8.2.5).
fn is_write_attributes(request: &Request) -> bool {
    request.payload.is_empty()
        && request.options.content_format().is_none()
        && request.options.uri_query().next().is_some()
}

fn encode(chosen: u16, path: Path, node: &Node) -> Result<Vec<u8>, Code> {
    let mut payload = Vec::new();
    format::encode(chosen, path, node, &mut payload).map_err(|_| Code::NOT_ACCEPTABLE)?;
    Ok(payload)
}

const fn code(refusal: Refusal) -> Code {
    match refusal {
        Refusal::NotAllowed => Code::METHOD_NOT_ALLOWED,
        Refusal::Busy => Code::BAD_REQUEST,
        Refusal::Incomplete => Code::REQUEST_ENTITY_INCOMPLETE,
        Refusal::NotStored => Code::INTERNAL_SERVER_ERROR,
    }
}

/// A text that this client is willing to remember.
fn short_text(value: &Value) -> Result<alloc::string::String, Code> {
    const LONGEST: usize = 64;
    let text = value.as_text().filter(|text| text.len() <= LONGEST);
    text.map(Into::into).ok_or(Code::BAD_REQUEST)
}
