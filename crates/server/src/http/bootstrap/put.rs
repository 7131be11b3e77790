//! `PUT /api/v1/bootstrap/servers`

use std::time::Duration;

use axum::Json;
use axum::extract::State;

use super::{problem, target};
use crate::api;
use crate::app::bootstrap::{PutServer, ServersError};
use crate::http::Context;
use crate::http::body::JsonBody;
use crate::http::problem::Problem;
use crate::secrets::Psk;

/// Sets an account that devices are given.
///
/// A device gets the accounts that were made for it; without any those of its model; without these the ones
/// for everybody; if there are none at all, one account at this server. It gets them at its next bootstrap,
/// for which `POST /api/v1/devices/{endpoint}/bootstrap` asks.
#[utoipa::path(
    put, path = "/api/v1/bootstrap/servers", tag = "bootstrap", operation_id = "putBootstrapServer",
    request_body = api::PutBootstrapServer,
    responses(
        (status = 200, body = api::BootstrapServer),
        (status = 404, description = "No such device", body = api::Problem),
        (status = 409, description = "There are too many accounts", body = api::Problem),
        (status = 422, description = "A value cannot be used", body = api::Problem)
    )
)]
pub async fn put(
    State(context): State<Context>,
    JsonBody(body): JsonBody<api::PutBootstrapServer>,
) -> Result<Json<api::BootstrapServer>, Problem> {
    let given = match (body.identity, body.key.map(zeroize::Zeroizing::new)) {
        (Some(identity), Some(text)) => {
            let psk = Psk::from_text(&text).map_err(|error| problem(&ServersError::BadKey(error)))?;
            Some((identity, psk))
        }
        (None, None) => None,
        _ => return Err(Problem::bad_value("identity and key of another server are given together")),
    };
    let server = PutServer {
        short_id: body.short_id,
        uri: body.uri,
        lifetime: Duration::from_secs(body.lifetime_seconds),
        hold_off: Duration::from_secs(body.hold_off_seconds),
        binding: body.binding,
        store_notifications: body.store_notifications,
        minimum_period: body.minimum_period_seconds.map(Duration::from_secs),
        maximum_period: body.maximum_period_seconds.map(Duration::from_secs),
        given,
    };
    let target = target(body.device, body.model)?;
    match context.app.put_bootstrap_server(target, server).await {
        Ok(server) => Ok(Json(server.into())),
        Err(error) => Err(problem(&error)),
    }
}
