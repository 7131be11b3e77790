//! From a pack to records.

use alloc::vec::Vec;

use super::fields::{Bases, Fields};
use super::label::Label;
use super::{Purpose, SenmlError, SenmlFault};
use crate::format::cbor::{self, Key};
use crate::format::naming::Naming;
use crate::format::scalar::Scalar;
use crate::format::{DecodeError, MOST_RECORDS, Record, json};
use crate::model::ObjectModel;
use crate::path::Path;

/// Reads a pack in JSON.
pub(in crate::format) fn read_json(
    base: Path,
    payload: &[u8],
    purpose: Purpose,
    model: &ObjectModel,
) -> Result<Vec<Record>, DecodeError> {
    let mut pack = Pack::new(base, purpose, model);
    let mut reader = json::Reader::new(payload)?;
    reader.array(|reader| {
        let mut fields = Fields::default();
        reader.object(|reader, name| match Label::of_name(&name) {
            Some(label) => pack.put(&mut fields, label, reader.scalar()?),
            None => {
                pack.check_unknown(&name)?;
                Ok(reader.skip()?)
            }
        })?;
        pack.add(fields)
    })?;
    reader.end()?;
    Ok(pack.records)
}

/// Reads a pack in CBOR.
pub(in crate::format) fn read_cbor(
    base: Path,
    payload: &[u8],
    purpose: Purpose,
    model: &ObjectModel,
) -> Result<Vec<Record>, DecodeError> {
    let mut pack = Pack::new(base, purpose, model);
    let mut reader = cbor::Reader::new(payload);
    reader.array(|reader| {
        let mut fields = Fields::default();
        reader.map(|reader| {
            let label = match reader.key()? {
                Key::Number(number) => Label::of_number(number),
                // Some clients use the names of JSON; `vlo` has only that.
                Key::Text(name) => {
                    pack.check_unknown(&name)?;
                    Label::of_name(&name)
                }
            };
            match label {
                Some(label) => pack.put(&mut fields, label, reader.scalar()?),
                None => Ok(reader.skip()?),
            }
        })?;
        pack.add(fields)
    })?;
    reader.end()?;
    Ok(pack.records)
}

/// What has been read so far.
struct Pack<'a> {
    base: Path,
    purpose: Purpose,
    model: &'a ObjectModel,
    bases: Bases,
    /// Those read, also the ones that make no record.
    count: usize,
    records: Vec<Record>,
}

impl<'a> Pack<'a> {
    fn new(base: Path, purpose: Purpose, model: &'a ObjectModel) -> Self {
        Self { base, purpose, model, bases: Bases::default(), count: 0, records: Vec::new() }
    }

    fn put<'b>(&self, fields: &mut Fields<'b>, label: Label, value: Scalar<'b>) -> Result<(), DecodeError> {
        fields.put(label, value).map_err(|fault| self.fault(fault))
    }

    fn check_unknown(&self, name: &str) -> Result<(), DecodeError> {
        if name.ends_with('_') {
            return Err(self.fault(SenmlFault::MustUnderstand));
        }
        Ok(())
    }

    fn add(&mut self, fields: Fields<'_>) -> Result<(), DecodeError> {
        if self.count == MOST_RECORDS {
            return Err(self.fault(SenmlFault::TooMany));
        }
        let resolved = self.bases.resolve(fields, self.purpose).map_err(|fault| self.fault(fault))?;
        if let Some(resolved) = resolved {
            let not_a_path = self.fault(SenmlFault::NotAPath);
            let naming = match self.purpose {
                Purpose::Values => Naming::Values,
                Purpose::Etch => Naming::Places,
            };
            let path = naming.path(self.base, &resolved.name).ok_or(not_a_path)?;
            if !self.base.contains(path) {
                return Err(DecodeError::Outside { path, asked: self.base });
            }
            let value = match resolved.value {
                Some(value) => value.typed(path, self.model)?,
                None => None,
            };
            self.records.push(Record { path, value, time: resolved.time });
        }
        self.count += 1;
        Ok(())
    }

    const fn fault(&self, fault: SenmlFault) -> DecodeError {
        DecodeError::Senml(SenmlError { record: self.count, fault })
    }
}
