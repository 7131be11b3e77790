//! `GET /api/v1/upgrades/{id}`

use axum::Json;
use axum::extract::{Path, State};

use crate::api;
use crate::http::Context;
use crate::http::problem::Problem;
use crate::store::upgrades::Upgrade;

/// Shows one upgrade and what happened to it.
#[utoipa::path(
    get, path = "/api/v1/upgrades/{id}", tag = "upgrades", operation_id = "showUpgrade",
    params(("id" = String, Path, description = "The history id, such as `d:urn:imei:015770000031766:20`")),
    responses((status = 200, body = api::UpgradeHistory), (status = 404, body = api::Problem))
)]
pub async fn show(
    State(context): State<Context>,
    Path(id): Path<String>,
) -> Result<Json<api::UpgradeHistory>, Problem> {
    let upgrade = find(&context, &id).await?;
    let events = context.app.upgrade_events(upgrade.key, 0, LONGEST_HISTORY).await;
    let events = events.map_err(|error| Problem::store("the history could not be read", &error))?;
    let transfer = context.app.feed().transfer(upgrade.key);
    Ok(Json(api::UpgradeHistory {
        upgrade: api::Upgrade::new(upgrade, transfer),
        history: events.into_iter().map(api::UpgradeEvent::from).collect(),
    }))
}

/// An upgrade that tries again for weeks has some hundreds; the stream has them all.
const LONGEST_HISTORY: i64 = 1_000;

/// The upgrade with this history id.
pub(super) async fn find(context: &Context, id: &str) -> Result<Upgrade, Problem> {
    match context.app.upgrade(id).await {
        Ok(Some(upgrade)) => Ok(upgrade),
        Ok(None) => Err(unknown(format!("there is no upgrade {id}"))),
        Err(error) => Err(Problem::store("the upgrade could not be read", &error)),
    }
}

pub(super) fn unknown(detail: impl ToString) -> Problem {
    Problem::not_found(detail).remedy("`updraft upgrade list` shows all upgrades.")
}
