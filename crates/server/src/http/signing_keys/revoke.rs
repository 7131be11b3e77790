//! `POST /api/v1/signing-keys/{id}/revoke`

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::api;
use crate::app::RevokeSigningKeyError;
use crate::http::Context;
use crate::http::actor::By;
use crate::http::body::JsonBody;
use crate::http::problem::Problem;

/// Revokes a signing key, for good.
///
/// It is durable when this answers, and counts the next time that a package is verified, which every package
/// is whenever it is loaded.
#[utoipa::path(
    post, path = "/api/v1/signing-keys/{id}/revoke", tag = "signing keys", operation_id = "revokeSigningKey",
    params(("id" = String, Path, description = "The id of the key")),
    request_body = api::RevokeSigningKey,
    responses(
        (status = 200, body = api::SigningKey),
        (status = 404, body = api::Problem),
        (status = 409, description = "It was revoked already", body = api::Problem),
        (status = 422, description = "The reason cannot be used", body = api::Problem)
    )
)]
pub async fn revoke(
    State(context): State<Context>,
    Path(id): Path<String>,
    By(actor): By,
    JsonBody(body): JsonBody<api::RevokeSigningKey>,
) -> Result<Json<api::SigningKey>, Problem> {
    match context.app.revoke_signing_key(&id, &body.reason, &actor).await {
        Ok(key) => Ok(Json(key.into())),
        Err(error) => Err(problem(&error)),
    }
}

fn problem(error: &RevokeSigningKeyError) -> Problem {
    match error {
        RevokeSigningKeyError::Unknown(_) => {
            Problem::not_found(error).remedy("`updraft signing-key list` shows all keys.")
        }
        RevokeSigningKeyError::Revoked { .. } => {
            Problem::new(StatusCode::CONFLICT, "revoked", "The key was revoked already", error)
        }
        RevokeSigningKeyError::BadReason => {
            Problem::bad_value(error).remedy("Say why: others will ask when a package is refused.")
        }
        RevokeSigningKeyError::Store(source) => Problem::store("the revocation could not be stored", source),
    }
}
