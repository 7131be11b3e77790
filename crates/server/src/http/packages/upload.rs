//! `POST /api/v1/packages`

use std::time::Duration;

use axum::Json;
use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::StreamExt;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api;
use crate::app::{Kind, PackageText, Target, TargetError, Upload, UploadError};
use crate::http::Context;
use crate::http::actor::By;
use crate::http::body::Queried;
use crate::http::problem::Problem;
use crate::size::ByteCount;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Parameters {
    /// What people call it.
    name: String,
    /// Anything worth knowing.
    #[serde(default)]
    description: String,
    /// The name of the file.
    file_name: String,
    /// The product that it is for: its id or its name, such as `Quectel/NBIoTDevice`. Needed unless what else is
    /// given is true of one product only.
    product: Option<String>,
    /// The device type of the product; this and the next three must be exactly those of the product.
    device_type: Option<String>,
    /// The manufacturer of the product.
    manufacturer: Option<String>,
    /// The model of the product.
    model: Option<String>,
    /// The protocol of the product.
    protocol: Option<String>,
    /// The version that a device reports afterwards. Needed unless the manifest, the image or the name of the file
    /// (`FROM_TO_TO.bin`) says it; what they say must be the same.
    version: Option<String>,
    /// The version it must be installed over, if it is made for only one.
    source_version: Option<String>,
    /// Whether it is made for one version only.
    #[param(inline)]
    kind: Option<api::PackageKind>,
    /// For how long the file is kept.
    #[serde(default)]
    #[param(inline)]
    keep: api::Keep,
}

/// Nothing coming for this long ends an upload (SECURITY rule u05).
const IDLE: Duration = Duration::from_secs(30);

/// Uploads a package: the file is the body, as it is.
#[utoipa::path(
    post, path = "/api/v1/packages", tag = "packages", operation_id = "uploadPackage", params(Parameters),
    request_body(content_type = "application/octet-stream", content = inline(api::Image)),
    responses(
        (status = 201, body = api::Package),
        (status = 408, description = "Nothing came for 30 seconds", body = api::Problem),
        (status = 413, description = "Larger than allowed", body = api::Problem),
        (status = 415, description = "Not sent as application/octet-stream", body = api::Problem),
        (status = 422, description = "It fits no product, nobody vouches for it, it is damaged or not what was said", body = api::Problem),
        (status = 502, description = "The store of packages does not answer", body = api::Problem),
        (status = 507, description = "The disk is full", body = api::Problem)
    )
)]
pub async fn upload(
    State(context): State<Context>,
    parameters: Result<Queried<Parameters>, Problem>,
    by: Result<By, Problem>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<api::Package>), Problem> {
    let mut pieces = body.into_data_stream();
    let upload = match begin(&context, parameters, by, &headers).await {
        Ok(upload) => upload,
        Err(problem) => {
            // Who asked before sending has sent nothing yet.
            if !headers.contains_key(header::EXPECT) {
                drain(&mut pieces).await;
            }
            return Err(problem);
        }
    };
    let upload = receive(upload, &mut pieces).await?;
    let package = context.app.finish_upload(upload).await.map_err(|error| problem(&error))?;
    Ok((StatusCode::CREATED, Json(package.into())))
}

async fn begin(
    context: &Context,
    parameters: Result<Queried<Parameters>, Problem>,
    by: Result<By, Problem>,
    headers: &HeaderMap,
) -> Result<Upload, Problem> {
    let Queried(parameters) = parameters?;
    let By(actor) = by?;
    check_type(headers)?;
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(ByteCount);
    let text = PackageText {
        name: parameters.name,
        description: parameters.description,
        file_name: parameters.file_name,
        target: Target {
            product: parameters.product,
            device_type: parameters.device_type,
            manufacturer: parameters.manufacturer,
            model: parameters.model,
            protocol: parameters.protocol,
        },
        version: parameters.version,
        source_version: parameters.source_version,
        kind: parameters.kind.map(|kind| match kind {
            api::PackageKind::Full => Kind::Full,
            api::PackageKind::Delta => Kind::Delta,
        }),
        keep: parameters.keep.into(),
    };
    context.app.begin_upload(text, &actor, announced).await.map_err(|error| problem(&error))
}

/// Also keeps forms of other web pages out, which cannot send this type.
fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) {
        Some("application/octet-stream") => Ok(()),
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "media-type",
            "The body must be the file itself",
            "the header Content-Type is not application/octet-stream",
        )
        .remedy("Send the file as the body with Content-Type: application/octet-stream.")),
    }
}

