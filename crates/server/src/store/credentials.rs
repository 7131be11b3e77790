//! Device keys, encrypted.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use crate::clock::Moment;
use crate::secrets::{Fingerprint, SealedKey};

/// The kind of a pre-shared key for the management server.
pub const PSK: &str = "psk";

/// One key of a device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credential {
    pub device_id: String,
    pub domain: String,
    pub kind: String,
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
         key_prefix, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(&credential.device_id)
    .bind(&credential.kind)
    .bind(credential.version)
    .bind(&credential.identity)
    .bind(credential.sealed_key.0.as_slice())
    .bind(credential.fingerprint.0.as_slice())
    .bind(&credential.prefix)
    .bind(credential.created_at.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// The endpoint name of the device that has this identity.
pub async fn endpoint_of_identity(
    connection: &mut AnyConnection,
    identity: &str,
) -> sqlx::Result<Option<String>> {
    let row = sqlx::query(
        "SELECT devices.endpoint FROM credentials JOIN devices ON devices.id = credentials.device_id \
         WHERE credentials.identity = $1",
    )
    .bind(identity)
    .fetch_optional(connection)
    .await?;
    row.map(|row| row.try_get(0)).transpose()
}

/// The endpoint name of the device that has a key with this fingerprint.
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

/// Who may connect: a device, and its key if it has one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Admitted {
    pub device_id: String,
    pub domain: String,
    pub endpoint: String,
    pub security: String,
    pub credential: Option<(String, i64, SealedKey)>,
}

/// Who may connect, in the order of device ids, after `after`.
pub async fn admitted_page(
    connection: &mut AnyConnection,
    after: &str,
    limit: i64,
) -> sqlx::Result<Vec<Admitted>> {
    let rows = sqlx::query(
        "SELECT devices.id, devices.domain, devices.endpoint, devices.security, credentials.identity, \
         credentials.version, credentials.sealed_key FROM devices \
         LEFT JOIN credentials ON credentials.device_id = devices.id AND credentials.kind = $1 \
         WHERE devices.id > $2 ORDER BY devices.id LIMIT $3",
    )
    .bind(PSK)
    .bind(after)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(admitted).collect()
}

fn admitted(row: &AnyRow) -> sqlx::Result<Admitted> {
    let credential = match row.try_get::<Option<String>, _>("identity")? {
        Some(identity) => Some((identity, row.try_get("version")?, SealedKey(row.try_get("sealed_key")?))),
        None => None,
    };
    Ok(Admitted {
        device_id: row.try_get("id")?,
        domain: row.try_get("domain")?,
        endpoint: row.try_get("endpoint")?,
        security: row.try_get("security")?,
        credential,
    })
}
