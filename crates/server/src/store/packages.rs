//! Packages: what was uploaded. The bytes are in [`super::Images`].

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

use crate::clock::Moment;

/// One uploaded package.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Package {
    pub id: String,
    pub domain: String,
    pub name: String,
    pub description: String,
    pub file_name: String,
    /// `None` if it was uploaded before there were products.
    pub product_id: Option<String>,
    /// What it was uploaded for, as it was then.
    pub identity: Identity,
    /// The model that devices report, if the image says it.
    pub model: Option<String>,
    pub version: String,
    pub source_version: Option<String>,
    /// Whether the image says model and versions itself.
    pub has_header: bool,
    /// `raw`, `archive` or `signed_archive`.
    pub content: String,
    /// Of the uploaded file.
    pub size_bytes: i64,
    /// Of the uploaded file.
    pub sha256: String,
    /// What devices receive; `None` where that is one file for each bank.
    pub payload: Option<Payload>,
    /// How many files there are for devices: 1 or 2.
    pub banks: i64,
    /// `manifest.json` and its SHA-256.
    pub manifest: Option<(String, String)>,
    /// Ids of the keys that signed.
    pub signers: Vec<String>,
    /// `uploaded`, `verified`, `approved` or `withdrawn`.
    pub state: String,
    pub uploaded_by: String,
    pub created_at: Moment,
    pub approval: Option<Approval>,
    pub withdrawal: Option<Withdrawal>,
    /// `24h`, `1week`, `1month` or `forever`.
    pub keep: String,
    pub expires_at: Option<Moment>,
    pub removed_at: Option<Moment>,
}

/// The four values of the product (seed S1-20).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Identity {
    pub device_type: String,
    pub manufacturer: String,
    pub model: String,
    pub protocol: String,
}

/// The one file that devices receive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Payload {
    pub name: String,
    pub size_bytes: i64,
    pub sha256: String,
}

/// Who approved, and exactly what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Approval {
    pub by: String,
    pub at: Moment,
    pub sha256: String,
    pub manifest_sha256: Option<String>,
}

/// Who withdrew it, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Withdrawal {
    pub by: String,
    pub at: Moment,
    pub reason: String,
}

/// Which packages are listed. What is empty does not count.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    pub name: String,
    pub product_id: String,
    pub state: String,
    pub version: String,
}

impl Package {
    /// Whether nothing of it may be sent to devices any more.
    pub fn is_removed(&self) -> bool {
        self.removed_at.is_some()
    }
}

const COLUMNS: &str = "id, domain, name, description, file_name, product_id, device_type, manufacturer, \
    product_model, protocol, model, version, source_version, has_header, content, size_bytes, sha256, \
    payload_name, payload_size_bytes, payload_sha256, banks, manifest, manifest_sha256, signers, state, \
    uploaded_by, created_at, keep, expires_at";

const REST: &str = "approved_by, approved_at, approved_sha256, approved_manifest_sha256, withdrawn_by, \
    withdrawn_at, withdrawal_reason, removed_at";

fn select(rest: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!("SELECT {COLUMNS}, {REST} FROM packages {rest}"))
}

/// Adds a package whose file is already durable: not approved, not withdrawn, not removed.
pub async fn insert(connection: &mut AnyConnection, package: &Package) -> sqlx::Result<()> {
    let payload = package.payload.as_ref();
    let manifest = package.manifest.as_ref();
    let statement = format!("INSERT INTO packages ({COLUMNS}) VALUES {}", super::places(1, 29));
    sqlx::query(AssertSqlSafe(statement))
        .bind(&package.id)
        .bind(&package.domain)
        .bind(&package.name)
        .bind(&package.description)
        .bind(&package.file_name)
        .bind(&package.product_id)
        .bind(&package.identity.device_type)
        .bind(&package.identity.manufacturer)
        .bind(&package.identity.model)
        .bind(&package.identity.protocol)
        .bind(&package.model)
        .bind(&package.version)
        .bind(&package.source_version)
        .bind(i64::from(package.has_header))
        .bind(&package.content)
        .bind(package.size_bytes)
        .bind(&package.sha256)
        .bind(payload.map(|payload| payload.name.as_str()))
        .bind(payload.map(|payload| payload.size_bytes))
        .bind(payload.map(|payload| payload.sha256.as_str()))
        .bind(package.banks)
        .bind(manifest.map(|(text, _)| text.as_str()))
        .bind(manifest.map(|(_, sha256)| sha256.as_str()))
        .bind(package.signers.join(" "))
        .bind(&package.state)
        .bind(&package.uploaded_by)
        .bind(package.created_at.0)
        .bind(&package.keep)
        .bind(package.expires_at.map(|at| at.0))
        .execute(connection)
        .await?;
    Ok(())
}

