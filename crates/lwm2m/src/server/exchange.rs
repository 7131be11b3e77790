//! One exchange with a device: which content formats are tried, and what its answer means.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use coap::{Block, BlockSize, Code, ContentFormat, OptionNumber, Payload, Request, Response};

use super::devices::DeviceKey;
use super::event::OperationId;
use crate::format::{self, LINK_FORMAT, LWM2M_TLV, OCTET_STREAM, TEXT_PLAIN};
use crate::model::ObjectModel;
use crate::object;
use crate::path::Path;
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
}

/// Who waits for the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    Operation(OperationId),
    Upgrade,
    /// Confirmed observations.
    Observed,
    UpgradeObserved,
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
    Discover(Path),
    Write(Path, Node),
    /// The whole of a package resource, shared with other devices.
    Package(Path, Arc<[u8]>, Option<BlockSize>),
    Execute(Path, Option<String>),
}

/// What came back.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Reply {
    Value(Node),
    Links(String),
    Done,
    Refused(Code),
    Unreadable,
}

/// Content formats that a device has refused; they are not tried again.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct RefusedFormats(u8);

impl RefusedFormats {
    fn bit(format: u16) -> u8 {
        match format {
            TEXT_PLAIN => 1,
            LWM2M_TLV => 2,
            OCTET_STREAM => 4,
            _ => 0,
        }
    }

    pub(super) fn note(&mut self, format: u16) {
        self.0 |= Self::bit(format);
    }

    fn has(self, format: u16) -> bool {
        self.0 & Self::bit(format) != 0
    }
}

impl What {
    pub(super) fn path(&self) -> Path {
        match self {
            Self::Read(path)
            | Self::Observe(path)
            | Self::Discover(path)
            | Self::Write(path, _)
            | Self::Execute(path, _)
            | Self::Package(path, ..) => *path,
        }
    }

    /// The formats to try, the last one first (PEERS 1 to 3). `None` is a request without a format.
    pub(super) fn formats(&self, refused: RefusedFormats) -> Vec<Option<u16>> {
        let wanted: &[Option<u16>] = match self {
            Self::Read(path) | Self::Observe(path) => match shape(*path) {
                Shape::Text => &[None, Some(LWM2M_TLV), Some(TEXT_PLAIN)],
                Shape::Bytes => &[None, Some(LWM2M_TLV), Some(OCTET_STREAM)],
                Shape::Several => &[None, Some(LWM2M_TLV)],
            },
            Self::Write(_, Node::Resource(Resource::Single(Value::Opaque(_)))) => {
                &[Some(LWM2M_TLV), Some(OCTET_STREAM)]
            }
            Self::Write(_, Node::Resource(Resource::Single(_)) | Node::Value(_)) => {
                &[Some(LWM2M_TLV), Some(TEXT_PLAIN)]
            }
            Self::Write(..) => &[Some(LWM2M_TLV)],
            Self::Package(..) => &[Some(LWM2M_TLV), None, Some(OCTET_STREAM)],
            Self::Discover(_) | Self::Execute(..) => &[None],
        };
        let mut formats: Vec<_> = wanted
            .iter()
            .copied()
            .filter(|format| !format.is_some_and(|format| refused.has(format)))
            .collect();
        if formats.is_empty() {
            formats.extend(wanted.last());
        }
        formats
    }

    /// The request in this format; `root` is the device's alternate path.
    pub(super) fn request(&self, root: &str, format: Option<u16>) -> Request {
        let path = alloc::format!("{root}{}", self.path());
        match self {
            Self::Read(_) | Self::Observe(_) => match format {
                Some(format) => Request::get(&path).accept(ContentFormat(format)),
                None => Request::get(&path),
            },
            Self::Discover(_) => Request::get(&path).accept(ContentFormat(LINK_FORMAT)),
            Self::Execute(_, None) => Request::post(&path),
            Self::Execute(_, Some(argument)) => {
                Request::post(&path).content(ContentFormat::TEXT_PLAIN, argument.as_str())
            }
            // An instance is updated, so that what is not named stays (LwM2M Core 1.1 section 6.3.3).
            Self::Write(place @ Path::Instance(..), node) => {
                with_content(Request::post(&path), format, written(*place, node, format).into())
            }
            Self::Write(place, node) => {
                with_content(Request::put(&path), format, written(*place, node, format).into())
            }
            Self::Package(place, bytes, _) if format == Some(LWM2M_TLV) => {
                let node = Node::single(Value::Opaque(bytes.to_vec()));
                let record = written(*place, &node, format);
                with_content(Request::put(&path), format, record.into())
            }
            Self::Package(_, bytes, size) => {
                let request = with_content(Request::put(&path), format, Payload::Shared(bytes.clone()));
                in_blocks(request, *size)
            }
        }
    }

    /// What an answer means. Whatever format it comes in is read if a codec can.
    pub(super) fn reply(&self, response: &Response) -> Reply {
        if !response.code.is_success() {
            return Reply::Refused(response.code);
        }
        match self {
            Self::Read(path) | Self::Observe(path) => value_of(*path, response),
            Self::Discover(_) => match core::str::from_utf8(&response.payload) {
                Ok(links) => Reply::Links(links.into()),
                Err(_) => Reply::Unreadable,
            },
            Self::Write(..) | Self::Package(..) | Self::Execute(..) => Reply::Done,
        }
    }
}

/// The value in a response or notification.
pub(super) fn value_of(path: Path, response: &Response) -> Reply {
    if response.code != Code::CONTENT {
        return Reply::Unreadable;
    }
    let format = response.options.content_format().map_or(TEXT_PLAIN, |format| format.0);
    match format::decode(format, path, &response.payload, &ObjectModel::CORE) {
        Ok(node) => Reply::Value(node),
        Err(_) => Reply::Unreadable,
    }
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

fn shape(path: Path) -> Shape {
    let definition = object::definition_at(path);
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

/// The value in this format. What does not fit was refused before (`operations`), so an empty body never
/// leaves.
fn written(path: Path, node: &Node, format: Option<u16>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if format::encode(format.unwrap_or(OCTET_STREAM), path, node, &mut bytes).is_err() {
        bytes.clear();
    }
    bytes
}
