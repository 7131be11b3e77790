//! Upgrades: one package for one device, with all that is needed to go on after a restart.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

use super::{places, storable};
use crate::clock::Moment;

/// The number by which the protocol knows an upgrade. People see [`Upgrade::history_id`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct UpgradeKey(pub i64);

/// One upgrade.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Upgrade {
    pub key: UpgradeKey,
    pub device_id: String,
    pub endpoint: String,
    /// Counted from one for each device.
    pub number: i64,
    pub package_id: String,
    pub package_name: String,
    pub file_name: String,
    pub target_version: String,
    pub size_bytes: i64,
    pub delivery: String,
    pub observe: bool,
    pub base_uri: Option<String>,
    pub timeout_seconds: i64,
    /// `critical`, `mandatory` or `optional`.
    pub severity: Option<String>,
    pub defer_seconds: Option<i64>,
    pub created_at: Moment,
    pub progress: Progress,
    pub end: Option<End>,
}

/// What changes while an upgrade runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Progress {
    pub stage: String,
    pub attempt: i64,
    /// What the procedure needs to go on after a restart.
    pub record: Option<Vec<u8>>,
    pub cancel_wanted: bool,
    pub version_before: Option<String>,
    pub version_after: Option<String>,
    pub bytes_sent: i64,
    pub retransmissions: i64,
    /// The number of the newest event.
    pub last_event: i64,
    pub started_at: Option<i64>,
}

/// How an upgrade ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct End {
    pub outcome: String,
    pub cause: Option<String>,
    pub reason: String,
    pub advice: Option<String>,
    pub at: Moment,
}

impl Upgrade {
    /// The name people know it by, such as `d:urn:imei:015770000031766:20`.
    pub fn history_id(&self) -> String {
        format!("d:{}:{}", self.endpoint, self.number)
    }
}

/// Endpoint and number of a history id.
pub fn parse_history_id(id: &str) -> Option<(&str, i64)> {
    let (endpoint, number) = id.strip_prefix("d:")?.rsplit_once(':')?;
    Some((endpoint, number.parse().ok()?))
}

const SELECT: &str = "SELECT upgrades.id, upgrades.device_id, devices.endpoint, upgrades.number, \
    upgrades.package_id, packages.name, packages.file_name, packages.version, \
    COALESCE(packages.payload_size_bytes, packages.size_bytes) AS size_bytes, \
    upgrades.delivery, upgrades.observe, upgrades.base_uri, upgrades.timeout_seconds, upgrades.severity, \
    upgrades.defer_seconds, upgrades.created_at, \
    upgrades.stage, upgrades.attempt, upgrades.record, upgrades.cancel_wanted, upgrades.version_before, \
    upgrades.version_after, upgrades.bytes_sent, upgrades.retransmissions, upgrades.last_event, \
    upgrades.started_at, upgrades.outcome, upgrades.cause, upgrades.reason, upgrades.advice, \
    upgrades.finished_at FROM upgrades JOIN devices ON devices.id = upgrades.device_id \
    JOIN packages ON packages.id = upgrades.package_id";

/// Adds an upgrade that has not started.
pub async fn insert(connection: &mut AnyConnection, upgrade: &Upgrade) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO upgrades (id, device_id, number, package_id, delivery, observe, base_uri, \
         timeout_seconds, stage, attempt, cancel_wanted, bytes_sent, retransmissions, last_event, created_at, \
         severity, defer_seconds) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, 0, 0, $11, $12, $13, $14)",
    )
    .bind(upgrade.key.0)
    .bind(&upgrade.device_id)
    .bind(upgrade.number)
    .bind(&upgrade.package_id)
    .bind(&upgrade.delivery)
    .bind(i64::from(upgrade.observe))
    .bind(&upgrade.base_uri)
    .bind(upgrade.timeout_seconds)
    .bind(&upgrade.progress.stage)
    .bind(upgrade.progress.attempt)
    .bind(upgrade.progress.last_event)
    .bind(upgrade.created_at.0)
    .bind(upgrade.severity.as_deref())
    .bind(upgrade.defer_seconds)
    .execute(connection)
    .await?;
    Ok(())
}

/// How far an upgrade is, and how it ended.
pub type Change<'a> = (UpgradeKey, &'a Progress, Option<&'a End>);

