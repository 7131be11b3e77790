//! What operators want observed whenever a device is there.

use sqlx::{AnyConnection, Row};

/// One observation that is wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WantedObservation {
    /// The endpoint name of the device.
    pub endpoint: String,
    /// One path, or those of a composite with blanks between them.
    pub paths: String,
    /// The attributes of this observation alone, as a query; empty if there are none.
    pub attributes: String,
}

/// Wants these paths observed together; attributes replace those that were wanted before.
pub async fn want(connection: &mut AnyConnection, wanted: &WantedObservation) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO wanted_observations (device_id, paths, attributes) \
         SELECT id, $2, $3 FROM devices WHERE endpoint = $1 \
         ON CONFLICT (device_id, paths) DO UPDATE SET attributes = excluded.attributes",
    )
    .bind(&wanted.endpoint)
    .bind(&wanted.paths)
    .bind(&wanted.attributes)
    .execute(connection)
    .await?;
    Ok(())
}

/// It is wanted no more.
pub async fn forget(connection: &mut AnyConnection, endpoint: &str, paths: &str) -> sqlx::Result<()> {
    sqlx::query(
        "DELETE FROM wanted_observations WHERE paths = $2 \
         AND device_id IN (SELECT id FROM devices WHERE endpoint = $1)",
    )
    .bind(endpoint)
    .bind(paths)
    .execute(connection)
    .await?;
    Ok(())
}

/// How many are wanted of a device.
pub async fn count(connection: &mut AnyConnection, device_id: &str) -> sqlx::Result<i64> {
    let row = sqlx::query("SELECT CAST(COUNT(*) AS BIGINT) FROM wanted_observations WHERE device_id = $1")
        .bind(device_id)
        .fetch_one(connection)
        .await?;
    row.try_get(0)
}

/// All of them in the order of endpoint names and paths, after the pair `after`.
pub async fn page(
    connection: &mut AnyConnection,
    after: (&str, &str),
    limit: i64,
) -> sqlx::Result<Vec<WantedObservation>> {
    let rows = sqlx::query(
        "SELECT devices.endpoint, wanted_observations.paths, wanted_observations.attributes \
         FROM wanted_observations \
         JOIN devices ON devices.id = wanted_observations.device_id \
         WHERE devices.endpoint > $1 OR (devices.endpoint = $1 AND wanted_observations.paths > $2) \
         ORDER BY devices.endpoint, wanted_observations.paths LIMIT $3",
    )
    .bind(after.0)
    .bind(after.1)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    let wanted = rows.iter().map(|row| {
        Ok(WantedObservation {
            endpoint: row.try_get(0)?,
            paths: row.try_get(1)?,
            attributes: row.try_get(2)?,
        })
    });
    wanted.collect()
}
