//! `/api/v1/devices/{endpoint}/operations` and `…/values`

pub mod cancel;
pub mod list;
pub mod queue;
pub mod show;
pub mod shown;
pub mod values;

use axum::Json;
use lwm2m::model::ObjectModel;
use uuid::Uuid;

use super::Context;
use super::problem::Problem;
use crate::api;
use crate::store::operations::Operation;

/// What names the values of a device.
async fn model_of(context: &Context, endpoint: &str) -> ObjectModel {
    let found = context.app.model_of(endpoint).await;
    // Names are not worth an error.
    found.map_or_else(|_| context.app.model(), |(model, _)| model)
}

/// An operation with the names of its values.
async fn named(context: &Context, operation: Operation) -> Json<api::Operation> {
    let model = model_of(context, &operation.endpoint).await;
    Json(shown::operation(operation, &model))
}

fn unknown_device(endpoint: &str) -> Problem {
    Problem::not_found(format!("there is no device with the endpoint name {endpoint}"))
        .remedy("`updraft device list` shows all devices.")
}

fn unknown_operation(endpoint: &str, id: &str) -> Problem {
    Problem::not_found(format!("there is no operation {id} of a device {endpoint}"))
        .remedy("`updraft device operations ENDPOINT` shows those of a device.")
}

fn parse_id(endpoint: &str, id: &str) -> Result<Uuid, Problem> {
    id.parse().map_err(|_| unknown_operation(endpoint, id))
}
