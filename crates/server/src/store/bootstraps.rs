//! How devices are bootstrapped, and how it went the last time.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::storable;
use crate::clock::Moment;

/// The bootstrap of a device.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DeviceBootstrap {
    /// How it connects to the bootstrap server.
    pub security: String,
    /// Identity and key prefix there.
    pub identity: Option<String>,
    pub key_prefix: Option<String>,
    /// What it is, as an operator says.
    pub model: Option<String>,
    /// What an operator should know of, one in a line.
    pub warning: String,
    pub last: Option<Last>,
}

/// The last bootstrap of a device.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Last {
    pub result: String,
    pub detail: String,
    /// One in a line.
    pub steps: String,
    pub started_at: i64,
    pub finished_at: Option<i64>,
}

/// It is under way.
pub const RUNNING: &str = "running";
/// It ended well.
pub const DONE: &str = "done";
/// It came to nothing.
pub const FAILED: &str = "failed";

/// Lets a device come to the bootstrap server, or changes how.
pub async fn allow(
    connection: &mut AnyConnection,
    device_id: &str,
    security: &str,
    model: Option<&str>,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO device_bootstraps (device_id, security, model) VALUES ($1, $2, $3) \
         ON CONFLICT (device_id) DO UPDATE SET security = excluded.security, model = excluded.model",
    )
    .bind(device_id)
    .bind(security)
    .bind(model)
    .execute(connection)
    .await?;
    Ok(())
}

/// Lets a device come no more.
pub async fn forbid(connection: &mut AnyConnection, device_id: &str) -> sqlx::Result<()> {
    let text = "DELETE FROM device_bootstraps WHERE device_id = $1";
    sqlx::query(text).bind(device_id).execute(connection).await?;
    Ok(())
}

/// Replaces what an operator should know of, until the next bootstrap.
pub async fn warn(connection: &mut AnyConnection, device_id: &str, warning: &str) -> sqlx::Result<()> {
    let text = "UPDATE device_bootstraps SET warning = $2 WHERE device_id = $1";
    sqlx::query(text).bind(device_id).bind(storable(warning)).execute(connection).await?;
    Ok(())
}

/// Notes how the last bootstrap of a device is going; nothing if the device was removed.
pub async fn note(
    connection: &mut AnyConnection,
    device_id: &str,
    last: &Last,
    warning: &str,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE device_bootstraps SET result = $2, detail = $3, steps = $4, warning = $5, started_at = $6, \
         finished_at = $7 WHERE device_id = $1",
    )
    .bind(device_id)
    .bind(&last.result)
    .bind(storable(&last.detail))
    .bind(storable(&last.steps))
    .bind(storable(warning))
    .bind(last.started_at)
    .bind(last.finished_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// Those that an earlier life of the server has left under way came to nothing.
pub async fn end_interrupted(connection: &mut AnyConnection, detail: &str, now: Moment) -> sqlx::Result<()> {
    sqlx::query("UPDATE device_bootstraps SET result = $2, detail = $3, finished_at = $4 WHERE result = $1")
        .bind(RUNNING)
        .bind(FAILED)
        .bind(detail)
        .bind(now.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// The bootstrap of a device, from a row that has it beside other things.
pub(super) fn of_device(row: &AnyRow) -> sqlx::Result<Option<DeviceBootstrap>> {
    let Some(security) = row.try_get("bootstrap_security")? else { return Ok(None) };
    let warning = row.try_get::<Option<String>, _>("bootstrap_warning")?.unwrap_or_default();
    let last = match row.try_get::<Option<String>, _>("result")? {
        Some(result) => Some(Last {
            result,
            detail: row.try_get::<Option<String>, _>("detail")?.unwrap_or_default(),
            steps: row.try_get::<Option<String>, _>("steps")?.unwrap_or_default(),
            started_at: row.try_get::<Option<i64>, _>("started_at")?.unwrap_or_default(),
            finished_at: row.try_get("finished_at")?,
        }),
        None => None,
    };
    Ok(Some(DeviceBootstrap {
        security,
        identity: row.try_get("bootstrap_identity")?,
        key_prefix: row.try_get("bootstrap_prefix")?,
        model: row.try_get("bootstrap_model")?,
        warning,
        last,
    }))
}
