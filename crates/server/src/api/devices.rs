//! Devices as the API shows them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bootstrap::{AddBootstrap, DeviceBootstrap, StagedCredential};
use crate::app;
use crate::clock::Moment;
use crate::store::devices as row;

/// How a device connects.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// DTLS with a pre-shared key.
    #[default]
    Psk,
    /// Without encryption; only where the server listens for that.
    None,
}

impl Security {
    /// The one that is stored so; an unknown word can only come from a newer version.
    pub(super) fn of(code: &str) -> Self {
        match app::Security::from_code(code) {
            Some(app::Security::None) => Self::None,
            _ => Self::Psk,
        }
    }
}

/// A device to be added.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
#[serde(deny_unknown_fields)]
pub struct AddDevice {
    /// The name it registers with.
    #[schema(example = "urn:imei:015770000031766")]
    pub endpoint: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// How it connects.
    #[serde(default)]
    pub security: Security,
    /// The identity it names in the handshake; often the same as the endpoint name, but not by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "urn:imei:015770000031766")]
    pub identity: Option<String>,
    /// Its pre-shared key in hexadecimal digits, 16 to 64 bytes. Without it one is made and shown once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only)]
    pub key: Option<String>,
    /// The product that it is, by id or name; otherwise what it reports says so. Needed for a device without
    /// encryption and for one with a key of fewer than 16 bytes: only some products allow that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "Quectel/NBIoTDevice")]
    pub product: Option<String>,
    /// How it is bootstrapped, if it is. With security `psk` it then needs no identity and no key: it is given
    /// fresh ones at each bootstrap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<AddBootstrap>,
}

/// A device that was added.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct AddedDevice {
    /// The device.
    pub device: Device,
    /// The key that was made for it, in hexadecimal digits. It is shown this once and never again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated_key: Option<String>,
    /// The key that was made for it and the bootstrap server, shown this once as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated_bootstrap_key: Option<String>,
}

/// A device.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct Device {
    /// Never given to another device.
    pub id: String,
    /// The name it registers with.
    pub endpoint: String,
    /// What people call it; may be empty.
    pub name: String,
    /// How it connects.
    pub security: Security,
    /// The identity it names in the handshake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// The first four hexadecimal digits of its key, to tell keys apart. The key itself is never shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_prefix: Option<String>,
    /// When it was added.
    pub created_at: String,
    /// Whether it is registered now.
    pub registered: bool,
    /// Its address when it was last heard of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The version of LwM2M it speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lwm2m_version: Option<String>,
    /// How long a registration lasts without being renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime_seconds: Option<i64>,
    /// Who made it, as it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// What it is, as it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The firmware it runs, as it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware_version: Option<String>,
    /// When it registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_at: Option<String>,
    /// When it was last heard of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<String>,
    /// Something odd that it does and that was tolerated; all of `warnings` in one text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// What is odd about it and was tolerated, and what somebody else tried with its name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The transports it named when it registered, such as `U`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<String>,
    /// Whether it listens only for a while after its own messages.
    #[serde(default)]
    pub queue_mode: bool,
    /// What it has: objects and their instances.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<String>,
    /// The key that a bootstrap wrote and that it has not proved yet; the one before it is valid as well until
    /// then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staged_credential: Option<StagedCredential>,
    /// The product that it is, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<DeviceProduct>,
    /// How it is bootstrapped, if it is, and how it went the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<DeviceBootstrap>,
}

/// The product of a device.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct DeviceProduct {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether an operator said so; otherwise it is known by what the device reports.
    pub assigned: bool,
}

/// Which product a device is.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
#[serde(deny_unknown_fields)]
pub struct SetDeviceProduct {
    /// The product, by id or name; `null`: what the device reports says so.
    #[schema(example = "Quectel/NBIoTDevice")]
    pub product: Option<String>,
}

impl Device {
    /// What is shown of a device of this product.
    pub fn new(device: row::Device, product: Option<&app::products::Product>) -> Self {
        let state = device.state.unwrap_or_default();
        let known = state.last_seen_at != 0;
        let moment = |at: i64| Moment(at).to_string();
        Self {
            id: device.id,
            endpoint: device.endpoint,
            name: device.name,
            security: Security::of(&device.security),
            identity: device.identity,
            key_prefix: device.key_prefix.filter(|prefix| !prefix.is_empty()),
            created_at: device.created_at.to_string(),
            registered: state.registered,
            address: known.then_some(state.address),
            lwm2m_version: known.then_some(state.lwm2m_version),
            lifetime_seconds: known.then_some(state.lifetime_seconds),
            manufacturer: state.manufacturer,
            model: state.model,
            firmware_version: state.firmware_version,
            registered_at: state.registered_at.map(moment),
            last_seen_at: known.then(|| moment(state.last_seen_at)),
            warning: state.warning.as_ref().map(|warning| warning.replace('\n', "; ")),
            warnings: state.warning.iter().flat_map(|warning| warning.lines()).map(str::to_owned).collect(),
            binding: state.binding.filter(|binding| !binding.is_empty()),
            queue_mode: state.queue_mode,
            objects: state.objects.as_deref().map(paths).unwrap_or_default(),
            product: product.map(|product| DeviceProduct {
                id: product.id.clone(),
                name: product.name(),
                assigned: device.product_id.is_some(),
            }),
            staged_credential: device.staged.map(StagedCredential::from),
            bootstrap: device.bootstrap.map(DeviceBootstrap::from),
        }
    }
}

/// The paths of objects and instances in a list in link-format (RFC 6690).
fn paths(links: &str) -> Vec<String> {
    let targets = links.split('<').skip(1).filter_map(|link| Some(link.split_once('>')?.0));
    let is_object = |target: &&str| target.rsplit('/').next().is_some_and(|part| part.parse::<u16>().is_ok());
    targets.filter(is_object).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::paths;

    #[test]
    fn objects_are_listed_without_the_root() {
        let links = "</lwm2m>;rt=\"oma.lwm2m\";ct=112,</lwm2m/1/0>;ver=1.1,</lwm2m/5>";
        assert_eq!(paths(links), ["/lwm2m/1/0", "/lwm2m/5"]);
    }
}
