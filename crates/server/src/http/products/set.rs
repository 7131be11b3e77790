//! `PATCH /api/v1/products/{product}`

use axum::Json;
use axum::extract::{Path, State};
use serde_json::value::RawValue;

use super::{find, set_problem};
use crate::api;
use crate::http::Context;
use crate::http::actor::By;
use crate::http::body::JsonBody;
use crate::http::problem::Problem;

/// Changes settings of a product.
///
/// What is absent stays as it is; `null` takes a setting back (RFC 7396). The settings stand in the exported
/// profile as the object `updraft`.
#[utoipa::path(
    patch, path = "/api/v1/products/{product}", tag = "products", operation_id = "setProduct",
    params(("product" = String, Path, description = "Its id or its name, such as Quectel/NBIoTDevice")),
    request_body = api::ProductSettings,
    responses(
        (status = 200, body = api::Product),
        (status = 404, body = api::Problem),
        (status = 409, description = "Devices rely on what would end, or several products are called so", body = api::Problem),
        (status = 422, description = "A value cannot be used; the message names it", body = api::Problem)
    )
)]
pub async fn set(
    State(context): State<Context>,
    Path(product): Path<String>,
    By(actor): By,
    JsonBody(changes): JsonBody<Box<RawValue>>,
) -> Result<Json<api::Product>, Problem> {
    let id = find(&context.app, &product)?.id.clone();
    let product = context.app.set_product(&id, changes.get()).await.map_err(|error| set_problem(&error))?;
    tracing::info!(actor = actor.as_str(), product = product.name(), "settings of a product were changed");
    Ok(Json(api::Product::from(&*product)))
}
