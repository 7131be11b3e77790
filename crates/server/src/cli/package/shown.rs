//! Packages as people read them.

use crate::api;
use crate::cli::output::{facts, moment, table};

pub fn listed(packages: &[api::Package]) -> String {
    if packages.is_empty() {
        return "no packages; `updraft package upload` adds one".to_owned();
    }
    let header = ["ID", "NAME", "FILE", "PRODUCT", "VERSION", "STATE", "SIZE", "CREATED"];
    table(
        &header,
        packages.iter().map(|package| {
            vec![
                package.id.clone(),
                package.name.clone(),
                package.file_name.clone(),
                product(package),
                package.version.clone(),
                state(package),
                package.size.clone(),
                moment(&package.created_at),
            ]
        }),
    )
}

fn product(package: &api::Package) -> String {
    match &package.product {
        Some(_) => format!("{}/{}", package.manufacturer, package.model),
        None => "none".to_owned(),
    }
}

fn state(package: &api::Package) -> String {
    let state = package.state.code();
    if package.removed_at.is_some() { format!("{state}, removed") } else { state.to_owned() }
}

pub fn shown(package: &api::Package) -> String {
    let none = || "none".to_owned();
    let decision = |decision: &Option<api::Decision>| {
        decision.as_ref().map(|one| {
            let reason = one.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("{} at {}{reason}", one.by, moment(&one.at))
        })
    };
    let payload = match &package.payload {
        Some(payload) => format!("{} ({})", payload.name, payload.size),
        None => format!("{} files, one for each bank", package.banks),
    };
    let verified = if package.checks.verified_by_platform { "yes" } else { "no" };
    let mut all = vec![
        ("id", package.id.clone()),
        ("name", package.name.clone()),
        ("file", package.file_name.clone()),
        ("description", package.description.clone()),
        ("product", product(package)),
        ("device type", package.device_type.clone()),
        ("protocol", package.protocol.clone()),
        ("version", package.version.clone()),
        ("installs over", package.source_version.clone().unwrap_or_else(|| "any version".to_owned())),
        ("size", package.size.clone()),
        ("SHA-256", package.sha256.clone()),
        ("for devices", payload),
        ("manifest SHA-256", package.manifest_sha256.clone().unwrap_or_else(none)),
        ("signed by", if package.signed_by.is_empty() { none() } else { package.signed_by.join(", ") }),
        ("verified by platform", verified.to_owned()),
        ("verified by device", package.checks.by_device.clone()),
        ("state", state(package)),
        ("uploaded by", format!("{} at {}", package.uploaded_by, moment(&package.created_at))),
        ("kept", package.keep.clone()),
    ];
    let more = [
        ("approved by", decision(&package.approved)),
        ("withdrawn by", decision(&package.withdrawn)),
        ("deleted after", package.expires_at.as_deref().map(moment)),
        ("deleted", package.removed_at.as_deref().map(moment)),
    ];
    all.extend(more.into_iter().filter_map(|(name, value)| Some((name, value?))));
    facts(&all)
}
