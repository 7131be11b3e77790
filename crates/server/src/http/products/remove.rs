//! `DELETE /api/v1/products/{product}`

use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::find;
use crate::api;
use crate::app::products::RemoveProductError;
use crate::http::Context;
use crate::http::problem::Problem;

/// Removes a product that no device and no package uses.
#[utoipa::path(
    delete, path = "/api/v1/products/{product}", tag = "products", operation_id = "removeProduct",
    params(("product" = String, Path, description = "Its id or its name, such as Quectel/NBIoTDevice")),
    responses(
        (status = 204, description = "Removed"),
        (status = 404, body = api::Problem),
        (status = 409, description = "It is used, or several products are called so", body = api::Problem)
    )
)]
pub async fn remove(
    State(context): State<Context>,
    Path(product): Path<String>,
) -> Result<StatusCode, Problem> {
    let id = find(&context.app, &product)?.id.clone();
    match context.app.remove_product(&id).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(problem(&error)),
    }
}

fn problem(error: &RemoveProductError) -> Problem {
    match error {
        RemoveProductError::Unknown(_) => {
            Problem::not_found(error).remedy("`updraft product list` shows all products.")
        }
        RemoveProductError::Used { .. } => {
            Problem::new(StatusCode::CONFLICT, "in-use", "The product is in use", error)
                .remedy("Remove these devices and packages first, or make the devices another product.")
        }
        RemoveProductError::Store(source) => Problem::store("the product could not be removed", source),
    }
}
