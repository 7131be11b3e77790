//! `POST /api/v1/devices`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::shown;
use crate::api;
use crate::app::{AddBootstrap, AddDevice, AddDeviceError, AddedDevice, App, Key, Security};
use crate::http::Context;
use crate::http::body::JsonBody;
use crate::http::problem::Problem;
use crate::http::products::{find_problem, permission_problem};
use crate::secrets::Psk;

/// Adds a device.
///
/// It may connect at once. A key that is made here is in the answer, this once. A device that is bootstrapped
/// needs no key for the management server: it is given one.
#[utoipa::path(
    post, path = "/api/v1/devices", tag = "devices", operation_id = "addDevice",
    request_body = api::AddDevice,
    responses(
        (status = 201, body = api::AddedDevice),
        (status = 404, description = "No such product", body = api::Problem),
        (status = 409, description = "Endpoint name, identity or key belong to another device, or its product does not allow a device without encryption", body = api::Problem),
        (status = 422, description = "A value cannot be used", body = api::Problem),
        (status = 507, description = "The disk is full", body = api::Problem)
    )
)]
pub async fn add(
    State(context): State<Context>,
    JsonBody(body): JsonBody<api::AddDevice>,
) -> Result<(StatusCode, Json<api::AddedDevice>), Problem> {
    let wanted = wanted(body)?;
    let added_device = context.app.add_device(wanted).await.map_err(|error| problem(&error))?;
    Ok((StatusCode::CREATED, Json(added(&context.app, added_device))))
}

/// A device with the keys that were made for it, to be shown this once.
pub(in crate::http) fn added(app: &App, added: AddedDevice) -> api::AddedDevice {
    let once = |psk: Option<Psk>| psk.map(|psk| psk.to_hex().to_string());
    api::AddedDevice {
        device: shown(app, added.device),
        generated_key: once(added.generated),
        generated_bootstrap_key: once(added.generated_bootstrap),
    }
}

fn wanted(body: api::AddDevice) -> Result<AddDevice, Problem> {
    let security = match body.security {
        api::Security::Psk => Security::Psk,
        api::Security::None => Security::None,
    };
    let key = key(body.identity, body.key)?;
    let bootstrap = body.bootstrap.map(bootstrap).transpose()?;
    let (endpoint, name, product) = (body.endpoint, body.name, body.product);
    Ok(AddDevice { endpoint, name, product, security, key, bootstrap })
}

/// How a device is to be bootstrapped.
pub(in crate::http) fn bootstrap(body: api::AddBootstrap) -> Result<AddBootstrap, Problem> {
    let key = match (body.security, key(body.identity, body.key)?) {
        (api::Security::Psk, None) => {
            return Err(Problem::bad_value("a bootstrap with security \"psk\" needs an identity").remedy(
                "Give the identity that the device names to the bootstrap server; often it is the endpoint \
                 name.",
            ));
        }
        (api::Security::None, Some(_)) => {
            return Err(Problem::bad_value("a bootstrap with security \"none\" has no identity and no key"));
        }
        (_, key) => key,
    };
    Ok(AddBootstrap { key, model: body.model })
}

fn key(identity: Option<String>, key: Option<String>) -> Result<Option<(String, Key)>, Problem> {
    match (identity, key.map(zeroize::Zeroizing::new)) {
        (Some(identity), None) => Ok(Some((identity, Key::Generated))),
        (Some(identity), Some(text)) => {
            let psk = Psk::from_text(&text).map_err(|error| problem(&AddDeviceError::BadKey(error)))?;
            Ok(Some((identity, Key::Given(psk))))
        }
        (None, Some(_)) => Err(Problem::bad_value("a key needs an identity")
            .remedy("Give the identity that the device names in the handshake.")),
        (None, None) => Ok(None),
    }
}

pub(in crate::http) fn problem(error: &AddDeviceError) -> Problem {
    let taken = |code, title| Problem::new(StatusCode::CONFLICT, code, title, error);
    match error {
        AddDeviceError::BadEndpoint
        | AddDeviceError::BadName
        | AddDeviceError::BadIdentity
        | AddDeviceError::BadModel
        | AddDeviceError::NeedlessIdentity => Problem::bad_value(error),
        AddDeviceError::Unknown(_) => {
            Problem::not_found(error).remedy("`updraft device list` shows all devices.")
        }
        AddDeviceError::NoIdentity => Problem::bad_value(error).remedy(
            "Give the identity that the device names in the handshake; often it is the endpoint name.",
        ),
        AddDeviceError::SameKey => taken("key-taken", "One key for two servers")
            .remedy("Give the bootstrap server a key of its own; `updraft psk generate` makes one."),
        AddDeviceError::BadKey(_) => Problem::bad_value(error).remedy(
            "Give 32 to 128 hexadecimal digits (`updraft psk generate` makes 64), or none to have a key made. \
             Keys of fewer than 16 bytes need a product that allows them: `updraft product set PRODUCT \
             allow_legacy_keys=true`, and the device as that product (`--product`).",
        ),
        AddDeviceError::Product(source) => find_problem(source),
        AddDeviceError::NeedsPermission(source) => permission_problem(source),
        AddDeviceError::EndpointTaken(_) => {
            taken("endpoint-taken", "There is such a device").remedy("Remove it first to add it anew.")
        }
        AddDeviceError::IdentityTaken(_) => taken("identity-taken", "The identity belongs to another device")
            .remedy("Give each device an identity of its own."),
        AddDeviceError::KeyTaken(_) => taken("key-taken", "The key belongs to another device")
            .remedy("Give each device a key of its own; `updraft psk generate` makes one."),
        AddDeviceError::Random(_) => Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "The server met an error",
            error,
        ),
        AddDeviceError::Store(source) => Problem::store("the device could not be stored", source),
    }
}
