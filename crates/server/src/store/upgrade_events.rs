//! The history of upgrades: what happened when, never changed afterwards.

use sqlx::{AnyConnection, Row};

use super::upgrades::UpgradeKey;
use crate::clock::Moment;

/// One thing that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpgradeEvent {
    /// Counted from one for each upgrade, without gaps.
    pub number: i64,
    pub at: Moment,
    pub kind: String,
    pub stage: String,
    pub attempt: i64,
    /// A sentence for people.
    pub detail: String,
}

/// Adds an event; those of an upgrade that was removed with its device are left out.
pub async fn insert(
    connection: &mut AnyConnection,
    key: UpgradeKey,
    event: &UpgradeEvent,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO upgrade_events (upgrade_id, number, at, kind, stage, attempt, detail) \
         SELECT id, $2, $3, $4, $5, $6, $7 FROM upgrades WHERE id = $1",
    )
    .bind(key.0)
    .bind(event.number)
    .bind(event.at.0)
    .bind(&event.kind)
    .bind(&event.stage)
    .bind(event.attempt)
    .bind(&event.detail)
    .execute(connection)
    .await?;
    Ok(())
}

/// The events after the one numbered `after`, in order.
pub async fn after(
    connection: &mut AnyConnection,
    key: UpgradeKey,
    after: i64,
    limit: i64,
) -> sqlx::Result<Vec<UpgradeEvent>> {
    let rows = sqlx::query(
        "SELECT number, at, kind, stage, attempt, detail FROM upgrade_events \
         WHERE upgrade_id = $1 AND number > $2 ORDER BY number LIMIT $3",
    )
    .bind(key.0)
    .bind(after)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(UpgradeEvent {
                number: row.try_get("number")?,
                at: Moment(row.try_get("at")?),
                kind: row.try_get("kind")?,
                stage: row.try_get("stage")?,
                attempt: row.try_get("attempt")?,
                detail: row.try_get("detail")?,
            })
        })
        .collect()
}
