//! What a signer wrote: `manifest.json`, `signatures.json` and public keys. What is read can be written and then
//! reads the same.

use package::{Algorithm, Manifest, PublicKey, parse_signatures, write_signatures};

/// Takes one of the three.
///
/// # Panics
/// If what was read reads differently after it was written, or a key has a second encoding.
pub fn target(bytes: &[u8]) {
    if let Ok(manifest) = Manifest::parse(bytes) {
        assert_eq!(manifest.check(), Ok(()));
        assert_eq!(Manifest::parse(&manifest.to_bytes()), Ok(manifest));
    }
    if let Ok(signatures) = parse_signatures(bytes) {
        assert_eq!(parse_signatures(&write_signatures(&signatures)), Ok(signatures));
    }
    for algorithm in Algorithm::ALL {
        if let Ok(key) = PublicKey::from_der(bytes, algorithm) {
            assert_eq!(key.to_der(), bytes, "a key has one encoding");
            assert_eq!(PublicKey::from_pem(&key.to_pem(), algorithm), Ok(key.clone()));
            assert!(key.verify(bytes, &[]).is_err());
        }
        let text = String::from_utf8_lossy(bytes);
        if let Ok(key) = PublicKey::from_pem(&text, algorithm) {
            assert_eq!(PublicKey::from_pem(&key.to_pem(), algorithm), Ok(key));
        }
    }
}
