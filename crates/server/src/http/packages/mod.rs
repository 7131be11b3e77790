//! `/api/v1/packages`

pub mod list;
pub mod show;
pub mod upload;