/// The columns that a change changes, after the id of the upgrade.
const CHANGEABLE: [&str; 14] = [
    "stage",
    "attempt",
    "record",
    "version_before",
    "version_after",
    "bytes_sent",
    "retransmissions",
    "last_event",
    "started_at",
    "outcome",
    "cause",
    "reason",
    "advice",
    "finished_at",
];

/// Rows of one statement; 15 values each stays below the limits of both engines.
const ROWS: usize = 200;

/// Writes what has changed, each upgrade once; those that were removed with their devices are left out.
pub async fn update(connection: &mut AnyConnection, changes: &[Change<'_>]) -> sqlx::Result<()> {
    let set = |(index, column): (usize, &&str)| format!("{column} = new.column{}", index + 2);
    let sets = CHANGEABLE.iter().enumerate().map(set).collect::<Vec<_>>().join(", ");
    for chunk in changes.chunks(ROWS) {
        let rows = places(chunk.len(), CHANGEABLE.len() + 1);
        let text =
            format!("UPDATE upgrades SET {sets} FROM (VALUES {rows}) AS new WHERE upgrades.id = new.column1");
        let mut query = sqlx::query(AssertSqlSafe(text)).persistent(chunk.len() == 1);
        for (key, progress, end) in chunk {
            query = query
                .bind(key.0)
                .bind(&progress.stage)
                .bind(progress.attempt)
                .bind(progress.record.as_deref())
                .bind(progress.version_before.as_deref().map(storable))
                .bind(progress.version_after.as_deref().map(storable))
                .bind(progress.bytes_sent)
                .bind(progress.retransmissions)
                .bind(progress.last_event)
                .bind(progress.started_at)
                .bind(end.map(|end| end.outcome.as_str()))
                .bind(end.and_then(|end| end.cause.as_deref()))
                .bind(end.map(|end| storable(&end.reason)))
                .bind(end.and_then(|end| end.advice.as_deref()))
                .bind(end.map(|end| end.at.0));
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Notes that an operator wants this upgrade canceled. False if it has ended.
pub async fn want_cancel(connection: &mut AnyConnection, key: UpgradeKey) -> sqlx::Result<bool> {
    let result = sqlx::query("UPDATE upgrades SET cancel_wanted = 1 WHERE id = $1 AND finished_at IS NULL")
        .bind(key.0)
        .execute(connection)
        .await?;
    Ok(result.rows_affected() > 0)
}

/// The upgrade of this device with this number.
pub async fn by_number(
    connection: &mut AnyConnection,
    endpoint: &str,
    number: i64,
) -> sqlx::Result<Option<Upgrade>> {
    let row =
        sqlx::query(AssertSqlSafe(format!("{SELECT} WHERE devices.endpoint = $1 AND upgrades.number = $2")))
            .bind(endpoint)
            .bind(number)
            .fetch_optional(connection)
            .await?;
    row.map(upgrade).transpose()
}

/// The upgrade of this device that has not ended.
pub async fn unfinished_of(connection: &mut AnyConnection, device_id: &str) -> sqlx::Result<Option<Upgrade>> {
    let row = sqlx::query(AssertSqlSafe(format!(
        "{SELECT} WHERE upgrades.device_id = $1 AND upgrades.finished_at IS NULL"
    )))
    .bind(device_id)
    .fetch_optional(connection)
    .await?;
    row.map(upgrade).transpose()
}

/// The outcome and the record of the device's upgrade before the one with this number.
pub async fn before(
    connection: &mut AnyConnection,
    device_id: &str,
    number: i64,
) -> sqlx::Result<Option<(Option<String>, Option<Vec<u8>>)>> {
    let row = sqlx::query(
        "SELECT outcome, record FROM upgrades WHERE device_id = $1 AND number < $2 ORDER BY number DESC LIMIT 1",
    )
    .bind(device_id)
    .bind(number)
    .fetch_optional(connection)
    .await?;
    row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
}

/// All upgrades that have not ended, oldest first, after `after`.
pub async fn unfinished_page(
    connection: &mut AnyConnection,
    after: i64,
    limit: i64,
) -> sqlx::Result<Vec<Upgrade>> {
    let rows = sqlx::query(AssertSqlSafe(format!(
        "{SELECT} WHERE upgrades.finished_at IS NULL AND upgrades.id > $1 ORDER BY upgrades.id LIMIT $2"
    )))
    .bind(after)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(upgrade).collect()
}

/// Upgrades, newest first, older than `before`; of one device unless `endpoint` is empty.
pub async fn page(
    connection: &mut AnyConnection,
    endpoint: &str,
    before: i64,
    limit: i64,
) -> sqlx::Result<Vec<Upgrade>> {
    let rows = sqlx::query(AssertSqlSafe(format!(
        "{SELECT} WHERE upgrades.id < $1 AND (devices.endpoint = $2 OR $2 = '') ORDER BY upgrades.id DESC LIMIT $3"
    )))
    .bind(before)
    .bind(endpoint)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(upgrade).collect()
}

/// Forgets how far upgrades were that had not ended when the backup was made: meanwhile they may have ended,
/// so each begins by asking its device what it runs. Gives how many they are.
pub async fn judge_anew(connection: &mut AnyConnection, backup_of: Moment, now: Moment) -> sqlx::Result<u64> {
    let detail = format!("Restored from a backup of {backup_of}; the device is asked what it runs.");
    sqlx::query(
        "INSERT INTO upgrade_events (upgrade_id, number, at, kind, stage, attempt, detail) \
         SELECT id, last_event + 1, $1, 'restored', 'waiting', 1, $2 FROM upgrades WHERE finished_at IS NULL",
    )
    .bind(now.0)
    .bind(detail)
    .execute(&mut *connection)
    .await?;
    let result = sqlx::query(
        "UPDATE upgrades SET stage = 'waiting', attempt = 1, record = NULL, bytes_sent = 0, \
         started_at = NULL, last_event = last_event + 1 WHERE finished_at IS NULL",
    )
    .execute(connection)
    .await?;
    Ok(result.rows_affected())
}

fn upgrade(row: AnyRow) -> sqlx::Result<Upgrade> {
    Ok(Upgrade {
        key: UpgradeKey(row.try_get("id")?),
        device_id: row.try_get("device_id")?,
        endpoint: row.try_get("endpoint")?,
        number: row.try_get("number")?,
        package_id: row.try_get("package_id")?,
        package_name: row.try_get("name")?,
        file_name: row.try_get("file_name")?,
        target_version: row.try_get("version")?,
        size_bytes: row.try_get("size_bytes")?,
        delivery: row.try_get("delivery")?,
        observe: row.try_get::<i64, _>("observe")? != 0,
        base_uri: row.try_get("base_uri")?,
        timeout_seconds: row.try_get("timeout_seconds")?,
        severity: row.try_get("severity")?,
        defer_seconds: row.try_get("defer_seconds")?,
        created_at: Moment(row.try_get("created_at")?),
        progress: progress(&row)?,
        end: end(&row)?,
    })
}

fn progress(row: &AnyRow) -> sqlx::Result<Progress> {
    Ok(Progress {
        stage: row.try_get("stage")?,
        attempt: row.try_get("attempt")?,
        record: row.try_get("record")?,
        cancel_wanted: row.try_get::<i64, _>("cancel_wanted")? != 0,
        version_before: row.try_get("version_before")?,
        version_after: row.try_get("version_after")?,
        bytes_sent: row.try_get("bytes_sent")?,
        retransmissions: row.try_get("retransmissions")?,
        last_event: row.try_get("last_event")?,
        started_at: row.try_get("started_at")?,
    })
}

fn end(row: &AnyRow) -> sqlx::Result<Option<End>> {
    let Some(at) = row.try_get::<Option<i64>, _>("finished_at")? else { return Ok(None) };
    Ok(Some(End {
        outcome: row.try_get("outcome")?,
        cause: row.try_get("cause")?,
        reason: row.try_get("reason")?,
        advice: row.try_get("advice")?,
        at: Moment(at),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_ids_are_read_from_the_right_since_endpoints_have_colons() {
        assert_eq!(parse_history_id("d:urn:imei:015770000031766:20"), Some(("urn:imei:015770000031766", 20)));
        for text in ["", "d:", "d:x", "urn:imei:1:20", "d:x:y"] {
            assert_eq!(parse_history_id(text), None, "{text}");
        }
    }
}
