//! `GET /api/v1/devices/{endpoint}/operations`

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{model_of, shown, unknown_device};
use crate::api;
use crate::http::Context;
use crate::http::body::Queried;
use crate::http::page::{limit, page, position};
use crate::http::problem::Problem;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Parameters {
    /// Where to go on: `next` of the page before.
    cursor: Option<String>,
    /// Entries of a page, 1 to 200.
    #[param(default = 50)]
    limit: Option<u32>,
}

/// Lists the operations on a device, newest first: those that have not ended and the last 100 that have.
#[utoipa::path(
    get, path = "/api/v1/devices/{endpoint}/operations", tag = "operations", operation_id = "listOperations",
    params(("endpoint" = String, Path, description = "The endpoint name"), Parameters),
    responses(
        (status = 200, body = api::Page<api::Operation>),
        (status = 404, body = api::Problem),
        (status = 422, body = api::Problem)
    )
)]
pub async fn list(
    State(context): State<Context>,
    Path(endpoint): Path<String>,
    Queried(parameters): Queried<Parameters>,
) -> Result<Json<api::Page<api::Operation>>, Problem> {
    let limit = limit(parameters.limit)?;
    let before = position(parameters.cursor.as_deref())?;
    if context.app.directory().by_endpoint(&endpoint).is_none() {
        return Err(unknown_device(&endpoint));
    }
    let operations = context
        .app
        .operations(&endpoint, &before, limit + 1)
        .await
        .map_err(|error| Problem::store("operations could not be read", &error))?;
    let model = model_of(&context, &endpoint).await;
    let show = |operation| shown::operation(operation, &model);
    Ok(Json(page(operations, limit, |operation| operation.id.to_string(), show)))
}
