//! `PATCH /api/v1/packages/{id}`

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::api;
use crate::app::{ChangePackageError, PackageChange};
use crate::http::Context;
use crate::http::body::JsonBody;
use crate::http::problem::Problem;

/// Changes the description of a package, or how long its file is kept from now on.
#[utoipa::path(
    patch, path = "/api/v1/packages/{id}", tag = "packages", operation_id = "changePackage",
    params(("id" = String, Path, description = "The id of the package")),
    request_body = api::ChangePackage,
    responses(
        (status = 200, body = api::Package),
        (status = 404, body = api::Problem),
        (status = 409, description = "Its file was deleted", body = api::Problem),
        (status = 422, body = api::Problem)
    )
)]
pub async fn change(
    State(context): State<Context>,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<api::ChangePackage>,
) -> Result<Json<api::Package>, Problem> {
    let change = PackageChange { description: body.description, keep: body.keep.map(Into::into) };
    match context.app.change_package(&id, change).await {
        Ok(package) => Ok(Json(package.into())),
        Err(error) => Err(problem(&error)),
    }
}

fn problem(error: &ChangePackageError) -> Problem {
    match error {
        ChangePackageError::Unknown(_) => super::unknown(error),
        ChangePackageError::BadDescription { .. } => Problem::bad_value(error),
        ChangePackageError::Removed(_) => {
            Problem::new(StatusCode::CONFLICT, "removed", "There is nothing to keep", error)
                .remedy("Upload the package again.")
        }
        ChangePackageError::Store(source) => Problem::store("the package could not be changed", source),
    }
}
