//! `GET /api/v1/devices`

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::shown;
use crate::api;
use crate::http::Context;
use crate::http::body::Queried;
use crate::http::page::{limit, page, position};
use crate::http::problem::Problem;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Parameters {
    /// Only devices whose endpoint name or name contains this, in any case.
    #[serde(default)]
    search: String,
    /// Where to go on: `next` of the page before.
    cursor: Option<String>,
    /// Entries of a page, 1 to 200.
    #[param(default = 50)]
    limit: Option<u32>,
}

/// Lists devices in the order of their endpoint names.
#[utoipa::path(
    get, path = "/api/v1/devices", tag = "devices", operation_id = "listDevices", params(Parameters),
    responses((status = 200, body = api::Page<api::Device>), (status = 422, body = api::Problem))
)]
pub async fn list(
    State(context): State<Context>,
    Queried(parameters): Queried<Parameters>,
) -> Result<Json<api::Page<api::Device>>, Problem> {
    let limit = limit(parameters.limit)?;
    let after = position(parameters.cursor.as_deref())?;
    let devices = context
        .app
        .devices(&parameters.search, &after, limit + 1)
        .await
        .map_err(|error| Problem::store("devices could not be read", &error))?;
    Ok(Json(page(devices, limit, |device| device.endpoint.clone(), |device| shown(&context.app, device))))
}
