//! What outlives a restart, as bytes:
//!
//! | bytes | meaning (numbers big-endian) |
//! | ---: | --- |
//! | 1 | version of this layout: 2 |
//! | 4 | CRC-32 of the objects as the configuration makes them: what was saved under other accounts does not count |
//! | 2 | objects that follow, each as number (2), length (4), TLV |
//! | 2 | observations that follow, each as short server id (2), length of the token (1), token, depth of the path (1), its numbers (2 each), format (2), sequence (4) |

use alloc::vec::Vec;

use coap::Token;
use firmware::Crc32;

use super::data::Data;
use crate::format::tlv;
use crate::model::ObjectModel;
use crate::object::{ACCESS_CONTROL, SECURITY, SERVER};
use crate::path::{ObjectId, Path};
use crate::value::Node;

/// The objects that a bootstrap writes.
pub(super) const BOOTSTRAPPED: [ObjectId; 3] = [SECURITY, SERVER, ACCESS_CONTROL];

const VERSION: u8 = 2;
/// Servers times observations of each.
const MOST_OBSERVATIONS: u16 = 256;

/// An observation that outlives a restart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct KeptObservation {
    pub(super) short_server_id: u16,
    pub(super) token: Token,
    pub(super) path: Path,
    pub(super) format: u16,
    pub(super) sequence: u32,
}

/// What tells the accounts of one configuration from those of another.
pub(super) fn origin(factory: &Data) -> Crc32 {
    let mut bytes = Vec::new();
    encode_objects(factory, &mut bytes);
    Crc32::of(&bytes)
}

pub(super) fn encode(origin: Crc32, data: &Data, observations: &[KeptObservation]) -> Vec<u8> {
    let mut out = alloc::vec![VERSION];
    out.extend_from_slice(&origin.0.to_be_bytes());
    encode_objects(data, &mut out);
    out.extend_from_slice(&(observations.len() as u16).to_be_bytes());
    for observation in observations {
        out.extend_from_slice(&observation.short_server_id.to_be_bytes());
        out.push(observation.token.as_bytes().len() as u8);
        out.extend_from_slice(observation.token.as_bytes());
        let depth = observation.path.depth();
        out.push(depth as u8);
        observation.path.numbers()[..depth]
            .iter()
            .for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
        out.extend_from_slice(&observation.format.to_be_bytes());
        out.extend_from_slice(&observation.sequence.to_be_bytes());
    }
    out
}

fn encode_objects(data: &Data, out: &mut Vec<u8>) {
    out.extend_from_slice(&(BOOTSTRAPPED.len() as u16).to_be_bytes());
    for object in BOOTSTRAPPED {
        let instances = data.instances_of(object).map(|(id, instance)| (id, instance.clone())).collect();
        let mut bytes = Vec::new();
        // What is too long for TLV cannot have been written by a server either.
        if tlv::encode(Path::Object(object), &Node::Object(instances), &mut bytes).is_err() {
            bytes.clear();
        }
        out.extend_from_slice(&object.0.to_be_bytes());
        out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
        out.extend_from_slice(&bytes);
    }
}

/// Puts the objects into `data`, in place of those that are there, and gives the observations; `None` and no
/// change if the bytes mean nothing, or belong to other accounts.
pub(super) fn decode(bytes: &[u8], origin: Crc32, data: &mut Data) -> Option<Vec<KeptObservation>> {
    let mut reader = Reader(bytes);
    let mut loaded = data.clone();
    loaded.retain(|object, _, _| !BOOTSTRAPPED.contains(&object));
    if reader.take(1)? != [VERSION] || reader.take(4)? != origin.0.to_be_bytes() {
        return None;
    }
    for _ in 0..reader.number()? {
        let object = ObjectId(reader.number()?);
        let length = usize::try_from(reader.long()?).ok()?;
        let node = tlv::decode(Path::Object(object), reader.take(length)?, &ObjectModel::CORE).ok()?;
        let Node::Object(instances) = node else { return None };
        instances.into_iter().for_each(|(id, instance)| loaded.put(object, id, instance));
    }
    let count = Some(reader.number()?).filter(|count| *count <= MOST_OBSERVATIONS)?;
    let observations = (0..count).map(|_| reader.observation()).collect::<Option<Vec<_>>>()?;
    reader.0.is_empty().then(|| {
        *data = loaded;
        observations
    })
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn long(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn observation(&mut self) -> Option<KeptObservation> {
        let short_server_id = self.number()?;
        let length = usize::from(*self.take(1)?.first()?);
        let token = Token::new(self.take(length)?)?;
        let depth = *self.take(1)?.first()?;
        let numbers = (0..depth.min(5)).map(|_| self.number()).collect::<Option<Vec<_>>>()?;
        let path = Path::from_numbers(&numbers)?;
        Some(KeptObservation { short_server_id, token, path, format: self.number()?, sequence: self.long()? })
    }
}

#[cfg(test)]
mod tests {
    use super::super::data::{number, text};
    use super::*;
    use crate::path::{InstanceId, ResourceId};
    use crate::value::Instance;

    #[test]
    fn what_was_saved_is_read_again_and_anything_else_changes_nothing() {
        let mut data = Data::default();
        let server = Instance::from([(ResourceId(0), number(101)), (ResourceId(7), text("U"))]);
        data.put(SERVER, InstanceId(4), server);
        let observation = KeptObservation {
            short_server_id: 101,
            token: Token::new(b"tok").unwrap(),
            path: Path::resource(5, 0, 3),
            format: 0,
            sequence: 70_000,
        };
        let bytes = encode(Crc32(7), &data, core::slice::from_ref(&observation));
        let mut read = Data::default();
        read.put(SERVER, InstanceId(9), Instance::new());
        read.put(crate::object::DEVICE, InstanceId(0), Instance::new());
        assert_eq!(decode(&bytes, Crc32(7), &mut read), Some(alloc::vec![observation]));
        assert!(read.instance(crate::object::DEVICE, InstanceId(0)).is_some());
        assert!(read.instance(SERVER, InstanceId(9)).is_none());
        assert_eq!(read.instance(SERVER, InstanceId(4)), data.instance(SERVER, InstanceId(4)));
        for length in 0..bytes.len() {
            let mut untouched = data.clone();
            assert_eq!(decode(&bytes[..length], Crc32(7), &mut untouched), None, "{length} bytes");
            assert_eq!(untouched, data);
        }
        assert_eq!(decode(&bytes, Crc32(8), &mut data.clone()), None, "saved under other accounts");
    }
}
