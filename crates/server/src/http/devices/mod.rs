//! `/api/v1/devices`

pub mod add;
pub mod list;
pub mod remove;
pub mod show;
