//! Starting, following and canceling upgrades.

use std::sync::Arc;
use std::time::Duration;

use firmware::upgrade::{Delivery, Protocol, Stage};
use lwm2m::server::upgrade::{Severity, TransferMemory, UpgradeRecord};

use super::components::{ComponentError, ComponentImage, components};
use super::packages::check_state;
use super::upgrade_errors::{CancelError, StartUpgradeError};
use super::{App, Order, PayloadError, Purpose};
use crate::secrets::{NoRandomness, random};
use crate::store::devices;
use crate::store::packages::{self, Package};
use crate::store::upgrade_components::{self, Component};
use crate::store::upgrade_events::{self, UpgradeEvent};
use crate::store::upgrades::{self, End, Progress, Upgrade, UpgradeKey, parse_history_id};
use crate::store::{ImageError, StoreError};
use crate::uri::BaseUri;

/// An upgrade to be started.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StartUpgrade {
    /// The endpoint name of the device.
    pub endpoint: String,
    /// The id of the package.
    pub package: String,
    /// The instance of object 33629 that it is for; `None` is object 5.
    pub component: Option<u16>,
    /// Further components, upgraded after it in this order, each with the id of its package.
    pub further: Vec<(u16, String)>,
    /// Who moves the bytes; `None` is what the device takes.
    pub delivery: Option<Delivery>,
    /// By which protocol the device fetches; `None` is the best one that it speaks.
    pub protocol: Option<Protocol>,
    /// Whether the device's state is observed; otherwise it is asked again and again.
    pub observe: bool,
    /// Where the device fetches the image, instead of the configured place.
    pub base_uri: Option<BaseUri>,
    /// How long the device may take to get the image, instead of the configured time.
    pub timeout: Option<Duration>,
    /// How urgent it is, for a device that asks its user.
    pub severity: Option<Severity>,
    /// For how long that user may put the installation off; zero forbids it.
    pub defer: Option<Duration>,
}

/// Everything that the protocol side needs to carry an upgrade out.
#[derive(Clone, Debug)]
pub struct Started {
    pub upgrade: Upgrade,
    pub package: Package,
    /// The checked image.
    pub image: Arc<[u8]>,
    /// All components in their order, the first with this package; empty for object 5.
    pub components: Vec<ComponentImage>,
    /// What its upgrades before left behind.
    pub past: Past,
}

/// What an upgrade has to know of those before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Past {
    /// Whether an image that the device has already comes from us.
    pub leftovers_are_ours: bool,
    /// How the device takes images.
    pub memory: TransferMemory,
}

/// Why an upgrade that was interrupted cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// The package is not what it was, or may not be sent any more.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// It cannot be read now.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What happened to an upgrade, to be made durable in one piece.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpgradeChange {
    pub key: UpgradeKey,
    pub progress: Progress,
    pub end: Option<End>,
    pub events: Vec<UpgradeEvent>,
}

/// The stored word for a delivery that is chosen by what the device takes.
pub const AUTOMATIC: &str = "auto";

/// The longest time that a transfer may take; a device may sleep for days.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

