//! `DELETE /api/v1/bootstrap/servers`

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{problem, target};
use crate::api;
use crate::http::Context;
use crate::http::body::Queried;
use crate::http::problem::Problem;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Parameters {
    /// Of this device, by its endpoint name. Without it and `model`: of all that have none of their own.
    device: Option<String>,
    /// Of this model.
    model: Option<String>,
    /// Only the account with this number.
    short_id: Option<i64>,
}

/// Removes one account that devices are given, or all of a device or model. Devices keep what they have.
#[utoipa::path(
    delete, path = "/api/v1/bootstrap/servers", tag = "bootstrap", operation_id = "removeBootstrapServers",
    params(Parameters),
    responses(
        (status = 204, description = "Removed"),
        (status = 404, description = "No such device or account", body = api::Problem),
        (status = 422, body = api::Problem)
    )
)]
pub async fn remove(
    State(context): State<Context>,
    Queried(parameters): Queried<Parameters>,
) -> Result<StatusCode, Problem> {
    let target = target(parameters.device, parameters.model)?;
    match context.app.remove_bootstrap_servers(target, parameters.short_id).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(problem(&error)),
    }
}
