//! What can be downloaded now: one image for each upgrade by PULL, under its token.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use http::HeaderValue;
use tokio::sync::mpsc;

use crate::store::upgrades::UpgradeKey;

/// All images on offer. Cheap to clone; bounded by the upgrades that run.
#[derive(Clone)]
pub struct Offers {
    offers: Arc<RwLock<HashMap<String, Arc<Offer>>>>,
    served: mpsc::Sender<Served>,
}

/// Bytes that went to a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Served {
    /// For which upgrade.
    pub upgrade: UpgradeKey,
    /// From which byte of the image on.
    pub offset: u64,
    /// How many.
    pub length: u64,
}

/// Reports that wait for the protocol side; more are dropped, since the next one makes up for them.
const REPORTS: usize = 4_096;

impl Offers {
    /// No offers; and what will be served of them.
    pub fn new() -> (Self, mpsc::Receiver<Served>) {
        let (served, reports) = mpsc::channel(REPORTS);
        (Self { offers: Arc::default(), served }, reports)
    }

    /// Offers an image with this SHA-256 for an upgrade.
    pub fn publish(&self, token: &str, upgrade: UpgradeKey, image: Arc<[u8]>, sha256: &str) {
        let offer = Offer {
            bytes: Bytes::from_owner(image),
            tag: tag(sha256),
            withdrawn: AtomicBool::new(false),
            upgrade,
        };
        let mut offers = self.offers.write().unwrap_or_else(PoisonError::into_inner);
        offers.insert(token.to_owned(), Arc::new(offer));
    }

    /// Ends an offer, and every download of it.
    pub fn withdraw(&self, token: &str) {
        let mut offers = self.offers.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(offer) = offers.remove(token) {
            offer.withdrawn.store(true, Ordering::Relaxed);
        }
    }

    /// The offer under this token.
    pub(super) fn find(&self, token: &str) -> Option<Arc<Offer>> {
        let offers = self.offers.read().unwrap_or_else(PoisonError::into_inner);
        offers.get(token).cloned()
    }

    pub(super) fn note(&self, offer: &Offer, offset: u64, length: u64) {
        // Fails if there are too many reports, or the protocol side has stopped.
        let _ = self.served.try_send(Served { upgrade: offer.upgrade, offset, length });
    }
}

impl fmt::Debug for Offers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Tokens are secrets.
        formatter.write_str("Offers")
    }
}

/// An image that can be downloaded.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) bytes: Bytes,
    /// Names the bytes: equal content has equal tags, on every server and after every restart.
    pub(super) tag: HeaderValue,
    withdrawn: AtomicBool,
    upgrade: UpgradeKey,
}

impl Offer {
    pub(super) fn is_withdrawn(&self) -> bool {
        self.withdrawn.load(Ordering::Relaxed)
    }
}

/// Half of the SHA-256: enough to name an image, short enough for the memory of small devices.
const TAG_DIGITS: usize = 32;

fn tag(sha256: &str) -> HeaderValue {
    let digits = sha256.get(..TAG_DIGITS).unwrap_or(sha256);
    HeaderValue::from_str(&format!("\"{digits}\"")).expect("hexadecimal digits can stand in a header")
}
