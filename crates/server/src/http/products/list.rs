//! `GET /api/v1/products`

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
    /// Only products of exactly this manufacturer (`manufacturerName`).
    #[serde(default)]
    manufacturer: String,
    /// Where to go on: `next` of the page before.
    cursor: Option<String>,
    /// Entries of a page, 1 to 200.
    #[param(default = 50)]
    limit: Option<u32>,
}

/// Lists products in the order in which they were imported.
#[utoipa::path(
    get, path = "/api/v1/products", tag = "products", operation_id = "listProducts", params(Parameters),
    responses((status = 200, body = api::Page<api::Product>), (status = 422, body = api::Problem))
)]
pub async fn list(
    State(context): State<Context>,
    Queried(parameters): Queried<Parameters>,
) -> Result<Json<api::Page<api::Product>>, Problem> {
    let limit = limit(parameters.limit)?;
    let after = position(parameters.cursor.as_deref())?;
    let products = context.app.products_after(&parameters.manufacturer, &after, limit + 1);
    Ok(Json(page(products, limit, |product| product.id.clone(), |product| api::Product::from(&*product))))
}
