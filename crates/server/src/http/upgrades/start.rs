//! `POST /api/v1/upgrades`

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use firmware::upgrade::{Delivery, Protocol};
use lwm2m::server::upgrade::Severity;

use crate::api;
use crate::app::{StartUpgrade, StartUpgradeError};
use crate::http::Context;
use crate::http::body::JsonBody;
use crate::http::packages::payload_problem;
use crate::http::problem::Problem;
use crate::uri::BaseUri;

/// Starts an upgrade.
///
/// It goes on by itself, whenever the device is there, until it ends.
#[utoipa::path(
    post, path = "/api/v1/upgrades", tag = "upgrades", operation_id = "startUpgrade",
    request_body = api::StartUpgrade,
    responses(
        (status = 201, body = api::Upgrade),
        (status = 404, description = "No such device or package", body = api::Problem),
        (status = 409, description = "Another upgrade has not ended, or the package does not fit", body = api::Problem),
        (status = 422, description = "A value cannot be used", body = api::Problem)
    )
)]
pub async fn start(
    State(context): State<Context>,
    JsonBody(body): JsonBody<api::StartUpgrade>,
) -> Result<(StatusCode, Json<api::Upgrade>), Problem> {
    let base_uri = body.base_uri.as_deref().map(str::parse::<BaseUri>).transpose().map_err(|error| {
        Problem::bad_value(format!("base_uri: {error}"))
            .remedy("Give it like coaps://fota.example.org:5684, without a path.")
    })?;
    let wanted = StartUpgrade {
        endpoint: body.device,
        package: body.package,
        component: body.component,
        further: body.further_components.into_iter().map(|part| (part.component, part.package)).collect(),
        delivery: match body.delivery {
            api::Delivery::Auto => None,
            api::Delivery::Pull => Some(Delivery::Pull),
            api::Delivery::Push => Some(Delivery::Push),
        },
        protocol: body.protocol.map(|protocol| match protocol {
            api::Protocol::Coap => Protocol::Coap,
            api::Protocol::Coaps => Protocol::Coaps,
            api::Protocol::Http => Protocol::Http,
            api::Protocol::Https => Protocol::Https,
        }),
        observe: body.observe,
        base_uri,
        timeout: body.timeout_seconds.map(Duration::from_secs),
        severity: body.severity.map(|severity| match severity {
            api::Severity::Critical => Severity::Critical,
            api::Severity::Mandatory => Severity::Mandatory,
            api::Severity::Optional => Severity::Optional,
        }),
        defer: body.defer_seconds.map(Duration::from_secs),
    };
    match context.app.start_upgrade(wanted).await {
        Ok(upgrade) => Ok((StatusCode::CREATED, Json(api::Upgrade::new(upgrade, None)))),
        Err(error) => Err(problem(&error)),
    }
}

fn problem(error: &StartUpgradeError) -> Problem {
    let conflict = |code, title| Problem::new(StatusCode::CONFLICT, code, title, error);
    match error {
        StartUpgradeError::UnknownDevice(_) => {
            Problem::not_found(error).remedy("`updraft device list` shows all devices.")
        }
        StartUpgradeError::UnknownPackage(_) => {
            Problem::not_found(error).remedy("`updraft package list` shows all packages.")
        }
        StartUpgradeError::Upgrading(_) => conflict("upgrading", "The device is being upgraded")
            .remedy("Wait for that upgrade to end, or cancel it."),
        StartUpgradeError::WrongModel { .. } => {
            conflict("wrong-model", "The package does not fit the device")
                .remedy("Choose the package of the device's model.")
        }
        StartUpgradeError::WrongProduct(_) => {
            conflict("wrong-product", "The package does not fit the device").remedy(
                "Choose a package of the device's product, or say which product the device is with \
                 `updraft device set-product`.",
            )
        }
        StartUpgradeError::NoProduct(_) => conflict("no-product", "The product of the device is not known")
            .remedy("Say which one it is with `updraft device set-product`."),
        StartUpgradeError::NotUpgradable(_) => conflict("not-upgradable", "The product cannot be upgraded")
            .remedy("Add the capability with `updraft product add-capability`."),
        StartUpgradeError::Payload(source) => payload_problem(source),
        StartUpgradeError::NoPullAddress => {
            conflict("no-pull-address", "Devices cannot download from this server").remedy(
                "Set lwm2m.public_host and listen where the device connects (lwm2m.coaps_bind, \
                 lwm2m.coap_bind), give a base_uri, or choose delivery push.",
            )
        }
        StartUpgradeError::ProtocolOff(_) => conflict("protocol-off", "Nobody listens there").remedy(
            "Set lwm2m.public_host and where to listen: lwm2m.coaps_bind, lwm2m.coap_bind, files.https_bind \
             or files.http_bind.",
        ),
        StartUpgradeError::ProtocolNotPossible => Problem::bad_value(error),
        StartUpgradeError::BadComponents => Problem::bad_value(error),
        StartUpgradeError::BadTimeout | StartUpgradeError::BadDeferral => Problem::bad_value(error),
        StartUpgradeError::Random(_) => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The server met an error", error)
        }
        StartUpgradeError::Store(source) => Problem::store("the upgrade could not be stored", source),
    }
}
