//! `/api/v1/bootstrap`, and the bootstrap of one device.

pub mod allow;
pub mod forbid;
pub mod list;
pub mod put;
pub mod remove;
pub mod show;
pub mod trigger;

use axum::http::StatusCode;

use crate::app::bootstrap::{ServersError, Target};
use crate::http::problem::Problem;

/// Whose accounts are meant.
fn target(device: Option<String>, model: Option<String>) -> Result<Target, Problem> {
    match (device, model) {
        (Some(_), Some(_)) => Err(Problem::bad_value("a device and a model exclude each other")),
        (Some(device), None) => Ok(Target::Device(device)),
        (None, Some(model)) => Ok(Target::Model(model)),
        (None, None) => Ok(Target::Default),
    }
}

fn problem(error: &ServersError) -> Problem {
    match error {
        ServersError::UnknownDevice(_) => {
            Problem::not_found(error).remedy("`updraft device list` shows all devices.")
        }
        ServersError::UnknownServer => {
            Problem::not_found(error).remedy("`updraft bootstrap show` shows what there is.")
        }
        ServersError::BadUri(_) => Problem::bad_value(error)
            .remedy("Give it like coaps://updates.example.com:5684; coap:// is without encryption."),
        ServersError::BadBinding(_) => {
            Problem::bad_value(error).remedy("U is UDP; UQ is UDP with queue mode in LwM2M 1.0.")
        }
        ServersError::SharedKey => Problem::bad_value(error)
            .remedy("Give each device its own with `updraft bootstrap set --device ENDPOINT --identity …`."),
        ServersError::NeedlessKey => Problem::bad_value(error)
            .remedy("For this server devices get a fresh key at each bootstrap: leave identity and key out."),
        ServersError::BadKey(_) => Problem::bad_value(error)
            .remedy("Give 32 to 128 hexadecimal digits; `updraft psk generate` makes 64."),
        ServersError::TooMany => {
            Problem::new(StatusCode::CONFLICT, "too-many-accounts", "A device can hold no more", error)
                .remedy("Remove one first.")
        }
        ServersError::BadModel
        | ServersError::BadShortId(_)
        | ServersError::BadTime(..)
        | ServersError::BadPeriods
        | ServersError::BadIdentity => Problem::bad_value(error),
        ServersError::Random(_) => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The server met an error", error)
        }
        ServersError::Store(source) => Problem::store("the account could not be stored", source),
    }
}
