//! How other clients behave, as data: the numbers in brackets are those of the field notes on real clients.
//!
//! A [`Profile`] turns a [`Config`] into the likeness of one client. What differs by more than a setting that
//! every client has is in [`Quirks`].

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use coap::{BlockSize, Code};
use machine::Socket;

use super::config::{Config, DownloadRoute, ObservationsAtRegister, Version};
use super::firmware_values::{DeliveryMethod, StateAfterFailure};

/// text/plain
const TEXT: u16 = 0;
/// application/octet-stream
const OPAQUE: u16 = 42;
/// application/cbor
const CBOR: u16 = 60;
/// application/senml+json
const SENML_JSON: u16 = 110;
/// application/senml+cbor
const SENML_CBOR: u16 = 112;
/// application/vnd.oma.lwm2m+tlv, and the numbers from before its registration.
const TLV: u16 = 11_542;
const OLD_TLV: u16 = 1_542;
const OLD_OPAQUE: u16 = 1_544;
/// application/vnd.oma.lwm2m+json
const JSON: u16 = 11_543;
/// application/vnd.oma.lwm2m+cbor
const LWM2M_CBOR: u16 = 11_544;

/// A client that can be imitated.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub enum Profile {
    /// Ours: as the standard says.
    #[default]
    Standard,
    /// AVSystem Anjay 3.
    Anjay,
    /// AVSystem Anjay Lite.
    AnjayLite,
    /// Eclipse Wakaama.
    Wakaama,
    /// The engine of Contiki-NG.
    Contiki,
    /// Huawei LiteOS, the client inside Quectel BC35-G, BC28 and BC95.
    LiteOs,
}

/// What sets a client apart beyond the settings in [`Config`].
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Quirks {
    /// Which formats it reads and writes.
    pub formats: Formats,
    /// How its list of objects is written.
    pub object_list: ObjectListStyle,
    /// How it bootstraps.
    pub bootstrap: BootstrapStyle,
    /// What becomes of a Discover.
    pub discover: Support,
    /// What becomes of a FETCH or iPATCH.
    pub composites: Support,
    /// Every request gets 5.03 for so long after a registration (item 18).
    pub settles_for: Duration,
    /// The answer to `/.well-known/core` (item 19).
    pub well_known_core: Code,
    /// Changes of object 5 are reported so much later, and those that cancel each other out never (item 6).
    pub coalesces_for: Duration,
    /// A new state of object 5 counts once its confirmable notification was acknowledged; without an
    /// observation it never starts updating (item 10).
    pub state_needs_acknowledgement: bool,
    /// `/5/0/8` is the delivery method, as in an old draft, and `/5/0/9` is missing (item 10).
    pub method_in_resource_8: bool,
    /// An Execute with an argument gets 4.00 (item 10).
    pub refuses_arguments: bool,
    /// A download asks without the query of its URI (item 10).
    pub drops_query: bool,
    /// Requests carry a token of no bytes (item 14).
    pub empty_tokens: bool,
    /// The first GET of a download asks for no block size (item 9).
    pub begins_plainly: bool,
    /// A push that starts over while one is open is put off with 5.03 (item 5).
    pub strict_push: bool,
    /// A session that has fallen silent is given up only after an update of the registration has been
    /// repeated in vain too (item 22).
    pub clings_to_session: bool,
}

/// Which formats a client reads and writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Formats {
    /// A single value is read in this one if no Accept says otherwise.
    pub single: u16,
    /// So is everything larger.
    pub several: u16,
    /// What an Accept may ask for; others get 4.06.
    pub answers: &'static [u16],
    /// What a Write may come in; others get 4.15.
    pub takes: &'static [u16],
    /// What the Package `/5/0/0` may come in (`None`: without a format), and how it is written then; others
    /// get 4.15.
    pub package: &'static [(Option<u16>, PackageCoding)],
}

/// How the bytes of a Package are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PackageCoding {
    /// As they are.
    Raw,
    /// In base64.
    Base64,
    /// As one TLV record.
    Tlv,
}

/// How a list of objects is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ObjectListStyle {
    /// The link to the root with its attributes; empty for none.
    pub root: &'static str,
    /// What stands between two links.
    pub separator: &'static str,
    /// What stands at the end.
    pub end: &'static str,
    /// What stands around the version of an object, and in front of it; `None`: versions are not told.
    pub version_quote: Option<&'static str>,
}

/// How a client asks for a bootstrap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BootstrapStyle {
    /// It asks for a whole pack first, with GET /bspack.
    pub asks_for_pack: bool,
    /// The format that it prefers to be written to in.
    pub preferred_format: Option<u16>,
}

