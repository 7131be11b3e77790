//! The management servers that a bootstrap gives to devices.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

use crate::secrets::SealedKey;

/// The account of one management server, for whoever its owner stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BootstrapServer {
    /// `default`, `model:` and a model, or `device:` and the id of a device.
    pub owner: String,
    pub short_id: i64,
    /// The device of the owner, if it is one.
    pub device_id: Option<String>,
    /// `None` is this server.
    pub uri: Option<String>,
    pub lifetime_seconds: i64,
    pub hold_off_seconds: i64,
    pub binding: String,
    pub store_notifications: bool,
    pub minimum_period_seconds: Option<i64>,
    pub maximum_period_seconds: Option<i64>,
    /// What the device proves there, if that is not its key here.
    pub given: Option<GivenKey>,
}

/// A key of another server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GivenKey {
    pub identity: String,
    pub sealed: SealedKey,
    pub prefix: String,
}

/// Whoever has no account of his own and of his model.
pub const DEFAULT: &str = "default";

/// The owner that stands for a model.
pub fn model(model: &str) -> String {
    format!("model:{model}")
}

/// The owner that is one device.
pub fn device(id: &str) -> String {
    format!("device:{id}")
}

const COLUMNS: &str = "owner, short_id, device_id, uri, lifetime_seconds, hold_off_seconds, binding, \
    store_notifications, minimum_period_seconds, maximum_period_seconds, identity, sealed_key, key_prefix";

/// Adds an account, or replaces that with its owner and short id.
pub async fn put(connection: &mut AnyConnection, server: &BootstrapServer) -> sqlx::Result<()> {
    remove(connection, &server.owner, Some(server.short_id)).await?;
    let text = format!(
        "INSERT INTO bootstrap_servers ({COLUMNS}) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
    );
    let given = server.given.as_ref();
    sqlx::query(AssertSqlSafe(text))
        .bind(&server.owner)
        .bind(server.short_id)
        .bind(&server.device_id)
        .bind(&server.uri)
        .bind(server.lifetime_seconds)
        .bind(server.hold_off_seconds)
        .bind(&server.binding)
        .bind(i64::from(server.store_notifications))
        .bind(server.minimum_period_seconds)
        .bind(server.maximum_period_seconds)
        .bind(given.map(|given| &given.identity))
        .bind(given.map(|given| given.sealed.0.as_slice()))
        .bind(given.map(|given| &given.prefix))
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes one account of an owner, or all of them. Gives how many there were.
pub async fn remove(connection: &mut AnyConnection, owner: &str, short_id: Option<i64>) -> sqlx::Result<u64> {
    let text = "DELETE FROM bootstrap_servers WHERE owner = $1 AND short_id = COALESCE($2, short_id)";
    let done = sqlx::query(text).bind(owner).bind(short_id).execute(connection).await?;
    Ok(done.rows_affected())
}

/// The accounts of an owner by their short ids.
pub async fn of(connection: &mut AnyConnection, owner: &str) -> sqlx::Result<Vec<BootstrapServer>> {
    let text = format!("SELECT {COLUMNS} FROM bootstrap_servers WHERE owner = $1 ORDER BY short_id");
    let rows = sqlx::query(AssertSqlSafe(text)).bind(owner).fetch_all(connection).await?;
    rows.iter().map(server).collect()
}

/// All accounts that are not of one device, by owners and short ids.
pub async fn shared(connection: &mut AnyConnection) -> sqlx::Result<Vec<BootstrapServer>> {
    let text =
        format!("SELECT {COLUMNS} FROM bootstrap_servers WHERE device_id IS NULL ORDER BY owner, short_id");
    let rows = sqlx::query(AssertSqlSafe(text)).fetch_all(connection).await?;
    rows.iter().map(server).collect()
}

fn server(row: &AnyRow) -> sqlx::Result<BootstrapServer> {
    let given = match row.try_get::<Option<String>, _>("identity")? {
        Some(identity) => Some(GivenKey {
            identity,
            sealed: SealedKey(row.try_get("sealed_key")?),
            prefix: row.try_get("key_prefix")?,
        }),
        None => None,
    };
    Ok(BootstrapServer {
        owner: row.try_get("owner")?,
        short_id: row.try_get("short_id")?,
        device_id: row.try_get("device_id")?,
        uri: row.try_get("uri")?,
        lifetime_seconds: row.try_get("lifetime_seconds")?,
        hold_off_seconds: row.try_get("hold_off_seconds")?,
        binding: row.try_get("binding")?,
        store_notifications: row.try_get::<i64, _>("store_notifications")? != 0,
        minimum_period_seconds: row.try_get("minimum_period_seconds")?,
        maximum_period_seconds: row.try_get("maximum_period_seconds")?,
        given,
    })
}
