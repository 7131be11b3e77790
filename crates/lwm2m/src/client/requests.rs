//! What a server may ask for: from the request to the operation; Read, Observe, Discover, Write-Attributes.

use alloc::vec::Vec;

use coap::{BodyBlock, Code, ContentFormat, IncomingId, OptionNumber, Request, Response};
use machine::{Instant, Link};

use super::Client;
use super::attributes::{AttributeError, Conditions};
use super::components::Place;
use super::config::{Config, Version};
use super::firmware_store::FirmwareStore;
use super::observations::{Sample, Target};
use super::quirks::Support;
use crate::format::link::LinkWriter;
use crate::format::{self, DecodeError};
use crate::object::Access;
use crate::path::Path;
use crate::value::{Node, Value};

/// A request of a server.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    /// Which of our servers asks.
    pub(super) server: usize,
    pub(super) id: IncomingId,
    pub(super) request: &'a Request,
    pub(super) block: Option<BodyBlock>,
    pub(super) now: Instant,
}

/// What becomes of a request.
pub(super) enum Reaction {
    Answer(Response),
    /// It is acknowledged and never answered.
    Silence,
}

impl<F: FirmwareStore> Client<F> {
    pub(super) fn handle_request(
        &mut self,
        peer: Link,
        id: IncomingId,
        request: &Request,
        block: Option<BodyBlock>,
        now: Instant,
    ) {
        let answer = if self.is_bootstrap_server(peer, now) {
            self.bootstrap_answer(request, now)
        } else if let Some(server) = self.servers.by_link(peer) {
            match self.reaction(Asked { server, id, request, block, now }) {
                Ok(Reaction::Answer(response)) => Ok(response),
                Ok(Reaction::Silence) => return,
                Err(code) => Err(code),
            }
        } else {
            Err(Code::UNAUTHORIZED)
        };
        self.endpoint.respond(id, answer.unwrap_or_else(Response::new), now);
    }

    /// The reaction, or the code of a bare answer.
    fn reaction(&mut self, asked: Asked<'_>) -> Result<Reaction, Code> {
        let Asked { request, server, now, .. } = asked;
        let text = request.options.path_string();
        if text == "/.well-known/core" {
            return Err(self.config.quirks.well_known_core);
        }
        let path: Path = text.parse().map_err(|_| Code::NOT_FOUND)?;
        let busy = self.config.firmware.busy_during_push && self.update.is_pushing();
        let registered_for = now - self.servers.0[server].registered_at;
        let settling = registered_for < self.config.quirks.settles_for;
        if settling || (busy && path != self.update.place().package()) {
            return Err(Code::SERVICE_UNAVAILABLE);
        }
        if matches!(request.method, Code::FETCH | Code::IPATCH | Code::PATCH) {
            return match self.config.quirks.composites.after(registered_for) {
                Allowed::Yes => self.composite(asked, path).map(Reaction::Answer),
                Allowed::No(code) => Err(code),
                Allowed::Silence => Ok(Reaction::Silence),
            };
        }
        if request.method == Code::GET && request.options.accept() == Some(ContentFormat::LINK_FORMAT) {
            return match self.config.quirks.discover.after(registered_for) {
                Allowed::Yes => self.discover(server, path).map(Reaction::Answer),
                Allowed::No(code) => Err(code),
                Allowed::Silence => Ok(Reaction::Silence),
            };
        }
        self.answer(asked, path).map(Reaction::Answer)
    }

