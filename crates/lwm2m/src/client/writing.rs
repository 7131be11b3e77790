//! Operations that change something: Write, Create, Delete, and composite operations.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use coap::{Code, OptionNumber, Request, Response};
use machine::Instant;

use super::Client;
use super::attributes::Conditions;
use super::catalog::ResourceType;
use super::components::Place;
use super::data::MOST_INSTANCES;
use super::firmware_object;
use super::firmware_store::FirmwareStore;
use super::firmware_update::Part;
use super::observations::Target;
use super::quirks::PackageCoding;
use super::requests::{Asked, unreadable};
use crate::format;
use crate::model::ObjectModel;
use crate::object::{Access, firmware};
use crate::path::{InstanceId, ObjectId, Path, ResourceId};
use crate::value::{Instance, Kind, Node, Resource, Value};

/// A resource and its new value.
type Assignment = (Path, Resource);

/// The longest text that is kept.
const LONGEST_TEXT: usize = 255;

impl ResourceType {
    /// The value as this resource holds it; `None` if it cannot hold it.
    fn fit(&self, value: Value) -> Option<Value> {
        let fitting = match (self.kind, value) {
            (Kind::String, Value::String(text)) if text.len() > LONGEST_TEXT => return None,
            (Kind::Integer, Value::Unsigned(number)) => Value::Integer(i64::try_from(number).ok()?),
            (Kind::Unsigned, Value::Integer(number)) => Value::Unsigned(u64::try_from(number).ok()?),
            (Kind::Time, Value::Integer(number)) => Value::Time(number),
            (Kind::Float, Value::Integer(number)) => Value::Float(number as f64),
            (kind, value) if value.kind() == kind => value,
            _ => return None,
        };
        let in_range = |number: i64| self.range.is_none_or(|(low, high)| (low..=high).contains(&number));
        fitting.as_integer().is_none_or(in_range).then_some(fitting)
    }

    pub(super) fn fit_resource(&self, resource: Resource) -> Option<Resource> {
        match resource {
            Resource::Single(value) if !self.multiple => Some(Resource::Single(self.fit(value)?)),
            Resource::Multiple(values) if self.multiple => {
                let values = values.into_iter().map(|(id, value)| Some((id, self.fit(value)?)));
                Some(Resource::Multiple(values.collect::<Option<_>>()?))
            }
            _ => None,
        }
    }
}

impl<F: FirmwareStore> Client<F> {
    /// Reads the body of a request that writes to `path`.
    pub(super) fn decode(&self, path: Path, request: &Request) -> Result<Node, Code> {
        let chosen = request.options.content_format().map_or(format::TEXT_PLAIN, |chosen| chosen.0);
        if !self.config.quirks.formats.takes.contains(&chosen) {
            return Err(Code::UNSUPPORTED_CONTENT_FORMAT);
        }
        format::decode(chosen, path, &request.payload, &ObjectModel::CORE).map_err(|error| unreadable(&error))
    }

    pub(super) fn write(&mut self, asked: Asked<'_>, path: Path) -> Result<Response, Code> {
        let objects = self.objects(asked.server, asked.now);
        match path {
            Path::Instance(object, instance) => objects.has_instance(object, instance)?,
            _ if objects.resource_type(path)?.access.is_writable() => {}
            _ => return Err(Code::METHOD_NOT_ALLOWED),
        }
        let replaces = asked.request.method == Code::PUT;
        let assignments = self.assignments(asked, path, self.decode(path, asked.request)?)?;
        if replaces && let Path::Instance(object, instance) = path {
            self.clear_optional(object, instance, &assignments);
        }
        self.assign(asked, assignments)?;
        Ok(Response::new(Code::CHANGED))
    }

    /// What is to be written where: all of it or, if some of it may not be written, none.
    fn assignments(&self, asked: Asked<'_>, path: Path, node: Node) -> Result<Vec<Assignment>, Code> {
        let replaces = asked.request.method == Code::PUT;
        let wanted: Vec<Assignment> = match (path, node) {
            (Path::Instance(..), Node::Instance(resources)) => {
                let places = resources.into_iter().map(|(id, resource)| Some((path.child(id.0)?, resource)));
                places.collect::<Option<_>>().ok_or(Code::BAD_REQUEST)?
            }
            (Path::Resource(..), Node::Resource(resource)) => alloc::vec![(path, resource)],
            (Path::ResourceInstance(object, instance, resource, id), Node::Value(value)) => {
                let values = Resource::Multiple(BTreeMap::from([(id, value)]));
                alloc::vec![(Path::Resource(object, instance, resource), values)]
            }
            _ => return Err(Code::BAD_REQUEST),
        };
        let adds = !replaces || path.resource_instance_id().is_some();
        let checked = wanted.into_iter().filter_map(|one| self.check(asked, one, adds).transpose());
        checked.collect()
    }

