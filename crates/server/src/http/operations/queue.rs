//! `POST /api/v1/devices/{endpoint}/operations`

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::{named, unknown_device};
use crate::api;
use crate::app::operations::{OperationKind, QueueOperation, QueueOperationError, Request, USUAL_EXPIRY};
use crate::http::Context;
use crate::http::body::JsonBody;
use crate::http::problem::Problem;

/// Queues an operation on a device.
///
/// It is carried out as soon as the device is there, after those that were queued before, and survives a
/// restart of the server. `GET` on it waits for its end.
#[utoipa::path(
    post, path = "/api/v1/devices/{endpoint}/operations", tag = "operations", operation_id = "queueOperation",
    params(("endpoint" = String, Path, description = "The endpoint name")),
    request_body = api::QueueOperation,
    responses(
        (status = 201, body = api::Operation),
        (status = 404, description = "No such device", body = api::Problem),
        (status = 409, description = "Too many operations wait for the device", body = api::Problem),
        (status = 422, description = "The path or the value cannot be used", body = api::Problem)
    )
)]
pub async fn queue(
    State(context): State<Context>,
    Path(endpoint): Path<String>,
    JsonBody(body): JsonBody<api::QueueOperation>,
) -> Result<(StatusCode, Json<api::Operation>), Problem> {
    let expires_in = body.expires_in_seconds.map_or(USUAL_EXPIRY, Duration::from_secs);
    let wanted = QueueOperation { request: request(body)?, endpoint, expires_in };
    match context.app.queue_operation(wanted).await {
        Ok(operation) => Ok((StatusCode::CREATED, named(&context, operation).await)),
        Err(error) => Err(problem(&error)),
    }
}

fn request(body: api::QueueOperation) -> Result<Request, Problem> {
    let kind = match body.kind {
        api::OperationKind::Read => OperationKind::Read,
        api::OperationKind::Write => OperationKind::Write,
        api::OperationKind::Execute => OperationKind::Execute,
        api::OperationKind::Discover => OperationKind::Discover,
        api::OperationKind::Observe => OperationKind::Observe,
        api::OperationKind::CancelObservation => OperationKind::CancelObservation,
    };
    let path = body.path.parse().map_err(|error| {
        Problem::bad_value(format!("path {:?}: {error}", body.path)).remedy("Give it like /3/0/15.")
    })?;
    let argument = match (body.value, body.argument) {
        (Some(_), Some(_)) => return Err(Problem::bad_value("a value and an argument exclude each other")),
        (Some(value), None) => value,
        (None, Some(argument)) => argument.into(),
        (None, None) => serde_json::Value::Null,
    };
    Ok(Request { kind, paths: vec![path], argument })
}

pub(in crate::http) fn problem(error: &QueueOperationError) -> Problem {
    let conflict = |code, title| Problem::new(StatusCode::CONFLICT, code, title, error);
    match error {
        QueueOperationError::UnknownDevice(endpoint) => unknown_device(endpoint),
        QueueOperationError::Bad(_) => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "refused-by-model",
            "The operation does not fit the object",
            error,
        )
        .remedy("Nothing was sent. Change the path or the value."),
        QueueOperationError::BadExpiry => Problem::bad_value(error),
        QueueOperationError::Full(_) => conflict("queue-full", "Too many operations wait for the device")
            .remedy("Wait for the device, or cancel some: `updraft device operations ENDPOINT` shows them."),
        QueueOperationError::TooManyObservations(_) => {
            conflict("too-many-observations", "Too many observations of the device are wanted")
                .remedy("End some with `updraft device cancel-observation`.")
        }
        QueueOperationError::Store(source) => Problem::store("the operation could not be stored", source),
    }
}
