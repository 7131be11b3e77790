//! The last value that each path of a device was seen with.

use std::collections::BTreeSet;

use sqlx::{AnyConnection, AssertSqlSafe, Row};

use super::{places, storable};
use crate::clock::Moment;

/// Most values kept of one device; the oldest go first.
pub const PER_DEVICE: i64 = 1_000;

/// A value that a device told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceValue {
    pub path: String,
    /// The type of the value, such as `string`.
    pub kind: String,
    /// JSON.
    pub value: String,
    /// When it was so, as far as is known.
    pub at: Moment,
}

/// Rows of one statement; 5 values each stays below the limits of both engines.
const ROWS: usize = 400;

/// Writes values of many devices, each path of a device once; devices that were removed meanwhile are left
/// out, and so is what is older than what is known.
pub async fn write(connection: &mut AnyConnection, values: &[(String, DeviceValue)]) -> sqlx::Result<()> {
    for chunk in values.chunks(ROWS) {
        let text = format!(
            "INSERT INTO device_values (device_id, path, kind, value, at) \
             SELECT new.* FROM (VALUES {}) AS new \
             WHERE EXISTS (SELECT 1 FROM devices WHERE devices.id = new.column1) \
             ON CONFLICT (device_id, path) DO UPDATE SET kind = excluded.kind, value = excluded.value, \
             at = excluded.at WHERE excluded.at >= device_values.at",
            places(chunk.len(), 5)
        );
        let mut query = sqlx::query(AssertSqlSafe(text)).persistent(false);
        for (device, value) in chunk {
            query = query
                .bind(device)
                .bind(&value.path)
                .bind(&value.kind)
                .bind(storable(&value.value))
                .bind(value.at.0);
        }
        query.execute(&mut *connection).await?;
    }
    let devices: BTreeSet<&String> = values.iter().map(|(device, _)| device).collect();
    let devices: Vec<&String> = devices.into_iter().collect();
    for chunk in devices.chunks(IDS) {
        for device in with_too_many(connection, chunk).await? {
            forget_oldest(connection, &device).await?;
        }
    }
    Ok(())
}

/// Identifiers of one statement.
const IDS: usize = 1_000;

/// Those of these devices that have more values than are kept.
async fn with_too_many(connection: &mut AnyConnection, devices: &[&String]) -> sqlx::Result<Vec<String>> {
    let places: Vec<String> = (2..=devices.len() + 1).map(|place| format!("${place}")).collect();
    let text = format!(
        "SELECT device_id FROM device_values WHERE device_id IN ({}) GROUP BY device_id HAVING COUNT(*) > $1",
        places.join(", ")
    );
    let mut query = sqlx::query(AssertSqlSafe(text)).persistent(devices.len() == 1).bind(PER_DEVICE);
    for device in devices {
        query = query.bind(*device);
    }
    query.fetch_all(connection).await?.iter().map(|row| row.try_get(0)).collect()
}

async fn forget_oldest(connection: &mut AnyConnection, device: &str) -> sqlx::Result<()> {
    sqlx::query(
        "DELETE FROM device_values WHERE device_id = $1 AND path IN \
         (SELECT path FROM device_values WHERE device_id = $1 ORDER BY at DESC, path \
         LIMIT 1000000 OFFSET $2)",
    )
    .bind(device)
    .bind(PER_DEVICE)
    .execute(connection)
    .await?;
    Ok(())
}

/// The values of a device.
pub async fn of_device(connection: &mut AnyConnection, endpoint: &str) -> sqlx::Result<Vec<DeviceValue>> {
    let rows = sqlx::query(
        "SELECT device_values.path, device_values.kind, device_values.value, device_values.at \
         FROM device_values JOIN devices ON devices.id = device_values.device_id \
         WHERE devices.endpoint = $1",
    )
    .bind(endpoint)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(DeviceValue {
                path: row.try_get("path")?,
                kind: row.try_get("kind")?,
                value: row.try_get("value")?,
                at: Moment(row.try_get("at")?),
            })
        })
        .collect()
}