async fn receive(mut upload: Upload, pieces: &mut BodyDataStream) -> Result<Upload, Problem> {
    loop {
        let piece = match tokio::time::timeout(IDLE, pieces.next()).await {
            Err(_) => return Err(cut(StatusCode::REQUEST_TIMEOUT, "nothing came for 30 seconds")),
            Ok(Some(Err(_))) => {
                return Err(cut(StatusCode::BAD_REQUEST, "the connection ended before the file"));
            }
            Ok(Some(Ok(piece))) => piece,
            Ok(None) => return Ok(upload),
        };
        upload = match write(upload, piece).await {
            Ok(upload) => upload,
            Err(error) => {
                drain(pieces).await;
                return Err(problem(&error));
            }
        };
    }
}

/// How much of a refused body is still read, so that a client that sends before it reads gets the answer.
const DRAINED: u64 = 64 << 20;

async fn drain(pieces: &mut BodyDataStream) {
    let mut drained = 0;
    while drained < DRAINED
        && let Ok(Some(Ok(piece))) = tokio::time::timeout(IDLE, pieces.next()).await
    {
        drained += piece.len() as u64;
    }
}

/// Writes to the disk where it may wait.
async fn write(mut upload: Upload, piece: Bytes) -> Result<Upload, UploadError> {
    let written = tokio::task::spawn_blocking(move || upload.write(&piece).map(|()| upload));
    written.await.unwrap_or(Err(UploadError::Store(crate::store::StoreError::Closed)))
}

fn cut(status: StatusCode, detail: &str) -> Problem {
    Problem::new(status, "cut-off", "The upload was cut off", detail).remedy("Upload the file again.")
}

fn problem(error: &UploadError) -> Problem {
    let refused =
        |code, title| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, title, super::chain(error));
    let broken = |code| refused(code, "The image cannot be used");
    match error {
        UploadError::BadText { .. } => Problem::bad_value(error),
        UploadError::BadVersion { .. } => {
            Problem::bad_value(error).remedy("Give it exactly as the device reports it.")
        }
        UploadError::Target(source) => {
            target_problem(source, refused("wrong-product", "The package fits no product"))
        }
        UploadError::ManifestProduct(_) => refused("wrong-product", "The package is for another product")
            .remedy("Upload it for the product that its manifest names; every letter counts, case included."),
        UploadError::NotUpgradable(_) => refused("not-upgradable", "The product takes no packages")
            .remedy("Add the capability with `updraft product add-capability`."),
        UploadError::Empty => broken("empty").remedy("Choose another file."),
        UploadError::NoVersion => Problem::bad_value(error)
            .remedy("Give the version that the device will report, since only that proves success."),
        UploadError::Version(_) => refused("bad-version", "The version is none of this product")
            .remedy("Give the version as devices report it, or change the product's version_pattern."),
        UploadError::FullWithSource | UploadError::DeltaWithoutSource => Problem::bad_value(error),
        UploadError::Contents(source) if source.is_about_signatures() => {
            refused("signature", "Nobody vouches for the package").remedy(
                "Sign it with `updraft sign sign` and a key of the manufacturer that counts here; \
                 `updraft signing-key list` shows them.",
            )
        }
        UploadError::Contents(_) => refused("bad-package", "The package cannot be used")
            .remedy("Make a package of exactly one file for the device, with `updraft sign sign` or zip."),
        UploadError::Period(_) => refused("expired", "The package is not valid any more")
            .remedy("Ask the supplier for a package that is valid now."),
        UploadError::TwoFilesNeeded(_) | UploadError::OneFileNeeded(_) | UploadError::Bank { .. } => refused(
            "banks",
            "The images do not fit the banks of the module",
        )
        .remedy(
            "Give modules with two banks (J11) a signed package with one Intel HEX file for each bank, and \
                 all others one image.",
        ),
        UploadError::BadHeader(_) | UploadError::WrongLength { .. } | UploadError::Damaged => {
            broken("damaged").remedy("Fetch or build the file again; it was changed on its way.")
        }
        UploadError::Contradiction { .. } => {
            broken("contradiction").remedy("Leave the value out, or choose the file that was meant.")
        }
        UploadError::Image(source) => Problem::image(source),
        UploadError::Store(source) => Problem::store("the package could not be stored", source),
    }
}

fn target_problem(error: &TargetError, problem: Problem) -> Problem {
    problem.remedy(match error {
        TargetError::Find(_) | TargetError::Several(_) => {
            "Name the product with `--product`; `updraft product list` shows all products."
        }
        TargetError::NoProducts => "Import a product first, with `updraft product import`.",
        TargetError::Mismatch { .. } | TargetError::NoMatch { .. } => {
            "Give the values exactly as they are in the product, every letter and its case."
        }
    })
}
