//! Tells watchers at once what the store or the protocol has new.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

use crate::store::upgrades::UpgradeKey;

/// How far a transfer is. Not stored: the protocol tells it again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transfer {
    /// Bytes that the device has.
    pub bytes: u64,
    /// Bytes of the whole image.
    pub total: u64,
}

/// Something new about an upgrade.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct News {
    /// Which upgrade.
    pub upgrade: UpgradeKey,
    /// How far the transfer is; `None` means that new events are in the store.
    pub transfer: Option<Transfer>,
}

/// News that a slow watcher may be behind; it then reads the store again, so nothing is lost.
const BEHIND: usize = 1_024;

/// The news of all upgrades.
#[derive(Debug)]
pub struct Feed {
    news: broadcast::Sender<News>,
    /// Of upgrades that run, hence bounded by the number of devices.
    transfers: Mutex<BTreeMap<UpgradeKey, Transfer>>,
}

impl Default for Feed {
    fn default() -> Self {
        Self { news: broadcast::Sender::new(BEHIND), transfers: Mutex::default() }
    }
}

impl Feed {
    /// News from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }

    /// New events of this upgrade are in the store.
    pub fn recorded(&self, upgrade: UpgradeKey) {
        self.send(News { upgrade, transfer: None });
    }

    /// The transfer has moved.
    pub fn moved(&self, upgrade: UpgradeKey, transfer: Transfer) {
        self.transfers().insert(upgrade, transfer);
        self.send(News { upgrade, transfer: Some(transfer) });
    }

    /// The upgrade has ended.
    pub fn ended(&self, upgrade: UpgradeKey) {
        self.transfers().remove(&upgrade);
    }

    /// How far the transfer of an upgrade that runs is.
    pub fn transfer(&self, upgrade: UpgradeKey) -> Option<Transfer> {
        self.transfers().get(&upgrade).copied()
    }

    fn send(&self, news: News) {
        // Fails if nobody watches.
        let _ = self.news.send(news);
    }

    fn transfers(&self) -> MutexGuard<'_, BTreeMap<UpgradeKey, Transfer>> {
        self.transfers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
