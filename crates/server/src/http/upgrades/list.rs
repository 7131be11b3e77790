//! `GET /api/v1/upgrades`

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
    /// Only those of the device with this endpoint name.
    #[serde(default)]
    device: String,
    /// Where to go on: `next` of the page before.
    cursor: Option<String>,
    /// Entries of a page, 1 to 200.
    #[param(default = 50)]
    limit: Option<u32>,
}

/// Lists upgrades, newest first.
#[utoipa::path(
    get, path = "/api/v1/upgrades", tag = "upgrades", operation_id = "listUpgrades", params(Parameters),
    responses((status = 200, body = api::Page<api::Upgrade>), (status = 422, body = api::Problem))
)]
pub async fn list(
    State(context): State<Context>,
    Queried(parameters): Queried<Parameters>,
) -> Result<Json<api::Page<api::Upgrade>>, Problem> {
    let limit = limit(parameters.limit)?;
    let before = match position(parameters.cursor.as_deref())? {
        key if key.is_empty() => i64::MAX,
        key => key.parse().map_err(|_| Problem::bad_value("the cursor is none that this server gave"))?,
    };
    let upgrades = context
        .app
        .upgrades(&parameters.device, before, limit + 1)
        .await
        .map_err(|error| Problem::store("upgrades could not be read", &error))?;
    let show = |upgrade: crate::store::upgrades::Upgrade| {
        let transfer = context.app.feed().transfer(upgrade.key);
        api::Upgrade::new(upgrade, transfer)
    };
    Ok(Json(page(upgrades, limit, |upgrade| upgrade.key.0.to_string(), show)))
}
