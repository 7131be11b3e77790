//! What must come out when things go wrong, by the ids of the project's conformance matrix (D01 to D23, D30).
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod agreement;
mod cookies;
mod floods;
mod fuzz;
mod keys;
mod loss;
mod pair;
mod sessions;
