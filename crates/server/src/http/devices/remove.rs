//! `DELETE /api/v1/devices/{endpoint}`

use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::api;
use crate::app::RemoveDeviceError;
use crate::http::Context;
use crate::http::problem::Problem;

/// Removes a device with its key and its history. Its session ends.
#[utoipa::path(
    delete, path = "/api/v1/devices/{endpoint}", tag = "devices", operation_id = "removeDevice",
    params(("endpoint" = String, Path, description = "The endpoint name")),
    responses(
        (status = 204, description = "Removed"),
        (status = 404, body = api::Problem),
        (status = 409, description = "The device is being upgraded", body = api::Problem)
    )
)]
pub async fn remove(
    State(context): State<Context>,
    Path(endpoint): Path<String>,
) -> Result<StatusCode, Problem> {
    match context.app.remove_device(&endpoint).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(problem(&error)),
    }
}

fn problem(error: &RemoveDeviceError) -> Problem {
    match error {
        RemoveDeviceError::Unknown(_) => {
            Problem::not_found(error).remedy("`updraft device list` shows all devices.")
        }
        RemoveDeviceError::Upgrading(_) => {
            Problem::new(StatusCode::CONFLICT, "upgrading", "The device is being upgraded", error)
                .remedy("Wait for the upgrade to end, or cancel it first.")
        }
        RemoveDeviceError::Store(source) => Problem::store("the device could not be removed", source),
    }
}
