//! Databases of any schema with rows in every table, for tests.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AnyConnection, AssertSqlSafe, Row};

use super::catalog::{self, Kind, Table};
use super::places;

/// Rows of each table.
const ROWS: i64 = 3;

/// What a server keeps for itself; a restore or a start changes it.
const OWN: [&str; 3] = ["schema_steps", "properties", "writer"];

/// The rows of a table, each value as text.
pub type Content = BTreeMap<String, BTreeSet<Vec<String>>>;

/// All tables but the server's own.
pub async fn tables(connection: &mut AnyConnection) -> Vec<Table> {
    let tables = catalog::tables(connection).await.unwrap();
    tables.into_iter().filter(|table| !OWN.contains(&&*table.name)).collect()
}

/// Puts rows into every table. Every key is made of the number of its row, so references hold.
pub async fn fill(connection: &mut AnyConnection) {
    for table in tables(connection).await {
        for number in 1..=ROWS {
            let places = places(1, table.columns.len());
            let text = format!("INSERT INTO \"{}\" VALUES {places}", table.name);
            let mut query = sqlx::query(AssertSqlSafe(text));
            for column in &table.columns {
                let is_key = column.name == "id" || column.name.ends_with("_id");
                query = match column.kind {
                    // A package that was removed has no file.
                    Kind::Integer if column.name == "removed_at" => query.bind(None::<i64>),
                    Kind::Integer => query.bind(number),
                    Kind::Text if is_key => query.bind(format!("id-{number}")),
                    Kind::Text if column.name == "sha256" => query.bind(format!("{number:064x}")),
                    Kind::Text => query.bind(format!("{} {number} \u{e9}", column.name)),
                    Kind::Bytes => query.bind(vec![0, 255, u8::try_from(number).unwrap()]),
                };
            }
            query.execute(&mut *connection).await.unwrap_or_else(|error| panic!("{}: {error}", table.name));
        }
    }
}

/// What these tables hold in these columns, also after columns were added.
pub async fn content(connection: &mut AnyConnection, tables: &[Table]) -> Content {
    let mut content = Content::new();
    for table in tables {
        let names: Vec<String> = table.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
        let text = format!("SELECT {} FROM \"{}\"", names.join(", "), table.name);
        let rows = sqlx::query(AssertSqlSafe(text)).fetch_all(&mut *connection).await.unwrap();
        let row = |row: sqlx::any::AnyRow| {
            let value = |(at, kind)| match kind {
                Kind::Integer => format!("{:?}", row.try_get::<Option<i64>, _>(at).unwrap()),
                Kind::Text => format!("{:?}", row.try_get::<Option<String>, _>(at).unwrap()),
                Kind::Bytes => format!("{:?}", row.try_get::<Option<Vec<u8>>, _>(at).unwrap()),
            };
            table.columns.iter().map(|column| column.kind).enumerate().map(value).collect()
        };
        content.insert(table.name.clone(), rows.into_iter().map(row).collect());
    }
    content
}
