//! `POST /api/v1/devices/{endpoint}/operations`

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::Value;

use super::{named, unknown_device};
use crate::api;
use crate::app::operations::{
    OperationKind, QueueOperation, QueueOperationError, Request, Takes, USUAL_EXPIRY,
};
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
    let kind = kind(body.kind);
    let takes = kind.takes();
    let given = [
        (Takes::Value, "value", body.value),
        (Takes::Argument, "argument", body.argument.map(Value::from)),
        (Takes::Attributes, "attributes", body.attributes.map(Value::from)),
    ];
    let mut argument = Value::Null;
    for (what, name, value) in given {
        match value {
            Some(value) if what == takes => argument = value,
            Some(_) => return Err(Problem::bad_value(format!("{} takes no {name}", kind.code()))),
            None => {}
        }
    }
    let paths: Vec<String> = body.path.into_iter().chain(body.paths).collect();
    if kind != OperationKind::WriteComposite {
        let paths = paths.iter().map(|path| parse(path)).collect::<Result<_, _>>()?;
        return Ok(Request { kind, paths, argument });
    }
    match argument {
        Value::Object(values) if paths.is_empty() => {
            let mut named = BTreeMap::new();
            for (path, value) in values {
                named.insert(parse(&path)?, value);
            }
            let paths = named.keys().copied().collect();
            let values = named.into_iter().map(|(path, value)| (path.to_string(), value));
            Ok(Request { kind, paths, argument: Value::Object(values.collect()) })
        }
        _ => Err(Problem::bad_value("write-composite takes one object of values with paths for names")
            .remedy("Give it like {\"/1/0/1\": 60, \"/3/0/15\": \"Europe/Berlin\"}.")),
    }
}

fn parse(path: &str) -> Result<lwm2m::path::Path, Problem> {
    path.parse().map_err(|error| {
        Problem::bad_value(format!("path {path:?}: {error}")).remedy("Give it like /3/0/15.")
    })
}

fn kind(kind: api::OperationKind) -> OperationKind {
    match kind {
        api::OperationKind::Read => OperationKind::Read,
        api::OperationKind::Write => OperationKind::Write,
        api::OperationKind::Replace => OperationKind::Replace,
        api::OperationKind::Execute => OperationKind::Execute,
        api::OperationKind::Create => OperationKind::Create,
        api::OperationKind::Delete => OperationKind::Delete,
        api::OperationKind::Discover => OperationKind::Discover,
        api::OperationKind::WriteAttributes => OperationKind::WriteAttributes,
        api::OperationKind::Observe => OperationKind::Observe,
        api::OperationKind::CancelObservation => OperationKind::CancelObservation,
        api::OperationKind::ReadComposite => OperationKind::ReadComposite,
        api::OperationKind::WriteComposite => OperationKind::WriteComposite,
        api::OperationKind::ObserveComposite => OperationKind::ObserveComposite,
        api::OperationKind::CancelComposite => OperationKind::CancelComposite,
    }
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
