//! `GET /api/v1/devices/{endpoint}`

use axum::Json;
use axum::extract::{Path, State};

use super::shown;
use crate::api;
use crate::http::Context;
use crate::http::problem::Problem;

/// Shows one device.
#[utoipa::path(
    get, path = "/api/v1/devices/{endpoint}", tag = "devices", operation_id = "showDevice",
    params(("endpoint" = String, Path, description = "The endpoint name")),
    responses((status = 200, body = api::Device), (status = 404, body = api::Problem))
)]
pub async fn show(
    State(context): State<Context>,
    Path(endpoint): Path<String>,
) -> Result<Json<api::Device>, Problem> {
    match context.app.device(&endpoint).await {
        Ok(Some(device)) => Ok(Json(shown(&context.app, device))),
        Ok(None) => Err(Problem::not_found(format!("there is no device with the endpoint name {endpoint}"))
            .remedy("`updraft device list` shows all devices.")),
        Err(error) => Err(Problem::store("the device could not be read", &error)),
    }
}
