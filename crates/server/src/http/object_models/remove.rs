//! `DELETE /api/v1/object-models/{object}/{version}`

use axum::extract::{Path, State};
use axum::http::StatusCode;
use lwm2m::path::ObjectId;

use crate::api;
use crate::app::RemoveObjectModelError;
use crate::http::Context;
use crate::http::problem::Problem;

/// Removes a definition that was uploaded. One of the folder with the same number and version counts again.
#[utoipa::path(
    delete, path = "/api/v1/object-models/{object}/{version}", tag = "object models",
    operation_id = "removeObjectModel",
    params(
        ("object" = u16, Path, description = "The number of the object"),
        ("version" = String, Path, description = "Its version, such as 1.1")
    ),
    responses(
        (status = 204, description = "Removed"),
        (status = 404, body = api::Problem),
        (status = 409, description = "Built in, or in a file of the folder", body = api::Problem)
    )
)]
pub async fn remove(
    State(context): State<Context>,
    Path((object, version)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (Ok(number), Ok(parsed)) = (object.parse(), version.parse()) else {
        return Err(unknown(format!("there is no definition of object {object} in version {version}")));
    };
    match context.app.remove_object_model(ObjectId(number), parsed).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(problem(&error)),
    }
}

fn unknown(detail: impl ToString) -> Problem {
    Problem::not_found(detail).remedy("`updraft object-model list` shows all.")
}

fn problem(error: &RemoveObjectModelError) -> Problem {
    let conflict = |code, title| Problem::new(StatusCode::CONFLICT, code, title, error);
    match error {
        RemoveObjectModelError::Unknown(..) => unknown(error),
        RemoveObjectModelError::BuiltIn(_) => conflict("built-in", "The object is built in")
            .remedy("The server needs it; only definitions that were uploaded can be removed."),
        RemoveObjectModelError::InFolder(_) => conflict("in-folder", "The object is in the folder")
            .remedy("Remove the file, then `updraft object-model reload`."),
        RemoveObjectModelError::Store(source) => {
            Problem::store("the definition could not be removed", source)
        }
    }
}