    fn answer(&mut self, asked: Asked<'_>, path: Path) -> Result<Response, Code> {
        let request = asked.request;
        match (request.method, path) {
            (Code::GET, _) => self.read(asked, path),
            (Code::PUT, _) if is_write_attributes(request) => {
                self.write_attributes(asked.server, path, request)
            }
            (Code::PUT, _) if Place::is_package(path) => self.write_package(asked, path),
            (Code::PUT, Path::Instance(..) | Path::Resource(..) | Path::ResourceInstance(..)) => {
                self.write(asked, path)
            }
            (Code::POST, Path::Object(object)) => self.create(asked, object),
            (Code::POST, Path::Instance(..)) => self.write(asked, path),
            (Code::POST, Path::Resource(..)) => {
                let found = self.objects(asked.server, asked.now).resource_type(path)?;
                let writes = found.multiple && request.options.content_format().is_some();
                if writes && found.access != Access::Execute {
                    return self.write(asked, path);
                }
                self.execute(asked, path)
            }
            (Code::DELETE, Path::Instance(object, instance)) => self.delete(asked, object, instance),
            (Code::DELETE, Path::ResourceInstance(..)) => self.delete_value(asked, path),
            _ => {
                let objects = self.objects(asked.server, asked.now);
                path.object_id().map_or(Ok(()), |object| objects.object(object).map(drop))?;
                Err(Code::METHOD_NOT_ALLOWED)
            }
        }
    }

    fn read(&mut self, asked: Asked<'_>, path: Path) -> Result<Response, Code> {
        let Asked { server, request, now, .. } = asked;
        let node = self.objects(server, now).read(path)?;
        let chosen = self.format_for(request, || self.config.default_format(&node))?;
        let target = Target::Single(path);
        let sample = self.objects(server, now).sample(&target, chosen)?;
        let kind = path.resource_id().and_then(|_| self.objects(server, now).resource_type(path).ok());
        let mut conditions = Conditions::default();
        if request.options.observe() == Some(0) && request.options.uri_query().next().is_some() {
            let changed = conditions.change(request.options.uri_query(), kind.map(|found| found.kind));
            changed.map_err(|_| Code::BAD_REQUEST)?;
        }
        Ok(self.respond_observed(asked, (target, chosen, conditions), sample))
    }

    /// The format of an answer: the one that is asked for if it is spoken here.
    pub(super) fn format_for(&self, request: &Request, default: impl FnOnce() -> u16) -> Result<u16, Code> {
        match request.options.accept() {
            None => Ok(default()),
            Some(wanted) if self.config.quirks.formats.answers.contains(&wanted.0) => Ok(wanted.0),
            Some(_) => Err(Code::NOT_ACCEPTABLE),
        }
    }

    /// The answer to a read, which may begin or end an observation.
    pub(super) fn respond_observed(
        &mut self,
        asked: Asked<'_>,
        (target, chosen, conditions): (Target, u16, Conditions),
        sample: Sample,
    ) -> Response {
        let Asked { server, id, request, now, .. } = asked;
        let mut response =
            Response::new(Code::CONTENT).content(ContentFormat(chosen), sample.payload.clone());
        let observations = &mut self.servers.0[server].observations;
        match request.options.observe() {
            Some(0) => {
                let begun = observations.begin(id.token(), (target, chosen, conditions), sample, now);
                if let Some(sequence) = begun {
                    response.options.set_uint(OptionNumber::OBSERVE, sequence);
                }
                self.observations_changed();
            }
            Some(_) => {
                observations.end(id.token());
                self.observations_changed();
            }
            None => {}
        }
        response
    }

    fn discover(&self, server: usize, path: Path) -> Result<Response, Code> {
        let objects = self.objects(server, Instant::ZERO);
        let object = path.object_id().ok_or(Code::NOT_FOUND)?;
        let found = objects.object(object)?;
        if path.depth() > 3 {
            return Err(Code::NOT_FOUND);
        }
        if let Some(instance) = path.instance_id() {
            objects.has_instance(object, instance)?;
        }
        if path.resource_id().is_some() {
            objects.resource_type(path)?;
        }
        let mut links = LinkWriter::new();
        if path == Path::Object(object) {
            self.link(server, path, None, &mut links);
        }
        for instance in objects.instances(object) {
            let place = Path::Instance(object, instance);
            if path.contains(place) {
                self.link(server, place, None, &mut links);
            }
            for resource in found.resources.iter().filter(|found| objects.has(object, instance, found)) {
                let place = Path::Resource(object, instance, resource.id);
                if path.contains(place) {
                    let dimension = objects.dimension(object, instance, resource.id);
                    self.link(server, place, dimension, &mut links);
                }
            }
        }
        Ok(Response::new(Code::CONTENT).content(ContentFormat::LINK_FORMAT, links.into_bytes()))
    }

