//! `PUT /api/v1/devices/{endpoint}/bootstrap`

use axum::Json;
use axum::extract::{Path, State};

use crate::api;
use crate::http::Context;
use crate::http::body::JsonBody;
use crate::http::devices::add;
use crate::http::problem::Problem;

/// Lets a device come to the bootstrap server, or gives it another key for that.
///
/// The key that it has for the management server stays as it is until it has proved the one that a bootstrap
/// gives it. A key that is made here is in the answer, this once.
#[utoipa::path(
    put, path = "/api/v1/devices/{endpoint}/bootstrap", tag = "bootstrap", operation_id = "allowBootstrap",
    params(("endpoint" = String, Path, description = "The endpoint name")),
    request_body = api::AddBootstrap,
    responses(
        (status = 200, body = api::AddedDevice),
        (status = 404, description = "No such device", body = api::Problem),
        (status = 409, description = "Identity or key belong to another device or server, or its product does not allow a device without encryption", body = api::Problem),
        (status = 422, description = "A value cannot be used", body = api::Problem)
    )
)]
pub async fn allow(
    State(context): State<Context>,
    Path(endpoint): Path<String>,
    JsonBody(body): JsonBody<api::AddBootstrap>,
) -> Result<Json<api::AddedDevice>, Problem> {
    let allowed = context.app.allow_bootstrap(&endpoint, add::bootstrap(body)?).await;
    Ok(Json(add::added(&context.app, allowed.map_err(|error| add::problem(&error))?)))
}
