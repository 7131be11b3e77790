//! `GET /api/v1/devices/{endpoint}/operations/{id}`

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{named, parse_id, unknown_operation};
use crate::api;
use crate::http::Context;
use crate::http::body::Queried;
use crate::http::problem::Problem;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Parameters {
    /// How long to wait for its end before it is shown as it is, up to 60 seconds.
    #[serde(default)]
    wait_seconds: u64,
}

const LONGEST_WAIT: u64 = 60;

/// Shows an operation, if wanted as soon as it has ended.
#[utoipa::path(
    get, path = "/api/v1/devices/{endpoint}/operations/{id}", tag = "operations",
    operation_id = "showOperation",
    params(
        ("endpoint" = String, Path, description = "The endpoint name"),
        ("id" = String, Path, description = "The id of the operation"),
        Parameters
    ),
    responses((status = 200, body = api::Operation), (status = 404, body = api::Problem))
)]
pub async fn show(
    State(context): State<Context>,
    Path((endpoint, id)): Path<(String, String)>,
    Queried(parameters): Queried<Parameters>,
) -> Result<Json<api::Operation>, Problem> {
    let number = parse_id(&endpoint, &id)?;
    let patience = Duration::from_secs(parameters.wait_seconds.min(LONGEST_WAIT));
    let mut stopping = context.stopping.clone();
    let waited = tokio::select! {
        found = context.app.ended_operation(&endpoint, number, patience) => Some(found),
        // A server that stops does not wait for devices.
        _ = stopping.wait_for(|stopping| *stopping) => None,
    };
    let found = match waited {
        Some(found) => found,
        None => context.app.operation(&endpoint, number).await,
    };
    match found {
        Ok(Some(operation)) => Ok(named(&context, operation).await),
        Ok(None) => Err(unknown_operation(&endpoint, &id)),
        Err(error) => Err(Problem::store("the operation could not be read", &error)),
    }
}
