//! `updraft upgrade`

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::client::{Client, escaped};
use super::failure::Failure;
use super::output::{Output, facts, moment, table};
use super::package;
use crate::api;
use crate::config::parse_duration;

mod history;
mod watch;

/// Start and follow upgrades.
#[derive(Subcommand, Debug)]
pub enum Upgrade {
    /// Start an upgrade of one device.
    Start(Start),
    /// Follow an upgrade to its end.
    Watch {
        /// The id of the upgrade, such as d:urn:imei:015770000031766:20.
        id: String,
    },
    /// List upgrades, newest first.
    List {
        /// Only those of this device.
        #[arg(long, value_name = "ENDPOINT")]
        device: Option<String>,
    },
    /// Show one upgrade and what happened when.
    Show {
        /// The id of the upgrade.
        id: String,
    },
    /// Ask for an upgrade to be canceled.
    Cancel {
        /// The id of the upgrade.
        id: String,
    },
}

#[derive(Clone, Copy, ValueEnum, Debug)]
enum Delivery {
    /// What the device takes; pull if it takes both.
    Auto,
    /// The device downloads the image from the server.
    Pull,
    /// The server writes the image to the device.
    Push,
}

#[derive(Clone, Copy, ValueEnum, Debug)]
enum Protocol {
    /// CoAP without encryption.
    Coap,
    /// CoAP over DTLS.
    Coaps,
    /// HTTP without encryption.
    Http,
    /// HTTP over TLS.
    Https,
}

#[derive(Args, Debug)]
pub struct Start {
    /// The endpoint name of the device.
    endpoint: String,
    /// The id of the package, or its name if there is only one of that name.
    package: String,
    /// The component that the package is for (an instance of object 33629), instead of object 5.
    #[arg(long, value_name = "INSTANCE")]
    component: Option<u16>,
    /// A further component and its package, upgraded after the first one. May be given several times.
    #[arg(long, value_name = "INSTANCE=PACKAGE", requires = "component", value_parser = further)]
    then: Vec<(u16, String)>,
    /// Who moves the image.
    #[arg(long, value_enum, default_value = "auto")]
    delivery: Delivery,
    /// By which protocol the device downloads, instead of the best one that it speaks.
    #[arg(long, value_enum, conflicts_with = "base_uri")]
    protocol: Option<Protocol>,
    /// Ask the device again and again instead of having it report changes.
    #[arg(long)]
    no_observe: bool,
    /// Where the device downloads from, instead of this server's own address, such as
    /// https://fota.example.org.
    #[arg(long, value_name = "URI")]
    base_uri: Option<String>,
    /// How long the device may take to get the image, such as 90m, instead of the configured time.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    timeout: Option<Duration>,
    /// How urgent it is, for a device that asks its user.
    #[arg(long, value_enum)]
    severity: Option<Severity>,
    /// For how long that user may put the installation off, such as 12h.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    defer: Option<Duration>,
    /// Follow it to its end.
    #[arg(long)]
    watch: bool,
}

#[derive(Clone, Copy, ValueEnum, Debug)]
enum Severity {
    /// It cannot be put off.
    Critical,
    /// The usual one.
    Mandatory,
    /// The user may decide.
    Optional,
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "write it like 90s, 35m, 1h30m or 2d".to_owned())
}

fn further(text: &str) -> Result<(u16, String), String> {
    let parts = text.split_once('=').and_then(|(instance, package)| Some((instance.parse().ok()?, package)));
    let (instance, package) = parts.ok_or_else(|| "write it like 1=PACKAGE".to_owned())?;
    Ok((instance, package.to_owned()))
}

impl Upgrade {
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        match self {
            Self::Start(start) => start.run(client, output),
            Self::Watch { id } => watch::watch(client, output, id),
            Self::List { device } => {
                let upgrades: Vec<api::Upgrade> =
                    client.all("/api/v1/upgrades", &[("device", device.as_deref())])?;
                output.value(&upgrades, || listed(&upgrades));
                Ok(())
            }
            Self::Show { id } => {
                let upgrade: api::UpgradeHistory = client.get(&path(id))?;
                output.value(&upgrade, || {
                    format!("{}\n\n{}", shown(&upgrade.upgrade), history::shown(&upgrade.history))
                });
                Ok(())
            }
            Self::Cancel { id } => {
                let upgrade: api::Upgrade = client.order(&format!("{}/cancel", path(id)))?;
                output.value(&upgrade, || {
                    format!("asked for {id} to be canceled; `updraft upgrade watch {id}` shows how it ends")
                });
                Ok(())
            }
        }
    }
}

