//! Keeps two servers from changing one database.
//!
//! ```text
//! writer   claim 7   transactions 41
//! ```
//! Whoever opens the database takes the next claim. Each of its transactions begins by counting itself under
//! that claim, which also locks the row: transactions of two servers follow one another, and one with an older
//! claim finds nothing to count and ends. The count also tells whether a transaction was committed whose
//! COMMIT was never answered. A file has the lock of its folder instead and is not counted.

use sqlx::{AnyConnection, Row};

/// The right to change the database, until another takes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fence {
    claim: i64,
    /// Transactions of this claim that were committed.
    committed: i64,
}

/// The table and its one row.
pub const TABLE: &str = "CREATE TABLE IF NOT EXISTS writer (name TEXT NOT NULL PRIMARY KEY, claim BIGINT NOT NULL, \
    transactions BIGINT NOT NULL); \
    INSERT INTO writer (name, claim, transactions) VALUES ('updraft', 0, 0) ON CONFLICT (name) DO NOTHING";

impl Fence {
    /// Takes the database over. A transaction of the server before is waited for.
    pub async fn claim(connection: &mut AnyConnection) -> sqlx::Result<Self> {
        let row = sqlx::query("UPDATE writer SET claim = claim + 1, transactions = 0 RETURNING claim")
            .fetch_one(connection)
            .await?;
        Ok(Self { claim: row.try_get(0)?, committed: 0 })
    }

    /// The statement that counts a transaction; it changes no row if the claim is not the newest.
    pub fn count(&self) -> String {
        format!("UPDATE writer SET transactions = transactions + 1 WHERE claim = {}", self.claim)
    }

    /// A transaction of this claim was committed.
    pub fn was_committed(&mut self) {
        self.committed += 1;
    }

    /// Whether the claim is the newest.
    pub async fn holds(&self, connection: &mut AnyConnection) -> sqlx::Result<bool> {
        let row = sqlx::query("SELECT claim FROM writer").fetch_one(connection).await?;
        Ok(row.try_get::<i64, _>(0)? == self.claim)
    }

    /// Goes on after a lost connection: waits for the end of a transaction that it has left open, and learns
    /// how many were committed. False if another server has the database now.
    pub async fn resume(&mut self, connection: &mut AnyConnection) -> sqlx::Result<bool> {
        // It changes nothing, but takes the lock that the transaction holds until its end.
        let row = sqlx::query(
            "UPDATE writer SET transactions = transactions WHERE claim = $1 RETURNING transactions",
        )
        .bind(self.claim)
        .fetch_optional(connection)
        .await?;
        let Some(row) = row else { return Ok(false) };
        self.committed = row.try_get(0)?;
        Ok(true)
    }

    /// How many transactions were committed, as far as is known.
    pub fn committed(&self) -> i64 {
        self.committed
    }
}
