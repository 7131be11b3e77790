//! Public keys of those who sign packages.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

use crate::clock::Moment;

/// One key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SigningKey {
    /// SHA-256 of the key (`SubjectPublicKeyInfo`), in hexadecimal digits.
    pub id: String,
    pub domain: String,
    /// Whose packages it vouches for; compared exactly with the profile's name.
    pub manufacturer: String,
    /// The only one that signatures are checked with.
    pub algorithm: String,
    pub pem: String,
    pub comment: String,
    pub added_by: String,
    pub created_at: Moment,
    pub revocation: Option<Revocation>,
}

/// Since when a key counts no more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Revocation {
    pub at: Moment,
    pub by: String,
    pub reason: String,
}

const SELECT: &str = "SELECT id, domain, manufacturer, algorithm, pem, comment, added_by, \
    created_at, revoked_at, revoked_by, revocation_reason FROM signing_keys";

/// Adds a key.
pub async fn insert(connection: &mut AnyConnection, key: &SigningKey) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO signing_keys (id, domain, manufacturer, algorithm, pem, comment, \
         added_by, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(&key.id)
    .bind(&key.domain)
    .bind(&key.manufacturer)
    .bind(&key.algorithm)
    .bind(&key.pem)
    .bind(&key.comment)
    .bind(&key.added_by)
    .bind(key.created_at.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// The key with this id.
pub async fn by_id(connection: &mut AnyConnection, id: &str) -> sqlx::Result<Option<SigningKey>> {
    let row = sqlx::query(AssertSqlSafe(format!("{SELECT} WHERE id = $1")))
        .bind(id)
        .fetch_optional(connection)
        .await?;
    row.map(signing_key).transpose()
}

/// All keys, those that were revoked too.
pub async fn all(connection: &mut AnyConnection) -> sqlx::Result<Vec<SigningKey>> {
    let rows = sqlx::query(AssertSqlSafe(format!("{SELECT} ORDER BY id"))).fetch_all(connection).await?;
    rows.into_iter().map(signing_key).collect()
}

/// The keys of a manufacturer that count now, oldest first.
pub async fn valid_of(
    connection: &mut AnyConnection,
    domain: &str,
    manufacturer: &str,
) -> sqlx::Result<Vec<SigningKey>> {
    let rows = sqlx::query(AssertSqlSafe(format!(
        "{SELECT} WHERE domain = $1 AND manufacturer = $2 AND revoked_at IS NULL ORDER BY created_at, id"
    )))
    .bind(domain)
    .bind(manufacturer)
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(signing_key).collect()
}

/// Keys in the order of their ids, after `after`; of one manufacturer unless it is empty.
pub async fn page(
    connection: &mut AnyConnection,
    manufacturer: &str,
    after: &str,
    limit: i64,
) -> sqlx::Result<Vec<SigningKey>> {
    let rows = sqlx::query(AssertSqlSafe(format!(
        "{SELECT} WHERE id > $1 AND (manufacturer = $2 OR $2 = '') ORDER BY id LIMIT $3"
    )))
    .bind(after)
    .bind(manufacturer)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(signing_key).collect()
}

/// From now on a key counts no more. False if there is none that counts.
pub async fn revoke(connection: &mut AnyConnection, id: &str, revocation: &Revocation) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "UPDATE signing_keys SET revoked_at = $2, revoked_by = $3, revocation_reason = $4 \
         WHERE id = $1 AND revoked_at IS NULL",
    )
    .bind(id)
    .bind(revocation.at.0)
    .bind(&revocation.by)
    .bind(&revocation.reason)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

fn signing_key(row: AnyRow) -> sqlx::Result<SigningKey> {
    let revocation = match row.try_get::<Option<i64>, _>("revoked_at")? {
        Some(at) => Some(Revocation {
            at: Moment(at),
            by: row.try_get("revoked_by")?,
            reason: row.try_get("revocation_reason")?,
        }),
        None => None,
    };
    Ok(SigningKey {
        id: row.try_get("id")?,
        domain: row.try_get("domain")?,
        manufacturer: row.try_get("manufacturer")?,
        algorithm: row.try_get("algorithm")?,
        pem: row.try_get("pem")?,
        comment: row.try_get("comment")?,
        added_by: row.try_get("added_by")?,
        created_at: Moment(row.try_get("created_at")?),
        revocation,
    })
}
