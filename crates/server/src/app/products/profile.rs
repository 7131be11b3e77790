//! The profile of a product (seeds S1-2 and S1-3, rulings B-1 and B-2).
//!
//! What a maker wrote is kept as it is, what we do not know included; only what decides something is read.

use firmware::upgrade::Protocol;
use serde_json::{Map, Value, json};

use super::json::{Fault, Node, Object, with_member};
use super::settings::Settings;
use crate::store::products::Identity;

/// One device of a profile, and the file with only this one in it.
#[derive(Debug)]
pub struct Profile {
    pub identity: Identity,
    pub upgrade: Upgrade,
    pub settings: Settings,
    /// What stands under `updraft`, as it was written; `None` if nothing does.
    pub settings_text: Option<String>,
    pub text: String,
}

/// The maintenance capability: without it neither packages nor upgrades are possible (seed S1-2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Upgrade {
    pub supported: bool,
    /// By which protocol devices fetch; `None` if the profile does not say.
    pub download: Option<Protocol>,
}

/// Why a profile was not taken. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Something is wrong at a place of it.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The seed's text writes one, its file the other; with both one would have to be guessed.
    #[error("{first} and {second} are two spellings of one thing; give one of them")]
    TwoSpellings {
        /// Where.
        first: String,
        /// Where.
        second: String,
    },
    /// Nothing to import.
    #[error("devices is empty; expected a list of 1 to {MOST_DEVICES} devices")]
    NoDevice,
    /// More than any profile has.
    #[error("devices has {0} entries; expected a list of 1 to {MOST_DEVICES} devices")]
    TooMany(usize),
    /// Two entries are the same product.
    #[error("devices[{first}] and devices[{second}] are the same product")]
    Same {
        /// Which.
        first: usize,
        /// Which.
        second: usize,
    },
}

/// Entries of one file.
const MOST_DEVICES: usize = 100;

/// Where the maintenance capability stands: in the seed's file, and in its text (ruling B-1).
const SPELLINGS: [&str; 2] = ["omCapability", "omCapabilities"];
const FIRMWARE: &str = "fwUpgradeCapability";
/// Where our settings stand.
const OURS: &str = "updraft";
/// What may upgrade devices; makers differ in case.
const UPGRADE_PROTOCOL: &str = "LWM2M";
const SPOKEN: [&str; 2] = ["CoAP", "LWM2M"];

/// Reads a file with one or several devices.
///
/// # Errors
/// The first fault, with its place.
pub fn read(text: &str) -> Result<Vec<Profile>, ProfileError> {
    let root = Node::root(text)?;
    let list = root.object()?.needed("devices", "a list of devices")?;
    let devices = list.list()?;
    match devices.len() {
        0 => return Err(ProfileError::NoDevice),
        1..=MOST_DEVICES => {}
        more => return Err(ProfileError::TooMany(more)),
    }
    let mut profiles: Vec<Profile> = Vec::with_capacity(devices.len());
    for (second, device) in devices.iter().enumerate() {
        let profile = entry(text, &list, device, devices.len() == 1)?;
        let same = |known: &Profile| is_same(&known.identity, &profile.identity);
        if let Some(first) = profiles.iter().position(same) {
            return Err(ProfileError::Same { first, second });
        }
        profiles.push(profile);
    }
    Ok(profiles)
}

/// Whether two entries are one product; the manufacturer's id does not count.
fn is_same(one: &Identity, other: &Identity) -> bool {
    one.manufacturer_name == other.manufacturer_name
        && one.model == other.model
        && one.device_type == other.device_type
        && one.protocol_type == other.protocol_type
}

fn entry(text: &str, list: &Node<'_>, device: &Node<'_>, alone: bool) -> Result<Profile, ProfileError> {
    let object = device.object()?;
    let name = |key| object.needed(key, "a text of 1 to 255 bytes without control characters")?.name();
    let identity = Identity {
        manufacturer_id: name("manufacturerId")?,
        manufacturer_name: name("manufacturerName")?,
        model: name("model")?,
        device_type: name("deviceType")?,
        protocol_type: name("protocolType")?,
    };
    if !SPOKEN.iter().any(|spoken| identity.protocol_type.eq_ignore_ascii_case(spoken)) {
        return Err(object.needed("protocolType", "")?.wrong("\"CoAP\" or \"LWM2M\"").into());
    }
    let upgrade = upgrade(&object)?;
    services(&object)?;
    let ours = object.get(OURS);
    let settings = match &ours {
        Some(node) => Settings::read(&node.object()?)?,
        None => Settings::default(),
    };
    let span = list.span(text);
    let own = if alone {
        text.to_owned()
    } else {
        [&text[..span.start], "[", device.text(), "]", &text[span.end..]].concat()
    };
    let settings_text = ours.map(|node| node.text().to_owned());
    Ok(Profile { identity, upgrade, settings, settings_text, text: own })
}

fn upgrade(device: &Object<'_>) -> Result<Upgrade, ProfileError> {
    let Some(capability) = capability(device)? else { return Ok(Upgrade::default()) };
    let object = capability.object()?;
    if let Some(software) = object.get("upgradeCapability") {
        software.object()?.needed("supportUpgrade", "true or false")?.boolean()?;
    }
    let Some(firmware) = object.get(FIRMWARE) else { return Ok(Upgrade::default()) };
    let firmware = firmware.object()?;
    let supported = firmware.needed("supportUpgrade", "true or false")?.boolean()?;
    if !supported {
        return Ok(Upgrade::default());
    }
    let protocol = firmware.needed("upgradeProtocolType", "\"LWM2M\"")?;
    if !protocol.name()?.eq_ignore_ascii_case(UPGRADE_PROTOCOL) {
        return Err(protocol.wrong("\"LWM2M\"").into());
    }
    let download = firmware.get("downloadProtocolType").map(|node| download(&node)).transpose()?;
    Ok(Upgrade { supported, download })
}

