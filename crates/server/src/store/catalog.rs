//! What tables a database has, told by itself: a backup needs no list that somebody could forget to extend.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sqlx::{AnyConnection, Row};

use super::ImageHash;
use super::dialect::Engine;

/// A table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Table {
    pub name: String,
    /// In their order.
    pub columns: Vec<Column>,
    /// The tables that its rows refer to.
    pub references: Vec<String>,
}

/// A column of a table.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Column {
    pub name: String,
    pub kind: Kind,
}

/// What a column holds; all types that migrations use.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Integer,
    Text,
    Bytes,
}

impl Kind {
    /// From the type that the engine tells.
    fn of(engine_type: &str) -> sqlx::Result<Self> {
        match engine_type.to_ascii_uppercase().as_str() {
            "BIGINT" => Ok(Self::Integer),
            "TEXT" => Ok(Self::Text),
            "BLOB" | "BYTEA" => Ok(Self::Bytes),
            other => Err(sqlx::Error::Protocol(format!("columns of the type {other} are not expected"))),
        }
    }
}

/// All tables, those that others refer to first.
pub async fn tables(connection: &mut AnyConnection) -> sqlx::Result<Vec<Table>> {
    let texts = texts(Engine::of_connection(connection));
    let mut found = Vec::new();
    for name in column_of_texts(connection, texts.tables, None).await? {
        let rows = sqlx::query(texts.columns).bind(&name).fetch_all(&mut *connection).await?;
        let columns = rows
            .iter()
            .map(|row| Ok(Column { name: row.try_get(0)?, kind: Kind::of(&row.try_get::<String, _>(1)?)? }))
            .collect::<sqlx::Result<_>>()?;
        let references = column_of_texts(connection, texts.references, Some(&name)).await?;
        found.push(Table { name, columns, references });
    }
    Ok(parents_first(found))
}

/// The images that packages refer to, also in an older schema.
pub async fn image_hashes(
    connection: &mut AnyConnection,
    tables: &[Table],
) -> sqlx::Result<BTreeSet<ImageHash>> {
    let packages = tables.iter().find(|table| table.name == "packages");
    let Some(packages) = packages else { return Ok(BTreeSet::new()) };
    let can_be_removed = packages.columns.iter().any(|column| column.name == "removed_at");
    let text = if can_be_removed {
        "SELECT DISTINCT sha256 FROM packages WHERE removed_at IS NULL"
    } else {
        "SELECT DISTINCT sha256 FROM packages"
    };
    let texts = column_of_texts(connection, text, None).await?;
    Ok(texts.iter().filter_map(|text| ImageHash::from_text(text)).collect())
}

/// Whether nothing was ever stored in it.
pub async fn is_empty(connection: &mut AnyConnection) -> sqlx::Result<bool> {
    let texts = texts(Engine::of_connection(connection));
    Ok(column_of_texts(connection, texts.tables, None).await?.is_empty())
}

/// Questions that each engine has its own words for.
struct Texts {
    tables: &'static str,
    columns: &'static str,
    references: &'static str,
}

const fn texts(engine: Engine) -> Texts {
    match engine {
        Engine::Sqlite => Texts {
            tables: "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name",
            columns: "SELECT CAST(name AS TEXT), CAST(type AS TEXT) FROM pragma_table_info($1) ORDER BY cid",
            references: "SELECT DISTINCT CAST(\"table\" AS TEXT) FROM pragma_foreign_key_list($1) ORDER BY 1",
        },
        Engine::Postgres => Texts {
            tables: "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1",
            columns: "SELECT CAST(column_name AS TEXT), CAST(data_type AS TEXT) \
                      FROM information_schema.columns \
                      WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position",
            references: "SELECT DISTINCT CAST(parent.relname AS TEXT) FROM pg_constraint \
                         JOIN pg_class AS child ON child.oid = pg_constraint.conrelid \
                         JOIN pg_class AS parent ON parent.oid = pg_constraint.confrelid \
                         JOIN pg_namespace ON pg_namespace.oid = child.relnamespace \
                         WHERE pg_constraint.contype = 'f' AND pg_namespace.nspname = current_schema() \
                         AND child.relname = $1 ORDER BY 1",
        },
    }
}

async fn column_of_texts(
    connection: &mut AnyConnection,
    text: &'static str,
    argument: Option<&str>,
) -> sqlx::Result<Vec<String>> {
    let query = sqlx::query(text);
    let query = if let Some(argument) = argument { query.bind(argument.to_owned()) } else { query };
    query.fetch_all(connection).await?.iter().map(|row| row.try_get(0)).collect()
}

fn parents_first(mut left: Vec<Table>) -> Vec<Table> {
    let mut ordered: Vec<Table> = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let is_free = |table: &Table| {
            let mut parents = table.references.iter().filter(|parent| **parent != table.name);
            parents.all(|parent| ordered.iter().any(|done| done.name == *parent))
        };
        let (free, bound): (Vec<_>, Vec<_>) = left.into_iter().partition(is_free);
        if free.is_empty() {
            // Tables that refer to each other: no order is right, and the engine will say so.
            ordered.extend(bound);
            break;
        }
        ordered.extend(free);
        left = bound;
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_comes_after_those_that_it_refers_to() {
        let table = |name: &str, references: &[&str]| Table {
            name: name.to_owned(),
            columns: Vec::new(),
            references: references.iter().map(ToString::to_string).collect(),
        };
        let tables = vec![table("a", &["c", "b"]), table("b", &["c", "b"]), table("c", &[])];
        let order: Vec<String> = parents_first(tables).into_iter().map(|table| table.name).collect();
        assert_eq!(order, ["c", "b", "a"]);
    }
}
