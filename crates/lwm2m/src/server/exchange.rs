//! One exchange with a device: its request in each content format, and what its answer means.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use coap::{Block, BlockSize, Code, ContentFormat, OptionNumber, Payload, Request, Response};

use super::devices::DeviceKey;
use super::event::OperationId;
use super::operations::{Attributes, Spoken, Unreadable, Use};
use crate::format::{self, LINK_FORMAT, LWM2M_TLV, OCTET_STREAM, Record, TEXT_PLAIN, link};
use crate::model::ObjectModel;
use crate::path::{InstanceId, ObjectId, Path};
use crate::value::{Kind, Node, Resource, Value};

/// A request that is under way, or an observation.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) device: DeviceKey,
    pub(super) purpose: Purpose,
    pub(super) what: What,
    /// The content format of the request that is under way.
    pub(super) format: Option<u16>,
    /// Those to try next, the last one first.
    pub(super) formats: Vec<Option<u16>>,
    /// How often the device was busy.
    pub(super) busy: u8,
}

/// Who waits for the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    Operation(OperationId),
    Upgrade,
    /// Confirmed observations.
    Observed,
    UpgradeObserved,
    /// An observation that is begun again.
    Renewal,
    /// The end of an upgrade's observation.
    UpgradeEnd,
    /// The end of an operation's observation.
    OperationEnd(OperationId),
}

/// What is asked.
#[derive(Clone, Debug)]
pub(super) enum What {
    Read(Path),
    Observe(Path),
    ObserveWith(Path, Attributes),
    Discover(Path),
    /// Keeps what is not named.
    Write(Path, Node),
    /// Takes away what is not named.
    Replace(Path, Node),
    /// The whole of a Package resource, shared with other devices, in blocks of this size.
    Package(Path, Arc<[u8]>, Option<BlockSize>),
    Execute(Path, Option<String>),
    /// An instance or instances; where an instance has no number and the format needs one, it gets the spare
    /// one.
    Create(ObjectId, Node, InstanceId),
    /// Which instance is new, by Discover or by Read.
    FindCreated {
        object: ObjectId,
        before: Vec<InstanceId>,
        by_reading: bool,
    },
    Delete(Path),
    WriteAttributes(Path, Attributes),
    ReadComposite(Arc<[Path]>),
    ObserveComposite(Arc<[Path]>),
    WriteComposite(Arc<[Record]>),
}

/// What came back.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Reply {
    Value(Node),
    Records(Vec<Record>),
    Links(String),
    Created(Option<Path>),
    Done,
    Refused(Code, String),
    Unreadable(Unreadable),
}

impl What {
    /// What it is about; the root for composites.
    pub(super) fn path(&self) -> Path {
        match self {
            Self::Read(path)
            | Self::Observe(path)
            | Self::ObserveWith(path, _)
            | Self::Discover(path)
            | Self::Write(path, _)
            | Self::Replace(path, _)
            | Self::Package(path, ..)
            | Self::Execute(path, _)
            | Self::Delete(path)
            | Self::WriteAttributes(path, _) => *path,
            Self::Create(object, ..) | Self::FindCreated { object, .. } => Path::Object(*object),
            Self::ReadComposite(_) | Self::ObserveComposite(_) | Self::WriteComposite(_) => Path::Root,
        }
    }

    pub(super) const fn observes(&self) -> bool {
        matches!(self, Self::Observe(_) | Self::ObserveWith(..) | Self::ObserveComposite(_))
    }

    /// Whether asking twice does no more than asking once.
    pub(super) const fn is_safe(&self) -> bool {
        matches!(
            self,
            Self::Read(_)
                | Self::Discover(_)
                | Self::ReadComposite(_)
                | Self::FindCreated { .. }
                | Self::WriteAttributes(..)
        ) || self.observes()
    }

    /// Which formats are used how: `None` where there is no choice.
    pub(super) fn formats(&self, spoken: Spoken<'_>, model: &ObjectModel) -> Option<(Use, Vec<Option<u16>>)> {
        let read = |path| match shape(path, model) {
            Shape::Text => (Use::ReadOne, spoken.to_read(Some(TEXT_PLAIN))),
            Shape::Bytes => (Use::ReadBytes, spoken.to_read(Some(OCTET_STREAM))),
            Shape::Several => (Use::ReadMany, spoken.to_read(None)),
        };
        match self {
            Self::Read(path) | Self::Observe(path) | Self::ObserveWith(path, _) => Some(read(*path)),
            Self::FindCreated { object, by_reading: true, .. } => Some(read(Path::Object(*object))),
            Self::Write(_, node) | Self::Replace(_, node) => Some(match node {
                Node::Resource(Resource::Single(Value::Opaque(_))) | Node::Value(Value::Opaque(_)) => {
                    (Use::WriteBytes, spoken.to_write(Some(OCTET_STREAM)))
                }
                Node::Resource(Resource::Single(_)) | Node::Value(_) => {
                    (Use::WriteOne, spoken.to_write(Some(TEXT_PLAIN)))
                }
                _ => (Use::WriteMany, spoken.to_write(None)),
            }),
            Self::Create(..) => Some((Use::WriteMany, spoken.to_write(None))),
            // An image of a megabyte is not written anew for each format there is.
            Self::Package(..) => {
                Some((Use::WriteBytes, [Some(OCTET_STREAM), None, Some(LWM2M_TLV)].to_vec()))
            }
            Self::ReadComposite(_) | Self::ObserveComposite(_) | Self::WriteComposite(_) => {
                Some((Use::Composite, spoken.composite()))
            }
            Self::Discover(_)
            | Self::Execute(..)
            | Self::Delete(_)
            | Self::WriteAttributes(..)
            | Self::FindCreated { .. } => None,
        }
    }