/// The maintenance capability, in whichever spelling.
fn capability<'a>(device: &Object<'a>) -> Result<Option<Node<'a>>, ProfileError> {
    match SPELLINGS.map(|name| device.get(name)) {
        [Some(first), Some(second)] => Err(ProfileError::TwoSpellings {
            first: first.path().to_owned(),
            second: second.path().to_owned(),
        }),
        [first, second] => Ok(first.or(second)),
    }
}

fn download(node: &Node<'_>) -> Result<Protocol, Fault> {
    let word = node.name()?;
    let known = [
        ("CoAP", Protocol::Coap),
        ("CoAPS", Protocol::Coaps),
        ("HTTP", Protocol::Http),
        ("HTTPS", Protocol::Https),
    ];
    let found = known.iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
    found
        .map(|(_, protocol)| *protocol)
        .ok_or_else(|| node.wrong("\"CoAP\" or \"CoAPS\" or \"HTTP\" or \"HTTPS\""))
}

/// Services are the maker's; only their form is looked at.
fn services(device: &Object<'_>) -> Result<(), Fault> {
    let Some(list) = device.get("serviceTypeCapabilities") else { return Ok(()) };
    for service in list.list()? {
        let service = service.object()?;
        for name in ["serviceId", "serviceType"] {
            service.needed(name, "a text of 1 to 255 bytes without control characters")?.name()?;
        }
        if let Some(option) = service.get("option") {
            option.choice(&[("Master", ()), ("Mandatory", ()), ("Optional", ())])?;
        }
    }
    Ok(())
}

/// The only device of a stored profile.
fn only_device<'a>(text: &'a str) -> Result<Node<'a>, Fault> {
    let list = Node::root(text)?.object()?.needed("devices", "a list of devices")?;
    let only = list.list()?.pop();
    only.ok_or_else(|| list.wrong("a list of one device"))
}

/// The profile with the maintenance capability that profiles of platform v1.5 lack (seed S1-2): the block of
/// the seed's example, in the spelling that is there.
///
/// # Errors
/// The profile cannot be read.
pub fn with_capability(text: &str) -> Result<String, ProfileError> {
    let device = only_device(text)?;
    let object = device.object()?;
    let firmware = json!({
        "supportUpgrade": true, "upgradeProtocolType": UPGRADE_PROTOCOL, "downloadProtocolType": "CoAP"
    });
    let Some(capability) = capability(&object)? else {
        let whole = json!({"upgradeCapability": {"supportUpgrade": false}, FIRMWARE: firmware});
        return Ok(with_member(text, &device, SPELLINGS[0], &whole)?);
    };
    let Some(old) = capability.object()?.get(FIRMWARE) else {
        return Ok(with_member(text, &capability, FIRMWARE, &firmware)?);
    };
    // What the maker says besides stays.
    let mut text = with_member(text, &old, "supportUpgrade", &json!(true))?;
    for (name, value) in [("upgradeProtocolType", UPGRADE_PROTOCOL), ("downloadProtocolType", "CoAP")] {
        let device = only_device(&text)?.object()?;
        let capability = capability_of(&device)?;
        if capability.object()?.get(name).is_none() {
            text = with_member(&text, &capability, name, &json!(value))?;
        }
    }
    Ok(text)
}

/// The part about firmware, which is there.
fn capability_of<'a>(device: &Object<'a>) -> Result<Node<'a>, ProfileError> {
    let capability = capability(device)?;
    let missing = || Fault::Missing { path: device.at(SPELLINGS[0]), expected: "an object".into() };
    Ok(capability.ok_or_else(missing)?.object()?.needed(FIRMWARE, "an object")?)
}

/// The profile with other settings of ours. `changes` is an object; `null` takes a setting back.
///
/// # Errors
/// A change is wrong, with its place, or the profile cannot be read.
pub fn with_settings(text: &str, changes: &str) -> Result<String, ProfileError> {
    let changes = Node::root(changes)?.object()?;
    Settings::read(&changes)?;
    let device = only_device(text)?;
    let object = device.object()?;
    let known = object.get(OURS).map(|node| serde_json::from_str(node.text()).map_err(Fault::Syntax));
    let mut ours: Map<String, Value> = known.transpose()?.unwrap_or_default();
    for (name, node) in changes.members() {
        let change = serde_json::from_str(node.text()).map_err(Fault::Syntax)?;
        merge(&mut ours, name, change);
    }
    if ours.is_empty() && object.get(OURS).is_none() {
        return Ok(text.to_owned());
    }
    Ok(with_member(text, &device, OURS, &Value::Object(ours))?)
}

/// RFC 7396 section 2. A change is as deep as JSON that was read can be.
fn merge(into: &mut Map<String, Value>, name: &str, change: Value) {
    match change {
        Value::Null => drop(into.remove(name)),
        Value::Object(members) => {
            let mut inside = match into.remove(name) {
                Some(Value::Object(inside)) => inside,
                _ => Map::new(),
            };
            for (name, change) in members {
                merge(&mut inside, &name, change);
            }
            into.insert(name.to_owned(), Value::Object(inside));
        }
        change => drop(into.insert(name.to_owned(), change)),
    }
}

#[cfg(test)]
mod tests;
