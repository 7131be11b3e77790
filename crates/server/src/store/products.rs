//! Products: the profiles that were imported.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

use crate::clock::Moment;

/// One product.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Product {
    pub id: String,
    pub domain: String,
    pub identity: Identity,
    /// The imported file with this one device in it, as it was.
    pub profile: String,
    /// What stands in it under `updraft`, in JSON.
    pub settings: String,
    pub created_at: Moment,
    pub changed_at: Moment,
}

/// What a product is called. Everything is compared exactly, case included (seed S1-21).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Identity {
    pub manufacturer_id: String,
    pub manufacturer_name: String,
    pub model: String,
    pub device_type: String,
    pub protocol_type: String,
}

const SELECT: &str = "SELECT id, domain, manufacturer_id, manufacturer_name, model, device_type, \
    protocol_type, profile, settings, created_at, changed_at FROM products";

/// Adds a product.
pub async fn insert(connection: &mut AnyConnection, product: &Product) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO products (id, domain, manufacturer_id, manufacturer_name, model, device_type, \
         protocol_type, profile, settings, created_at, changed_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(&product.id)
    .bind(&product.domain)
    .bind(&product.identity.manufacturer_id)
    .bind(&product.identity.manufacturer_name)
    .bind(&product.identity.model)
    .bind(&product.identity.device_type)
    .bind(&product.identity.protocol_type)
    .bind(&product.profile)
    .bind(&product.settings)
    .bind(product.created_at.0)
    .bind(product.changed_at.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// Replaces what a profile says; what the product is called stays but for the manufacturer's id.
pub async fn update(connection: &mut AnyConnection, product: &Product) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE products SET manufacturer_id = $2, profile = $3, settings = $4, changed_at = $5 WHERE id = $1",
    )
    .bind(&product.id)
    .bind(&product.identity.manufacturer_id)
    .bind(&product.profile)
    .bind(&product.settings)
    .bind(product.changed_at.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// The product with this id.
pub async fn by_id(connection: &mut AnyConnection, id: &str) -> sqlx::Result<Option<Product>> {
    let row = sqlx::query(AssertSqlSafe(format!("{SELECT} WHERE id = $1")))
        .bind(id)
        .fetch_optional(connection)
        .await?;
    row.map(product).transpose()
}

/// The product that is called so; the manufacturer's id does not count.
pub async fn by_identity(
    connection: &mut AnyConnection,
    domain: &str,
    identity: &Identity,
) -> sqlx::Result<Option<Product>> {
    let row = sqlx::query(AssertSqlSafe(format!(
        "{SELECT} WHERE domain = $1 AND manufacturer_name = $2 AND model = $3 AND device_type = $4 \
         AND protocol_type = $5"
    )))
    .bind(domain)
    .bind(&identity.manufacturer_name)
    .bind(&identity.model)
    .bind(&identity.device_type)
    .bind(&identity.protocol_type)
    .fetch_optional(connection)
    .await?;
    row.map(product).transpose()
}

/// Products in the order of their ids, after `after`.
pub async fn page(connection: &mut AnyConnection, after: &str, limit: i64) -> sqlx::Result<Vec<Product>> {
    let rows = sqlx::query(AssertSqlSafe(format!("{SELECT} WHERE id > $1 ORDER BY id LIMIT $2")))
        .bind(after)
        .bind(limit)
        .fetch_all(connection)
        .await?;
    rows.into_iter().map(product).collect()
}

/// Removes a product that nothing refers to.
pub async fn delete(connection: &mut AnyConnection, id: &str) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM products WHERE id = $1").bind(id).execute(connection).await?;
    Ok(())
}

fn product(row: AnyRow) -> sqlx::Result<Product> {
    Ok(Product {
        id: row.try_get("id")?,
        domain: row.try_get("domain")?,
        identity: Identity {
            manufacturer_id: row.try_get("manufacturer_id")?,
            manufacturer_name: row.try_get("manufacturer_name")?,
            model: row.try_get("model")?,
            device_type: row.try_get("device_type")?,
            protocol_type: row.try_get("protocol_type")?,
        },
        profile: row.try_get("profile")?,
        settings: row.try_get("settings")?,
        created_at: Moment(row.try_get("created_at")?),
        changed_at: Moment(row.try_get("changed_at")?),
    })
}
