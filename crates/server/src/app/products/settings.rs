//! What we are told of a product besides its profile: the object `updraft` of its entry.

use firmware::upgrade::{Delivery, Protocol};

use super::json::{Fault, Node, Object};
use super::version::{VersionOrder, VersionPattern};

/// What a product decides. What is not said is the safe choice.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Settings {
    pub module_family: ModuleFamily,
    pub signature: Signature,
    /// See [`Settings::required_signatures`].
    pub signatures: Signatures,
    pub approval: Approval,
    /// Whether its devices may connect without encryption (SECURITY rule n03).
    pub allow_no_security: bool,
    /// Whether its devices may have keys of fewer than 16 bytes (SECURITY rule k03).
    pub allow_legacy_keys: bool,
    pub version_pattern: Option<VersionPattern>,
    pub version_order: VersionOrder,
    /// What its devices report of themselves, by which they are known.
    pub reports: Option<Reports>,
    /// Who moves the bytes; `None` is what the device takes.
    pub delivery: Option<Delivery>,
    /// By which protocol its devices fetch, if not by that of the profile.
    pub download_protocol: Option<Protocol>,
}

impl Settings {
    /// How many different keys must have signed a package; 0 if none must.
    pub fn required_signatures(&self) -> usize {
        match self.signature {
            Signature::Required => usize::from(self.signatures.0),
            Signature::NotRequired => 0,
        }
    }
}

/// How many different keys must sign, where any must; at least one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signatures(pub u8);

impl Default for Signatures {
    fn default() -> Self {
        Self(1)
    }
}

/// Most signatures that can be asked for.
const MOST_SIGNATURES: u8 = 8;

/// The make of the radio module: what it takes and how it names versions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ModuleFamily {
    Ryz014,
    Bc35g,
    Bc28,
    Bc95,
    J11,
    #[default]
    Other,
}

impl ModuleFamily {
    const WORDS: [(&'static str, Self); 6] = [
        ("ryz014", Self::Ryz014),
        ("bc35g", Self::Bc35g),
        ("bc28", Self::Bc28),
        ("bc95", Self::Bc95),
        ("j11", Self::J11),
        ("other", Self::Other),
    ];
}

/// Whether somebody must vouch for packages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Signature {
    /// By a signature that a key of the manufacturer verifies.
    #[default]
    Required,
    /// Whoever may upload decides.
    NotRequired,
}

impl Signature {
    const WORDS: [(&'static str, Self); 2] =
        [("required", Self::Required), ("not_required", Self::NotRequired)];
}

/// Who may approve a package.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Approval {
    /// The uploader too.
    #[default]
    Anybody,
    /// Anybody but the uploader.
    AnotherPerson,
}

impl Approval {
    const WORDS: [(&'static str, Self); 2] =
        [("anybody", Self::Anybody), ("another_person", Self::AnotherPerson)];
}

const ORDERS: [(&str, VersionOrder); 3] =
    [("numbers", VersionOrder::Numbers), ("text", VersionOrder::Text), ("none", VersionOrder::None)];

const DELIVERIES: [(&str, Option<Delivery>); 3] =
    [("pull", Some(Delivery::Pull)), ("push", Some(Delivery::Push)), ("auto", None)];

const PROTOCOLS: [(&str, Protocol); 4] = [
    ("coap", Protocol::Coap),
    ("coaps", Protocol::Coaps),
    ("http", Protocol::Http),
    ("https", Protocol::Https),
];

/// What devices say at /3/0/0 and /3/0/1.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reports {
    pub manufacturer: Option<String>,
    pub model: Option<String>,
}

/// All names, for whoever mistypes one.
const NAMES: [&str; 11] = [
    "module_family",
    "signature",
    "required_signatures",
    "approval",
    "allow_no_security",
    "allow_legacy_keys",
    "version_pattern",
    "version_order",
    "reports",
    "delivery",
    "download_protocol",
];

impl Settings {
    /// Reads them; unknown names are refused, and `null` is as if it were not there.
    ///
    /// # Errors
    /// The first fault, with its place.
    pub(super) fn read(object: &Object<'_>) -> Result<Self, Fault> {
        let mut settings = Self::default();
        for (name, node) in object.members() {
            if !NAMES.contains(&name) {
                return Err(Fault::Unknown { path: object.at(name), expected: NAMES.join(", ") });
            }
            if !node.is_null() {
                settings.take(name, &node)?;
            }
        }
        Ok(settings)
    }