impl App {
    /// Starts an upgrade. It is durable when this returns, and goes on whenever the device is there.
    ///
    /// # Errors
    /// Something asked for does not exist or does not fit, or it cannot be stored.
    pub async fn start_upgrade(&self, wanted: StartUpgrade) -> Result<Upgrade, StartUpgradeError> {
        let timeout = wanted.timeout.or(self.inner.settings.upgrade_timeout);
        if timeout.is_some_and(|timeout| timeout < Duration::from_secs(1) || timeout > LONGEST) {
            return Err(StartUpgradeError::BadTimeout);
        }
        if wanted.defer.is_some_and(|defer| defer > LONGEST) {
            return Err(StartUpgradeError::BadDeferral);
        }
        let wanted = self.with_defaults(wanted).await?;
        let rows = components(&wanted)?;
        let base_uri = self.base_uri(&wanted)?;
        let (device, package, image) = self.fitting(&wanted, base_uri.is_some()).await?;
        let components = self.component_images(&rows, Purpose::Start).await.map_err(|error| match error {
            ComponentError::Unknown(id) => StartUpgradeError::UnknownPackage(id),
            ComponentError::Payload(error) => error.into(),
            ComponentError::Store(error) => error.into(),
        })?;
        let now = self.inner.clock.now();
        let upgrade = Upgrade {
            key: new_key(now.0)?,
            device_id: device.id,
            endpoint: device.endpoint,
            number: 0,
            package_id: package.id.clone(),
            package_name: package.name.clone(),
            file_name: package.file_name.clone(),
            target_version: package.version.clone(),
            size_bytes: package.payload.as_ref().map_or(package.size_bytes, |payload| payload.size_bytes),
            delivery: wanted.delivery.map_or(AUTOMATIC, Delivery::code).to_owned(),
            observe: wanted.observe,
            base_uri,
            timeout_seconds: timeout
                .map_or(0, |timeout| i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX)),
            severity: wanted.severity.map(|severity| severity.code().to_owned()),
            defer_seconds: wanted.defer.map(|defer| i64::try_from(defer.as_secs()).unwrap_or(i64::MAX)),
            created_at: now,
            progress: Progress {
                stage: Stage::Waiting.code().to_owned(),
                attempt: 1,
                record: None,
                cancel_wanted: false,
                version_before: device.state.and_then(|state| state.firmware_version),
                version_after: None,
                bytes_sent: 0,
                retransmissions: 0,
                last_event: 1,
                started_at: None,
            },
            end: None,
        };
        let detail = self.announcement(&upgrade, &package, &rows);
        let (upgrade, past) = self.insert_upgrade(upgrade, rows, detail).await?;
        tracing::info!(upgrade = upgrade.history_id(), package = upgrade.package_name, "upgrade started");
        let started = Started { upgrade: upgrade.clone(), package, image, components, past };
        self.order(Order::Start(Box::new(started))).await;
        Ok(upgrade)
    }

    /// What the first line of the history says.
    fn announcement(&self, upgrade: &Upgrade, package: &Package, components: &[Component]) -> String {
        match components {
            [] => {
                let action = format!("Upgrade: {} ({})", upgrade.package_name, upgrade.file_name);
                match &upgrade.progress.version_before {
                    Some(running) if self.is_downgrade(package, running) => {
                        format!("{action}, back to {} from the newer {running}", package.version)
                    }
                    _ => action,
                }
            }
            [one] => format!("Upgrade of component {}: {}", one.instance, upgrade.package_name),
            all => format!("Upgrade of {} components, first {}", all.len(), upgrade.package_name),
        }
    }

    async fn insert_upgrade(
        &self,
        mut upgrade: Upgrade,
        components: Vec<Component>,
        detail: String,
    ) -> Result<(Upgrade, Past), StartUpgradeError> {
        let event = UpgradeEvent {
            number: 1,
            at: upgrade.created_at,
            kind: "created".to_owned(),
            stage: upgrade.progress.stage.clone(),
            attempt: 1,
            detail,
        };
        let change = self.inner.store.write(move |connection| {
            Box::pin(async move {
                if let Some(other) = upgrades::unfinished_of(connection, &upgrade.device_id).await? {
                    return Err(StartUpgradeError::Upgrading(other.history_id()));
                }
                // The device may have been removed since it was looked up.
                if devices::by_endpoint(connection, &upgrade.endpoint).await?.is_none() {
                    return Err(StartUpgradeError::UnknownDevice(upgrade.endpoint));
                }
                // So may the package, or it was withdrawn.
                for id in packages_of(&upgrade, &components) {
                    let package = packages::by_id(connection, id).await?;
                    let package = package.ok_or_else(|| StartUpgradeError::UnknownPackage(id.to_owned()))?;
                    check_state(&package, Purpose::Start)?;
                }
                upgrade.number = devices::take_upgrade_number(connection, &upgrade.device_id).await?;
                upgrades::insert(connection, &upgrade).await?;
                upgrade_components::insert(connection, upgrade.key, &components).await?;
                upgrade_events::insert(connection, &[(upgrade.key, &event)]).await?;
                let past = past(connection, &upgrade).await?;
                Ok((upgrade, past))
            })
        });
        change.await
    }

    /// Asks for an upgrade to be canceled. The wish is durable when this returns; the device decides how
    /// far it can still be followed.
    ///
    /// # Errors
    /// There is none, it has ended, or the wish cannot be stored.
    pub async fn cancel_upgrade(&self, id: &str) -> Result<Upgrade, CancelError> {
        let unknown = || CancelError::Unknown(id.to_owned());
        let mut upgrade = self.upgrade(id).await?.ok_or_else(unknown)?;
        let key = upgrade.key;
        let change = self.inner.store.write(move |connection| {
            Box::pin(async move { Ok::<_, CancelError>(upgrades::want_cancel(connection, key).await?) })
        });
        if !change.await? {
            let ended = self.upgrade(id).await?.and_then(|upgrade| upgrade.end);
            return Err(ended.map_or_else(unknown, |end| CancelError::Ended(end.reason)));
        }
        self.order(Order::Cancel(key)).await;
        upgrade.progress.cancel_wanted = true;
        Ok(upgrade)
    }

    /// The upgrade with this history id.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn upgrade(&self, id: &str) -> Result<Option<Upgrade>, StoreError> {
        let Some((endpoint, number)) = parse_history_id(id) else { return Ok(None) };
        Ok(upgrades::by_number(&mut *self.inner.store.read().await?, endpoint, number).await?)
    }

    /// Upgrades, newest first, older than `before`; of one device unless `endpoint` is empty.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn upgrades(
        &self,
        endpoint: &str,
        before: i64,
        limit: i64,
    ) -> Result<Vec<Upgrade>, StoreError> {
        Ok(upgrades::page(&mut *self.inner.store.read().await?, endpoint, before, limit).await?)
    }

    /// The events of an upgrade after the one numbered `after`.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn upgrade_events(
        &self,
        key: UpgradeKey,
        after: i64,
        limit: i64,
    ) -> Result<Vec<UpgradeEvent>, StoreError> {
        Ok(upgrade_events::after(&mut *self.inner.store.read().await?, key, after, limit).await?)
    }

    /// All upgrades that have not ended, oldest first.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn unfinished_upgrades(&self) -> Result<Vec<Upgrade>, StoreError> {
        const PAGE: i64 = 1_000;
        let mut all: Vec<Upgrade> = Vec::new();
        loop {
            let after = all.last().map_or(i64::MIN, |upgrade| upgrade.key.0);
            let page = upgrades::unfinished_page(&mut *self.inner.store.read().await?, after, PAGE).await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// What is needed to go on with an upgrade after a restart.
    ///
    /// # Errors
    /// The image is missing or damaged, or the store does not answer.
    pub async fn resumed(&self, upgrade: Upgrade) -> Result<Started, ResumeError> {
        let (package, past, rows) = {
            let reader = &mut *self.inner.store.read().await?;
            let rows = upgrade_components::of(reader, upgrade.key).await.map_err(StoreError::from)?;
            let package = packages::by_id(reader, &upgrade.package_id).await.map_err(StoreError::from)?;
            let past = past(reader, &upgrade).await.map_err(StoreError::from)?;
            (package.ok_or(PayloadError::from(ImageError::Missing))?, past, rows)
        };
        let image = self.payload(&package, Purpose::Resume).await?;
        let components =
            self.component_images(&rows, Purpose::Resume).await.map_err(|error| match error {
                ComponentError::Unknown(_) => ResumeError::Payload(ImageError::Missing.into()),
                ComponentError::Payload(error) => error.into(),
                ComponentError::Store(error) => error.into(),
            })?;
        Ok(Started { upgrade, package: self.with_model(package), image, components, past })
    }

    /// Makes what happened durable, then tells those who watch.
    ///
    /// # Errors
    /// It cannot be stored now; nothing of it was.
    pub async fn record_upgrades(&self, changes: Vec<UpgradeChange>) -> Result<(), StoreError> {
        let news: Vec<(UpgradeKey, bool)> =
            changes.iter().map(|change| (change.key, change.end.is_some())).collect();
        let write = self.inner.store.write(move |connection| {
            Box::pin(async move {
                let rows = changes.iter().map(|change| (change.key, &change.progress, change.end.as_ref()));
                upgrades::update(connection, &rows.collect::<Vec<_>>()).await?;
                let events =
                    changes.iter().flat_map(|change| change.events.iter().map(|event| (change.key, event)));
                Ok::<_, StoreError>(upgrade_events::insert(connection, &events.collect::<Vec<_>>()).await?)
            })
        });
        write.await?;
        for (key, ended) in news {
            if ended {
                self.inner.feed.ended(key);
            }
            self.inner.feed.recorded(key);
        }
        Ok(())
    }
}

