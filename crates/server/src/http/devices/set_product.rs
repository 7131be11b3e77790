//! `PUT /api/v1/devices/{endpoint}/product`

use axum::Json;
use axum::extract::{Path, State};

use super::shown;
use crate::api;
use crate::app::products::SetDeviceProductError;
use crate::http::Context;
use crate::http::body::JsonBody;
use crate::http::problem::Problem;
use crate::http::products::{find_problem, permission_problem};

/// Says which product a device is.
///
/// With `null` it is the only product that is known by what the device reports, if there is one.
#[utoipa::path(
    put, path = "/api/v1/devices/{endpoint}/product", tag = "devices", operation_id = "setDeviceProduct",
    params(("endpoint" = String, Path, description = "The endpoint name")),
    request_body = api::SetDeviceProduct,
    responses(
        (status = 200, body = api::Device),
        (status = 404, description = "No such device or product", body = api::Problem),
        (status = 409, description = "The device connects without encryption, which the product does not allow", body = api::Problem),
        (status = 422, description = "A value cannot be used", body = api::Problem)
    )
)]
pub async fn set_product(
    State(context): State<Context>,
    Path(endpoint): Path<String>,
    JsonBody(body): JsonBody<api::SetDeviceProduct>,
) -> Result<Json<api::Device>, Problem> {
    match context.app.set_device_product(&endpoint, body.product.as_deref()).await {
        Ok(device) => Ok(Json(shown(&context.app, device))),
        Err(error) => Err(problem(&error)),
    }
}

fn problem(error: &SetDeviceProductError) -> Problem {
    match error {
        SetDeviceProductError::UnknownDevice(_) => {
            Problem::not_found(error).remedy("`updraft device list` shows all devices.")
        }
        SetDeviceProductError::Product(source) => find_problem(source),
        SetDeviceProductError::NeedsPermission(source) => permission_problem(source),
        SetDeviceProductError::Store(source) => {
            Problem::store("the product of the device could not be stored", source)
        }
    }
}
