//! `GET /api/v1/bootstrap/servers`

use axum::Json;
use axum::extract::State;

use crate::api;
use crate::app::bootstrap::{Effective, Source};
use crate::http::Context;
use crate::http::problem::Problem;
use crate::store::bootstrap_servers::BootstrapServer;

/// Lists the accounts that are given to more than one device: those for everybody and those of models.
#[utoipa::path(
    get, path = "/api/v1/bootstrap/servers", tag = "bootstrap", operation_id = "listBootstrapServers",
    responses((status = 200, body = Vec<api::BootstrapAccounts>), (status = 500, body = api::Problem))
)]
pub async fn list(State(context): State<Context>) -> Result<Json<Vec<api::BootstrapAccounts>>, Problem> {
    let servers = context.app.shared_bootstrap_servers().await;
    let servers = servers.map_err(|error| Problem::store("the accounts could not be read", &error))?;
    let owners = servers.chunk_by(|one, next| one.owner == next.owner);
    Ok(Json(owners.map(|servers| accounts(servers).into()).collect()))
}

fn accounts(servers: &[BootstrapServer]) -> Effective {
    let model = servers.first().and_then(|server| server.owner.strip_prefix("model:"));
    let from = model.map_or(Source::Default, |model| Source::Model(model.to_owned()));
    Effective { from, servers: servers.to_vec() }
}
