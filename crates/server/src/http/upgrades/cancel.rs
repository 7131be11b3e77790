//! `POST /api/v1/upgrades/{id}/cancel`

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::show::unknown;
use crate::api;
use crate::app::CancelError;
use crate::http::Context;
use crate::http::problem::Problem;

/// Asks for an upgrade to be canceled.
///
/// Before the order to install, the device is reset to idle. After it nothing can be stopped any more, and
/// the upgrade runs to its end.
#[utoipa::path(
    post, path = "/api/v1/upgrades/{id}/cancel", tag = "upgrades", operation_id = "cancelUpgrade",
    params(("id" = String, Path, description = "The history id")),
    responses(
        (status = 202, body = api::Upgrade),
        (status = 404, body = api::Problem),
        (status = 409, description = "It has ended", body = api::Problem)
    )
)]
pub async fn cancel(
    State(context): State<Context>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<api::Upgrade>), Problem> {
    match context.app.cancel_upgrade(&id).await {
        Ok(upgrade) => {
            let transfer = context.app.feed().transfer(upgrade.key);
            Ok((StatusCode::ACCEPTED, Json(api::Upgrade::new(upgrade, transfer))))
        }
        Err(error) => Err(problem(&error)),
    }
}

fn problem(error: &CancelError) -> Problem {
    match error {
        CancelError::Unknown(_) => unknown(error),
        CancelError::Ended(_) => Problem::new(StatusCode::CONFLICT, "ended", "The upgrade has ended", error),
        CancelError::Store(source) => Problem::store("the wish could not be stored", source),
    }
}