    fn take(&mut self, name: &str, node: &Node<'_>) -> Result<(), Fault> {
        match name {
            "module_family" => self.module_family = node.choice(&ModuleFamily::WORDS)?,
            "signature" => self.signature = node.choice(&Signature::WORDS)?,
            "required_signatures" => self.signatures = signatures(node)?,
            "approval" => self.approval = node.choice(&Approval::WORDS)?,
            "allow_no_security" => self.allow_no_security = node.boolean()?,
            "allow_legacy_keys" => self.allow_legacy_keys = node.boolean()?,
            "version_pattern" => self.version_pattern = Some(pattern(node)?),
            "version_order" => self.version_order = node.choice(&ORDERS)?,
            "reports" => self.reports = Some(reports(node)?),
            "delivery" => self.delivery = node.choice(&DELIVERIES)?,
            _ => self.download_protocol = Some(node.choice(&PROTOCOLS)?),
        }
        Ok(())
    }
}

fn signatures(node: &Node<'_>) -> Result<Signatures, Fault> {
    let count: Option<u8> = node.text().parse().ok();
    let count = count.filter(|count| (1..=MOST_SIGNATURES).contains(count));
    count.map(Signatures).ok_or_else(|| node.wrong(format!("a number from 1 to {MOST_SIGNATURES}")))
}

fn pattern(node: &Node<'_>) -> Result<VersionPattern, Fault> {
    let text: Option<String> = serde_json::from_str(node.text()).ok();
    let text = text.ok_or_else(|| node.wrong("a regular expression for the whole version"))?;
    VersionPattern::new(&text)
        .map_err(|error| node.wrong(format!("a regular expression for the whole version; {error}")))
}

fn reports(node: &Node<'_>) -> Result<Reports, Fault> {
    const NAMES: [&str; 2] = ["manufacturer", "model"];
    let object = node.object()?;
    let mut reports = Reports::default();
    for (name, node) in object.members() {
        let place = match name {
            "manufacturer" => &mut reports.manufacturer,
            "model" => &mut reports.model,
            _ => return Err(Fault::Unknown { path: object.at(name), expected: NAMES.join(", ") }),
        };
        *place = if node.is_null() { None } else { Some(node.name()?) };
    }
    Ok(reports)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, String> {
        let object = Node::root(text).unwrap().object().unwrap();
        Settings::read(&object).map_err(|fault| fault.to_string())
    }

    #[test]
    fn what_is_not_said_is_the_safe_choice() {
        let settings = read("{}").unwrap();
        assert_eq!(settings, Settings::default());
        assert_eq!((settings.signature, settings.required_signatures()), (Signature::Required, 1));
        assert!(!settings.allow_no_security && !settings.allow_legacy_keys);
        assert_eq!(read(r#"{"delivery": null, "reports": null}"#).unwrap(), Settings::default());
    }

    #[test]
    fn every_name_is_read() {
        let json = serde_json::json!({
            "module_family": "bc35g", "signature": "not_required", "required_signatures": 2,
            "approval": "another_person", "allow_no_security": true, "allow_legacy_keys": true,
            "version_pattern": "A\\d+", "version_order": "text",
            "reports": {"manufacturer": "Quectel", "model": "BC35-G"},
            "delivery": "push", "download_protocol": "https",
        });
        let settings = read(&json.to_string()).unwrap();
        let expect = Settings {
            module_family: ModuleFamily::Bc35g,
            signature: Signature::NotRequired,
            signatures: Signatures(2),
            approval: Approval::AnotherPerson,
            allow_no_security: true,
            allow_legacy_keys: true,
            version_pattern: Some(VersionPattern::new("A\\d+").unwrap()),
            version_order: VersionOrder::Text,
            reports: Some(Reports {
                manufacturer: Some("Quectel".to_owned()),
                model: Some("BC35-G".to_owned()),
            }),
            delivery: Some(Delivery::Push),
            download_protocol: Some(Protocol::Https),
        };
        assert_eq!(settings, expect);
        assert_eq!(settings.required_signatures(), 0, "none is required");
        let names: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        let mut known = NAMES.to_vec();
        known.sort_unstable();
        assert_eq!(names, known);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, expect) in [
            (r#"{"colour": 1}"#, "colour is not known; expected one of module_family, "),
            (
                r#"{"signature": "never"}"#,
                "signature is \"never\"; expected \"required\" or \"not_required\"",
            ),
            (r#"{"required_signatures": 0}"#, "required_signatures is 0; expected a number from 1 to 8"),
            (r#"{"required_signatures": 9}"#, "required_signatures is 9; expected a number from 1 to 8"),
            (r#"{"allow_no_security": "yes"}"#, "allow_no_security is \"yes\"; expected true or false"),
            (r#"{"version_pattern": "a(b"}"#, "cannot be used from letter 2 on (\"(b\")"),
            (
                r#"{"reports": {"maker": "x"}}"#,
                "reports.maker is not known; expected one of manufacturer, model",
            ),
            (r#"{"reports": {"model": ""}}"#, "reports.model is \"\"; expected a text of 1 to 255 bytes"),
            (r#"{"download_protocol": "ftp"}"#, "download_protocol is \"ftp\"; expected \"coap\" or "),
        ] {
            let told = read(text).unwrap_err();
            assert!(told.contains(expect), "{text}: {told}");
        }
    }
}
