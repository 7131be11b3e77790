//! Images over HTTP and HTTPS, for devices that download with what their modem has.
//!
//! ```text
//!   device ──TCP──▶ serve: slots, idle cut ──TLS──▶ answer (Range, ETag) ──▶ body, piece by piece
//!                                                     ▲                        │
//!   protocol side ── Offers: one path per upgrade ────┘◀── Served: bytes ──────┘
//! ```
//!
//! There is nothing here but `/fw/<token>`: no folder, no list, no other path. A token has 128 random bits,
//! belongs to one upgrade of one device, and its path is gone with the upgrade (SECURITY rule p12), in the
//! middle of a download if need be.

mod answer;
mod body;
mod certificate;
mod offers;
mod patient;
mod range;
mod serve;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

pub use certificate::{CertificateError, Names};
pub use offers::{Offers, Served};

use certificate::Certificates;

use crate::clock::WallClock;
use crate::config;
use crate::secrets::Vault;
use crate::store::DataFolder;

/// Why images cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// Somebody else has the port.
    #[error(
        "TCP {address} is in use by another program; stop that one (`ss -tlpn 'sport = :{port}'` names it) \
         or set {key} to another port", port = .address.port()
    )]
    InUse {
        /// What was asked for.
        address: SocketAddr,
        /// The setting.
        key: &'static str,
    },
    /// Anything else.
    #[error("cannot listen on TCP {address}; set {key} to an address of this machine")]
    Refused {
        /// What was asked for.
        address: SocketAddr,
        /// The setting.
        key: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is no usable certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// Connections at a time, of all devices together; one takes up to 100 KiB.
const MOST_CONNECTIONS: usize = 512;

/// Bound ports that wait to be served.
#[derive(Debug)]
pub struct Files {
    http: Vec<TcpListener>,
    https: Vec<TcpListener>,
    certificates: Option<Arc<Certificates>>,
}

impl Files {
    /// Takes the ports, and makes or reads the certificate if there is one to be shown.
    ///
    /// # Errors
    /// A port is in use or not ours, or the certificate cannot be used.
    pub async fn bind(
        config: &config::Files,
        names: Names,
        folder: &DataFolder,
        vault: &Vault,
        clock: &WallClock,
    ) -> Result<Self, FilesError> {
        let http = listen("files.http_bind", &config.http_bind).await?;
        let https = listen("files.https_bind", &config.https_bind).await?;
        let certificates = if https.is_empty() {
            None
        } else {
            Some(Certificates::open(config.certificate.clone(), names, folder, vault, clock)?)
        };
        Ok(Self { http, https, certificates: certificates.map(Arc::new) })
    }

    /// Where plain HTTP listens.
    pub fn http(&self) -> Vec<SocketAddr> {
        addresses(&self.http)
    }

    /// Where HTTPS listens.
    pub fn https(&self) -> Vec<SocketAddr> {
        addresses(&self.https)
    }

    /// The certificate that devices have to trust, in PEM: the one that signs ours, or the chain that was
    /// configured.
    pub fn trust(&self) -> Option<String> {
        self.certificates.as_ref().map(|certificates| certificates.trust())
    }

    /// Serves what is offered until `stopping` becomes true.
    pub async fn serve(self, offers: Offers, stopping: watch::Receiver<bool>) {
        let slots = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let mut tasks = tokio::task::JoinSet::new();
        for listener in self.http {
            tasks.spawn(serve::serve(listener, None, offers.clone(), slots.clone(), stopping.clone()));
        }
        if let Some(certificates) = &self.certificates {
            for listener in self.https {
                let tls = Some(certificates.acceptor());
                tasks.spawn(serve::serve(listener, tls, offers.clone(), slots.clone(), stopping.clone()));
            }
            tasks.spawn(certificate::keep_fresh(certificates.clone(), stopping));
        }
        while tasks.join_next().await.is_some() {}
    }
}

fn addresses(listeners: &[TcpListener]) -> Vec<SocketAddr> {
    listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
}

async fn listen(key: &'static str, addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, FilesError> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for address in addresses.iter().copied() {
        listeners.push(TcpListener::bind(address).await.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => FilesError::InUse { address, key },
            _ => FilesError::Refused { address, key, source },
        })?);
    }
    Ok(listeners)
}
