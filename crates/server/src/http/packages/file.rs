//! `GET /api/v1/packages/{id}/file`

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};

use crate::api;
use crate::app::FileError;
use crate::http::Context;
use crate::http::problem::Problem;

type Answer = ([(HeaderName, HeaderValue); 3], Body);

/// Downloads what was uploaded, byte for byte.
#[utoipa::path(
    get, path = "/api/v1/packages/{id}/file", tag = "packages", operation_id = "downloadPackage",
    params(("id" = String, Path, description = "The id of the package")),
    responses(
        (status = 200, content_type = "application/octet-stream", body = inline(api::Image)),
        (status = 404, body = api::Problem),
        (status = 409, description = "The file is missing or damaged", body = api::Problem)
    )
)]
pub async fn file(State(context): State<Context>, Path(id): Path<String>) -> Result<Answer, Problem> {
    let file = context.app.package_file(&id).await.map_err(|error| problem(&error))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (header::CONTENT_LENGTH, HeaderValue::from(file.size.0)),
        (header::CONTENT_DISPOSITION, attachment(&file.package.file_name)),
    ];
    Ok((headers, Body::from_stream(file.pieces)))
}

/// RFC 6266: a browser saves it and never shows it (SECURITY rule w06).
fn attachment(name: &str) -> HeaderValue {
    let escaped = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
    let value = format!("attachment; filename*=UTF-8''{escaped}");
    HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static("attachment"))
}

fn problem(error: &FileError) -> Problem {
    match error {
        FileError::Unknown(_) => super::unknown(error),
        FileError::Removed => Problem::not_found(error).remedy("Upload the package again."),
        FileError::Image(source) => {
            tracing::error!(error = source as &dyn std::error::Error, "the file of a package is not good");
            Problem::new(StatusCode::CONFLICT, "package-damaged", "The package is damaged", error)
                .remedy("Upload the package again.")
        }
        FileError::Store(source) => Problem::store("the package could not be read", source),
    }
}
