//! The certificate of the HTTPS port: one that was configured, or one that this server makes.
//!
//! What it makes is an authority, which devices are given to trust, and a certificate signed by it. The
//! authority stays; the certificate is made anew before it expires and whenever the names change, and no
//! device has to know.

mod given;
mod made;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{ClientHello, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::TlsAcceptor;

use given::Given;
use made::Made;

use crate::clock::WallClock;
use crate::secrets::{NoRandomness, Vault};
use crate::store::DataFolder;
use crate::uri::Host;

/// Why there is no certificate to show.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file is missing or cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// There is no certificate in the file.
    #[error("{} holds no certificate; files.certificate is a chain in PEM, the server's own first", .0.display())]
    NoCertificate(PathBuf),
    /// There is no key in the file.
    #[error("{} holds no private key; files.private_key is one in PEM (PKCS#8, SEC1 or PKCS#1)", .0.display())]
    NoKey(PathBuf),
    /// They do not belong together, or are of a kind that is not spoken.
    #[error("the certificate and the private key cannot be used together")]
    Unusable(#[source] rustls::Error),
    /// The store of the certificate that was made does not open.
    #[error(
        "{} does not open with this key file; restore the key file it was made with, or remove it: a new \
         certificate is made then, which devices have to be given", .0.display()
    )]
    Sealed(PathBuf),
    /// The certificate that was made cannot be stored.
    #[error("cannot store the certificate in {}", .path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// No certificate could be made.
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
    /// No key could be made.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

/// The names and addresses that devices call this server by; never empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Names(Vec<String>);

impl Names {
    /// The public host and the addresses that are listened on.
    pub fn new(host: Option<&Host>, bound: &[SocketAddr]) -> Self {
        let host = host.map(|host| host.to_string().trim_matches(['[', ']']).to_owned());
        let addresses = bound.iter().map(SocketAddr::ip).filter(|ip| !ip.is_unspecified());
        let mut names: Vec<String> = host.into_iter().collect();
        for address in addresses {
            let address = address.to_string();
            if !names.contains(&address) {
                names.push(address);
            }
        }
        if names.is_empty() {
            names.push("localhost".to_owned());
        }
        Self(names)
    }
}

/// A certificate in use.
pub struct Certificates {
    source: Source,
    shown: Arc<Shown>,
    trust: RwLock<String>,
}

#[derive(Debug)]
enum Source {
    Given(Given),
    Made(Box<Made>),
}

/// What a source has now.
struct Current {
    key: CertifiedKey,
    /// What a device has to trust, in PEM.
    trust: String,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Certificates").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Certificates {
    /// The configured certificate and key, or those that this data folder has or now gets.
    pub fn open(
        configured: Option<(PathBuf, PathBuf)>,
        names: Names,
        folder: &DataFolder,
        vault: &Vault,
        clock: &WallClock,
    ) -> Result<Self, CertificateError> {
        let source = match configured {
            Some((certificate, key)) => Source::Given(Given { certificate, key }),
            None => Source::Made(Box::new(Made::open(folder.path(), names.0, vault, clock)?)),
        };
        let current = source.current()?;
        let shown = Arc::new(Shown(RwLock::new(Arc::new(current.key))));
        Ok(Self { source, shown, trust: RwLock::new(current.trust) })
    }

    pub fn trust(&self) -> String {
        self.trust.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn acceptor(&self) -> TlsAcceptor {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .expect("the provider speaks both")
            .with_no_client_auth()
            .with_cert_resolver(self.shown.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }

    /// Shows what the source has now; on an error the old one goes on.
    fn refresh(&self) -> Result<(), CertificateError> {
        let current = self.source.current()?;
        *self.trust.write().unwrap_or_else(PoisonError::into_inner) = current.trust;
        *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(current.key);
        Ok(())
    }
}

impl Source {
    fn current(&self) -> Result<Current, CertificateError> {
        match self {
            Self::Given(given) => given.read(),
            Self::Made(made) => made.current(),
        }
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Shows one certificate to everybody, since modules often send no name or an address as one.
struct Shown(RwLock<Arc<CertifiedKey>>);

impl fmt::Debug for Shown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Shown(***)")
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// How often a certificate is looked at: one that was configured may have been renewed on disk.
const LOOK: Duration = Duration::from_secs(6 * 3_600);

/// Renews what is shown, until `stopping` becomes true.
pub async fn keep_fresh(certificates: Arc<Certificates>, mut stopping: watch::Receiver<bool>) {
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    look.reset();
    loop {
        tokio::select! {
            _ = look.tick() => {}
            _ = stopping.wait_for(|stopping| *stopping) => return,
        }
        let certificates = certificates.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || certificates.refresh()).await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "the certificate for downloads was not renewed; the old one is shown");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_devices_can_call() {
        let names = |host: Option<&str>, bound: &[&str]| {
            let host = host.map(|host| host.parse::<Host>().unwrap());
            let bound: Vec<SocketAddr> = bound.iter().map(|address| address.parse().unwrap()).collect();
            Names::new(host.as_ref(), &bound).0
        };
        assert_eq!(names(Some("fota.example.org"), &["0.0.0.0:8443"]), ["fota.example.org"]);
        assert_eq!(names(Some("[2001:db8::7]"), &[]), ["2001:db8::7"]);
        assert_eq!(names(None, &["192.0.2.7:1", "192.0.2.7:2", "[::]:1"]), ["192.0.2.7"]);
        assert_eq!(names(None, &["[::]:8443"]), ["localhost"]);
    }
}
