//! `GET /api/v1/products/{product}/profile`

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse;

use super::find;
use crate::api;
use crate::http::Context;
use crate::http::problem::Problem;

/// Exports the profile of a product: the file as it was imported, byte for byte.
///
/// Of a file with several devices each is exported alone. What was changed since (settings under `updraft`,
/// the maintenance capability) stands in it; nothing else differs.
#[utoipa::path(
    get, path = "/api/v1/products/{product}/profile", tag = "products", operation_id = "exportProduct",
    params(("product" = String, Path, description = "Its id or its name, such as Quectel/NBIoTDevice")),
    responses(
        (status = 200, content_type = "application/json", body = inline(api::ProductProfile)),
        (status = 404, body = api::Problem),
        (status = 409, description = "Several products are called so", body = api::Problem)
    )
)]
pub async fn profile(
    State(context): State<Context>,
    Path(product): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let product = find(&context.app, &product)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], product.profile.clone()))
}
