//! Why a key or a signature is refused.

use super::algorithm::Algorithm;

/// Why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No algorithm has this name.
    #[error("there is no such algorithm")]
    UnknownAlgorithm,
    /// It is no PEM text (RFC 7468), or a damaged one.
    #[error("it is no key in PEM form, or a damaged one")]
    Pem,
    /// More text than any key has.
    #[error("it has {actual} bytes; a key has at most {most}")]
    Size {
        /// How many there are.
        actual: usize,
        /// How many there may be.
        most: usize,
    },
    /// The PEM text holds something else, such as a certificate or the other half of the pair.
    #[error("it holds \"{found}\" where \"{wanted}\" is needed")]
    Label {
        /// What stands after BEGIN.
        found: String,
        /// What should.
        wanted: &'static str,
    },
    /// A private key that nobody encrypted.
    #[error("the private key is not protected by a passphrase; `openssl pkcs8 -topk8` protects it")]
    NotEncrypted,
    /// The passphrase is not that of the key.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// The private key is protected in a way that is not supported.
    #[error("the private key is encrypted in a way that is not supported; PBES2 with AES is")]
    Encryption,
    /// Opening the private key would cost more than an attacker's file may.
    #[error("opening the private key would need more work than is allowed")]
    Work,
    /// No SubjectPublicKeyInfo or PKCS #8 in strict DER, or bytes after it.
    #[error("the key is not encoded as it must be (strict DER)")]
    Encoding,
    /// Neither RSA, P-256 nor Ed25519.
    #[error("keys of this kind are not supported; RSA, P-256 and Ed25519 are")]
    Kind,
    /// The modulus is outside of what is safe and useful.
    #[error("an RSA key must have 2048 to 4096 bits; this one has {bits}")]
    ModulusBits {
        /// How many it has.
        bits: usize,
    },
    /// Small exponents let signatures be made up; large ones cost time.
    #[error("the public exponent of an RSA key must be odd, at least 65537 and below 2^32")]
    Exponent,
    /// Off the curve, a point of small order, an even modulus: what no honest generator makes.
    #[error("the key is not a valid one")]
    Invalid,
    /// The key was made for another algorithm than the one asked for.
    #[error("the key is for {key}, not for {asked}")]
    OtherAlgorithm {
        /// What it is for.
        key: Algorithm,
        /// What it was wanted for.
        asked: Algorithm,
    },
    /// The generator of the operating system or of the library failed.
    #[error("no key could be made")]
    Generation,
    /// The library refused to sign.
    #[error("nothing could be signed with the key")]
    Signing,
}

/// Why a signature is no signature by a key over a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A signature by this key has another length.
    #[error("the signature has {actual} bytes; one by this key has {expected}")]
    Length {
        /// How long one by the key is.
        expected: usize,
        /// How long this is.
        actual: usize,
    },
    /// It was not made by this key over this message.
    #[error("the signature is wrong: the content was changed, or another key signed it")]
    Wrong,
}
