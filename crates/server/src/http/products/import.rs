//! `POST /api/v1/products`

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use utoipa::IntoParams;

use super::still_open;
use crate::api;
use crate::app::products::ImportError;
use crate::http::Context;
use crate::http::actor::By;
use crate::http::body::Queried;
use crate::http::problem::Problem;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Parameters {
    /// Only say what would be done.
    #[serde(default)]
    dry_run: bool,
    /// Take the place of the profile of a product that is there. Settings that the file does not name stay.
    #[serde(default)]
    replace: bool,
}

/// Longest profile.
const LARGEST: usize = 256 << 10;

/// Imports the devices of a profile, all or none.
///
/// The body is the file as its maker wrote it; unknown parts of it are kept. The maintenance capability is
/// taken as `omCapability` and as `omCapabilities`. The same profile once more changes nothing.
#[utoipa::path(
    post, path = "/api/v1/products", tag = "products", operation_id = "importProducts", params(Parameters),
    request_body(content_type = "application/json", content = inline(api::ProductProfile)),
    responses(
        (status = 200, description = "What importing would do, or nothing was new", body = api::ImportedProducts),
        (status = 201, body = api::ImportedProducts),
        (status = 409, description = "A product is there with another profile", body = api::Problem),
        (status = 413, description = "Larger than 256 KiB", body = api::Problem),
        (status = 415, description = "Not sent as application/json", body = api::Problem),
        (status = 422, description = "No profile; the message names the place", body = api::Problem)
    )
)]
pub async fn import(
    State(context): State<Context>,
    Queried(parameters): Queried<Parameters>,
    By(actor): By,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<api::ImportedProducts>), Problem> {
    check_type(&headers)?;
    let bytes = to_bytes(body, LARGEST).await.map_err(|_| too_large())?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|error| Problem::bad_value(format!("the file is no UTF-8: {error}")))?;
    // What editors of Windows put before a text is no part of it.
    let text = text.trim_start_matches('\u{FEFF}');
    let Parameters { dry_run, replace } = parameters;
    let imported = match dry_run {
        true => context.app.check_import(text, replace),
        false => context.app.import_products(text, replace).await,
    };
    let products: Vec<api::ImportedProduct> =
        imported.map_err(|error| problem(&error))?.into_iter().map(Into::into).collect();
    let changed = products.iter().any(|one| one.change != api::ProductChange::Unchanged);
    if changed && !dry_run {
        tracing::info!(actor = actor.as_str(), "a profile was imported");
    }
    let status = if changed && !dry_run { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(api::ImportedProducts { dry_run, products })))
}

/// Also keeps forms of other web pages out, which cannot send this type.
fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (kind, _) = given.split_once(';').unwrap_or((given, ""));
    if kind.trim() == "application/json" {
        return Ok(());
    }
    let detail = "the header Content-Type is not application/json";
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "media-type",
        "The body must be the profile",
        detail,
    )
    .remedy("Send the file as the body with Content-Type: application/json."))
}

fn too_large() -> Problem {
    let detail = format!("a profile has at most {LARGEST} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The file is too large", detail)
        .remedy("Split it into a file for each device.")
}

fn problem(error: &ImportError) -> Problem {
    let conflict = |code, title| Problem::new(StatusCode::CONFLICT, code, title, error);
    match error {
        ImportError::Profile(source) => Problem::bad_value(source).remedy(
            "The message names the place and what is expected there. docs/examples has a profile that works.",
        ),
        ImportError::Exists(_) => conflict("exists", "The product exists already")
            .remedy("Import it with replace=true (`--replace`); devices and packages keep the product."),
        ImportError::Full => {
            conflict("full", "Too many products").remedy("Remove some: `updraft product list` shows all.")
        }
        ImportError::Open(source) => still_open(source),
        ImportError::Store(source) => Problem::store("the products could not be stored", source),
    }
}
