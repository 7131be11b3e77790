//! `GET /api/v1/files/certificate`

use axum::Json;
use axum::extract::State;

use crate::api;
use crate::http::Context;
use crate::http::problem::Problem;

/// Shows what devices have to trust to download images over HTTPS.
///
/// If the server makes its own certificates, this is the authority that signs them; it stays the same for
/// the life of the data folder.
#[utoipa::path(
    get, path = "/api/v1/files/certificate", tag = "files", operation_id = "showFilesCertificate",
    responses(
        (status = 200, body = api::FilesCertificate),
        (status = 404, description = "Downloads over HTTPS are off", body = api::Problem)
    )
)]
pub async fn show(State(context): State<Context>) -> Result<Json<api::FilesCertificate>, Problem> {
    let trust = context.app.trust().ok_or_else(|| {
        Problem::not_found("this server offers no downloads over HTTPS")
            .remedy("Set files.https_bind, such as 0.0.0.0:8443, and start the server again.")
    })?;
    Ok(Json(api::FilesCertificate { certificate: trust.to_owned() }))
}
