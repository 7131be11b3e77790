//! `GET /api/v1/object-models`

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api;
use crate::app::KnownObject;
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

/// Lists all objects that are known, by number and version.
#[utoipa::path(
    get, path = "/api/v1/object-models", tag = "object models", operation_id = "listObjectModels",
    params(Parameters),
    responses((status = 200, body = api::Page<api::ObjectModel>), (status = 422, body = api::Problem))
)]
pub async fn list(
    State(context): State<Context>,
    Queried(parameters): Queried<Parameters>,
) -> Result<Json<api::Page<api::ObjectModel>>, Problem> {
    let limit = limit(parameters.limit)?;
    let before = position(parameters.cursor.as_deref())?;
    let most = usize::try_from(limit + 1).unwrap_or(usize::MAX);
    let known = context.app.object_models().into_iter();
    let objects = known.filter(|known| place(known) > before).take(most).collect();
    Ok(Json(page(objects, limit, place, api::ObjectModel::from)))
}

/// Sorts as the list does.
fn place(known: &KnownObject) -> String {
    let version = known.definition.version;
    format!("{:05} {:03}.{:03}", known.definition.id.0, version.major, version.minor)
}
