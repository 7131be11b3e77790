//! `POST /api/v1/packages/{id}/approve`

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::api;
use crate::app::{ApproveError, Shown};
use crate::http::Context;
use crate::http::actor::By;
use crate::http::body::JsonBody;
use crate::http::problem::Problem;

/// Lets upgrades start with a package. The body names exactly what the approver was shown.
#[utoipa::path(
    post, path = "/api/v1/packages/{id}/approve", tag = "packages", operation_id = "approvePackage",
    params(("id" = String, Path, description = "The id of the package")),
    request_body = api::ApprovePackage,
    responses(
        (status = 200, body = api::Package),
        (status = 404, body = api::Problem),
        (status = 409, description = "It is not what was shown, not good any more, or decided already", body = api::Problem)
    )
)]
pub async fn approve(
    State(context): State<Context>,
    Path(id): Path<String>,
    By(actor): By,
    JsonBody(body): JsonBody<api::ApprovePackage>,
) -> Result<Json<api::Package>, Problem> {
    let shown = Shown { sha256: body.sha256, manifest_sha256: body.manifest_sha256 };
    match context.app.approve_package(&id, shown, &actor).await {
        Ok(package) => Ok(Json(package.into())),
        Err(error) => Err(problem(&error)),
    }
}

fn problem(error: &ApproveError) -> Problem {
    let conflict = |code, title| Problem::new(StatusCode::CONFLICT, code, title, error);
    match error {
        ApproveError::Unknown(_) => super::unknown(error),
        ApproveError::NotThis { .. } => conflict("not-this-package", "The package is another one")
            .remedy("Look at it again, and name the hashes that are shown."),
        ApproveError::Approved { .. } => conflict("approved", "The package is approved already"),
        ApproveError::Withdrawn { .. } => conflict("withdrawn", "The package was withdrawn")
            .remedy("Upload it again if it shall be used after all."),
        ApproveError::SamePerson(_) => conflict("another-person", "Somebody else must approve the package")
            .remedy("Ask a colleague to approve it."),
        ApproveError::Payload(source) => super::payload_problem(source),
        ApproveError::Store(source) => Problem::store("the approval could not be stored", source),
    }
}
