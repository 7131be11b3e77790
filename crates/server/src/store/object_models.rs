//! Object definitions that were uploaded.

use sqlx::{AnyConnection, Row};

use crate::clock::Moment;

/// One version of an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectModel {
    pub object: i64,
    pub version: String,
    /// In OMA's XML.
    pub definition: String,
    pub added_at: Moment,
}

/// Adds a definition, or replaces the one with the same number and version.
pub async fn put(connection: &mut AnyConnection, model: &ObjectModel) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO object_models (object, version, definition, added_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (object, version) DO UPDATE SET definition = excluded.definition, \
         added_at = excluded.added_at",
    )
    .bind(model.object)
    .bind(&model.version)
    .bind(&model.definition)
    .bind(model.added_at.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes a definition.
pub async fn delete(connection: &mut AnyConnection, object: i64, version: &str) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM object_models WHERE object = $1 AND version = $2")
        .bind(object)
        .bind(version)
        .execute(connection)
        .await?;
    Ok(())
}

/// All of them.
pub async fn all(connection: &mut AnyConnection) -> sqlx::Result<Vec<ObjectModel>> {
    let rows = sqlx::query(
        "SELECT object, version, definition, added_at FROM object_models ORDER BY object, version",
    )
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(ObjectModel {
                object: row.try_get("object")?,
                version: row.try_get("version")?,
                definition: row.try_get("definition")?,
                added_at: Moment(row.try_get("added_at")?),
            })
        })
        .collect()
}
