//! `POST /api/v1/signing-keys`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::api;
use crate::app::{AddSigningKey, AddSigningKeyError};
use crate::http::Context;
use crate::http::actor::By;
use crate::http::body::JsonBody;
use crate::http::problem::Problem;

/// Adds a public key with which packages of a manufacturer are verified.
///
/// It is bound to one algorithm. A manufacturer that no product has is taken with a warning.
#[utoipa::path(
    post, path = "/api/v1/signing-keys", tag = "signing keys", operation_id = "addSigningKey",
    request_body = api::AddSigningKey,
    responses(
        (status = 201, body = api::AddedSigningKey),
        (status = 409, description = "The key is there already", body = api::Problem),
        (status = 422, description = "No public key that can be trusted", body = api::Problem)
    )
)]
pub async fn add(
    State(context): State<Context>,
    By(actor): By,
    JsonBody(body): JsonBody<api::AddSigningKey>,
) -> Result<(StatusCode, Json<api::AddedSigningKey>), Problem> {
    let api::AddSigningKey { manufacturer, pem, algorithm, comment } = body;
    let wanted = AddSigningKey { manufacturer, pem, algorithm, comment };
    let added = context.app.add_signing_key(wanted, &actor).await.map_err(|error| problem(&error))?;
    let warnings = added.warning.iter().map(ToString::to_string).collect();
    Ok((StatusCode::CREATED, Json(api::AddedSigningKey { key: added.key.into(), warnings })))
}

fn problem(error: &AddSigningKeyError) -> Problem {
    let conflict = |code, title| Problem::new(StatusCode::CONFLICT, code, title, error);
    match error {
        AddSigningKeyError::BadText { .. } => Problem::bad_value(error),
        AddSigningKeyError::UnknownAlgorithm(_) => Problem::bad_value(error).remedy(
            "Give rsa2048-sha256-pkcs1v15, rsa2048-sha256-pss-mgf1sha256-salt32, ecdsa-p256-sha256 or ed25519.",
        ),
        AddSigningKeyError::BadKey(_) => Problem::bad_value(error).remedy(
            "Give the public key in PEM (public.pem); `updraft sign keygen` makes one, with its private key.",
        ),
        AddSigningKeyError::Known { .. } => conflict("signing-key-known", "The key is there already").remedy(
            "A key counts once, for one manufacturer and one algorithm. For another one, or after a \
             revocation, make a new pair: `updraft sign keygen`.",
        ),
        AddSigningKeyError::Full => conflict("full", "Too many signing keys"),
        AddSigningKeyError::Store(source) => Problem::store("the key could not be stored", source),
    }
}
