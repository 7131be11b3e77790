//! `POST /api/v1/packages/{id}/withdraw`

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::api;
use crate::app::WithdrawError;
use crate::http::Context;
use crate::http::actor::By;
use crate::http::body::JsonBody;
use crate::http::problem::Problem;

/// No upgrade starts with a package any more. Those that run go on; they can be canceled.
#[utoipa::path(
    post, path = "/api/v1/packages/{id}/withdraw", tag = "packages", operation_id = "withdrawPackage",
    params(("id" = String, Path, description = "The id of the package")),
    request_body = api::WithdrawPackage,
    responses(
        (status = 200, body = api::Package),
        (status = 404, body = api::Problem),
        (status = 409, description = "It was withdrawn before", body = api::Problem),
        (status = 422, body = api::Problem)
    )
)]
pub async fn withdraw(
    State(context): State<Context>,
    Path(id): Path<String>,
    By(actor): By,
    JsonBody(body): JsonBody<api::WithdrawPackage>,
) -> Result<Json<api::Package>, Problem> {
    match context.app.withdraw_package(&id, &body.reason, &actor).await {
        Ok(package) => Ok(Json(package.into())),
        Err(error) => Err(problem(&error)),
    }
}

fn problem(error: &WithdrawError) -> Problem {
    match error {
        WithdrawError::Unknown(_) => super::unknown(error),
        WithdrawError::BadReason { .. } => Problem::bad_value(error),
        WithdrawError::Withdrawn { .. } => {
            Problem::new(StatusCode::CONFLICT, "withdrawn", "The package was withdrawn before", error)
        }
        WithdrawError::Store(source) => Problem::store("the withdrawal could not be stored", source),
    }
}