    /// Whether a value may be written; `Ok(None)` if it is there already and need not be.
    fn check(
        &self,
        asked: Asked<'_>,
        (path, resource): Assignment,
        adds: bool,
    ) -> Result<Option<Assignment>, Code> {
        let objects = self.objects(asked.server, asked.now);
        let found = objects.resource_type(path)?;
        let resource = found.fit_resource(resource).ok_or(Code::BAD_REQUEST)?;
        if !found.access.is_writable() {
            // Replacing with what was read before may name what is read-only, unchanged.
            let same = objects.read(path).is_ok_and(|node| node == Node::Resource(resource));
            let readable = found.access == Access::Read;
            return if same && readable { Ok(None) } else { Err(Code::METHOD_NOT_ALLOWED) };
        }
        if matches!(path.numbers(), [1, _, 7, _]) && !is_known_binding(&resource) {
            return Err(Code::BAD_REQUEST);
        }
        let Resource::Multiple(new) = resource else { return Ok(Some((path, resource))) };
        let mut values = match objects.read(path) {
            Ok(Node::Resource(Resource::Multiple(old))) if adds => old,
            _ => BTreeMap::new(),
        };
        values.extend(new);
        Ok(Some((path, Resource::Multiple(values))))
    }

    /// A Write that replaces an instance takes away what it does not name and what need not be there.
    fn clear_optional(&mut self, object: ObjectId, instance: InstanceId, named: &[Assignment]) {
        let Some(found) = super::catalog::object_type(object) else { return };
        for resource in found.resources.iter().filter(|found| found.access.is_writable() && !found.mandatory)
        {
            let place = Path::Resource(object, instance, resource.id);
            if !named.iter().any(|(path, _)| *path == place) {
                self.data.unset(object, instance, resource.id);
            }
        }
    }

    fn assign(&mut self, asked: Asked<'_>, assignments: Vec<Assignment>) -> Result<(), Code> {
        let now = asked.now;
        for (path, resource) in assignments {
            self.changed = true;
            let [object, instance, number, _] = path.numbers();
            if let Some(place) = Place::of(path) {
                self.turn_to(place)?;
                let value = resource.single().ok_or(Code::BAD_REQUEST)?;
                self.download_server = Some(self.servers.0[asked.server].entry.short_server_id);
                self.write_firmware(number, value, now)?;
                continue;
            }
            let server = &mut self.servers.0[asked.server];
            match (object, number) {
                (1, 1) => server.untold.lifetime = true,
                (1, 7) => server.untold.binding = true,
                (3, 13) => {
                    let seconds = resource.single().and_then(Value::as_integer).unwrap_or_default();
                    self.clock = seconds.saturating_sub(seconds_of(now));
                    continue;
                }
                _ => {}
            }
            if object == 1 && matches!(number, 1 | 7) {
                server.registration.update_now(now);
            }
            if object == 1 {
                self.save_wanted = true;
            }
            self.data.set(ObjectId(object), InstanceId(instance), ResourceId(number), resource);
        }
        Ok(())
    }

    /// A part of a package, in whatever way it is written.
    pub(super) fn write_package(&mut self, asked: Asked<'_>, path: Path) -> Result<Response, Code> {
        let Asked { request, block, now, .. } = asked;
        let chosen = request.options.content_format().map(|chosen| chosen.0);
        let codings = self.config.quirks.formats.package;
        let length = request.payload.len() as u64;
        let (offset, last, total) =
            block.map_or((0, true, Some(length)), |block| (block.offset, block.last, block.total));
        let resets = offset == 0 && last && matches!(&*request.payload, [] | [0]);
        let coding = match codings.iter().find(|(format, _)| *format == chosen) {
            Some((_, coding)) => *coding,
            None if codings.is_empty() => return Err(Code::METHOD_NOT_ALLOWED),
            None => return Err(Code::UNSUPPORTED_CONTENT_FORMAT),
        };
        if self.config.quirks.strict_push && self.update.is_pushing() && offset == 0 && !resets {
            return Err(Code::SERVICE_UNAVAILABLE);
        }
        self.turn_to(Place::of(path).ok_or(Code::NOT_FOUND)?)?;
        let part = Part { offset, bytes: &request.payload, last, total };
        let text;
        let part = match coding {
            _ if resets => part,
            PackageCoding::Raw => part,
            PackageCoding::Base64 => {
                text = format::decode(format::TEXT_PLAIN, firmware::PACKAGE, part.bytes, &ObjectModel::CORE);
                let decoded = text.as_ref().ok().and_then(Node::value).and_then(Value::as_bytes);
                // Blocks hold whole groups of four letters, except for the last one.
                Part { offset: offset / 4 * 3, bytes: decoded.ok_or(Code::BAD_REQUEST)?, total: None, last }
            }
            PackageCoding::Tlv => self.package_in_tlv(part)?,
        };
        self.changed = true;
        self.download_server = Some(self.servers.0[asked.server].entry.short_server_id);
        self.update.write_package(part, now).map_err(firmware_object::code)?;
        self.stop_pull_unless_downloading(now);
        Ok(Response::new(if last { Code::CHANGED } else { Code::CONTINUE }))
    }

