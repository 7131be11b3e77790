//! Takes a backup up: one transaction over everything, the files before its end.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use sqlx::{AnyConnection, AssertSqlSafe};

use super::format::{FileHead, FileKind, Frame, TableHead, Value};
use super::{BackupError, Count, LEFT_OUT, Reader, SEALED_FILES};
use crate::clock::Moment;
use crate::store::catalog::{self, Kind, Table};
use crate::store::dialect::Engine;
use crate::store::{ImageHash, Images, Incoming, migrate, places, properties, upgrades};

/// What was taken up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Loaded {
    pub count: Count,
    /// Upgrades that had not ended; each is judged anew by what its device runs.
    pub unfinished_upgrades: u64,
}

/// Fills an empty database and the folder of images. All rows are there, or none; `name` is then stored as
/// the name of this restore. `progress` is told how many bytes of images were read.
///
/// # Errors
/// The backup is of a newer version, or something cannot be stored.
pub async fn load<R: Read + Seek>(
    connection: &mut AnyConnection,
    (images, folder): (&Images, &Path),
    reader: &mut Reader<R>,
    (name, now): (&str, Moment),
    progress: impl FnMut(u64),
) -> Result<Loaded, BackupError> {
    let (found, known) = (reader.header().schema, migrate::known());
    if found > known {
        return Err(BackupError::NewerSchema { found, known });
    }
    let begin = Engine::of_connection(connection).begin_long();
    sqlx::raw_sql(begin).execute(&mut *connection).await?;
    let loaded = async {
        migrate::raise(connection, found, now).await?;
        let tables = catalog::tables(connection).await?;
        let (into, count) = (Into::Nothing, Count::default());
        let mut loader = Loader { tables, images, folder, into, count, progress };
        while let Some(frame) = reader.next_frame()? {
            loader.take(connection, frame).await?;
        }
        let count = loader.end()?;
        migrate::raise(connection, known, now).await?;
        let made_at = Moment(reader.header().made_at);
        let unfinished_upgrades = upgrades::judge_anew(connection, made_at, now).await?;
        properties::set_restored(connection, name).await?;
        sqlx::raw_sql("COMMIT").execute(&mut *connection).await?;
        Ok(Loaded { count, unfinished_upgrades })
    }
    .await;
    if loaded.is_err() {
        // The first error says why; a failing rollback would add nothing to it.
        let _ = sqlx::raw_sql("ROLLBACK").execute(connection).await;
    }
    loaded
}

/// Whether the database was filled by the restore of this name.
pub async fn was_loaded(connection: &mut AnyConnection, name: &str) -> Result<bool, BackupError> {
    if catalog::is_empty(connection).await? {
        return Ok(false);
    }
    Ok(properties::restored(connection).await?.as_deref() == Some(name))
}

struct Loader<'a, P> {
    tables: Vec<Table>,
    images: &'a Images,
    folder: &'a Path,
    into: Into,
    count: Count,
    progress: P,
}

/// What the next frame belongs to.
enum Into {
    Nothing,
    Rows(Rows),
    Image { hash: ImageHash, incoming: Incoming, left: u64 },
    Sealed { name: String, bytes: Vec<u8>, left: u64 },
    Ended,
}

/// The largest sealed file.
const LONGEST_SEALED: u64 = 1 << 20;

