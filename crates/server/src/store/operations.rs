//! The durable queue of operations on devices.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};
use uuid::Uuid;

use super::{places, storable};
use crate::clock::Moment;

/// One operation as it was asked for, with what became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operation {
    /// Follows the time of creation.
    pub id: Uuid,
    pub device_id: String,
    pub endpoint: String,
    pub kind: String,
    /// One path, or those of a composite with blanks between them.
    pub paths: String,
    /// JSON.
    pub argument: Option<String>,
    pub created_at: Moment,
    pub expires_at: Moment,
    pub progress: Progress,
}

/// How far an operation is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Progress {
    pub state: String,
    /// JSON.
    pub answer: Option<String>,
    /// The code of what went wrong, and a sentence about it.
    pub problem: Option<(String, String)>,
    pub finished_at: Option<Moment>,
}

const SELECT: &str = "SELECT device_operations.id, device_operations.device_id, devices.endpoint, \
    device_operations.kind, device_operations.paths, device_operations.argument, device_operations.state, \
    device_operations.answer, device_operations.problem, device_operations.problem_detail, \
    device_operations.created_at, device_operations.expires_at, device_operations.finished_at \
    FROM device_operations JOIN devices ON devices.id = device_operations.device_id";

/// Adds an operation.
pub async fn insert(connection: &mut AnyConnection, operation: &Operation) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO device_operations (id, device_id, kind, paths, argument, state, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(operation.id.to_string())
    .bind(&operation.device_id)
    .bind(&operation.kind)
    .bind(&operation.paths)
    .bind(&operation.argument)
    .bind(&operation.progress.state)
    .bind(operation.created_at.0)
    .bind(operation.expires_at.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// How many operations of a device have not ended.
pub async fn unfinished_of(connection: &mut AnyConnection, device_id: &str) -> sqlx::Result<i64> {
    let row = sqlx::query(
        "SELECT CAST(COUNT(*) AS BIGINT) FROM device_operations WHERE device_id = $1 AND finished_at IS NULL",
    )
    .bind(device_id)
    .fetch_one(connection)
    .await?;
    row.try_get(0)
}

/// Forgets the oldest operations of a device that have ended, all but the newest `kept`.
pub async fn forget_old(connection: &mut AnyConnection, device_id: &str, kept: i64) -> sqlx::Result<()> {
    sqlx::query(
        "DELETE FROM device_operations WHERE device_id = $1 AND finished_at IS NOT NULL AND id <= \
         (SELECT id FROM device_operations WHERE device_id = $1 AND finished_at IS NOT NULL \
         ORDER BY id DESC LIMIT 1 OFFSET $2)",
    )
    .bind(device_id)
    .bind(kept)
    .execute(connection)
    .await?;
    Ok(())
}

/// Identifiers of one statement.
const IDS: usize = 1_000;

/// Notes that operations which wait are to be sent now. Gives those that have not ended and were not removed
/// meanwhile.
pub async fn start(connection: &mut AnyConnection, ids: &[Uuid], running: &str) -> sqlx::Result<Vec<Uuid>> {
    let mut started = Vec::new();
    for chunk in ids.chunks(IDS) {
        let places: Vec<String> = (2..=chunk.len() + 1).map(|place| format!("${place}")).collect();
        let text = format!(
            "UPDATE device_operations SET state = $1 WHERE finished_at IS NULL AND id IN ({}) RETURNING id",
            places.join(", ")
        );
        let mut query = sqlx::query(AssertSqlSafe(text)).persistent(chunk.len() == 1).bind(running);
        for id in chunk {
            query = query.bind(id.to_string());
        }
        for row in query.fetch_all(&mut *connection).await? {
            started.push(uuid(row.try_get(0)?)?);
        }
    }
    Ok(started)
}

/// Rows of one statement; 6 values each stays below the limits of both engines.
const ROWS: usize = 400;

/// Writes how far operations are, each of them once, unless they have ended or were removed with their devices.
pub async fn update(connection: &mut AnyConnection, changes: &[(Uuid, &Progress)]) -> sqlx::Result<()> {
    for chunk in changes.chunks(ROWS) {
        let text = format!(
            "UPDATE device_operations SET state = new.column2, answer = new.column3, problem = new.column4, \
             problem_detail = new.column5, finished_at = new.column6 FROM (VALUES {}) AS new \
             WHERE device_operations.id = new.column1 AND device_operations.finished_at IS NULL",
            places(chunk.len(), 6)
        );
        let mut query = sqlx::query(AssertSqlSafe(text)).persistent(chunk.len() == 1);
        for (id, progress) in chunk {
            let problem = progress.problem.as_ref();
            query = query
                .bind(id.to_string())
                .bind(&progress.state)
                .bind(progress.answer.as_deref().map(storable))
                .bind(problem.map(|(code, _)| code))
                .bind(problem.map(|(_, detail)| storable(detail)))
                .bind(progress.finished_at.map(|at| at.0));
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// One operation of a device.
pub async fn by_id(
    connection: &mut AnyConnection,
    endpoint: &str,
    id: Uuid,
) -> sqlx::Result<Option<Operation>> {
    let text = format!("{SELECT} WHERE device_operations.id = $1 AND devices.endpoint = $2");
    let row = sqlx::query(AssertSqlSafe(text))
        .bind(id.to_string())
        .bind(endpoint)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(operation).transpose()
}

/// Operations of a device, newest first, older than `before` unless that is empty.
pub async fn page(
    connection: &mut AnyConnection,
    endpoint: &str,
    before: &str,
    limit: i64,
) -> sqlx::Result<Vec<Operation>> {
    let text = format!(
        "{SELECT} WHERE devices.endpoint = $1 AND ($2 = '' OR device_operations.id < $2) \
         ORDER BY device_operations.id DESC LIMIT $3"
    );
    let rows = sqlx::query(AssertSqlSafe(text))
        .bind(endpoint)
        .bind(before)
        .bind(limit)
        .fetch_all(connection)
        .await?;
    rows.iter().map(operation).collect()
}

/// Operations that have not ended, in order, after `after`.
pub async fn unfinished_page(
    connection: &mut AnyConnection,
    after: &str,
    limit: i64,
) -> sqlx::Result<Vec<Operation>> {
    let text = format!(
        "{SELECT} WHERE device_operations.finished_at IS NULL AND device_operations.id > $1 \
         ORDER BY device_operations.id LIMIT $2"
    );
    let rows = sqlx::query(AssertSqlSafe(text)).bind(after).bind(limit).fetch_all(connection).await?;
    rows.iter().map(operation).collect()
}

fn operation(row: &AnyRow) -> sqlx::Result<Operation> {
    let problem: Option<String> = row.try_get("problem")?;
    let detail: Option<String> = row.try_get("problem_detail")?;
    Ok(Operation {
        id: uuid(row.try_get("id")?)?,
        device_id: row.try_get("device_id")?,
        endpoint: row.try_get("endpoint")?,
        kind: row.try_get("kind")?,
        paths: row.try_get("paths")?,
        argument: row.try_get("argument")?,
        created_at: Moment(row.try_get("created_at")?),
        expires_at: Moment(row.try_get("expires_at")?),
        progress: Progress {
            state: row.try_get("state")?,
            answer: row.try_get("answer")?,
            problem: problem.map(|code| (code, detail.unwrap_or_default())),
            finished_at: row.try_get::<Option<i64>, _>("finished_at")?.map(Moment),
        },
    })
}

fn uuid(text: String) -> sqlx::Result<Uuid> {
    Uuid::parse_str(&text).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