    /// The request in this format, unless the format cannot carry it; `root` is the device's alternate path.
    pub(super) fn request(&self, root: &str, format: Option<u16>) -> Option<Request> {
        let path = alloc::format!("{root}{}", self.path());
        let accepting = |request: Request| match format {
            Some(format) => request.accept(ContentFormat(format)),
            None => request,
        };
        let with = |request, place, node| Some(with_content(request, format, written(place, node, format)?));
        Some(match self {
            Self::Read(_) | Self::Observe(_) | Self::FindCreated { by_reading: true, .. } => {
                accepting(Request::get(&path))
            }
            Self::ObserveWith(_, attributes) => accepting(queried(Request::get(&path), attributes)),
            Self::Discover(_) | Self::FindCreated { .. } => {
                Request::get(&path).accept(ContentFormat(LINK_FORMAT))
            }
            Self::Execute(_, None) => Request::post(&path),
            Self::Execute(_, Some(argument)) => {
                Request::post(&path).content(ContentFormat::TEXT_PLAIN, argument.as_str())
            }
            // POST keeps what is not named (LwM2M Core 1.1 section 6.3.3). Of a single value nothing is left
            // to keep, and POST on a resource is Execute where clients do not look at the payload.
            Self::Write(place @ Path::Instance(..), node)
            | Self::Write(place, node @ Node::Resource(Resource::Multiple(_))) => {
                with(Request::post(&path), *place, node)?
            }
            Self::Write(place, node) | Self::Replace(place, node) => with(Request::put(&path), *place, node)?,
            Self::Package(place, bytes, _) if format == Some(LWM2M_TLV) => {
                with(Request::put(&path), *place, &Node::single(Value::Opaque(bytes.to_vec())))?
            }
            Self::Package(_, bytes, size) => {
                let request = with_content(Request::put(&path), format, Payload::Shared(bytes.clone()));
                in_blocks(request, *size)
            }
            Self::Create(object, node, spare) => {
                with_content(Request::post(&path), format, created(*object, node, *spare, format)?)
            }
            Self::Delete(_) => Request::delete(&path),
            Self::WriteAttributes(_, attributes) => queried(Request::put(&path), attributes),
            Self::ReadComposite(paths) | Self::ObserveComposite(paths) => {
                let mut body = Vec::new();
                format::encode_paths(format?, paths, &mut body).ok()?;
                accepting(with_content(Request::fetch(&path), format, body.into()))
            }
            Self::WriteComposite(records) => {
                let mut body = Vec::new();
                format::encode_records(format?, records, &mut body).ok()?;
                with_content(Request::new(Code::IPATCH, &path), format, body.into())
            }
        })
    }

    /// What an answer means. Whatever format it comes in is read if a codec can; without one it is taken for
    /// the one that was asked for.
    pub(super) fn reply(&self, response: &Response, asked: Option<u16>, model: &ObjectModel) -> Reply {
        if !response.code.is_success() {
            return Reply::Refused(response.code, diagnostic(response));
        }
        match self {
            Self::Read(path) | Self::Observe(path) | Self::ObserveWith(path, _) => {
                value_of(*path, response, asked, model)
            }
            Self::FindCreated { object, by_reading: true, .. } => {
                value_of(Path::Object(*object), response, asked, model)
            }
            Self::Discover(_) | Self::FindCreated { .. } => links_of(response),
            Self::ReadComposite(_) | Self::ObserveComposite(_) => records_of(response, asked, model),
            Self::Create(object, node, _) => Reply::Created(location(response).or_else(|| match node {
                Node::Object(instances) if instances.len() == 1 => {
                    let id = instances.keys().next()?;
                    Some(Path::Instance(*object, *id))
                }
                _ => None,
            })),
            Self::Write(..)
            | Self::Replace(..)
            | Self::Package(..)
            | Self::Execute(..)
            | Self::Delete(_)
            | Self::WriteAttributes(..)
            | Self::WriteComposite(_) => Reply::Done,
        }
    }
}

