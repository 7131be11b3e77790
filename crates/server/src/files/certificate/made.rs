//! A certificate that the server makes and renews, with the authority that signs it.
//!
//! Both keys lie sealed in one file of the data folder, replaced whole: temporary file, fsync, rename, fsync
//! of the folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{CertificateError, Current, provider};
use crate::clock::{Moment, WallClock};
use crate::secrets::{Owner, Psk, SealedKey, Vault, hex, random};

/// The file in the data folder.
const FILE: &str = "files-certificate.sealed";
/// What it is sealed for.
const OWNER: Owner<'static> = Owner { domain: "", device: "files", kind: "certificate", version: 1 };

/// How long a certificate holds.
const LIFETIME_DAYS: i64 = 365;
/// How long before its end a new one is made.
const RENEWAL_DAYS: i64 = 60;
const DAY_MICROS: i64 = 86_400_000_000;

/// The authority's end: the last day that the short form of a date can name (RFC 5280 section 4.1.2.5). It
/// has to outlive the devices that trust it.
const AUTHORITY_ENDS: (i32, u8, u8) = (2049, 12, 31);
/// The beginning of both, in the past, since the clocks of devices are.
const BEGINS: (i32, u8, u8) = (2020, 1, 1);

/// What lies in the file.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// The name of the authority.
    authority_name: String,
    /// In PEM, as all of these.
    authority: String,
    authority_key: String,
    certificate: String,
    certificate_key: String,
    /// What the certificate was made for.
    names: Vec<String>,
    /// When it ends, in microseconds since 1970.
    expires: i64,
}

#[derive(Debug)]
pub(super) struct Made {
    path: PathBuf,
    names: Vec<String>,
    vault: Vault,
    clock: WallClock,
    stored: Mutex<Stored>,
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Stored").field("names", &self.names).finish_non_exhaustive()
    }
}

impl Made {
    pub(super) fn open(
        folder: &Path,
        names: Vec<String>,
        vault: &Vault,
        clock: &WallClock,
    ) -> Result<Self, CertificateError> {
        let path = folder.join(FILE);
        let stored = match fs::read(&path) {
            Ok(sealed) => open(&sealed, vault).ok_or_else(|| CertificateError::Sealed(path.clone()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let stored = Stored::new(&names, clock.now())?;
                save(&stored, &path, vault)?;
                tracing::info!(
                    names = names.join(", "),
                    "a certificate for downloads over HTTPS was made; `updraft files certificate` prints what \
                     devices have to trust"
                );
                stored
            }
            Err(source) => return Err(CertificateError::Read { path, source }),
        };
        Ok(Self { path, names, vault: vault.clone(), clock: clock.clone(), stored: Mutex::new(stored) })
    }

    /// The certificate, made anew if it ends soon or the names have changed.
    pub(super) fn current(&self) -> Result<Current, CertificateError> {
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        if stored.names != self.names || stored.expires - now.0 < RENEWAL_DAYS * DAY_MICROS {
            stored.renew(&self.names, now)?;
            save(&stored, &self.path, &self.vault)?;
            tracing::info!(names = self.names.join(", "), "the certificate for downloads was made anew");
        }
        let certificate = CertificateDer::from_pem_slice(stored.certificate.as_bytes());
        let key = PrivateKeyDer::from_pem_slice(stored.certificate_key.as_bytes());
        let (Ok(certificate), Ok(key)) = (certificate, key) else {
            return Err(CertificateError::Sealed(self.path.clone()));
        };
        let key = CertifiedKey::from_der(vec![certificate], key, &provider())
            .map_err(CertificateError::Unusable)?;
        Ok(Current { key, trust: stored.authority.clone() })
    }
}

impl Stored {
    /// A new authority and its first certificate.
    fn new(names: &[String], now: Moment) -> Result<Self, CertificateError> {
        let key = KeyPair::generate()?;
        // Two servers' authorities must not be mistaken for each other.
        let authority_name = format!("Updraft downloads {}", hex(&random::<4>()?));
        let authority = authority(&authority_name).self_signed(&key)?.pem();
        let mut stored = Self {
            authority_name,
            authority,
            authority_key: key.serialize_pem(),
            certificate: String::new(),
            certificate_key: String::new(),
            names: Vec::new(),
            expires: 0,
        };
        stored.renew(names, now)?;
        Ok(stored)
    }