    fn link(&self, server: usize, place: Path, dimension: Option<usize>, links: &mut LinkWriter) {
        links.link(place);
        if let Some(dimension) = dimension {
            links.attribute("dim", dimension);
        }
        self.servers.0[server].attributes.own(place).describe(links);
    }

    fn write_attributes(&mut self, server: usize, path: Path, request: &Request) -> Result<Response, Code> {
        let objects = self.objects(server, Instant::ZERO);
        let kind = match path {
            Path::Root => return Err(Code::METHOD_NOT_ALLOWED),
            Path::Object(object) => objects.object(object).map(|_| None)?,
            Path::Instance(object, instance) => objects.has_instance(object, instance).map(|()| None)?,
            Path::Resource(..) => Some(objects.resource_type(path)?.kind),
            // Since 1.1.
            Path::ResourceInstance(..) if self.config.version == Version::V1_0 => {
                return Err(Code::METHOD_NOT_ALLOWED);
            }
            Path::ResourceInstance(..) => objects.read(path).and(objects.resource_type(path))?.kind.into(),
        };
        let written = self.servers.0[server].attributes.write(path, kind, request.options.uri_query());
        written.map_err(|error| match error {
            AttributeError::Unusable => Code::BAD_REQUEST,
            AttributeError::Full => Code::INTERNAL_SERVER_ERROR,
        })?;
        self.changed = true;
        Ok(Response::new(Code::CHANGED))
    }
}

/// Whether something works now.
enum Allowed {
    Yes,
    No(Code),
    Silence,
}

impl Support {
    fn after(self, registered_for: core::time::Duration) -> Allowed {
        match self {
            Self::Works => Allowed::Yes,
            Self::RefusedEarly(_, early) if registered_for >= early => Allowed::Yes,
            Self::Refused(code) | Self::RefusedEarly(code, _) => Allowed::No(code),
            Self::Acknowledged => Allowed::Silence,
        }
    }
}

impl Config {
    /// The format of an answer that nobody asked for in particular.
    fn default_format(&self, node: &Node) -> u16 {
        let formats = &self.quirks.formats;
        match node.value() {
            Some(Value::Opaque(_)) if formats.single == format::TEXT_PLAIN => format::OCTET_STREAM,
            Some(_) => formats.single,
            // SenML came with 1.1.
            None if self.version == Version::V1_0 && formats.several == format::SENML_CBOR => {
                format::LWM2M_TLV
            }
            None => formats.several,
        }
    }
}

/// PUT with a query and neither body nor format (LwM2M Core 1.0.2 section 8.2.5).
fn is_write_attributes(request: &Request) -> bool {
    request.payload.is_empty()
        && request.options.content_format().is_none()
        && request.options.uri_query().next().is_some()
}

pub(super) fn encode(chosen: u16, path: Path, node: &Node) -> Result<Vec<u8>, Code> {
    let mut payload = Vec::new();
    format::encode(chosen, path, node, &mut payload).map_err(|_| Code::NOT_ACCEPTABLE)?;
    Ok(payload)
}

/// The code of an answer to what cannot be read.
pub(super) const fn unreadable(error: &DecodeError) -> Code {
    match error {
        DecodeError::UnsupportedFormat(_) => Code::UNSUPPORTED_CONTENT_FORMAT,
        _ => Code::BAD_REQUEST,
    }
}
