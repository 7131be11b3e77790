//! Brings the schema up to date, forward only, one transaction per step.

use sqlx::{AnyConnection, AssertSqlSafe, Row};

use super::StoreError;
use super::dialect::Engine;
use super::fence::{self, Fence};
use crate::clock::Moment;

/// The steps, oldest first; a step that was released is never changed.
const STEPS: &[(i64, &str)] = &[
    (1, include_str!("migrations/0001_first.sql")),
    (2, include_str!("migrations/0002_operations.sql")),
    (3, include_str!("migrations/0003_registrations.sql")),
    (4, include_str!("migrations/0004_object_models.sql")),
    (5, include_str!("migrations/0005_bootstrap.sql")),
    (6, include_str!("migrations/0006_observations.sql")),
    (7, include_str!("migrations/0007_components.sql")),
    (8, include_str!("migrations/0008_deferral.sql")),
    (9, include_str!("migrations/0009_products.sql")),
    (10, include_str!("migrations/0010_packages.sql")),
];

/// Why the schema is not up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// Written by a later release.
    #[error(
        "the data folder was written by a newer version of updraft (schema {found}, this version knows \
         {known}); start that version, or restore a backup made before it"
    )]
    TooNew {
        /// What the database has.
        found: i64,
        /// What this version can read.
        known: i64,
    },
    /// A step failed and was undone.
    #[error("cannot bring the database to schema {step}")]
    Step {
        /// Which.
        step: i64,
        /// Why.
        #[source]
        source: StoreError,
    },
}

/// Takes the database over and applies the steps that are missing, after [`prepare`]. A server that still uses it is kept from
/// writing into a schema that it does not know.
pub async fn migrate(connection: &mut AnyConnection, now: Moment) -> Result<Fence, MigrationError> {
    let failed = |step| move |error: sqlx::Error| MigrationError::Step { step, source: error.into() };
    let (found, known) = (version(connection).await.map_err(failed(0))?, known());
    if found > known {
        return Err(MigrationError::TooNew { found, known });
    }
    let mut fence = Fence::claim(connection).await.map_err(failed(found))?;
    for (step, text) in STEPS.iter().filter(|(step, _)| *step > found) {
        apply(connection, fence, (*step, text), now).await.map_err(failed(*step))?;
        fence.was_committed();
        tracing::info!(step, "the database schema was brought up to date");
    }
    Ok(fence)
}

/// The newest schema.
pub fn known() -> i64 {
    STEPS.last().map_or(0, |(step, _)| *step)
}

/// Applies the steps that are missing up to `wanted`, inside a transaction of the caller.
pub async fn raise(connection: &mut AnyConnection, wanted: i64, now: Moment) -> Result<(), MigrationError> {
    let failed = |step| move |error: sqlx::Error| MigrationError::Step { step, source: error.into() };
    prepare(connection).await.map_err(failed(0))?;
    let found = version(connection).await.map_err(failed(0))?;
    for (step, text) in STEPS.iter().filter(|(step, _)| (found + 1..=wanted).contains(step)) {
        run(connection, *step, text, now).await.map_err(failed(*step))?;
    }
    Ok(())
}

/// Makes the tables that tell what a database is, if they are missing.
pub async fn prepare(connection: &mut AnyConnection) -> sqlx::Result<()> {
    let tables = "CREATE TABLE IF NOT EXISTS schema_steps (step BIGINT NOT NULL PRIMARY KEY, applied_at BIGINT NOT NULL);
                  CREATE TABLE IF NOT EXISTS properties (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)";
    for tables in [tables, fence::TABLE] {
        let tables = Engine::of_connection(connection).schema(tables).into_owned();
        sqlx::raw_sql(AssertSqlSafe(tables)).execute(&mut *connection).await?;
    }
    Ok(())
}

/// The schema of a database that a server has opened before.
pub async fn version(connection: &mut AnyConnection) -> sqlx::Result<i64> {
    let row = sqlx::query("SELECT CAST(COALESCE(MAX(step), 0) AS BIGINT) FROM schema_steps")
        .fetch_one(connection)
        .await?;
    row.try_get(0)
}

async fn apply(
    connection: &mut AnyConnection,
    fence: Fence,
    (step, text): (i64, &'static str),
    now: Moment,
) -> sqlx::Result<()> {
    let engine = Engine::of_connection(connection);
    sqlx::raw_sql(engine.begin()).execute(&mut *connection).await?;
    let applied = async {
        let counted = sqlx::raw_sql(AssertSqlSafe(fence.count())).execute(&mut *connection).await?;
        if counted.rows_affected() == 0 {
            return Err(sqlx::Error::Configuration(
                "another updraft server has taken over the database".into(),
            ));
        }
        run(connection, step, text, now).await?;
        sqlx::raw_sql("COMMIT").execute(&mut *connection).await
    }
    .await;
    if applied.is_err() {
        // The first error says why; a failing rollback would add nothing to it.
        let _ = sqlx::raw_sql("ROLLBACK").execute(connection).await;
    }
    applied.map(|_| ())
}

async fn run(connection: &mut AnyConnection, step: i64, text: &'static str, now: Moment) -> sqlx::Result<()> {
    let text = Engine::of_connection(connection).schema(text).into_owned();
    sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut *connection).await?;
    sqlx::query("INSERT INTO schema_steps (step, applied_at) VALUES ($1, $2)")
        .bind(step)
        .bind(now.0)
        .execute(connection)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
