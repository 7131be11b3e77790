//! `POST /api/v1/object-models/reload`

use axum::Json;
use axum::extract::State;

use crate::api;
use crate::http::Context;

/// Reads the configured folder again. What cannot be used is told with its file and left out.
#[utoipa::path(
    post, path = "/api/v1/object-models/reload", tag = "object models", operation_id = "reloadObjectModels",
    responses((status = 200, body = api::ObjectModelFolder))
)]
pub async fn reload(State(context): State<Context>) -> Json<api::ObjectModelFolder> {
    Json(context.app.reload_object_models().await.into())
}
