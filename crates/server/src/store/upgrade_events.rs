//! The history of upgrades: what happened when, never changed afterwards.

use sqlx::{AnyConnection, AssertSqlSafe, Row};

use super::upgrades::UpgradeKey;
use super::{places, storable};
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

/// Rows of one statement; 7 values each stays below the limits of both engines.
const ROWS: usize = 400;

/// Adds events; those of upgrades that were removed with their devices are left out, and so are those that are
/// there already, since whoever did not hear that they were stored gives them again.
pub async fn insert(
    connection: &mut AnyConnection,
    events: &[(UpgradeKey, &UpgradeEvent)],
) -> sqlx::Result<()> {
    for chunk in events.chunks(ROWS) {
        let text = format!(
            "INSERT INTO upgrade_events (upgrade_id, number, at, kind, stage, attempt, detail) \
             SELECT new.* FROM (VALUES {}) AS new \
             WHERE EXISTS (SELECT 1 FROM upgrades WHERE upgrades.id = new.column1) \
             ON CONFLICT (upgrade_id, number) DO NOTHING",
            places(chunk.len(), 7)
        );
        let mut query = sqlx::query(AssertSqlSafe(text)).persistent(chunk.len() == 1);
        for (key, event) in chunk {
            query = query
                .bind(key.0)
                .bind(event.number)
                .bind(event.at.0)
                .bind(&event.kind)
                .bind(&event.stage)
                .bind(event.attempt)
                .bind(storable(&event.detail));
        }
        query.execute(&mut *connection).await?;
    }
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
