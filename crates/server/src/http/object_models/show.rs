//! `GET /api/v1/object-models/{object}`

use axum::Json;
use axum::extract::{Path, State};

use crate::api;
use crate::http::Context;
use crate::http::problem::Problem;

/// Shows all versions of an object that are known, oldest first.
#[utoipa::path(
    get, path = "/api/v1/object-models/{object}", tag = "object models", operation_id = "showObjectModel",
    params(("object" = u16, Path, description = "The number of the object")),
    responses((status = 200, body = Vec<api::ObjectModel>), (status = 404, body = api::Problem))
)]
pub async fn show(
    State(context): State<Context>,
    Path(object): Path<String>,
) -> Result<Json<Vec<api::ObjectModel>>, Problem> {
    let number: Option<u16> = object.parse().ok();
    let known = context.app.object_models().into_iter();
    let versions: Vec<api::ObjectModel> =
        known.filter(|known| Some(known.definition.id.0) == number).map(api::ObjectModel::from).collect();
    if versions.is_empty() {
        return Err(Problem::not_found(format!("there is no definition of an object {object}"))
            .remedy("`updraft object-model list` shows all; `updraft object-model add` adds one."));
    }
    Ok(Json(versions))
}
