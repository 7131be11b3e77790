//! What the bootstrap server may do (LwM2M Core 1.1 section 6.1.7): Write, Delete, Discover, Read, Finish.

use coap::{Code, ContentFormat, Request, Response};
use machine::{Instant, Link};

use super::Client;
use super::account_objects::server_entries;
use super::catalog::object_type;
use super::components::is_firmware;
use super::config::Version;
use super::data::MOST_INSTANCES;
use super::event::Event;
use super::firmware_store::FirmwareStore;
use super::objects::Objects;
use super::requests::encode;
use super::saved::BOOTSTRAPPED;
use crate::format;
use crate::format::link::LinkWriter;
use crate::object::{self, SECURITY, SERVER};
use crate::path::{InstanceId, ObjectId, Path};
use crate::value::{Instance, Node};

impl<F: FirmwareStore> Client<F> {
    /// Whether requests on this link are the bootstrap server's. On plain UDP it may begin by itself.
    pub(super) fn is_bootstrap_server(&mut self, link: Link, now: Instant) -> bool {
        if self.bootstrap.is_server(link) {
            return true;
        }
        let is_its_address = || {
            let entry = super::account_objects::bootstrap_entry(&self.data)?;
            let address = entry.reach.address()?;
            match entry.reach.access(address, self.config.open_socket) {
                super::Access::Open(path) => Some(Link::Open(path) == link),
                super::Access::Secured { .. } => None,
            }
        };
        if is_its_address() != Some(true) || self.servers.by_link(link).is_some() {
            return false;
        }
        let begun = self.bootstrap.begun_by_server(link, now);
        if begun {
            self.leave_servers(now);
            self.events.push_back(Event::BootstrapBegun);
        }
        begun
    }

    pub(super) fn bootstrap_answer(&mut self, request: &Request, now: Instant) -> Result<Response, Code> {
        self.bootstrap.heard(now);
        if self.before_bootstrap.is_none() {
            self.before_bootstrap = Some(self.data.clone());
        }
        let text = request.options.path_string();
        if text == "/bs" && request.method == Code::POST {
            return self.bootstrap_finish(now);
        }
        let path: Path = text.parse().map_err(|_| Code::NOT_FOUND)?;
        match request.method {
            Code::GET if request.options.accept() == Some(ContentFormat::LINK_FORMAT) => {
                self.bootstrap_discover(path, now)
            }
            Code::GET => self.bootstrap_read(path, request, now),
            Code::PUT => self.bootstrap_write(path, request),
            Code::DELETE => self.bootstrap_delete(path),
            _ => Err(Code::METHOD_NOT_ALLOWED),
        }
    }

