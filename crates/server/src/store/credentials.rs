//! Device keys, encrypted.
//!
//! ```text
//! NEW ───────► STAGED ────────────► ACTIVE ─────────► RETIRED
//! made,        stored before it     the device has    deleted: a newer one
//! not stored   leaves; valid        proved it; valid  was proved
//! ```
//! A device that loses power while it is given a new key has the old one or the new one, and both are valid
//! until it has proved the new one (SECURITY rule k06).

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

use crate::clock::Moment;
use crate::secrets::{Fingerprint, SealedKey};

/// The kind of a pre-shared key for the management server.
pub const PSK: &str = "psk";
/// The kind of a pre-shared key for the bootstrap server.
pub const BOOTSTRAP: &str = "bootstrap";

/// The device has proved it, or it was given to both by hand.
pub const ACTIVE: &str = "active";
/// Written to the device, or about to be, and not proved yet.
pub const STAGED: &str = "staged";

/// One key of a device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credential {
    pub device_id: String,
    pub kind: &'static str,
    pub state: &'static str,
    pub version: i64,
    pub identity: String,
    pub sealed_key: SealedKey,
    pub fingerprint: Fingerprint,
    pub prefix: String,
    pub created_at: Moment,
}

/// Adds a key.
pub async fn insert(connection: &mut AnyConnection, credential: &Credential) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO credentials (device_id, kind, version, identity, sealed_key, key_fingerprint, \
         key_prefix, created_at, state) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(&credential.device_id)
    .bind(credential.kind)
    .bind(credential.version)
    .bind(&credential.identity)
    .bind(credential.sealed_key.0.as_slice())
    .bind(credential.fingerprint.0.as_slice())
    .bind(&credential.prefix)
    .bind(credential.created_at.0)
    .bind(credential.state)
    .execute(connection)
    .await?;
    Ok(())
}

/// The endpoint name of the device that has this identity among those of a kind.
pub async fn endpoint_of_identity(
    connection: &mut AnyConnection,
    kind: &str,
    identity: &str,
) -> sqlx::Result<Option<String>> {
    let row = sqlx::query(
        "SELECT devices.endpoint FROM credentials JOIN devices ON devices.id = credentials.device_id \
         WHERE credentials.kind = $1 AND credentials.identity = $2",
    )
    .bind(kind)
    .bind(identity)
    .fetch_optional(connection)
    .await?;
    row.map(|row| row.try_get(0)).transpose()
}

/// The endpoint name of the device that has a key with this fingerprint, of whatever kind.
pub async fn endpoint_of_key(
    connection: &mut AnyConnection,
    fingerprint: &Fingerprint,
) -> sqlx::Result<Option<String>> {
    let row = sqlx::query(
        "SELECT devices.endpoint FROM credentials JOIN devices ON devices.id = credentials.device_id \
         WHERE credentials.key_fingerprint = $1",
    )
    .bind(fingerprint.0.as_slice())
    .fetch_optional(connection)
    .await?;
    row.map(|row| row.try_get(0)).transpose()
}

/// A key as it is opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredKey {
    pub version: i64,
    pub identity: String,
    pub sealed: SealedKey,
}

/// The key of a device that was written to it and not proved yet.
pub async fn staged(connection: &mut AnyConnection, device_id: &str) -> sqlx::Result<Option<StoredKey>> {
    let row = sqlx::query(
        "SELECT version, identity, sealed_key FROM credentials \
         WHERE device_id = $1 AND kind = $2 AND state = $3",
    )
    .bind(device_id)
    .bind(PSK)
    .bind(STAGED)
    .fetch_optional(connection)
    .await?;
    row.map(|row| {
        Ok(StoredKey {
            version: row.try_get("version")?,
            identity: row.try_get("identity")?,
            sealed: SealedKey(row.try_get("sealed_key")?),
        })
    })
    .transpose()
}

/// The version of the device's next key of this kind. The newest is never deleted before its device, so no
/// version is given twice.
pub async fn next_version(connection: &mut AnyConnection, device_id: &str, kind: &str) -> sqlx::Result<i64> {
    let row = sqlx::query(
        "SELECT CAST(COALESCE(MAX(version), 0) + 1 AS BIGINT) FROM credentials \
         WHERE device_id = $1 AND kind = $2",
    )
    .bind(device_id)
    .bind(kind)
    .fetch_one(connection)
    .await?;
    row.try_get(0)
}

