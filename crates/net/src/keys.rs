//! Where pre-shared keys come from.

use std::net::SocketAddr;

use zeroize::Zeroizing;

/// Finds the pre-shared key of an identity.
///
/// Asked by the protocol threads during a handshake, so it answers from memory and never waits for a
/// database, a file or a lock that is held for long.
pub trait KeySource: Send + Sync {
    /// The key of this identity (RFC 4279 section 5.1), `None` if nobody has it. The copy is wiped after use.
    fn key(&self, identity: &[u8]) -> Option<Zeroizing<Vec<u8>>>;

    /// Somebody at `remote` claimed this identity and failed. Nothing proves the claim, so it is something
    /// to show to an operator and to count, never a reason to lock the identity out.
    fn rejected(&self, identity: &[u8], remote: SocketAddr, cause: dtls::Rejection) {
        let identity = identity.escape_ascii();
        tracing::debug!(%identity, %remote, ?cause, "a handshake was rejected");
    }
}

/// Knows nobody: for endpoints that only call others.
#[derive(Clone, Copy, Default, Debug)]
pub struct NoKeys;

impl KeySource for NoKeys {
    fn key(&self, _identity: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        None
    }
}