    /// Everything, as only the bootstrap server sees it.
    fn all_objects(&self, now: Instant) -> Objects<'_, F> {
        Objects { own_server: None, ..self.view(None, now) }
    }

    fn bootstrap_discover(&self, path: Path, now: Instant) -> Result<Response, Code> {
        let objects = self.all_objects(now);
        let wanted = match path {
            Path::Root => None,
            Path::Object(object) => Some(objects.object(object).map(|_| object)?),
            _ => return Err(Code::METHOD_NOT_ALLOWED),
        };
        let mut links = LinkWriter::new();
        let version = match self.config.version {
            Version::V1_0 => "lwm2m=\"1.0\"",
            Version::V1_1 => "</>;lwm2m=1.1",
            Version::V1_2 => "</>;lwm2m=1.2",
        };
        let here =
            objects.all().into_iter().filter(|(object, _)| wanted.is_none_or(|wanted| wanted == *object));
        for (object, instances) in here {
            if instances.is_empty() {
                links.link(Path::Object(object));
            }
            for instance in instances {
                links.link(Path::Instance(object, instance));
                self.describe_account(object, instance, &mut links);
            }
        }
        let list = [version.as_bytes(), b",", &links.into_bytes()].concat();
        Ok(Response::new(Code::CONTENT).content(ContentFormat::LINK_FORMAT, list))
    }

    /// The short server id of an account, and since 1.1 where it leads.
    fn describe_account(&self, object: ObjectId, instance: InstanceId, links: &mut LinkWriter) {
        let short_server_id = match object {
            SECURITY if self.data.truth(SECURITY, instance, 1) => None,
            SECURITY => self.data.number(SECURITY, instance, 10),
            SERVER => self.data.number(SERVER, instance, 0),
            _ => None,
        };
        if let Some(id) = short_server_id {
            links.attribute("ssid", id);
        }
        if object == SECURITY
            && self.config.version > Version::V1_0
            && let Some(uri) = self.data.text(SECURITY, instance, 0)
        {
            links.attribute("uri", alloc::format!("\"{uri}\""));
        }
    }

    /// Since 1.1, and never of keys.
    fn bootstrap_read(&self, path: Path, request: &Request, now: Instant) -> Result<Response, Code> {
        if !matches!(path.object_id(), Some(object::SERVER | object::ACCESS_CONTROL)) || path.depth() > 2 {
            return Err(Code::METHOD_NOT_ALLOWED);
        }
        let chosen = self.format_for(request, || format::LWM2M_TLV)?;
        let node = self.all_objects(now).read(path)?;
        let payload = encode(chosen, path, &node)?;
        Ok(Response::new(Code::CONTENT).content(ContentFormat(chosen), payload))
    }

    fn bootstrap_write(&mut self, path: Path, request: &Request) -> Result<Response, Code> {
        let object = path.object_id().ok_or(Code::METHOD_NOT_ALLOWED)?;
        if !self.config.has_object(object) && !BOOTSTRAPPED.contains(&object) {
            return Err(Code::NOT_FOUND);
        }
        if is_firmware(object) {
            return Err(Code::METHOD_NOT_ALLOWED);
        }
        match (path, self.decode(path, request)?) {
            (Path::Object(_), Node::Object(instances)) => {
                for (id, instance) in instances {
                    self.bootstrap_put(object, id, instance)?;
                }
            }
            (Path::Instance(_, id), Node::Instance(instance)) => self.bootstrap_put(object, id, instance)?,
            (Path::Resource(_, id, number), Node::Resource(resource)) => {
                let found = object_type(object).and_then(|found| found.resource(number));
                let fitted = found.ok_or(Code::NOT_FOUND)?.fit_resource(resource).ok_or(Code::BAD_REQUEST)?;
                self.data.set(object, id, number, fitted);
            }
            _ => return Err(Code::BAD_REQUEST),
        }
        Ok(Response::new(Code::CHANGED))
    }

    /// Writes an instance, whoever may write its resources otherwise. Those that are not known here are left
    /// out.
    fn bootstrap_put(&mut self, object: ObjectId, id: InstanceId, instance: Instance) -> Result<(), Code> {
        let found = object_type(object).ok_or(Code::NOT_FOUND)?;
        let is_new = self.data.instance(object, id).is_none();
        if is_new && self.data.instances_of(object).count() >= MOST_INSTANCES {
            return Err(Code::BAD_REQUEST);
        }
        let known = instance.into_iter().filter_map(|(number, resource)| {
            let fitted = found.resource(number)?.fit_resource(resource).ok_or(Code::BAD_REQUEST);
            Some(fitted.map(|fitted| (number, fitted)))
        });
        let known = known.collect::<Result<Instance, Code>>()?;
        if BOOTSTRAPPED.contains(&object) {
            self.data.put(object, id, known);
        } else {
            // What describes the device itself stays beside what is written.
            known.into_iter().for_each(|(number, resource)| self.data.set(object, id, number, resource));
        }
        Ok(())
    }

    /// The account of the bootstrap server and the device itself stay (LwM2M Core 1.1 section 6.1.7.5).
    fn bootstrap_delete(&mut self, path: Path) -> Result<Response, Code> {
        let goes = |object: ObjectId, bootstrap: bool| {
            !bootstrap
                && (BOOTSTRAPPED.contains(&object)
                    || object_type(object).is_some_and(|found| found.creatable))
        };
        let is_bootstrap_account = |data: &super::data::Data, object, instance| {
            object == SECURITY && data.truth(SECURITY, instance, 1)
        };
        match path {
            Path::Instance(object, instance) => {
                self.data.instance(object, instance).ok_or(Code::NOT_FOUND)?;
                if !goes(object, is_bootstrap_account(&self.data, object, instance)) {
                    return Err(Code::BAD_REQUEST);
                }
                self.data.remove(object, instance);
            }
            Path::Object(object) if !goes(object, false) => return Err(Code::METHOD_NOT_ALLOWED),
            Path::Root | Path::Object(_) => {
                let before = self.data.clone();
                self.data.retain(|object, instance, _| {
                    let here = path.contains(Path::Object(object));
                    !here || !goes(object, is_bootstrap_account(&before, object, instance))
                });
            }
            _ => return Err(Code::METHOD_NOT_ALLOWED),
        }
        Ok(Response::new(Code::DELETED))
    }

    fn bootstrap_finish(&mut self, now: Instant) -> Result<Response, Code> {
        if let Err(inconsistency) = server_entries(&self.data) {
            self.events.push_back(Event::BootstrapInconsistent(inconsistency));
            let text = alloc::format!("{inconsistency}");
            return Ok(Response::new(Code::NOT_ACCEPTABLE).diagnostic(&text));
        }
        self.bootstrap_finished(now);
        Ok(Response::new(Code::CHANGED))
    }
}
