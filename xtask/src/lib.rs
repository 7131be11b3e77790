//! What the project's commands share with its tests.

mod failure;
pub mod postgres;

pub use failure::Failure;
