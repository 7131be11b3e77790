//! `DELETE /api/v1/devices/{endpoint}/bootstrap`

use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::api;
use crate::http::Context;
use crate::http::problem::Problem;

/// Lets a device come to the bootstrap server no more. It keeps the accounts that it was given.
#[utoipa::path(
    delete, path = "/api/v1/devices/{endpoint}/bootstrap", tag = "bootstrap", operation_id = "forbidBootstrap",
    params(("endpoint" = String, Path, description = "The endpoint name")),
    responses(
        (status = 204, description = "It may not any more"),
        (status = 404, description = "No such device, or it might not", body = api::Problem)
    )
)]
pub async fn forbid(
    State(context): State<Context>,
    Path(endpoint): Path<String>,
) -> Result<StatusCode, Problem> {
    match context.app.forbid_bootstrap(&endpoint).await {
        Ok(true) => Ok(StatusCode::NO_CONTENT),
        Ok(false) => Err(Problem::not_found(format!("no device {endpoint:?} may bootstrap here"))
            .remedy("`updraft device show` says whether a device may.")),
        Err(error) => Err(Problem::store("it could not be stored", &error)),
    }
}
