//! Downloads over HTTP(S) as the API shows them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What devices have to trust to download images over HTTPS.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct FilesCertificate {
    /// One or more certificates in PEM.
    pub certificate: String,
}
