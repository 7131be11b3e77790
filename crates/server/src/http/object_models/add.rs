//! `POST /api/v1/object-models`

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use lwm2m::model::ddf;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api;
use crate::app::AddObjectModelError;
use crate::http::Context;
use crate::http::body::Queried;
use crate::http::problem::Problem;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Parameters {
    /// Take the place of a definition with the same number and version that says something else.
    #[serde(default)]
    replace: bool,
}

/// Adds the objects of a file in OMA's XML (DDF), all or none.
///
/// They are durable and in force for all devices when this answers. A built-in object is never replaced; the
/// same definition once more changes nothing; another one with the same number and version needs `replace`.
#[utoipa::path(
    post, path = "/api/v1/object-models", tag = "object models", operation_id = "addObjectModels",
    params(Parameters),
    request_body(content_type = "application/xml", content = inline(api::ObjectXml)),
    responses(
        (status = 201, body = Vec<api::ObjectModel>),
        (status = 409, description = "Built in, or known with another text", body = api::Problem),
        (status = 413, description = "Larger than 256 KiB", body = api::Problem),
        (status = 415, description = "Not sent as application/xml", body = api::Problem),
        (status = 422, description = "No object definition; the message names the line", body = api::Problem)
    )
)]
pub async fn add(
    State(context): State<Context>,
    Queried(parameters): Queried<Parameters>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Vec<api::ObjectModel>>), Problem> {
    check_type(&headers)?;
    let xml = to_bytes(body, ddf::MOST_BYTES).await.map_err(|_| too_large())?;
    match context.app.add_object_models(&xml, parameters.replace).await {
        Ok(added) => Ok((StatusCode::CREATED, Json(added.into_iter().map(Into::into).collect()))),
        Err(error) => Err(problem(&error)),
    }
}

/// Also keeps forms of other web pages out, which cannot send this type.
fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (kind, _) = given.split_once(';').unwrap_or((given, ""));
    if matches!(kind.trim(), "application/xml" | "text/xml") {
        return Ok(());
    }
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let detail = "the header Content-Type is not application/xml";
    Err(Problem::new(status, "media-type", "The body must be the file itself", detail)
        .remedy("Send the file as the body with Content-Type: application/xml."))
}

fn too_large() -> Problem {
    let detail = format!("an object definition has at most {} bytes", ddf::MOST_BYTES);
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The file is too large", detail)
        .remedy("Split it into a file for each object.")
}

fn problem(error: &AddObjectModelError) -> Problem {
    let conflict = |code, title| Problem::new(StatusCode::CONFLICT, code, title, error);
    match error {
        AddObjectModelError::Bad(_) => Problem::bad_value(error)
            .remedy("The message names the line. Files of the public OMA registry are taken as they are."),
        AddObjectModelError::BuiltIn { .. } => conflict("built-in", "The object is built in")
            .remedy("The server knows this object in all its versions; leave it out of the file."),
        AddObjectModelError::Exists { .. } => conflict("exists", "The object is known already")
            .remedy("Give it another version, or add it with replace=true (`--replace`)."),
        AddObjectModelError::Full => conflict("full", "Too many definitions")
            .remedy("Remove some: `updraft object-model list` shows all."),
        AddObjectModelError::Store(source) => Problem::store("the definition could not be stored", source),
    }
}
