//! Keys for signatures: public ones on the server, private ones with whoever signs.
//!
//! Every key is bound to exactly one [`Algorithm`]; nothing here ever tries another one.

mod algorithm;
mod error;
mod key_id;
mod passphrase;
mod pem;
mod private;
mod public;
mod public_key_info;
#[cfg(test)]
mod tests;

pub use algorithm::Algorithm;
pub use error::{KeyError, SignatureError};
pub use key_id::KeyId;
pub use passphrase::{Passphrase, PassphraseError};
pub use private::PrivateKey;
pub use public::PublicKey;