fn path(id: &str) -> String {
    format!("/api/v1/upgrades/{}", escaped(id))
}

impl Start {
    fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        let further = self.then.iter().map(|(component, package)| {
            Ok(api::ComponentPackage { component: *component, package: package::id(client, package)? })
        });
        let body = api::StartUpgrade {
            device: self.endpoint.clone(),
            package: package::id(client, &self.package)?,
            component: self.component,
            further_components: further.collect::<Result<_, Failure>>()?,
            delivery: match self.delivery {
                Delivery::Auto => api::Delivery::Auto,
                Delivery::Pull => api::Delivery::Pull,
                Delivery::Push => api::Delivery::Push,
            },
            protocol: self.protocol.map(|protocol| match protocol {
                Protocol::Coap => api::Protocol::Coap,
                Protocol::Coaps => api::Protocol::Coaps,
                Protocol::Http => api::Protocol::Http,
                Protocol::Https => api::Protocol::Https,
            }),
            observe: !self.no_observe,
            base_uri: self.base_uri.clone(),
            timeout_seconds: self.timeout.map(|timeout| timeout.as_secs()),
            severity: self.severity.map(|severity| match severity {
                Severity::Critical => api::Severity::Critical,
                Severity::Mandatory => api::Severity::Mandatory,
                Severity::Optional => api::Severity::Optional,
            }),
            defer_seconds: self.defer.map(|defer| defer.as_secs()),
        };
        let upgrade: api::Upgrade = client.post("/api/v1/upgrades", &body)?;
        output.value(&upgrade, || format!("started {}", upgrade.id));
        if self.watch { watch::watch(client, output, &upgrade.id) } else { Ok(()) }
    }
}

fn listed(upgrades: &[api::Upgrade]) -> String {
    if upgrades.is_empty() {
        return "no upgrades; `updraft upgrade start` starts one".to_owned();
    }
    let header = ["ID", "ACTION", "STATUS", "CREATED", "FINISHED"];
    table(
        &header,
        upgrades.iter().map(|upgrade| {
            vec![
                upgrade.id.clone(),
                upgrade.action.clone(),
                status(upgrade),
                moment(&upgrade.created_at),
                upgrade.finished_at.as_deref().map(moment).unwrap_or_default(),
            ]
        }),
    )
}

fn status(upgrade: &api::Upgrade) -> String {
    match (&upgrade.outcome, upgrade.transfer) {
        (Some(outcome), _) => match &outcome.cause {
            Some(cause) => format!("{} ({cause})", outcome.code),
            None => outcome.code.clone(),
        },
        (None, Some(transfer)) if transfer.total > 0 => {
            format!("{} {} %", upgrade.stage, transfer.bytes.saturating_mul(100) / transfer.total)
        }
        (None, _) => upgrade.stage.clone(),
    }
}

fn shown(upgrade: &api::Upgrade) -> String {
    let known = |text: &Option<String>| text.clone().unwrap_or_default();
    let time = |text: &Option<String>| text.as_deref().map(moment).unwrap_or_default();
    let outcome = upgrade.outcome.as_ref();
    facts(&[
        ("id", upgrade.id.clone()),
        ("device", upgrade.device.clone()),
        ("action", upgrade.action.clone()),
        ("status", status(upgrade)),
        ("reason", outcome.map(|outcome| outcome.reason.clone()).unwrap_or_default()),
        ("advice", outcome.and_then(|outcome| outcome.advice.clone()).unwrap_or_default()),
        (
            "delivery",
            match upgrade.delivery {
                api::Delivery::Auto => "auto".to_owned(),
                api::Delivery::Pull => "pull".to_owned(),
                api::Delivery::Push => "push".to_owned(),
            },
        ),
        ("target version", upgrade.target_version.clone()),
        ("version before", known(&upgrade.version_before)),
        ("version after", known(&upgrade.version_after)),
        ("attempt", upgrade.attempt.to_string()),
        ("bytes sent", upgrade.bytes_sent.to_string()),
        ("retransmissions", upgrade.retransmissions.to_string()),
        ("created", moment(&upgrade.created_at)),
        ("started", time(&upgrade.started_at)),
        ("finished", time(&upgrade.finished_at)),
    ])
}
