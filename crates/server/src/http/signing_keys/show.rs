//! `GET /api/v1/signing-keys/{id}`

use axum::Json;
use axum::extract::{Path, State};

use crate::api;
use crate::http::Context;
use crate::http::problem::Problem;

/// Shows one signing key.
#[utoipa::path(
    get, path = "/api/v1/signing-keys/{id}", tag = "signing keys", operation_id = "showSigningKey",
    params(("id" = String, Path, description = "The id of the key")),
    responses((status = 200, body = api::SigningKey), (status = 404, body = api::Problem))
)]
pub async fn show(
    State(context): State<Context>,
    Path(id): Path<String>,
) -> Result<Json<api::SigningKey>, Problem> {
    match context.app.signing_key(&id).await {
        Ok(Some(key)) => Ok(Json(key.into())),
        Ok(None) => Err(Problem::not_found(format!("there is no signing key with the id {id}"))
            .remedy("`updraft signing-key list` shows all keys.")),
        Err(error) => Err(Problem::store("the signing key could not be read", &error)),
    }
}
