//! `GET /api/v1/devices/{endpoint}/bootstrap`

use axum::Json;
use axum::extract::{Path, State};

use super::problem;
use crate::api;
use crate::app::bootstrap::ServersError;
use crate::http::Context;
use crate::http::problem::Problem;

/// Shows what a device is given at its next bootstrap, and where that comes from.
#[utoipa::path(
    get, path = "/api/v1/devices/{endpoint}/bootstrap", tag = "bootstrap",
    operation_id = "showDeviceBootstrap",
    params(("endpoint" = String, Path, description = "The endpoint name")),
    responses((status = 200, body = api::BootstrapAccounts), (status = 404, body = api::Problem))
)]
pub async fn show(
    State(context): State<Context>,
    Path(endpoint): Path<String>,
) -> Result<Json<api::BootstrapAccounts>, Problem> {
    match context.app.bootstrap_servers_of(&endpoint).await {
        Ok(Some(effective)) => Ok(Json(effective.into())),
        Ok(None) => Err(problem(&ServersError::UnknownDevice(endpoint))),
        Err(error) => Err(Problem::store("the accounts could not be read", &error)),
    }
}