/// All packages of an upgrade.
fn packages_of<'a>(
    upgrade: &'a Upgrade,
    components: &'a [Component],
) -> impl Iterator<Item = &'a str> + Send {
    std::iter::once(&*upgrade.package_id).chain(components.iter().map(|component| &*component.package_id))
}

/// What the upgrade before this one says: whether it may have left an image on the device, and how it went.
async fn past(connection: &mut sqlx::AnyConnection, upgrade: &Upgrade) -> sqlx::Result<Past> {
    let before = upgrades::before(connection, &upgrade.device_id, upgrade.number).await?;
    let (outcome, record) = before.unwrap_or_default();
    let outcome = outcome.unwrap_or_default();
    Ok(Past {
        leftovers_are_ours: matches!(&*outcome, "failed" | "canceled" | "lost"),
        memory: record.and_then(|record| read(&record)).map(|record| record.memory).unwrap_or_default(),
    })
}

/// The record that a procedure left.
fn read(record: &[u8]) -> Option<UpgradeRecord> {
    std::str::from_utf8(record).ok()?.parse().ok()
}

/// Orders upgrades by the time they were started: 43 bits of milliseconds, 20 random ones.
fn new_key(now: i64) -> Result<UpgradeKey, NoRandomness> {
    let chance = i64::from(u32::from_be_bytes(random::<4>()?) >> 12);
    Ok(UpgradeKey((now / 1_000) << 20 | chance))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_follow_time_and_are_never_negative() {
        let (early, late) =
            (new_key(1_767_225_600_000_000).unwrap(), new_key(1_767_225_600_001_000).unwrap());
        assert!(0 < early.0 && early < late);
    }
}