/// The package with this id.
pub async fn by_id(connection: &mut AnyConnection, id: &str) -> sqlx::Result<Option<Package>> {
    let row = sqlx::query(select("WHERE id = $1")).bind(id).fetch_optional(connection).await?;
    row.map(package).transpose()
}

/// Packages that pass the filter, newest first, older than `before` (empty: from the newest on).
pub async fn page(
    connection: &mut AnyConnection,
    filter: &Filter,
    before: &str,
    limit: i64,
) -> sqlx::Result<Vec<Package>> {
    let rows = sqlx::query(select(
        "WHERE (id < $1 OR $1 = '') AND (name = $2 OR $2 = '') AND (product_id = $3 OR $3 = '') \
         AND (state = $4 OR $4 = '') AND (version = $5 OR $5 = '') ORDER BY id DESC LIMIT $6",
    ))
    .bind(before)
    .bind(&filter.name)
    .bind(&filter.product_id)
    .bind(&filter.state)
    .bind(&filter.version)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(package).collect()
}

/// Packages whose file is there and has been kept long enough, those first that wait the longest.
pub async fn expired(connection: &mut AnyConnection, now: Moment, limit: i64) -> sqlx::Result<Vec<Package>> {
    let rows = sqlx::query(select(
        "WHERE removed_at IS NULL AND expires_at <= $1 AND id NOT IN \
         (SELECT package_id FROM upgrades WHERE finished_at IS NULL) AND id NOT IN \
         (SELECT upgrade_components.package_id FROM upgrade_components JOIN upgrades \
          ON upgrades.id = upgrade_components.upgrade_id WHERE upgrades.finished_at IS NULL) \
         ORDER BY expires_at, id LIMIT $2",
    ))
    .bind(now.0)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(package).collect()
}

/// Endpoint and number of an upgrade that has not ended and uses this package.
pub async fn used_by(connection: &mut AnyConnection, id: &str) -> sqlx::Result<Option<(String, i64)>> {
    let row = sqlx::query(
        "SELECT devices.endpoint, upgrades.number FROM upgrades JOIN devices ON devices.id = upgrades.device_id \
         WHERE upgrades.finished_at IS NULL AND (upgrades.package_id = $1 OR upgrades.id IN \
         (SELECT upgrade_id FROM upgrade_components WHERE package_id = $1)) ORDER BY upgrades.id LIMIT 1",
    )
    .bind(id)
    .fetch_optional(connection)
    .await?;
    row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
}

/// Notes an approval. False if the package is not one that waits for it, or is not these bytes.
pub async fn approve(connection: &mut AnyConnection, id: &str, approval: &Approval) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "UPDATE packages SET state = 'approved', approved_by = $2, approved_at = $3, approved_sha256 = $4, \
         approved_manifest_sha256 = $5 WHERE id = $1 AND state IN ('uploaded', 'verified') \
         AND removed_at IS NULL AND sha256 = $4 AND COALESCE(manifest_sha256, '') = COALESCE($5, '')",
    )
    .bind(id)
    .bind(&approval.by)
    .bind(approval.at.0)
    .bind(&approval.sha256)
    .bind(&approval.manifest_sha256)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Notes a withdrawal. False if it was withdrawn already.
pub async fn withdraw(
    connection: &mut AnyConnection,
    id: &str,
    withdrawal: &Withdrawal,
) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "UPDATE packages SET state = 'withdrawn', withdrawn_by = $2, withdrawn_at = $3, withdrawal_reason = $4 \
         WHERE id = $1 AND state <> 'withdrawn'",
    )
    .bind(id)
    .bind(&withdrawal.by)
    .bind(withdrawal.at.0)
    .bind(&withdrawal.reason)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Changes the description, and how long the file is kept.
pub async fn update(
    connection: &mut AnyConnection,
    id: &str,
    description: &str,
    keep: &str,
    expires_at: Option<Moment>,
) -> sqlx::Result<()> {
    sqlx::query("UPDATE packages SET description = $2, keep = $3, expires_at = $4 WHERE id = $1")
        .bind(id)
        .bind(description)
        .bind(keep)
        .bind(expires_at.map(|at| at.0))
        .execute(connection)
        .await?;
    Ok(())
}

