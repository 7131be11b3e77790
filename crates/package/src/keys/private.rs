//! Keys that sign. They live in a file that a passphrase protects, and never on the server.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    RsaEncoding, RsaKeyPair,
};
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::der::{Decode, Reader, SliceReader};
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::{Kdf, Parameters};
use pkcs8::{AlgorithmIdentifierRef, EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use zeroize::Zeroizing;

use super::algorithm::Algorithm;
use super::error::KeyError;
use super::passphrase::Passphrase;
use super::pem;
use super::public::PublicKey;
use super::public_key_info;

/// Rounds of PBKDF2 with SHA-256 for keys that we protect.
const ITERATIONS: u32 = 600_000;

/// Rounds that opening a key may need: ten seconds.
const MOST_ITERATIONS: u32 = 10_000_000;

/// Memory that opening a key may need with scrypt (128 · N · r): 256 MiB.
const MOST_SCRYPT_BYTES: u64 = 256 << 20;

/// Passes that opening a key may need with scrypt.
const MOST_SCRYPT_PASSES: u64 = 16;

/// A private key, bound to one algorithm.
pub struct PrivateKey {
    pair: Pair,
    /// PKCS #8 (RFC 5208), version 1, which all readers know.
    der: Zeroizing<Vec<u8>>,
    public: PublicKey,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl PrivateKey {
    /// Makes a key. RSA keys have 2048 bits.
    ///
    /// # Errors
    /// The generator failed.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let failed = |_| KeyError::Generation;
        let pair = match algorithm {
            Algorithm::RsaPkcs1v15 | Algorithm::RsaPss => {
                Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?)
            }
            Algorithm::EcdsaP256 => {
                Pair::Ecdsa(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(failed)?)
            }
            Algorithm::Ed25519 => Pair::Ed25519(Ed25519KeyPair::generate().map_err(failed)?),
        };
        Self::of(pair, algorithm)
    }

    /// As an encrypted PKCS #8 PEM text (RFC 5958, RFC 8018), which OpenSSL opens: PBES2 with PBKDF2-HMAC-SHA256
    /// of 600,000 rounds and AES-256-CBC.
    ///
    /// # Errors
    /// The random source failed.
    pub fn to_encrypted_pem(&self, passphrase: &Passphrase) -> Result<String, KeyError> {
        let (mut salt, mut start) = ([0; 16], [0; 16]);
        rand::fill(&mut salt).map_err(|_| KeyError::Generation)?;
        rand::fill(&mut start).map_err(|_| KeyError::Generation)?;
        let parameters = Parameters::generate_pbkdf2_sha256_aes256cbc(ITERATIONS, &salt, start)
            .map_err(|_| KeyError::Encryption)?;
        let info = PrivateKeyInfoRef::from_der(&self.der).map_err(|_| KeyError::Encoding)?;
        let encrypted =
            info.encrypt_with_params(parameters, passphrase.as_bytes()).map_err(|_| KeyError::Encryption)?;
        pem::write(encrypted.as_bytes(), pem::ENCRYPTED, self.algorithm())
    }

    /// Opens `-----BEGIN ENCRYPTED PRIVATE KEY-----`: PBES2 with PBKDF2 (also with SHA-1, as old tools made it) or
    /// scrypt, and AES. Without an algorithm it is for what the text above it says, otherwise for what such keys
    /// are usually for.
    ///
    /// # Errors
    /// The passphrase is wrong; the key is damaged, weak, of an unknown kind or for another algorithm; opening it
    /// would need too much work.
    pub fn from_encrypted_pem(
        text: &str,
        passphrase: &Passphrase,
        algorithm: Option<Algorithm>,
    ) -> Result<Self, KeyError> {
        let (encrypted, named) = pem::read(text, pem::ENCRYPTED)?;
        let encrypted = EncryptedPrivateKeyInfoRef::from_der(&encrypted).map_err(|_| {
            if is_encrypted_key(&encrypted) { KeyError::Encryption } else { KeyError::Encoding }
        })?;
        bound_work(&encrypted.encryption_algorithm)?;
        let opened = encrypted.decrypt(passphrase.as_bytes()).map_err(|error| match error {
            // A wrong key gives wrong padding or, once in 256 times, bytes that are no DER.
            pkcs8::Error::EncryptedPrivateKey(pkcs8::pkcs5::Error::DecryptFailed) | pkcs8::Error::Asn1(_) => {
                KeyError::WrongPassphrase
            }
            _ => KeyError::Encryption,
        })?;
        let info = PrivateKeyInfoRef::from_der(opened.as_bytes()).map_err(|_| KeyError::WrongPassphrase)?;
        let natural = public_key_info::kind(&info.algorithm)?;
        let key = named.unwrap_or(natural);
        match algorithm {
            Some(asked) if named.is_some() && asked != key => Err(KeyError::OtherAlgorithm { key, asked }),
            asked => Self::of(read(opened.as_bytes(), natural)?, asked.unwrap_or(key)),
        }
    }

    fn of(pair: Pair, algorithm: Algorithm) -> Result<Self, KeyError> {
        let failed = |_| KeyError::Invalid;
        let (public, der) = match &pair {
            Pair::Rsa(pair) => {
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
                (pair.public_key().as_der().map_err(failed)?, Zeroizing::new(der.as_ref().to_vec()))
            }
            Pair::Ecdsa(pair) => {
                let der = pair.to_pkcs8v1().map_err(failed)?;
                (pair.public_key().as_der().map_err(failed)?, Zeroizing::new(der.as_ref().to_vec()))
            }
            Pair::Ed25519(pair) => {
                let der = pair.to_pkcs8v1().map_err(failed)?;
                (pair.public_key().as_der().map_err(failed)?, Zeroizing::new(der.as_ref().to_vec()))
            }
        };
        let public = PublicKey::from_der(public.as_ref(), algorithm)?;
        Ok(Self { pair, der, public })
    }

    /// What it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
    }

    /// The half that verifies.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a message.
    ///
    /// # Errors
    /// The library failed.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let padding: &'static dyn RsaEncoding = match self.algorithm() {
                    Algorithm::RsaPss => &RSA_PSS_SHA256,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut signature).map_err(|_| KeyError::Signing)?;
                Ok(signature)
            }
            Pair::Ecdsa(pair) => {
                Ok(pair.sign(&random, message).map_err(|_| KeyError::Signing)?.as_ref().to_vec())
            }
            Pair::Ed25519(pair) => {
                Ok(pair.try_sign(message).map_err(|_| KeyError::Signing)?.as_ref().to_vec())
            }
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PrivateKey(*** of {:?})", self.public)
    }
}