/// The value in a response or notification.
pub(super) fn value_of(path: Path, response: &Response, asked: Option<u16>, model: &ObjectModel) -> Reply {
    if response.code != Code::CONTENT {
        return Reply::Unreadable(Unreadable::Code(response.code));
    }
    match format::decode(format_of(response, asked, TEXT_PLAIN), path, &response.payload, model) {
        Ok(node) => Reply::Value(node),
        Err(error) => Reply::Unreadable(error.into()),
    }
}

/// The values in the answer to a composite, or in a notification of one.
pub(super) fn records_of(response: &Response, asked: Option<u16>, model: &ObjectModel) -> Reply {
    if response.code != Code::CONTENT {
        return Reply::Unreadable(Unreadable::Code(response.code));
    }
    if response.payload.is_empty() {
        return Reply::Records(Vec::new());
    }
    let format = format_of(response, asked, format::SENML_CBOR);
    match format::decode_records(format, Path::Root, &response.payload, model) {
        Ok(records) => Reply::Records(records),
        Err(error) => Reply::Unreadable(error.into()),
    }
}

fn format_of(response: &Response, asked: Option<u16>, otherwise: u16) -> u16 {
    response.options.content_format().map(|format| format.0).or(asked).unwrap_or(otherwise)
}

fn links_of(response: &Response) -> Reply {
    match core::str::from_utf8(&response.payload).map_err(|_| link::LinkError::NotText) {
        Err(error) => Reply::Unreadable(error.into()),
        Ok(links) => match link::parse(&response.payload) {
            Ok(_) => Reply::Links(links.into()),
            Err(error) => Reply::Unreadable(error.into()),
        },
    }
}

/// What a device says about its refusal (RFC 7252 section 5.5.2): text, cut and without control characters.
fn diagnostic(response: &Response) -> String {
    const LONGEST: usize = 120;
    match response.options.content_format() {
        None | Some(ContentFormat::TEXT_PLAIN) => {
            let text = core::str::from_utf8(&response.payload).unwrap_or("");
            text.chars().filter(|letter| !letter.is_control()).take(LONGEST).collect()
        }
        Some(_) => String::new(),
    }
}

/// The instance that Location names: its last two numbers, whatever stands in front of them.
fn location(response: &Response) -> Option<Path> {
    let numbers: Vec<u16> = response
        .options
        .location_path()
        .filter_map(|segment| core::str::from_utf8(segment).ok()?.parse().ok())
        .collect();
    let [.., object, instance] = numbers[..] else { return None };
    Some(Path::instance(object, instance))
}

/// Whether a refusal is about the format.
pub(super) fn is_about_format(code: Code) -> bool {
    code == Code::NOT_ACCEPTABLE || code == Code::UNSUPPORTED_CONTENT_FORMAT
}

enum Shape {
    Text,
    Bytes,
    Several,
}

fn shape(path: Path, model: &ObjectModel) -> Shape {
    let definition = model.resource_at(path);
    let several = definition.is_some_and(|definition| definition.multiple);
    match path {
        Path::Resource(..) if several => Shape::Several,
        Path::Resource(..) | Path::ResourceInstance(..) => {
            match definition.map(|definition| definition.kind) {
                Some(Kind::Opaque) => Shape::Bytes,
                Some(_) => Shape::Text,
                // Unknown resources may hold anything.
                None => Shape::Several,
            }
        }
        _ => Shape::Several,
    }
}

/// Blocks of the size that the device took before: it need not refuse a larger one first (4.13).
fn in_blocks(mut request: Request, size: Option<BlockSize>) -> Request {
    if let Some(size) = size {
        let first = Block { number: 0, more: request.payload.len() > size.bytes(), size };
        request.options.set_uint(OptionNumber::BLOCK1, first.encode());
    }
    request
}

fn with_content(mut request: Request, format: Option<u16>, payload: Payload) -> Request {
    match format {
        Some(format) => request.content(ContentFormat(format), payload),
        None => {
            request.payload = payload;
            request
        }
    }
}

fn queried(request: Request, attributes: &Attributes) -> Request {
    attributes.iter().fold(request, |request, (attribute, number)| match number {
        Some(number) => request.query(&alloc::format!("{attribute}={number}")),
        None => request.query(attribute.name()),
    })
}

/// The value in this format, unless the format cannot carry it.
fn written(path: Path, node: &Node, format: Option<u16>) -> Option<Payload> {
    let mut bytes = Vec::new();
    format::encode(format.unwrap_or(OCTET_STREAM), path, node, &mut bytes).ok()?;
    Some(bytes.into())
}

/// A new instance. TLV can leave its number to the device; the other formats name every place.
fn created(object: ObjectId, node: &Node, spare: InstanceId, format: Option<u16>) -> Option<Payload> {
    match node {
        Node::Instance(_) if format == Some(LWM2M_TLV) => {
            written(Path::Instance(object, spare), node, format)
        }
        Node::Instance(instance) => {
            let numbered = Node::Object(BTreeMap::from([(spare, instance.clone())]));
            written(Path::Object(object), &numbered, format)
        }
        _ => written(Path::Object(object), node, format),
    }
}
