//! `GET /api/v1/signing-keys`

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api;
use crate::http::Context;
use crate::http::body::Queried;
use crate::http::page::{limit, page, position};
use crate::http::problem::Problem;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Parameters {
    /// Only keys of exactly this manufacturer.
    #[serde(default)]
    manufacturer: String,
    /// Where to go on: `next` of the page before.
    cursor: Option<String>,
    /// Entries of a page, 1 to 200.
    #[param(default = 50)]
    limit: Option<u32>,
}

/// Lists signing keys in the order of their ids, those that were revoked too.
#[utoipa::path(
    get, path = "/api/v1/signing-keys", tag = "signing keys", operation_id = "listSigningKeys",
    params(Parameters),
    responses((status = 200, body = api::Page<api::SigningKey>), (status = 422, body = api::Problem))
)]
pub async fn list(
    State(context): State<Context>,
    Queried(parameters): Queried<Parameters>,
) -> Result<Json<api::Page<api::SigningKey>>, Problem> {
    let limit = limit(parameters.limit)?;
    let after = position(parameters.cursor.as_deref())?;
    let keys = context
        .app
        .signing_keys(&parameters.manufacturer, &after, limit + 1)
        .await
        .map_err(|error| Problem::store("signing keys could not be read", &error))?;
    Ok(Json(page(keys, limit, |key| key.id.clone(), api::SigningKey::from)))
}
