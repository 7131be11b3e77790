//! `GET /api/v1/devices/{endpoint}/values`

use axum::Json;
use axum::extract::{Path, State};

use super::{model_of, shown, unknown_device};
use crate::api;
use crate::http::Context;
use crate::http::problem::Problem;

/// Lists the last values that were seen of a device: read, notified or sent by itself; at most 1,000.
#[utoipa::path(
    get, path = "/api/v1/devices/{endpoint}/values", tag = "operations", operation_id = "listDeviceValues",
    params(("endpoint" = String, Path, description = "The endpoint name")),
    responses((status = 200, body = Vec<api::DeviceValue>), (status = 404, body = api::Problem))
)]
pub async fn values(
    State(context): State<Context>,
    Path(endpoint): Path<String>,
) -> Result<Json<Vec<api::DeviceValue>>, Problem> {
    if context.app.directory().by_endpoint(&endpoint).is_none() {
        return Err(unknown_device(&endpoint));
    }
    let mut values = context
        .app
        .device_values(&endpoint)
        .await
        .map_err(|error| Problem::store("values could not be read", &error))?;
    values.sort_by_key(|value| value.path.parse::<lwm2m::path::Path>().ok());
    let model = model_of(&context, &endpoint).await;
    Ok(Json(values.into_iter().map(|value| shown::value(value, &model)).collect()))
}