    fn renew(&mut self, names: &[String], now: Moment) -> Result<(), CertificateError> {
        let issuer = Issuer::new(authority(&self.authority_name), KeyPair::from_pem(&self.authority_key)?);
        let key = KeyPair::generate()?;
        let mut certificate = CertificateParams::new(names.to_vec())?;
        if let Some(name) = names.first() {
            certificate.distinguished_name.push(DnType::CommonName, name.as_str());
        }
        certificate.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        certificate.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        certificate.use_authority_key_identifier_extension = true;
        certificate.not_before = date_time_ymd(BEGINS.0, BEGINS.1, BEGINS.2);
        let (end, expires) = end_of(now);
        certificate.not_after =
            date_time_ymd(end.year().into(), end.month().unsigned_abs(), end.day().unsigned_abs());
        self.certificate = certificate.signed_by(&key, &issuer)?.pem();
        self.certificate_key = key.serialize_pem();
        self.names = names.to_vec();
        self.expires = expires;
        Ok(())
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        use zeroize::Zeroize as _;
        self.authority_key.zeroize();
        self.certificate_key.zeroize();
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut authority = CertificateParams::default();
    authority.distinguished_name = rcgen::DistinguishedName::new();
    authority.distinguished_name.push(DnType::CommonName, name);
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority.not_before = date_time_ymd(BEGINS.0, BEGINS.1, BEGINS.2);
    authority.not_after = date_time_ymd(AUTHORITY_ENDS.0, AUTHORITY_ENDS.1, AUTHORITY_ENDS.2);
    authority
}

/// The day on which a certificate made now ends, and its first microsecond.
fn end_of(now: Moment) -> (Date, i64) {
    let today = Timestamp::from_microsecond(now.0).unwrap_or(Timestamp::UNIX_EPOCH);
    let end = today.to_zoned(TimeZone::UTC).date().saturating_add(LIFETIME_DAYS.days());
    let midnight = end.to_zoned(TimeZone::UTC).map_or(now.0, |end| end.timestamp().as_microsecond());
    (end, midnight)
}

fn open(sealed: &[u8], vault: &Vault) -> Option<Stored> {
    let opened = vault.open(OWNER, &SealedKey(sealed.to_vec())).ok()?;
    serde_json::from_slice(opened.as_bytes()).ok()
}

fn save(stored: &Stored, path: &Path, vault: &Vault) -> Result<(), CertificateError> {
    let failed = |source: io::Error| CertificateError::Write { path: path.to_owned(), source };
    let text = Zeroizing::new(serde_json::to_vec(stored).map_err(|error| failed(error.into()))?);
    let sealed = vault.seal(OWNER, &Psk::from_bytes(text.to_vec()))?;
    replace(path, &sealed.0).map_err(failed)
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = path.with_extension("partial");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&partial, path)?;
    File::open(path.parent().unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;
    use crate::secrets::create_key_file;

    const YEAR: i64 = 365 * DAY_MICROS;

    fn vault(folder: &Path) -> Vault {
        Vault::new(create_key_file(&folder.join("key")).unwrap())
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_authority_stays_while_its_certificates_come_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault(folder.path());
        let time = Arc::new(AtomicI64::new(1_767_225_600_000_000));
        let read = time.clone();
        let clock = WallClock::from_fn(move || Moment(read.load(Ordering::Relaxed)));
        let open = |names| Made::open(folder.path(), names, &vault, &clock).unwrap();

        let first = open(names(&["fota.example.org"]));
        let shown = first.current().unwrap();
        let leaf = |current: &Current| current.key.cert[0].to_vec();
        assert_eq!(leaf(&shown), leaf(&first.current().unwrap()), "nothing changes without need");

        let again = open(names(&["fota.example.org"])).current().unwrap();
        assert_eq!((leaf(&again), &again.trust), (leaf(&shown), &shown.trust), "a restart keeps both");

        let renamed = open(names(&["192.0.2.7"])).current().unwrap();
        assert_ne!(leaf(&renamed), leaf(&shown));
        assert_eq!(renamed.trust, shown.trust);

        time.fetch_add(YEAR - RENEWAL_DAYS * DAY_MICROS + DAY_MICROS, Ordering::Relaxed);
        let renewed = open(names(&["192.0.2.7"])).current().unwrap();
        assert_ne!(leaf(&renewed), leaf(&renamed), "before it ends");
        assert_eq!(renewed.trust, shown.trust);
    }

    #[test]
    fn keys_are_sealed_and_another_key_file_says_so() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let clock = WallClock::system();
        Made::open(folder.path(), names(&["a"]), &vault(folder.path()), &clock).unwrap();
        let file = folder.path().join(FILE);
        let sealed = fs::read(&file).unwrap();
        assert!(!sealed.windows(11).any(|window| window == b"PRIVATE KEY"));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let other = tempfile::tempdir().unwrap();
        let opened = Made::open(folder.path(), names(&["a"]), &vault(other.path()), &clock);
        assert!(matches!(opened, Err(CertificateError::Sealed(_))));
    }
}
