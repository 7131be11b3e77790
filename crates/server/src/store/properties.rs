//! Facts about the data folder itself.

use sqlx::{AnyConnection, Row};

const STOPPED_CLEANLY: &str = "stopped cleanly";
const KEY_CHECK: &str = "key check";
const LIFE: &str = "life";
const RESTORED: &str = "restored";

/// Whether the property of this name says something about this copy of the data alone.
pub fn is_of_this_copy(name: &str) -> bool {
    [STOPPED_CLEANLY, RESTORED].contains(&name)
}

/// Whether the last server ended in order; true for a new database.
pub async fn stopped_cleanly(connection: &mut AnyConnection) -> sqlx::Result<bool> {
    Ok(read(connection, STOPPED_CLEANLY).await?.is_none_or(|value| value == "yes"))
}

/// Notes it.
pub async fn set_stopped_cleanly(connection: &mut AnyConnection, cleanly: bool) -> sqlx::Result<()> {
    write(connection, STOPPED_CLEANLY, if cleanly { "yes" } else { "no" }).await
}

/// The value that only the right key file gives; `None` for a new database.
pub async fn key_check(connection: &mut AnyConnection) -> sqlx::Result<Option<String>> {
    read(connection, KEY_CHECK).await
}

/// Notes it.
pub async fn set_key_check(connection: &mut AnyConnection, value: &str) -> sqlx::Result<()> {
    write(connection, KEY_CHECK, value).await
}

/// How often the server has started, and the mark of the last start.
pub async fn life(connection: &mut AnyConnection) -> sqlx::Result<Option<String>> {
    read(connection, LIFE).await
}

/// Notes it.
pub async fn set_life(connection: &mut AnyConnection, value: &str) -> sqlx::Result<()> {
    write(connection, LIFE, value).await
}

/// The name of the restore that filled the database; `None` if a server began it.
pub async fn restored(connection: &mut AnyConnection) -> sqlx::Result<Option<String>> {
    read(connection, RESTORED).await
}

/// Notes it.
pub async fn set_restored(connection: &mut AnyConnection, name: &str) -> sqlx::Result<()> {
    write(connection, RESTORED, name).await
}

async fn read(connection: &mut AnyConnection, name: &str) -> sqlx::Result<Option<String>> {
    let row = sqlx::query("SELECT value FROM properties WHERE name = $1")
        .bind(name)
        .fetch_optional(connection)
        .await?;
    row.map(|row| row.try_get(0)).transpose()
}

async fn write(connection: &mut AnyConnection, name: &str, value: &str) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO properties (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
        .bind(name)
        .bind(value)
        .execute(connection)
        .await?;
    Ok(())
}