/// Deletes the keys of a kind that a device has.
pub async fn delete(connection: &mut AnyConnection, device_id: &str, kind: &str) -> sqlx::Result<()> {
    let text = "DELETE FROM credentials WHERE device_id = $1 AND kind = $2";
    sqlx::query(text).bind(device_id).bind(kind).execute(connection).await?;
    Ok(())
}

/// The device has proved the key with this identity: the one before it is deleted. False if it was none that
/// waited for that.
pub async fn activate(connection: &mut AnyConnection, device_id: &str, identity: &str) -> sqlx::Result<bool> {
    if staged(connection, device_id).await?.is_none_or(|staged| staged.identity != identity) {
        return Ok(false);
    }
    sqlx::query("DELETE FROM credentials WHERE device_id = $1 AND kind = $2 AND state = $3")
        .bind(device_id)
        .bind(PSK)
        .bind(ACTIVE)
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE credentials SET state = $4 WHERE device_id = $1 AND kind = $2 AND state = $3")
        .bind(device_id)
        .bind(PSK)
        .bind(STAGED)
        .bind(ACTIVE)
        .execute(connection)
        .await?;
    Ok(true)
}

/// Who may connect: a device and its keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Admitted {
    pub device_id: String,
    pub domain: String,
    pub endpoint: String,
    pub security: String,
    /// The product that it was said to be.
    pub product_id: Option<String>,
    pub active: Option<StoredKey>,
    pub staged: Option<StoredKey>,
    /// How it connects to the bootstrap server, if it may.
    pub bootstrap_security: Option<String>,
    pub bootstrap: Option<StoredKey>,
}

/// Who may connect, in the order of device ids, after `after`.
pub async fn admitted_page(
    connection: &mut AnyConnection,
    after: &str,
    limit: i64,
) -> sqlx::Result<Vec<Admitted>> {
    let text = format!("{} WHERE devices.id > $1 ORDER BY devices.id LIMIT $2", select_admitted());
    let rows = sqlx::query(AssertSqlSafe(text)).bind(after).bind(limit).fetch_all(connection).await?;
    rows.iter().map(admitted_of).collect()
}

/// How this device may connect.
pub async fn admitted(connection: &mut AnyConnection, device_id: &str) -> sqlx::Result<Option<Admitted>> {
    let text = format!("{} WHERE devices.id = $1", select_admitted());
    let row = sqlx::query(AssertSqlSafe(text)).bind(device_id).fetch_optional(connection).await?;
    row.as_ref().map(admitted_of).transpose()
}

fn select_admitted() -> String {
    const KEYS: [(&str, &str, &str); 3] =
        [("active", PSK, ACTIVE), ("staged", PSK, STAGED), ("bootstrap", BOOTSTRAP, ACTIVE)];
    let columns = KEYS.map(|(name, ..)| {
        format!(
            ", {name}.version AS {name}_version, {name}.identity AS {name}_identity, \
             {name}.sealed_key AS {name}_key"
        )
    });
    let joins = KEYS.map(|(name, kind, state)| {
        format!(
            " LEFT JOIN credentials AS {name} ON {name}.device_id = devices.id AND {name}.kind = '{kind}' \
             AND {name}.state = '{state}'"
        )
    });
    format!(
        "SELECT devices.id, devices.domain, devices.endpoint, devices.security, devices.product_id, \
         device_bootstraps.security AS bootstrap_security{} FROM devices \
         LEFT JOIN device_bootstraps ON device_bootstraps.device_id = devices.id{}",
        columns.concat(),
        joins.concat()
    )
}

fn admitted_of(row: &AnyRow) -> sqlx::Result<Admitted> {
    Ok(Admitted {
        device_id: row.try_get("id")?,
        domain: row.try_get("domain")?,
        endpoint: row.try_get("endpoint")?,
        security: row.try_get("security")?,
        product_id: row.try_get("product_id")?,
        active: key(row, "active")?,
        staged: key(row, "staged")?,
        bootstrap_security: row.try_get("bootstrap_security")?,
        bootstrap: key(row, "bootstrap")?,
    })
}

fn key(row: &AnyRow, name: &str) -> sqlx::Result<Option<StoredKey>> {
    let Some(identity) = row.try_get::<Option<String>, _>(&*format!("{name}_identity"))? else {
        return Ok(None);
    };
    let version = row.try_get(&*format!("{name}_version"))?;
    Ok(Some(StoredKey { version, identity, sealed: SealedKey(row.try_get(&*format!("{name}_key"))?) }))
}