impl<P: FnMut(u64)> Loader<'_, P> {
    async fn take(&mut self, connection: &mut AnyConnection, frame: Frame) -> Result<(), BackupError> {
        if let Frame::Row(values) = frame {
            let Into::Rows(rows) = &mut self.into else { return Err(BackupError::Malformed) };
            self.count.rows += 1;
            return rows.push(connection, values).await;
        }
        if let Frame::Piece(bytes) = frame {
            return self.piece(&bytes);
        }
        self.close(connection).await?;
        self.into = match frame {
            Frame::Table(head) => Into::Rows(self.rows(head)?),
            Frame::File(FileHead { kind: FileKind::Image(text), size_bytes: left }) => {
                let hash = ImageHash::from_text(&text).ok_or(BackupError::Malformed)?;
                Into::Image { hash, incoming: self.images.receive(None).await?, left }
            }
            Frame::File(FileHead { kind: FileKind::Sealed(name), size_bytes: left }) => {
                if !SEALED_FILES.contains(&&*name) || left > LONGEST_SEALED {
                    return Err(BackupError::Malformed);
                }
                Into::Sealed { name, bytes: Vec::new(), left }
            }
            Frame::End(count) if count == self.count => Into::Ended,
            Frame::End(_) | Frame::Row(_) | Frame::Piece(_) => return Err(BackupError::Malformed),
        };
        Ok(())
    }

    fn rows(&self, head: TableHead) -> Result<Rows, BackupError> {
        let table =
            self.tables.iter().find(|table| table.name == head.name && !LEFT_OUT.contains(&&*table.name));
        let fits = |table: &&Table| head.columns.iter().all(|column| table.columns.contains(column));
        let table = table.filter(fits).ok_or(BackupError::Malformed)?;
        Ok(Rows::new(table.name.clone(), head))
    }

    fn piece(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        let length = bytes.len() as u64;
        let left = match &mut self.into {
            Into::Image { left, .. } | Into::Sealed { left, .. } => left,
            Into::Nothing | Into::Rows(_) | Into::Ended => return Err(BackupError::Malformed),
        };
        *left = left.checked_sub(length).ok_or(BackupError::Malformed)?;
        match &mut self.into {
            Into::Image { incoming, .. } => {
                incoming.write(bytes)?;
                (self.progress)(length);
            }
            Into::Sealed { bytes: so_far, .. } => so_far.extend(bytes),
            Into::Nothing | Into::Rows(_) | Into::Ended => {}
        }
        Ok(())
    }

    /// What was begun is whole.
    async fn close(&mut self, connection: &mut AnyConnection) -> Result<(), BackupError> {
        match std::mem::replace(&mut self.into, Into::Nothing) {
            Into::Nothing => Ok(()),
            Into::Rows(mut rows) => rows.flush(connection).await,
            Into::Image { hash, incoming, left: 0 } => {
                self.count.images += 1;
                self.count.size_bytes += incoming.size().0;
                if incoming.keep().await? == hash { Ok(()) } else { Err(BackupError::Malformed) }
            }
            Into::Sealed { name, bytes, left: 0 } => keep_sealed(&self.folder.join(name), &bytes),
            Into::Image { .. } | Into::Sealed { .. } | Into::Ended => Err(BackupError::Malformed),
        }
    }

    fn end(self) -> Result<Count, BackupError> {
        if matches!(self.into, Into::Ended) { Ok(self.count) } else { Err(BackupError::Malformed) }
    }
}

fn keep_sealed(path: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    let partial = path.with_extension("partial");
    let keep = || {
        let mut options = File::options();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&partial, path)
        // The folder is made durable with the end of the restore.
    };
    keep().map_err(|error| BackupError::Image(error.into()))
}

/// Rows that wait for a statement with many of them.
struct Rows {
    table: String,
    head: TableHead,
    waiting: Vec<Vec<Value>>,
    waiting_bytes: usize,
}

/// Values of one statement, below the limits of both engines.
const VALUES: usize = 8_000;
/// Bytes of one statement.
const BYTES: usize = 4 << 20;

impl Rows {
    fn new(table: String, head: TableHead) -> Self {
        Self { table, head, waiting: Vec::new(), waiting_bytes: 0 }
    }

    async fn push(&mut self, connection: &mut AnyConnection, values: Vec<Value>) -> Result<(), BackupError> {
        if values.len() != self.head.columns.len() {
            return Err(BackupError::Malformed);
        }
        self.waiting_bytes += values.iter().map(Value::size).sum::<usize>();
        self.waiting.push(values);
        if self.waiting.len() * self.head.columns.len() >= VALUES || self.waiting_bytes >= BYTES {
            self.flush(connection).await?;
        }
        Ok(())
    }

    async fn flush(&mut self, connection: &mut AnyConnection) -> Result<(), BackupError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let columns = &self.head.columns;
        let names: Vec<String> = columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
        let (table, places) = (&self.table, places(self.waiting.len(), columns.len()));
        let text = format!("INSERT INTO \"{table}\" ({}) VALUES {places}", names.join(", "));
        let mut query = sqlx::query(AssertSqlSafe(text)).persistent(false);
        let is_strict = Engine::of_connection(connection) == Engine::Postgres;
        for (value, column) in self.waiting.drain(..).flat_map(|row| row.into_iter().zip(columns)) {
            // A missing value has the type of its column, which PostgreSQL asks for.
            query = match (value, column.kind) {
                (Value::Integer(number), Kind::Integer) => query.bind(number),
                // Devices may say it, SQLite keeps it, PostgreSQL has no such character.
                (Value::Text(text), Kind::Text) if is_strict => query.bind(text.replace('\0', "\u{fffd}")),
                (Value::Text(text), Kind::Text) => query.bind(text),
                (Value::Bytes(bytes), Kind::Bytes) => query.bind(bytes),
                (Value::Null, Kind::Integer) => query.bind(None::<i64>),
                (Value::Null, Kind::Text) => query.bind(None::<String>),
                (Value::Null, Kind::Bytes) => query.bind(None::<Vec<u8>>),
                _ => return Err(BackupError::Malformed),
            };
        }
        self.waiting_bytes = 0;
        query.execute(connection).await?;
        Ok(())
    }
}

impl Value {
    fn size(&self) -> usize {
        match self {
            Self::Null | Self::Integer(_) => 8,
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}
