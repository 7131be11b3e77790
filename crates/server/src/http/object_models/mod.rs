//! `/api/v1/object-models`

pub mod add;
pub mod list;
pub mod reload;
pub mod remove;
pub mod show;
