//! `/api/v1/packages`

pub mod approve;
pub mod change;
pub mod file;
pub mod list;
pub mod remove;
pub mod show;
pub mod upload;
pub mod withdraw;

use axum::http::StatusCode;

use super::problem::Problem;
use crate::app::PayloadError;

/// There is no such package.
fn unknown(error: impl ToString) -> Problem {
    Problem::not_found(error).remedy("`updraft package list` shows all packages.")
}

/// No device may receive the package.
pub fn payload_problem(error: &PayloadError) -> Problem {
    if let PayloadError::Store(source) = error {
        return Problem::store("the package could not be read", source);
    }
    let title = match error {
        PayloadError::File(_) => "The package is damaged",
        PayloadError::Removed(_) => "The package was deleted",
        PayloadError::NotApproved(_) => "The package is not approved",
        PayloadError::Withdrawn { .. } => "The package was withdrawn",
        _ => "The package cannot be used",
    };
    tracing::warn!(error = error as &dyn std::error::Error, "a package cannot be used");
    Problem::new(StatusCode::CONFLICT, error.code(), title, chain(error)).remedy(error.advice())
}

/// What is wrong and why, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}
