//! `/api/v1/upgrades`

pub mod cancel;
pub mod events;
pub mod list;
pub mod show;
pub mod start;
