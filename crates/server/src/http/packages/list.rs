//! `GET /api/v1/packages`

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api;
use crate::http::Context;
use crate::http::body::Queried;
use crate::http::page::{limit, page, position};
use crate::http::problem::Problem;
use crate::store::packages::Filter;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Parameters {
    /// Only packages with exactly this name.
    #[serde(default)]
    name: String,
    /// Only packages of this product: its id or its name.
    product: Option<String>,
    /// Only packages in this state.
    #[param(inline)]
    state: Option<api::PackageState>,
    /// Only packages that bring this version.
    #[serde(default)]
    version: String,
    /// Where to go on: `next` of the page before.
    cursor: Option<String>,
    /// Entries of a page, 1 to 200.
    #[param(default = 50)]
    limit: Option<u32>,
}

/// Lists packages, newest first.
#[utoipa::path(
    get, path = "/api/v1/packages", tag = "packages", operation_id = "listPackages", params(Parameters),
    responses((status = 200, body = api::Page<api::Package>), (status = 422, body = api::Problem))
)]
pub async fn list(
    State(context): State<Context>,
    Queried(parameters): Queried<Parameters>,
) -> Result<Json<api::Page<api::Package>>, Problem> {
    let limit = limit(parameters.limit)?;
    let before = position(parameters.cursor.as_deref())?;
    let product = parameters.product.as_deref().map(|name| context.app.find_product(name)).transpose();
    let product = product
        .map_err(|error| Problem::bad_value(error).remedy("`updraft product list` shows all products."))?;
    let filter = Filter {
        name: parameters.name,
        product_id: product.map(|product| product.id.clone()).unwrap_or_default(),
        state: parameters.state.map(|state| state.code().to_owned()).unwrap_or_default(),
        version: parameters.version,
    };
    let packages = context
        .app
        .packages(&filter, &before, limit + 1)
        .await
        .map_err(|error| Problem::store("packages could not be read", &error))?;
    Ok(Json(page(packages, limit, |package| package.id.clone(), api::Package::from)))
}
