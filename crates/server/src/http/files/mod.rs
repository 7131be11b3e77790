//! `/api/v1/files`

pub mod certificate;
