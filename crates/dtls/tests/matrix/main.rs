//! What must come out when things go wrong, by the ids of the project's conformance matrix (D01 to D32; D18 and
//! D19 also inside the crate, where records can be made that no endpoint would send).
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod agreement;
mod connection_ids;
mod cookies;
mod floods;
mod fuzz;
mod keys;
mod limits;
mod loss;
mod nonces;
mod pair;
mod restarts;
mod resumption;
mod sessions;
