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
    pub model: Option<String>,
    pub version: String,
    pub source_version: Option<String>,
    /// Whether the image says model and versions itself.
    pub has_header: bool,
    pub size_bytes: i64,
    pub sha256: String,
    pub created_at: Moment,
}

const SELECT: &str = "SELECT id, domain, name, description, file_name, model, version, source_version, \
    has_header, size_bytes, sha256, created_at FROM packages";

/// Adds a package whose image is already durable.
pub async fn insert(connection: &mut AnyConnection, package: &Package) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO packages (id, domain, name, description, file_name, model, version, source_version, \
         has_header, size_bytes, sha256, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(&package.id)
    .bind(&package.domain)
    .bind(&package.name)
    .bind(&package.description)
    .bind(&package.file_name)
    .bind(&package.model)
    .bind(&package.version)
    .bind(&package.source_version)
    .bind(i64::from(package.has_header))
    .bind(package.size_bytes)
    .bind(&package.sha256)
    .bind(package.created_at.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// The package with this id.
pub async fn by_id(connection: &mut AnyConnection, id: &str) -> sqlx::Result<Option<Package>> {
    let row = sqlx::query(AssertSqlSafe(format!("{SELECT} WHERE id = $1")))
        .bind(id)
        .fetch_optional(connection)
        .await?;
    row.map(package).transpose()
}

/// Packages, newest first, older than `before` (empty: from the newest on); of one name unless it is empty.
pub async fn page(
    connection: &mut AnyConnection,
    name: &str,
    before: &str,
    limit: i64,
) -> sqlx::Result<Vec<Package>> {
    let rows = sqlx::query(AssertSqlSafe(format!(
        "{SELECT} WHERE (id < $1 OR $1 = '') AND (name = $2 OR $2 = '') ORDER BY id DESC LIMIT $3"
    )))
    .bind(before)
    .bind(name)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(package).collect()
}

/// The hashes of all images that a package refers to, in hexadecimal digits.
pub async fn image_hashes(connection: &mut AnyConnection) -> sqlx::Result<Vec<String>> {
    let rows =
        sqlx::query("SELECT DISTINCT sha256 FROM packages ORDER BY sha256").fetch_all(connection).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// Whether a package refers to this image.
pub async fn refers_to(connection: &mut AnyConnection, sha256: &str) -> sqlx::Result<bool> {
    let row = sqlx::query("SELECT id FROM packages WHERE sha256 = $1 LIMIT 1")
        .bind(sha256)
        .fetch_optional(connection)
        .await?;
    Ok(row.is_some())
}

fn package(row: AnyRow) -> sqlx::Result<Package> {
    Ok(Package {
        id: row.try_get("id")?,
        domain: row.try_get("domain")?,
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        file_name: row.try_get("file_name")?,
        model: row.try_get("model")?,
        version: row.try_get("version")?,
        source_version: row.try_get("source_version")?,
        has_header: row.try_get::<i64, _>("has_header")? != 0,
        size_bytes: row.try_get("size_bytes")?,
        sha256: row.try_get("sha256")?,
        created_at: Moment(row.try_get("created_at")?),
    })
}
