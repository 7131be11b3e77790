//! `POST /api/v1/products/{product}/upgrade-capability`

use axum::Json;
use axum::extract::{Path, State};

use super::{find, set_problem};
use crate::api;
use crate::http::Context;
use crate::http::problem::Problem;

/// Adds the maintenance capability to the profile of a product.
///
/// Profiles that were made for platform v1.5 lack it; without it neither packages nor upgrades are possible.
/// A product that has it stays as it is.
#[utoipa::path(
    post, path = "/api/v1/products/{product}/upgrade-capability", tag = "products",
    operation_id = "addUpgradeCapability",
    params(("product" = String, Path, description = "Its id or its name, such as Quectel/NBIoTDevice")),
    responses(
        (status = 200, body = api::Product),
        (status = 404, body = api::Problem),
        (status = 409, description = "Several products are called so", body = api::Problem)
    )
)]
pub async fn add_capability(
    State(context): State<Context>,
    Path(product): Path<String>,
) -> Result<Json<api::Product>, Problem> {
    let id = find(&context.app, &product)?.id.clone();
    let product = context.app.add_upgrade_capability(&id).await.map_err(|error| set_problem(&error))?;
    Ok(Json(api::Product::from(&*product)))
}
