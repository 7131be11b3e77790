//! Answers that say what is wrong and what to do.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::api;
use crate::store::{ImageError, StoreError};

/// A problem on its way to the client.
#[derive(Debug)]
pub struct Problem(api::Problem);

impl Problem {
    /// A problem of this kind; `code` is the stable part of its type.
    pub fn new(status: StatusCode, code: &str, title: &str, detail: impl ToString) -> Self {
        Self(api::Problem {
            kind: format!("urn:updraft:problem:{code}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.to_string(),
            remedy: String::new(),
        })
    }

    /// Adds what to do about it.
    pub fn remedy(mut self, remedy: &str) -> Self {
        remedy.clone_into(&mut self.0.remedy);
        self
    }

    /// Something asked for does not exist.
    pub fn not_found(detail: impl ToString) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    /// A value in the request cannot be used.
    pub fn bad_value(detail: impl ToString) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-value", "A value cannot be used", detail)
    }

    /// The store could not do it. `what` is what was tried.
    pub fn store(what: &str, error: &StoreError) -> Self {
        match error {
            StoreError::DiskFull => Self::disk_full(what),
            StoreError::Closed => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "The server is stopping", what)
                    .remedy("Try again when it has been started again.")
            }
            StoreError::Unavailable(_) => {
                tracing::warn!(error = error as &dyn std::error::Error, "{what}");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "database-unavailable",
                    "The database cannot be reached",
                    what,
                )
                .remedy("Nothing was changed. Try again when the database is there; the server goes on by itself.")
            }
            StoreError::Superseded => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "superseded",
                "Another server has the database now",
                what,
            )
            .remedy("Nothing was changed. Ask the server that was started last."),
            StoreError::OutcomeUnknown => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "outcome-unknown",
                "It is not known whether the change was stored",
                what,
            )
            .remedy("The database was lost in the middle of it. Look at the result before trying again."),
            StoreError::Conflict(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "database-busy",
                "The database was busy with something else",
                what,
            )
            .remedy("Nothing was changed. Try again."),
            StoreError::ReadOnly(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "database-read-only",
                "The database takes no changes",
                what,
            )
            .remedy("Nothing was changed. Let the database take changes, or connect to one that does."),
            StoreError::Database(_) => Self::internal(what, error),
        }
    }

    /// The image could not be stored.
    pub fn image(error: &ImageError) -> Self {
        match error {
            ImageError::TooLarge(_) => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The package is too large", error)
                    .remedy("Upload a smaller one, or raise packages.max_size.")
            }
            ImageError::StorageLimit(_) => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "storage-limit",
                "The packages take all the room that they may",
                error,
            )
            .remedy("Raise packages.storage_limit."),
            ImageError::Reserve(_) | ImageError::DiskFull => Self::disk_full(error),
            ImageError::Missing | ImageError::Damaged | ImageError::Io(_) | ImageError::Stopping => {
                Self::internal("the package could not be stored", error)
            }
            ImageError::Store(_) => {
                tracing::error!(error = error as &dyn std::error::Error, "a package could not be stored");
                Self::new(
                    StatusCode::BAD_GATEWAY,
                    "package-store",
                    "The store of packages does not answer as it should",
                    error,
                )
                .remedy(
                    "See the log of the server, and packages.store and packages.s3_* in its configuration.",
                )
            }
        }
    }

    fn disk_full(detail: impl ToString) -> Self {
        Self::new(StatusCode::INSUFFICIENT_STORAGE, "disk-full", "The disk is full", detail)
            .remedy("Free space on the disk of data_dir, then try again. Nothing was stored.")
    }

    fn internal(what: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "{what}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The server met an error", what)
            .remedy("Nothing was changed. The log of the server says more.")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
    }
}
