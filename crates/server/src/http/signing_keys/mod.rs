//! `/api/v1/signing-keys`

pub mod add;
pub mod list;
pub mod revoke;
pub mod show;
