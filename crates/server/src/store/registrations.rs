//! Registrations and sessions, to be taken up after a restart.

use sqlx::{AnyConnection, AssertSqlSafe, Row};

use super::places;
use crate::secrets::SealedKey;

/// A registration as the protocol left it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registration {
    pub device_id: String,
    /// The shard that had it.
    pub shard: i64,
    pub snapshot: Vec<u8>,
    /// Its session, if it had one.
    pub session: Option<SealedKey>,
    /// The life of the server in which the session was saved.
    pub life: i64,
}

/// A registration with what is stored elsewhere about its device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    pub registration: Registration,
    pub domain: String,
    /// When the device was last heard of.
    pub last_seen_at: i64,
}

/// Rows of one statement; 5 values each stays below the limits of both engines.
const ROWS: usize = 400;

/// Writes registrations in place of older ones; those of devices that were removed meanwhile are left out.
pub async fn write(connection: &mut AnyConnection, registrations: &[Registration]) -> sqlx::Result<()> {
    for chunk in registrations.chunks(ROWS) {
        let text = format!(
            "INSERT INTO registrations (device_id, shard, snapshot, session, life) \
             SELECT new.* FROM (VALUES {}) AS new \
             WHERE EXISTS (SELECT 1 FROM devices WHERE devices.id = new.column1) \
             ON CONFLICT (device_id) DO UPDATE SET shard = excluded.shard, snapshot = excluded.snapshot, \
             session = excluded.session, life = excluded.life",
            places(chunk.len(), 5)
        );
        let mut query = sqlx::query(AssertSqlSafe(text)).persistent(chunk.len() == 1);
        for row in chunk {
            query = query
                .bind(&row.device_id)
                .bind(row.shard)
                .bind(row.snapshot.as_slice())
                .bind(row.session.as_ref().map(|sealed| sealed.0.as_slice()))
                .bind(row.life);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Identifiers of one statement.
const IDS: usize = 1_000;

/// Forgets registrations that have ended.
pub async fn delete(connection: &mut AnyConnection, device_ids: &[String]) -> sqlx::Result<()> {
    for chunk in device_ids.chunks(IDS) {
        let places: Vec<String> = (1..=chunk.len()).map(|place| format!("${place}")).collect();
        let text = format!("DELETE FROM registrations WHERE device_id IN ({})", places.join(", "));
        let mut query = sqlx::query(AssertSqlSafe(text)).persistent(false);
        for id in chunk {
            query = query.bind(id);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Forgets all sessions.
pub async fn forget_sessions(connection: &mut AnyConnection) -> sqlx::Result<()> {
    sqlx::query("UPDATE registrations SET session = NULL WHERE session IS NOT NULL")
        .execute(connection)
        .await?;
    Ok(())
}

/// Registrations in the order of device ids, after `after`.
pub async fn page(connection: &mut AnyConnection, after: &str, limit: i64) -> sqlx::Result<Vec<Stored>> {
    let rows = sqlx::query(
        "SELECT registrations.device_id, registrations.shard, registrations.snapshot, \
         registrations.session, registrations.life, devices.domain, \
         COALESCE(device_states.last_seen_at, 0) AS last_seen_at \
         FROM registrations JOIN devices ON devices.id = registrations.device_id \
         LEFT JOIN device_states ON device_states.device_id = registrations.device_id \
         WHERE registrations.device_id > $1 ORDER BY registrations.device_id LIMIT $2",
    )
    .bind(after)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Stored {
                registration: Registration {
                    device_id: row.try_get("device_id")?,
                    shard: row.try_get("shard")?,
                    snapshot: row.try_get("snapshot")?,
                    session: row.try_get::<Option<Vec<u8>>, _>("session")?.map(SealedKey),
                    life: row.try_get("life")?,
                },
                domain: row.try_get("domain")?,
                last_seen_at: row.try_get("last_seen_at")?,
            })
        })
        .collect()
}
