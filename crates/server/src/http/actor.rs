//! Who asks, as they say it themselves.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::problem::Problem;
use crate::api::ACTOR_HEADER;
use crate::app::Actor;

/// The one that the header `Updraft-Actor` names. There are no accounts yet: it is declared, not proved.
pub struct By(pub Actor);

impl<S: Send + Sync> FromRequestParts<S> for By {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(ACTOR_HEADER) else { return Ok(Self(Actor::default())) };
        let name = std::str::from_utf8(value.as_bytes()).ok().and_then(|name| Actor::new(name).ok());
        name.map(Self).ok_or_else(|| {
            Problem::bad_value(format!("the header {ACTOR_HEADER} names nobody"))
                .remedy("Give a name of 1 to 64 bytes without control characters (`--as NAME`).")
        })
    }
}
