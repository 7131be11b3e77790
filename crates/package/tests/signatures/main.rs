//! Forged signatures and keys: what attacks on verifiers are made of, each made here in code and refused.
//!
//! Every group also has signatures that are good, so that a verifier which refuses everything fails too.
#![expect(clippy::unwrap_used, reason = "a test that cannot make its input fails")]

mod bundles;
mod ecdsa;
mod ed25519;
mod keys;
mod pkcs1;
mod pss;
mod rsa;

use std::collections::BTreeSet;

use package::{KeyError, PublicKey, SignatureError};

/// What is signed in all groups that do not need more.
const MESSAGE: &[u8] = b"{\"format\":1}\n";

/// A signature that must be refused.
struct Forgery {
    name: &'static str,
    signature: Vec<u8>,
}

fn forgery(name: &'static str, signature: impl Into<Vec<u8>>) -> Forgery {
    Forgery { name, signature: signature.into() }
}

/// Refuses all, and for the reason that its length calls for: `length` is that of a signature by the key, if it
/// has one.
fn refuse(key: &PublicKey, length: Option<usize>, forgeries: &[Forgery]) {
    for Forgery { name, signature } in forgeries {
        let expected = match length {
            Some(expected) if expected != signature.len() => {
                SignatureError::Length { expected, actual: signature.len() }
            }
            _ => SignatureError::Wrong,
        };
        assert_eq!(key.verify(MESSAGE, signature), Err(expected), "{name}");
    }
}

/// A key that must be refused.
struct WeakKey {
    name: String,
    der: Vec<u8>,
    expected: KeyError,
}

#[test]
fn p02_none_of_all_forgeries_is_like_another_and_there_are_enough() {
    let signatures = [pkcs1::forgeries(), pss::forgeries(), ecdsa::forgeries(), ed25519::forgeries()];
    let mut distinct = BTreeSet::new();
    for (group, forgeries) in signatures.iter().enumerate() {
        for forgery in forgeries {
            assert!(distinct.insert((group, forgery.signature.clone())), "{} is there twice", forgery.name);
        }
    }
    let keys: BTreeSet<Vec<u8>> = keys::weak().into_iter().map(|key| key.der).collect();
    let bundles: BTreeSet<Vec<u8>> = bundles::forged().into_iter().map(|forged| forged.archive).collect();
    assert_eq!((distinct.len(), keys.len(), bundles.len()), (203, 56, 89), "signatures, keys and archives");
}
