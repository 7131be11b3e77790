//! `/api/v1/products`

pub mod add_capability;
pub mod import;
pub mod list;
pub mod profile;
pub mod remove;
pub mod set;
pub mod show;

use std::sync::Arc;

use axum::http::StatusCode;

use crate::app::App;
use crate::app::products::{FindProductError, NeedsPermission, Product, SetProductError, StillOpen};
use crate::http::problem::Problem;

/// The product that a path or a field names, by its id or its name.
pub(in crate::http) fn find(app: &App, name: &str) -> Result<Arc<Product>, Problem> {
    app.find_product(name).map_err(|error| find_problem(&error))
}

pub(in crate::http) fn find_problem(error: &FindProductError) -> Problem {
    match error {
        FindProductError::Unknown { .. } => Problem::not_found(error)
            .remedy("`updraft product list` shows all; names are compared exactly, case included."),
        FindProductError::Ambiguous { .. } => {
            Problem::new(StatusCode::CONFLICT, "ambiguous-product", "Several products are called so", error)
                .remedy("`updraft product list` shows their ids.")
        }
    }
}

/// A device without encryption that its product does not allow.
pub(in crate::http) fn permission_problem(error: &NeedsPermission) -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "needs-permission",
        "Devices without encryption need permission",
        error,
    )
    .remedy(
        "Give the device a key. Or let its product allow it: `updraft product set PRODUCT \
             allow_no_security=true`, and name the product (`--product`, or `updraft device set-product`).",
    )
}

fn still_open(error: &StillOpen) -> Problem {
    Problem::new(StatusCode::CONFLICT, "devices-without-encryption", "Devices rely on it", error)
        .remedy("Remove these devices, or make them another product, before allow_no_security ends.")
}

fn set_problem(error: &SetProductError) -> Problem {
    match error {
        SetProductError::Unknown(_) => {
            Problem::not_found(error).remedy("`updraft product list` shows all products.")
        }
        SetProductError::Profile(source) => {
            Problem::bad_value(source).remedy("The message names the place and what is expected there.")
        }
        SetProductError::Open(source) => still_open(source),
        SetProductError::Store(source) => Problem::store("the product could not be stored", source),
    }
}
