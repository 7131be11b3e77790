//! From a stored upgrade to the plan of its procedure, and the images that the device may fetch.

use std::sync::Arc;
use std::time::Duration;

use firmware::upgrade::Delivery;
use lwm2m::path::InstanceId;
use lwm2m::server::upgrade::{Component, Package, Severity, Timing, UpgradePlan, part_token};

use super::running::Timeouts;
use crate::app::{ComponentImage, Started};

/// An image under the path that ends with its token.
#[derive(Clone, Debug)]
pub struct Image {
    pub token: String,
    pub bytes: Arc<[u8]>,
    pub sha256: String,
}

/// The image of object 5, or those of the components.
pub fn images(started: &Started, token: &str) -> Vec<Image> {
    let of = |part: usize, bytes: &Arc<[u8]>, sha256: &str| Image {
        token: part_token(token, part),
        bytes: bytes.clone(),
        sha256: sha256.to_owned(),
    };
    if started.components.is_empty() {
        return vec![of(0, &started.image, hash_of(&started.package))];
    }
    let parts = started.components.iter().enumerate();
    parts.map(|(part, component)| of(part, &component.image, hash_of(&component.package))).collect()
}

/// The SHA-256 of what the device gets: not that of the archive it came in.
fn hash_of(package: &crate::store::packages::Package) -> &str {
    package.payload.as_ref().map_or(&*package.sha256, |payload| &*payload.sha256)
}

/// What the procedure is to do.
pub fn plan(started: Started, timeouts: Timeouts) -> UpgradePlan {
    // Anything else is the word for a choice by what the device takes.
    let delivery = Delivery::from_code(&started.upgrade.delivery);
    let package = package_of(started.package, started.image);
    let component = |ComponentImage { instance, package: row, image }| {
        // What the model of a component is, only the component knows.
        let package = Package { model: None, ..package_of(row, image) };
        Component { instance: InstanceId(instance), package }
    };
    let components: Vec<_> = started.components.into_iter().map(component).collect();
    let timeout = u64::try_from(started.upgrade.timeout_seconds).ok().filter(|seconds| *seconds > 0);
    UpgradePlan {
        observe: started.upgrade.observe,
        base_uri: started.upgrade.base_uri,
        timeout: timeout.map(Duration::from_secs),
        severity: started.upgrade.severity.as_deref().and_then(Severity::from_code),
        defer_period: started
            .upgrade
            .defer_seconds
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map(Duration::from_secs),
        memory: started.past.memory,
        leftovers_are_ours: started.past.leftovers_are_ours,
        timing: Timing { reach: timeouts.reach, update: timeouts.back, ..Timing::DEFAULT },
        ..UpgradePlan::of_components(components, delivery)
            .unwrap_or_else(|| UpgradePlan::new(package, delivery))
    }
}

fn package_of(row: crate::store::packages::Package, image: Arc<[u8]>) -> Package {
    Package {
        name: row.name,
        bytes: image,
        model: row.model,
        version: Some(row.version),
        source_version: row.source_version,
    }
}
