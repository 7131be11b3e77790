//! The manifest as JSON. Absent, not null: a field has one way not to be there.

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize, Serializer};

use super::{Kind, Manifest, ManifestError, Payload, ProductIdentity, SourceVersion, ValueProblem};
use crate::digest::Sha256;

/// The only format there is.
const FORMAT: u64 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestJson {
    format: u64,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    product: Option<ProductJson>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    domain: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    hardware_revisions: Vec<String>,
    kind: KindJson,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    from: Option<SourceJson>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    payloads: Vec<PayloadJson>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    security_counter: Option<u64>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    not_before: Option<i64>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    not_after: Option<i64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    allow_downgrade: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    key_ids: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProductJson {
    manufacturer: String,
    model: String,
    device_type: String,
    protocol: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindJson {
    Full,
    Delta,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceJson {
    version: String,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    sha256: Option<Digest>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PayloadJson {
    name: String,
    size_bytes: u64,
    sha256: Digest,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    bank: Option<u8>,
}

struct Digest(Sha256);

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Sha256::from_hex(&text).map(Self).ok_or_else(|| D::Error::custom(ValueProblem::Digest))
    }
}

/// A field that is there has a value; serde alone would take null for an absent one.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Reads a manifest whose values nobody checked.
pub(super) fn read(bytes: &[u8]) -> Result<Manifest, ManifestError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let json: ManifestJson = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        ManifestError::Json { path: error.path().to_string(), problem: error.inner().to_string() }
    })?;
    let after =
        |error: serde_json::Error| ManifestError::Json { path: ".".to_owned(), problem: error.to_string() };
    reader.end().map_err(after)?;
    json.into_manifest()
}

/// Writes a manifest.
pub(super) fn write(manifest: &Manifest) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(&ManifestJson::of(manifest))
        .expect("texts, numbers and lists always have a JSON form");
    bytes.push(b'\n');
    bytes
}

impl ManifestJson {
    fn into_manifest(self) -> Result<Manifest, ManifestError> {
        if self.format != FORMAT {
            return Err(ManifestError::Format { found: self.format });
        }
        let about_from = |problem| ManifestError::Value { path: "from".to_owned(), problem };
        let kind = match (self.kind, self.from) {
            (KindJson::Full, None) => Kind::Full,
            (KindJson::Full, Some(_)) => return Err(about_from(ValueProblem::FromNotAllowed)),
            (KindJson::Delta, None) => return Err(about_from(ValueProblem::FromMissing)),
            (KindJson::Delta, Some(from)) => Kind::Delta {
                from: SourceVersion { version: from.version, sha256: from.sha256.map(|digest| digest.0) },
            },
        };
        let payloads = self.payloads.into_iter();
        Ok(Manifest {
            product: self.product.map(ProductJson::into_product),
            domain: self.domain,
            hardware_revisions: self.hardware_revisions,
            kind,
            version: self.version,
            payloads: payloads.map(PayloadJson::into_payload).collect(),
            security_counter: self.security_counter,
            sequence: self.sequence,
            not_before: self.not_before,
            not_after: self.not_after,
            allow_downgrade: self.allow_downgrade,
            key_ids: self.key_ids,
        })
    }

    fn of(manifest: &Manifest) -> Self {
        let (kind, from) = match &manifest.kind {
            Kind::Full => (KindJson::Full, None),
            Kind::Delta { from } => (
                KindJson::Delta,
                Some(SourceJson { version: from.version.clone(), sha256: from.sha256.map(Digest) }),
            ),
        };
        Self {
            format: FORMAT,
            product: manifest.product.as_ref().map(ProductJson::of),
            domain: manifest.domain.clone(),
            hardware_revisions: manifest.hardware_revisions.clone(),
            kind,
            from,
            version: manifest.version.clone(),
            payloads: manifest.payloads.iter().map(PayloadJson::of).collect(),
            security_counter: manifest.security_counter,
            sequence: manifest.sequence,
            not_before: manifest.not_before,
            not_after: manifest.not_after,
            allow_downgrade: manifest.allow_downgrade,
            key_ids: manifest.key_ids.clone(),
        }
    }
}

impl ProductJson {
    fn into_product(self) -> ProductIdentity {
        let Self { manufacturer, model, device_type, protocol } = self;
        ProductIdentity { manufacturer, model, device_type, protocol }
    }

    fn of(product: &ProductIdentity) -> Self {
        let ProductIdentity { manufacturer, model, device_type, protocol } = product.clone();
        Self { manufacturer, model, device_type, protocol }
    }
}

impl PayloadJson {
    fn into_payload(self) -> Payload {
        Payload { name: self.name, size_bytes: self.size_bytes, sha256: self.sha256.0, bank: self.bank }
    }

    fn of(payload: &Payload) -> Self {
        Self {
            name: payload.name.clone(),
            size_bytes: payload.size_bytes,
            sha256: Digest(payload.sha256),
            bank: payload.bank,
        }
    }
}
