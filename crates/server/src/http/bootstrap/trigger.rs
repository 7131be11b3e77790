//! `POST /api/v1/devices/{endpoint}/bootstrap`

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::api;
use crate::app::bootstrap::TriggerError;
use crate::app::operations::USUAL_EXPIRY;
use crate::http::Context;
use crate::http::body::JsonBody;
use crate::http::operations::{self, shown};
use crate::http::problem::Problem;

/// Tells a device to bootstrap anew.
///
/// Queues an execute of /1/x/9, which LwM2M has since 1.1. Once the device has done it, it goes to the
/// bootstrap server by itself; `bootstrap` of the device says how that goes.
#[utoipa::path(
    post, path = "/api/v1/devices/{endpoint}/bootstrap", tag = "bootstrap",
    operation_id = "bootstrapDevice",
    params(("endpoint" = String, Path, description = "The endpoint name")),
    request_body = api::TriggerBootstrap,
    responses(
        (status = 201, body = api::Operation),
        (status = 404, description = "No such device", body = api::Problem),
        (status = 409, description = "The device may not bootstrap here, or too much waits for it", body = api::Problem),
        (status = 422, description = "A value cannot be used", body = api::Problem)
    )
)]
pub async fn trigger(
    State(context): State<Context>,
    Path(endpoint): Path<String>,
    JsonBody(body): JsonBody<api::TriggerBootstrap>,
) -> Result<(StatusCode, Json<api::Operation>), Problem> {
    let expires_in = body.expires_in_seconds.map_or(USUAL_EXPIRY, Duration::from_secs);
    match context.app.trigger_bootstrap(&endpoint, expires_in).await {
        Ok(operation) => Ok((StatusCode::CREATED, Json(shown::operation(operation, &context.app.model())))),
        Err(error) => Err(problem(&error)),
    }
}

fn problem(error: &TriggerError) -> Problem {
    match error {
        TriggerError::UnknownDevice(_) => {
            Problem::not_found(error).remedy("`updraft device list` shows all devices.")
        }
        TriggerError::NotBootstrapped(_) => Problem::new(
            StatusCode::CONFLICT,
            "not-bootstrapped",
            "The device has no account at the bootstrap server",
            error,
        )
        .remedy(
            "Let it with `updraft bootstrap allow ENDPOINT --identity …`. A device that bootstraps at another server is told so with \
             `updraft device execute ENDPOINT /1/0/9`.",
        ),
        TriggerError::Queue(error) => operations::queue::problem(error),
        TriggerError::Store(source) => Problem::store("the device could not be read", source),
    }
}
