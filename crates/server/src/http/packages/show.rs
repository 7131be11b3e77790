//! `GET /api/v1/packages/{id}`

use axum::Json;
use axum::extract::{Path, State};

use crate::api;
use crate::http::Context;
use crate::http::problem::Problem;

/// Shows one package.
#[utoipa::path(
    get, path = "/api/v1/packages/{id}", tag = "packages", operation_id = "showPackage",
    params(("id" = String, Path, description = "The id of the package")),
    responses((status = 200, body = api::Package), (status = 404, body = api::Problem))
)]
pub async fn show(
    State(context): State<Context>,
    Path(id): Path<String>,
) -> Result<Json<api::Package>, Problem> {
    match context.app.package(&id).await {
        Ok(Some(package)) => Ok(Json(package.into())),
        Ok(None) => Err(Problem::not_found(format!("there is no package with the id {id}"))
            .remedy("`updraft package list` shows all packages.")),
        Err(error) => Err(Problem::store("the package could not be read", &error)),
    }
}