/// Notes that the file is deleted. False if it was already.
pub async fn mark_removed(connection: &mut AnyConnection, id: &str, at: Moment) -> sqlx::Result<bool> {
    let done = sqlx::query("UPDATE packages SET removed_at = $2 WHERE id = $1 AND removed_at IS NULL")
        .bind(id)
        .bind(at.0)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// The hashes of all files that a package refers to, in hexadecimal digits.
pub async fn image_hashes(connection: &mut AnyConnection) -> sqlx::Result<Vec<String>> {
    let rows = sqlx::query("SELECT DISTINCT sha256 FROM packages WHERE removed_at IS NULL ORDER BY sha256")
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// How many packages are of this product, also those whose file is gone: the history names them.
pub async fn count_of_product(connection: &mut AnyConnection, product_id: &str) -> sqlx::Result<i64> {
    let row = sqlx::query("SELECT COUNT(*) FROM packages WHERE product_id = $1")
        .bind(product_id)
        .fetch_one(connection)
        .await?;
    row.try_get(0)
}

/// Whether a package refers to this file.
pub async fn refers_to(connection: &mut AnyConnection, sha256: &str) -> sqlx::Result<bool> {
    let row = sqlx::query("SELECT id FROM packages WHERE sha256 = $1 AND removed_at IS NULL LIMIT 1")
        .bind(sha256)
        .fetch_optional(connection)
        .await?;
    Ok(row.is_some())
}

fn package(row: AnyRow) -> sqlx::Result<Package> {
    let moment = |column: &str| Ok::<_, sqlx::Error>(row.try_get::<Option<i64>, _>(column)?.map(Moment));
    let signers: String = row.try_get("signers")?;
    let manifest: Option<String> = row.try_get("manifest")?;
    Ok(Package {
        id: row.try_get("id")?,
        domain: row.try_get("domain")?,
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        file_name: row.try_get("file_name")?,
        product_id: row.try_get("product_id")?,
        identity: Identity {
            device_type: row.try_get("device_type")?,
            manufacturer: row.try_get("manufacturer")?,
            model: row.try_get("product_model")?,
            protocol: row.try_get("protocol")?,
        },
        model: row.try_get("model")?,
        version: row.try_get("version")?,
        source_version: row.try_get("source_version")?,
        has_header: row.try_get::<i64, _>("has_header")? != 0,
        content: row.try_get("content")?,
        size_bytes: row.try_get("size_bytes")?,
        sha256: row.try_get("sha256")?,
        payload: payload(&row)?,
        banks: row.try_get("banks")?,
        manifest: manifest.zip(row.try_get("manifest_sha256")?),
        signers: signers.split_whitespace().map(str::to_owned).collect(),
        state: row.try_get("state")?,
        uploaded_by: row.try_get("uploaded_by")?,
        created_at: Moment(row.try_get("created_at")?),
        approval: approval(&row)?,
        withdrawal: withdrawal(&row)?,
        keep: row.try_get("keep")?,
        expires_at: moment("expires_at")?,
        removed_at: moment("removed_at")?,
    })
}

fn payload(row: &AnyRow) -> sqlx::Result<Option<Payload>> {
    let Some(name) = row.try_get("payload_name")? else { return Ok(None) };
    let (size_bytes, sha256) = (row.try_get("payload_size_bytes")?, row.try_get("payload_sha256")?);
    Ok(Some(Payload { name, size_bytes, sha256 }))
}

fn approval(row: &AnyRow) -> sqlx::Result<Option<Approval>> {
    let Some(by) = row.try_get("approved_by")? else { return Ok(None) };
    Ok(Some(Approval {
        by,
        at: Moment(row.try_get("approved_at")?),
        sha256: row.try_get("approved_sha256")?,
        manifest_sha256: row.try_get("approved_manifest_sha256")?,
    }))
}

fn withdrawal(row: &AnyRow) -> sqlx::Result<Option<Withdrawal>> {
    let Some(by) = row.try_get("withdrawn_by")? else { return Ok(None) };
    let (at, reason) = (Moment(row.try_get("withdrawn_at")?), row.try_get("withdrawal_reason")?);
    Ok(Some(Withdrawal { by, at, reason }))
}