/// What becomes of a kind of request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Support {
    /// It is carried out.
    Works,
    /// It gets this code.
    Refused(Code),
    /// It gets this code for so long after a registration, then it works.
    RefusedEarly(Code, Duration),
    /// It is acknowledged and never answered.
    Acknowledged,
}

impl Quirks {
    /// A client without any.
    pub const STANDARD: Self = Self {
        formats: Formats {
            single: TEXT,
            several: TLV,
            answers: &[TEXT, OPAQUE, CBOR, SENML_JSON, SENML_CBOR, TLV, JSON, LWM2M_CBOR],
            takes: &[TEXT, OPAQUE, CBOR, SENML_JSON, SENML_CBOR, TLV, OLD_TLV, JSON, LWM2M_CBOR],
            package: &[(Some(OPAQUE), PackageCoding::Raw), (None, PackageCoding::Raw)],
        },
        object_list: ObjectListStyle {
            root: "</>;rt=\"oma.lwm2m\";ct=11542",
            separator: ",",
            end: "",
            version_quote: None,
        },
        bootstrap: BootstrapStyle { asks_for_pack: false, preferred_format: None },
        discover: Support::Works,
        composites: Support::Works,
        settles_for: Duration::ZERO,
        well_known_core: Code::NOT_FOUND,
        coalesces_for: Duration::ZERO,
        state_needs_acknowledgement: false,
        method_in_resource_8: false,
        refuses_arguments: false,
        drops_query: false,
        empty_tokens: false,
        begins_plainly: false,
        strict_push: false,
        clings_to_session: false,
    };

    const ANJAY: Self = Self {
        formats: Formats {
            // Item 1: SenML CBOR for an instance since 1.1, text for a single value.
            several: SENML_CBOR,
            // Item 3: text is the base64 of a package.
            package: &[
                (Some(OPAQUE), PackageCoding::Raw),
                (Some(TEXT), PackageCoding::Base64),
                (None, PackageCoding::Raw),
            ],
            ..Self::STANDARD.formats
        },
        // Item 13.
        object_list: ObjectListStyle {
            root: "</>;ct=112;rt=\"oma.lwm2m\"",
            version_quote: Some(""),
            ..Self::STANDARD.object_list
        },
        // Item 16.
        bootstrap: BootstrapStyle { asks_for_pack: true, preferred_format: Some(SENML_CBOR) },
        settles_for: Duration::from_secs(1),
        well_known_core: Code::BAD_OPTION,
        coalesces_for: Duration::from_secs(1),
        begins_plainly: true,
        strict_push: true,
        clings_to_session: true,
        ..Self::STANDARD
    };

    const ANJAY_LITE: Self = Self {
        formats: Formats {
            // Item 1: even for one resource; item 2: neither TLV nor SenML JSON.
            single: LWM2M_CBOR,
            several: LWM2M_CBOR,
            answers: &[TEXT, OPAQUE, CBOR, SENML_CBOR, LWM2M_CBOR],
            takes: &[TEXT, OPAQUE, CBOR, SENML_CBOR, LWM2M_CBOR],
            package: &[(Some(OPAQUE), PackageCoding::Raw)],
        },
        object_list: ObjectListStyle {
            root: "</>;rt=\"oma.lwm2m\";ct=11544",
            version_quote: Some("\""),
            ..Self::STANDARD.object_list
        },
        bootstrap: BootstrapStyle { asks_for_pack: false, preferred_format: Some(SENML_CBOR) },
        coalesces_for: Duration::from_secs(1),
        begins_plainly: true,
        strict_push: true,
        clings_to_session: true,
        ..Self::STANDARD
    };

    const WAKAAMA: Self = Self {
        formats: Formats {
            // Item 1: always TLV; item 2: neither 112 nor 11544.
            single: TLV,
            several: TLV,
            answers: &[TEXT, OPAQUE, SENML_JSON, TLV, JSON],
            takes: &[TEXT, OPAQUE, SENML_JSON, TLV, OLD_TLV, JSON],
            package: &[(Some(OPAQUE), PackageCoding::Raw)],
        },
        object_list: ObjectListStyle {
            root: "</>;rt=\"oma.lwm2m\";ct=110",
            end: ",",
            ..Self::STANDARD.object_list
        },
        bootstrap: BootstrapStyle { asks_for_pack: false, preferred_format: Some(SENML_JSON) },
        // Item 18.
        discover: Support::Refused(Code::NOT_IMPLEMENTED),
        composites: Support::Acknowledged,
        begins_plainly: true,
        ..Self::STANDARD
    };

