//! A certificate that the operator has.

use std::fs;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::{CertificateError, Current, provider};

/// Two files in PEM. They are read again from time to time, since whoever renews them replaces them.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

impl Given {
    pub(super) fn read(&self) -> Result<Current, CertificateError> {
        let chain = read(&self.certificate)?;
        let key = read(&self.key)?;
        let key =
            PrivateKeyDer::from_pem_slice(&key).map_err(|_| CertificateError::NoKey(self.key.clone()))?;
        let certificates: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(&chain).filter_map(Result::ok).collect();
        if certificates.is_empty() {
            return Err(CertificateError::NoCertificate(self.certificate.clone()));
        }
        let key =
            CertifiedKey::from_der(certificates, key, &provider()).map_err(CertificateError::Unusable)?;
        Ok(Current { key, trust: String::from_utf8_lossy(&chain).into_owned() })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    fs::read(path).map_err(|source| CertificateError::Read { path: path.to_owned(), source })
}
