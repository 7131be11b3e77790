//! `DELETE /api/v1/devices/{endpoint}/operations/{id}`

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::{named, parse_id, unknown_operation};
use crate::api;
use crate::app::operations::CancelOperationError;
use crate::http::Context;
use crate::http::problem::Problem;

/// Takes an operation back that was not sent yet.
#[utoipa::path(
    delete, path = "/api/v1/devices/{endpoint}/operations/{id}", tag = "operations",
    operation_id = "cancelOperation",
    params(
        ("endpoint" = String, Path, description = "The endpoint name"),
        ("id" = String, Path, description = "The id of the operation")
    ),
    responses(
        (status = 200, body = api::Operation),
        (status = 404, body = api::Problem),
        (status = 409, description = "It was sent, or has ended", body = api::Problem)
    )
)]
pub async fn cancel(
    State(context): State<Context>,
    Path((endpoint, id)): Path<(String, String)>,
) -> Result<Json<api::Operation>, Problem> {
    let number = parse_id(&endpoint, &id)?;
    match context.app.cancel_operation(&endpoint, number).await {
        Ok(operation) => Ok(named(&context, operation).await),
        Err(CancelOperationError::Unknown { .. }) => Err(unknown_operation(&endpoint, &id)),
        Err(error @ CancelOperationError::TooLate(_)) => {
            Err(Problem::new(StatusCode::CONFLICT, "too-late", "It is too late to take it back", error))
        }
        Err(CancelOperationError::Store(error)) => {
            Err(Problem::store("the operation could not be canceled", &error))
        }
    }
}
