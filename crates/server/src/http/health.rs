//! For monitoring.

use axum::Json;
use axum::extract::State;

use super::Context;
use super::problem::Problem;
use crate::api;

/// Whether the server runs.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, body = api::Health)))]
pub async fn healthz() -> Json<api::Health> {
    Json(api::Health::default())
}

/// Whether the server can do its work: the store answers.
#[utoipa::path(
    get, path = "/readyz", tag = "health",
    responses((status = 200, body = api::Health), (status = 500, body = api::Problem), (status = 503, body = api::Problem))
)]
pub async fn readyz(State(context): State<Context>) -> Result<Json<api::Health>, Problem> {
    match context.app.check().await {
        Ok(()) => Ok(Json(api::Health::default())),
        Err(error) => Err(Problem::store("the store does not answer", &error)),
    }
}
