//! `DELETE /api/v1/packages/{id}`

use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::api;
use crate::app::RemovePackageError;
use crate::http::Context;
use crate::http::problem::Problem;

/// Deletes the file of a package. What is known of it stays, for the history of devices.
#[utoipa::path(
    delete, path = "/api/v1/packages/{id}", tag = "packages", operation_id = "removePackage",
    params(("id" = String, Path, description = "The id of the package")),
    responses(
        (status = 204),
        (status = 404, body = api::Problem),
        (status = 409, description = "An upgrade uses it, or it was deleted before", body = api::Problem)
    )
)]
pub async fn remove(State(context): State<Context>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    match context.app.remove_package(&id).await {
        Ok(_) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(problem(&error)),
    }
}

fn problem(error: &RemovePackageError) -> Problem {
    let conflict = |code, title| Problem::new(StatusCode::CONFLICT, code, title, error);
    match error {
        RemovePackageError::Unknown(_) => super::unknown(error),
        RemovePackageError::Removed(_) => conflict("removed", "The file was deleted before"),
        RemovePackageError::InUse(_) => {
            conflict("in-use", "The package is in use").remedy("Wait for that upgrade to end, or cancel it.")
        }
        RemovePackageError::Store(source) => Problem::store("the package could not be removed", source),
    }
}