    const CONTIKI: Self = Self {
        formats: Formats {
            // Items 1 and 3.
            single: TEXT,
            several: JSON,
            answers: &[TEXT, TLV, OLD_TLV, JSON],
            takes: &[TEXT, TLV, OLD_TLV, OPAQUE],
            package: &[
                (None, PackageCoding::Raw),
                (Some(TEXT), PackageCoding::Raw),
                (Some(OLD_OPAQUE), PackageCoding::Raw),
                (Some(OLD_TLV), PackageCoding::Tlv),
                (Some(TLV), PackageCoding::Tlv),
            ],
        },
        // Item 13: no link to the root, a space after each comma.
        object_list: ObjectListStyle { root: "", separator: ", ", ..Self::STANDARD.object_list },
        // Item 18.
        discover: Support::RefusedEarly(Code::METHOD_NOT_ALLOWED, Duration::from_secs(5)),
        composites: Support::Refused(Code::METHOD_NOT_ALLOWED),
        // Item 14.
        empty_tokens: true,
        ..Self::STANDARD
    };

    /// Item 10, all of it.
    const LITE_OS: Self = Self {
        formats: Formats {
            single: TEXT,
            several: TLV,
            answers: &[TEXT, OPAQUE, TLV, OLD_TLV, JSON],
            takes: &[TEXT, OPAQUE, TLV, OLD_TLV, JSON],
            package: &[],
        },
        object_list: ObjectListStyle { root: "</>;rt=oma.lwm2m", ..Self::STANDARD.object_list },
        discover: Support::Works,
        composites: Support::Refused(Code::METHOD_NOT_ALLOWED),
        state_needs_acknowledgement: true,
        method_in_resource_8: true,
        refuses_arguments: true,
        drops_query: true,
        ..Self::STANDARD
    };
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Standard, Self::Anjay, Self::AnjayLite, Self::Wakaama, Self::Contiki, Self::LiteOs];

    /// The name on a command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Anjay => "anjay",
            Self::AnjayLite => "anjay-lite",
            Self::Wakaama => "wakaama",
            Self::Contiki => "contiki",
            Self::LiteOs => "liteos",
        }
    }

    /// What sets it apart.
    pub const fn quirks(self) -> Quirks {
        match self {
            Self::Standard => Quirks::STANDARD,
            Self::Anjay => Quirks::ANJAY,
            Self::AnjayLite => Quirks::ANJAY_LITE,
            Self::Wakaama => Quirks::WAKAAMA,
            Self::Contiki => Quirks::CONTIKI,
            Self::LiteOs => Quirks::LITE_OS,
        }
    }

    /// Makes a client of this configuration behave like the profile. Who and where it is stays. Plain
    /// downloads of their own, where the profile has them, go over `open_socket`.
    pub fn imitate(self, config: &mut Config, open_socket: Socket) {
        config.quirks = self.quirks();
        let firmware = &mut config.firmware;
        match self {
            Self::Standard => {}
            Self::Anjay => {
                config.version = Version::V1_1;
                // Item 12.
                config.shortest_retry = Duration::from_secs(60);
                // Items 5, 7 and 9.
                firmware.busy_during_push = true;
                firmware.push_patience = Duration::from_secs(300);
                firmware.after_failure = StateAfterFailure::Downloaded;
                firmware.route = DownloadRoute::Separate(open_socket);
            }
            Self::AnjayLite => {
                config.version = Version::V1_2;
                config.shortest_retry = Duration::from_secs(60);
                firmware.busy_during_push = true;
                firmware.push_patience = Duration::from_secs(55);
                firmware.after_failure = StateAfterFailure::Idle;
                firmware.route = DownloadRoute::Separate(open_socket);
            }
            Self::Wakaama => config.version = Version::V1_1,
            Self::Contiki => {
                // Item 14.
                config.coap.block_size = BlockSize::at_most(128).unwrap_or(BlockSize::LARGEST);
                firmware.method = DeliveryMethod::Push;
            }
            Self::LiteOs => {
                // Item 10.
                config.observations = ObservationsAtRegister::Kept;
                config.confirmable_notifications = true;
                firmware.method = DeliveryMethod::Pull;
                firmware.route = DownloadRoute::Registration;
                firmware.block_size = BlockSize::at_most(512).unwrap_or(BlockSize::LARGEST);
                firmware.after_failure = StateAfterFailure::Downloaded;
            }
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The name is of no profile.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the profiles are: standard, anjay, anjay-lite, wakaama, contiki, liteos")]
pub struct UnknownProfile;

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(name: &str) -> Result<Self, UnknownProfile> {
        Self::ALL.into_iter().find(|profile| profile.name() == name).ok_or(UnknownProfile)
    }
}
