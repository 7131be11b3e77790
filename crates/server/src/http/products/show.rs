//! `GET /api/v1/products/{product}`

use axum::Json;
use axum::extract::{Path, State};

use super::find;
use crate::api;
use crate::http::Context;
use crate::http::problem::Problem;

/// Shows one product.
#[utoipa::path(
    get, path = "/api/v1/products/{product}", tag = "products", operation_id = "showProduct",
    params(("product" = String, Path, description = "Its id or its name, such as Quectel/NBIoTDevice")),
    responses(
        (status = 200, body = api::Product),
        (status = 404, body = api::Problem),
        (status = 409, description = "Several products are called so", body = api::Problem)
    )
)]
pub async fn show(
    State(context): State<Context>,
    Path(product): Path<String>,
) -> Result<Json<api::Product>, Problem> {
    Ok(Json(api::Product::from(&*find(&context.app, &product)?)))
}