    /// The bytes behind the head of a TLV record; the head is in the first block.
    fn package_in_tlv<'a>(&mut self, part: Part<'a>) -> Result<Part<'a>, Code> {
        if part.offset == 0 {
            let kind = *part.bytes.first().ok_or(Code::BAD_REQUEST)?;
            // OMA LwM2M 1.0.2 section 6.4.3: bit 5 is the width of the number, bits 4 and 3 that of the length.
            let head = 2 + usize::from(kind >> 5 & 1) + usize::from(kind >> 3 & 3);
            let bytes = part.bytes.get(head..).ok_or(Code::BAD_REQUEST)?;
            self.package_head = head as u64;
            let total = part.total.map(|total| total.saturating_sub(self.package_head));
            return Ok(Part { bytes, total, ..part });
        }
        let offset = part.offset.saturating_sub(self.package_head);
        Ok(Part { offset, total: part.total.map(|total| total.saturating_sub(self.package_head)), ..part })
    }

    pub(super) fn create(&mut self, asked: Asked<'_>, object: ObjectId) -> Result<Response, Code> {
        let found = self.objects(asked.server, asked.now).object(object)?;
        if !found.creatable {
            return Err(Code::METHOD_NOT_ALLOWED);
        }
        let free = self.data.free_instance(object);
        // With the instance's number, or without one.
        let numbered = |client: &Self| client.decode(Path::Object(object), asked.request);
        let created = match if has_bare_resources(asked.request) { None } else { numbered(self).ok() } {
            Some(Node::Object(instances)) if !instances.is_empty() => instances,
            _ => match self.decode(Path::Instance(object, free), asked.request)? {
                Node::Instance(instance) => BTreeMap::from([(free, instance)]),
                _ => return Err(Code::BAD_REQUEST),
            },
        };
        let taken = |id: &InstanceId| self.data.instance(object, *id).is_some();
        let count = self.data.instances_of(object).count() + created.len();
        let mandatory = found.resources.iter().filter(|resource| resource.mandatory);
        let complete =
            |instance: &Instance| mandatory.clone().all(|resource| instance.contains_key(&resource.id));
        if created.keys().any(taken) || count > MOST_INSTANCES || !created.values().all(complete) {
            return Err(Code::BAD_REQUEST);
        }
        let mut response = Response::new(Code::CREATED);
        for (id, instance) in created {
            let fitted = instance.into_iter().map(|(number, resource)| {
                let resource = found.resource(number)?.fit_resource(resource)?;
                Some((number, resource))
            });
            let fitted = fitted.collect::<Option<Instance>>().ok_or(Code::BAD_REQUEST)?;
            self.data.put(object, id, fitted);
            response.options.remove(OptionNumber::LOCATION_PATH);
            for number in [object.0, id.0] {
                response =
                    response.option(OptionNumber::LOCATION_PATH, alloc::format!("{number}").as_bytes());
            }
        }
        self.objects_changed(asked.now);
        Ok(response)
    }

    pub(super) fn delete(
        &mut self,
        asked: Asked<'_>,
        object: ObjectId,
        instance: InstanceId,
    ) -> Result<Response, Code> {
        let objects = self.objects(asked.server, asked.now);
        objects.has_instance(object, instance)?;
        if !objects.object(object)?.creatable {
            return Err(Code::METHOD_NOT_ALLOWED);
        }
        self.data.remove(object, instance);
        let gone = Path::Instance(object, instance);
        for server in &mut self.servers.0 {
            server.attributes.forget(gone);
            server.observations.0.retain(|observation| observation.target != Target::Single(gone));
        }
        self.objects_changed(asked.now);
        Ok(Response::new(Code::DELETED))
    }

    /// One value of a multiple resource (since 1.2).
    pub(super) fn delete_value(&mut self, asked: Asked<'_>, path: Path) -> Result<Response, Code> {
        let objects = self.objects(asked.server, asked.now);
        if !objects.resource_type(path)?.access.is_writable() {
            return Err(Code::METHOD_NOT_ALLOWED);
        }
        objects.read(path)?;
        let Path::ResourceInstance(object, instance, resource, value) = path else {
            return Err(Code::METHOD_NOT_ALLOWED);
        };
        if let Some(Resource::Multiple(mut values)) = self.data.resource(object, instance, resource).cloned()
        {
            values.remove(&value);
            self.data.set(object, instance, resource, Resource::Multiple(values));
        }
        self.changed = true;
        Ok(Response::new(Code::DELETED))
    }

    /// Read-Composite, Observe-Composite and Write-Composite (LwM2M Core 1.1 sections 6.3.9, 6.3.10, 6.4.3).
    pub(super) fn composite(&mut self, asked: Asked<'_>, path: Path) -> Result<Response, Code> {
        let Asked { request, server, now, .. } = asked;
        let format = request.options.content_format().ok_or(Code::UNSUPPORTED_CONTENT_FORMAT)?.0;
        match (request.method, path) {
            (Code::FETCH, Path::Root) => {
                let paths =
                    format::decode_paths(format, &request.payload).map_err(|error| unreadable(&error))?;
                let chosen = self.format_for(request, || answer_format(format))?;
                let target = Target::Composite(paths);
                let sample = self.objects(server, now).sample(&target, chosen)?;
                Ok(self.respond_observed(asked, (target, chosen, Conditions::default()), sample))
            }
            (Code::IPATCH, Path::Root) => {
                self.write_composite(asked, format)?;
                Ok(Response::new(Code::CHANGED))
            }
            _ => Err(Code::METHOD_NOT_ALLOWED),
        }
    }

    fn write_composite(&mut self, asked: Asked<'_>, format: u16) -> Result<(), Code> {
        let records = format::decode_records(format, Path::Root, &asked.request.payload, &ObjectModel::CORE);
        let records = records.map_err(|error| unreadable(&error))?;
        let mut resources: BTreeMap<Path, Resource> = BTreeMap::new();
        for record in records {
            let value = record.value.ok_or(Code::BAD_REQUEST)?;
            match record.path {
                Path::Resource(..) => drop(resources.insert(record.path, Resource::Single(value))),
                Path::ResourceInstance(object, instance, resource, id) => {
                    let place = Path::Resource(object, instance, resource);
                    let entry = resources.entry(place).or_insert_with(|| Resource::Multiple(BTreeMap::new()));
                    let Resource::Multiple(values) = entry else { return Err(Code::BAD_REQUEST) };
                    values.insert(id, value);
                }
                _ => return Err(Code::BAD_REQUEST),
            }
        }
        let checked = resources.into_iter().filter_map(|one| self.check(asked, one, true).transpose());
        let assignments = checked.collect::<Result<Vec<_>, _>>()?;
        self.assign(asked, assignments)
    }

    /// Instances have come or gone: every server is told at its next update, which is now.
    fn objects_changed(&mut self, now: Instant) {
        self.changed = true;
        for server in &mut self.servers.0 {
            server.untold.objects = true;
            server.registration.update_now(now);
        }
    }
}

/// Whether the body is TLV records of resources, without that of an instance around them: the two highest
/// bits of a type byte are zero for an instance (LwM2M Core 1.1 table 7.4.3-1).
fn has_bare_resources(request: &Request) -> bool {
    let format = request.options.content_format().map(|format| format.0);
    format == Some(format::LWM2M_TLV) && request.payload.first().is_some_and(|kind| kind & 0xC0 != 0)
}

/// The format of a composite answer, after that of its request.
const fn answer_format(asked: u16) -> u16 {
    match asked {
        format::SENML_ETCH_JSON | format::SENML_JSON => format::SENML_JSON,
        format::LWM2M_CBOR => format::LWM2M_CBOR,
        _ => format::SENML_CBOR,
    }
}

fn is_known_binding(resource: &Resource) -> bool {
    // UDP only, with or without sleep.
    matches!(resource.single().and_then(Value::as_text), Some("U" | "UQ"))
}

pub(super) fn seconds_of(now: Instant) -> i64 {
    (now.as_micros() / 1_000_000) as i64
}
