//! Writes a backup from one snapshot of the database, while servers go on writing.

use std::io::{self, Write};
use std::path::Path;

use futures_util::TryStreamExt;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

use super::format::{FileHead, FileKind, PIECE, TableHead, Value};
use super::{BackupError, Count, Header, LEFT_OUT, SEALED_FILES, Writer};
use crate::clock::Moment;
use crate::store::catalog::{self, Column, Kind, Table};
use crate::store::dialect::Engine;
use crate::store::{ImageError, ImageHash, Images, migrate, properties};

/// What a backup has, and what it could not have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dumped {
    pub header: Header,
    pub count: Count,
    /// Images that are missing or damaged, by their hash: their packages are useless after a restore too.
    pub lost: Vec<ImageHash>,
}

/// Writes everything to `output`. `progress` is told how many bytes of images there are, then how many were
/// written.
///
/// # Errors
/// The database does not answer, or `output` cannot be written.
pub async fn dump<W: Write>(
    connection: &mut AnyConnection,
    (images, folder): (&Images, &Path),
    output: W,
    now: Moment,
    mut progress: impl FnMut(Progress),
) -> Result<(Dumped, W), BackupError> {
    let begin = Engine::of_connection(connection).begin_snapshot();
    sqlx::raw_sql(begin).execute(&mut *connection).await?;
    let schema = migrate::version(connection).await?;
    if schema == 0 {
        return Err(BackupError::Empty);
    }
    let key_check = properties::key_check(connection).await?;
    let made_by = env!("CARGO_PKG_VERSION").to_owned();
    let header = Header { schema, made_by, made_at: now.0, key_check };
    let mut writer = Writer::new(output, &header)?;
    let mut count = Count::default();
    let tables = catalog::tables(connection).await?;
    for table in tables.iter().filter(|table| !LEFT_OUT.contains(&&*table.name)) {
        count.rows += rows(connection, table, &mut writer).await?;
    }
    for name in SEALED_FILES {
        sealed_file(folder, name, &mut writer)?;
    }
    let wanted = catalog::image_hashes(connection, &tables).await?;
    let total = images.all().await?.into_iter().filter(|(hash, _)| wanted.contains(hash));
    progress(Progress::Images(total.map(|(_, size)| size.0).sum()));
    let mut lost = Vec::new();
    for hash in wanted {
        match image(images, hash, &mut writer, &mut progress).await? {
            Some(size) => {
                count.images += 1;
                count.size_bytes += size;
            }
            None => lost.push(hash),
        }
    }
    sqlx::raw_sql("COMMIT").execute(connection).await?;
    let output = writer.finish(&count)?;
    Ok((Dumped { header, count, lost }, output))
}

/// How far a backup is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// So many bytes of images will come.
    Images(u64),
    /// So many more are done.
    Done(u64),
}

async fn rows<W: Write>(
    connection: &mut AnyConnection,
    table: &Table,
    writer: &mut Writer<W>,
) -> Result<u64, BackupError> {
    writer.table(&TableHead { name: table.name.clone(), columns: table.columns.clone() })?;
    let names: Vec<String> = table.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
    let text = format!("SELECT {} FROM \"{}\"", names.join(", "), table.name);
    let mut found = sqlx::query(AssertSqlSafe(text)).fetch(connection);
    let mut count = 0;
    let mut values = Vec::with_capacity(table.columns.len());
    while let Some(row) = found.try_next().await? {
        values.clear();
        for (at, column) in table.columns.iter().enumerate() {
            values.push(value(&row, at, column)?);
        }
        if is_kept(table, &values) {
            writer.row(&values)?;
            count += 1;
        }
    }
    Ok(count)
}

fn value(row: &AnyRow, at: usize, column: &Column) -> sqlx::Result<Value> {
    let value = match column.kind {
        Kind::Integer => row.try_get::<Option<i64>, _>(at)?.map(Value::Integer),
        Kind::Text => row.try_get::<Option<String>, _>(at)?.map(Value::Text),
        Kind::Bytes => row.try_get::<Option<Vec<u8>>, _>(at)?.map(Value::Bytes),
    };
    Ok(value.unwrap_or(Value::Null))
}

/// Facts about this very database are not those of another one.
fn is_kept(table: &Table, values: &[Value]) -> bool {
    let own = |value: &Value| matches!(value, Value::Text(name) if properties::is_of_this_copy(name));
    table.name != "properties" || !values.first().is_some_and(own)
}

/// The certificate that devices trust, if the server has made one.
fn sealed_file<W: Write>(folder: &Path, name: &str, writer: &mut Writer<W>) -> Result<(), BackupError> {
    let bytes = match std::fs::read(folder.join(name)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(ImageError::from(error).into()),
    };
    writer.file(&FileHead { kind: FileKind::Sealed(name.to_owned()), size_bytes: bytes.len() as u64 })?;
    bytes.chunks(PIECE).try_for_each(|piece| writer.piece(piece))
}

/// Writes an image; `None` if there is none that is whole.
async fn image<W: Write>(
    images: &Images,
    hash: ImageHash,
    writer: &mut Writer<W>,
    progress: &mut impl FnMut(Progress),
) -> Result<Option<u64>, BackupError> {
    // Read twice: what is in the backup was seen to be whole before its first byte was written.
    let size = match images.verify(hash).await {
        Ok(size) => size.0,
        Err(ImageError::Missing | ImageError::Damaged) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    writer.file(&FileHead { kind: FileKind::Image(hash.to_string()), size_bytes: size })?;
    let (_, mut pieces) = images.stream(hash).await?;
    while let Some(piece) = pieces.try_next().await? {
        piece.chunks(PIECE).try_for_each(|piece| writer.piece(piece))?;
        progress(Progress::Done(piece.len() as u64));
    }
    Ok(Some(size))
}