fn read(der: &[u8], natural: Algorithm) -> Result<Pair, KeyError> {
    let invalid = |_| KeyError::Invalid;
    Ok(match natural {
        Algorithm::RsaPkcs1v15 | Algorithm::RsaPss => {
            Pair::Rsa(RsaKeyPair::from_pkcs8(der).map_err(invalid)?)
        }
        Algorithm::EcdsaP256 => {
            Pair::Ecdsa(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der).map_err(invalid)?)
        }
        Algorithm::Ed25519 => Pair::Ed25519(Ed25519KeyPair::from_pkcs8(der).map_err(invalid)?),
    })
}

/// Whether it is an EncryptedPrivateKeyInfo (RFC 5958 section 3) with any encryption.
fn is_encrypted_key(der: &[u8]) -> bool {
    let read = || -> pkcs8::der::Result<()> {
        let mut reader = SliceReader::new(der)?;
        reader.sequence(|fields| {
            AlgorithmIdentifierRef::decode(fields)?;
            <&OctetStringRef>::decode(fields).map(drop)
        })?;
        reader.finish()
    };
    read().is_ok()
}

/// A file from elsewhere says itself how much work it is to open.
fn bound_work(scheme: &EncryptionScheme) -> Result<(), KeyError> {
    let parameters = scheme.pbes2().ok_or(KeyError::Encryption)?;
    let allowed = match &parameters.kdf {
        Kdf::Pbkdf2(pbkdf2) => pbkdf2.iteration_count <= MOST_ITERATIONS,
        Kdf::Scrypt(scrypt) => {
            let (block, passes) = (u64::from(scrypt.block_size), u64::from(scrypt.parallelization));
            let bytes = scrypt.cost_parameter.checked_mul(128).and_then(|bytes| bytes.checked_mul(block));
            bytes.is_some_and(|bytes| bytes <= MOST_SCRYPT_BYTES) && passes <= MOST_SCRYPT_PASSES
        }
        _ => return Err(KeyError::Encryption),
    };
    if allowed { Ok(()) } else { Err(KeyError::Work) }
}
