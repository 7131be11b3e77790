//! Looks for what is wrong with what is stored, and changes nothing.

use sqlx::{AnyConnection, AssertSqlSafe, Row};

use super::{ImageError, ImageHash, Images, ROOT_DOMAIN, StoreError, catalog, dialect, migrate, properties};
use crate::secrets::{Owner, SealedKey, Vault, hex};

/// Something that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Whether something is broken, or only worth knowing.
    pub is_fault: bool,
    pub part: Part,
    pub what: String,
    /// What to do about it; empty if nothing.
    pub remedy: String,
}

/// What was looked at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Part {
    Database,
    Schema,
    Keys,
    Images,
}

/// What was found, and how much was looked at.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Checked {
    pub schema: i64,
    pub keys: u64,
    pub images: u64,
    pub image_bytes: u64,
    pub findings: Vec<Finding>,
}

/// Keys read at once.
const PAGE: i64 = 1_000;

impl Checked {
    fn fault(&mut self, part: Part, what: impl Into<String>, remedy: impl Into<String>) {
        let finding = Finding { is_fault: true, part, what: what.into(), remedy: remedy.into() };
        self.findings.push(finding);
    }

    fn note(&mut self, part: Part, what: impl Into<String>, remedy: impl Into<String>) {
        let finding = Finding { is_fault: false, part, what: what.into(), remedy: remedy.into() };
        self.findings.push(finding);
    }

    /// Whether nothing is broken.
    pub fn is_whole(&self) -> bool {
        self.findings.iter().all(|finding| !finding.is_fault)
    }
}

const RESTORE: &str = "Stop the server, keep a copy of what is there, and restore the last backup.";

/// Looks at the database, then at every key if there is a `vault`, then at every image.
///
/// # Errors
/// The database does not answer.
pub async fn check(
    connection: &mut AnyConnection,
    vault: Option<&Vault>,
    images: &Images,
) -> Result<Checked, StoreError> {
    let mut checked = Checked::default();
    if catalog::is_empty(connection).await? {
        checked.fault(
            Part::Database,
            "The database is empty.",
            "Start the server once, or restore a backup.",
        );
        return Ok(checked);
    }
    if let Some(fault) = dialect::integrity_fault(connection).await? {
        checked.fault(Part::Database, format!("The database is damaged: {fault}."), RESTORE);
    }
    checked.schema = migrate::version(connection).await?;
    let known = migrate::known();
    if checked.schema > known {
        let what = format!("The schema is {}, this version knows {known}.", checked.schema);
        checked.fault(Part::Schema, what, "Use the version of updraft that wrote it.");
        // What the rows mean is not known.
        return Ok(checked);
    }
    if checked.schema < known {
        let what = format!("The schema is {}, the newest is {known}.", checked.schema);
        checked.note(Part::Schema, what, "The next start of the server brings it up to date.");
        return Ok(checked);
    }
    if let Some(vault) = vault {
        keys(connection, vault, &mut checked).await?;
    }
    stored_images(connection, images, &mut checked).await?;
    Ok(checked)
}

async fn keys(
    connection: &mut AnyConnection,
    vault: &Vault,
    checked: &mut Checked,
) -> Result<(), StoreError> {
    let stored = properties::key_check(connection).await?;
    if stored.is_some_and(|stored| stored != hex(&vault.check_value())) {
        let remedy = "Restore the key file that it was used with, or set secrets.key_file to it.";
        checked.fault(Part::Keys, "The key file does not belong to this database.", remedy);
        return Ok(());
    }
    // Each with its owner in the vault: domain, device, kind and version.
    let of_devices = "SELECT credentials.device_id || ' ' || credentials.kind || ' ' || \
        CAST(credentials.version AS TEXT) AS place, devices.domain AS domain, \
        credentials.device_id AS device, credentials.kind AS kind, credentials.version AS version, \
        credentials.sealed_key AS sealed, devices.endpoint AS name \
        FROM credentials JOIN devices ON devices.id = credentials.device_id";
    let of_servers = "SELECT owner || ' ' || CAST(short_id AS TEXT) AS place, '' AS domain, owner AS device, \
        'other server' AS kind, short_id AS version, sealed_key AS sealed, owner AS name \
        FROM bootstrap_servers WHERE sealed_key IS NOT NULL";
    for text in [of_devices, of_servers] {
        let mut after = String::new();
        loop {
            let page = format!("SELECT * FROM ({text}) AS k WHERE place > $1 ORDER BY place LIMIT {PAGE}");
            let rows = sqlx::query(AssertSqlSafe(page)).bind(&after).fetch_all(&mut *connection).await?;
            let Some(last) = rows.last() else { break };
            after = last.try_get("place")?;
            for row in &rows {
                checked.keys += 1;
                if !opens(vault, row)? {
                    let name: String = row.try_get("name")?;
                    let what = format!("A key of {name} does not open: it was changed.");
                    checked.fault(Part::Keys, what, "Remove it and add it again with a new key.");
                }
            }
        }
    }
    Ok(())
}

fn opens(vault: &Vault, row: &sqlx::any::AnyRow) -> sqlx::Result<bool> {
    let (domain, device): (String, String) = (row.try_get("domain")?, row.try_get("device")?);
    let kind: String = row.try_get("kind")?;
    let domain = if domain.is_empty() { ROOT_DOMAIN } else { &domain };
    let owner = Owner { domain, device: &device, kind: &kind, version: row.try_get("version")? };
    Ok(vault.open(owner, &SealedKey(row.try_get("sealed")?)).is_ok())
}

async fn stored_images(
    connection: &mut AnyConnection,
    images: &Images,
    checked: &mut Checked,
) -> Result<(), StoreError> {
    // The files first: one that comes meanwhile has its row later, and is no orphan.
    let files = images.all().await;
    let tables = catalog::tables(connection).await?;
    let wanted = catalog::image_hashes(connection, &tables).await?;
    for hash in &wanted {
        checked.images += 1;
        let what = match images.verify(*hash).await {
            Ok(size) => {
                checked.image_bytes += size.0;
                continue;
            }
            Err(ImageError::Missing) => "is missing".to_owned(),
            Err(ImageError::Damaged) => "is damaged".to_owned(),
            Err(error) => format!("cannot be read: {error}"),
        };
        let names = names_of(connection, *hash).await?;
        let remedy = "Upload it again, or put the file back from a backup; until then it is sent to nobody.";
        checked.fault(Part::Images, format!("The file {hash} of {names} {what}."), remedy);
    }
    match files {
        Ok(files) => {
            for (hash, size) in files.iter().filter(|(hash, _)| !wanted.contains(hash)) {
                let what = format!("No package refers to the file {hash} ({size}).");
                checked.note(Part::Images, what, "The next start of the server removes it.");
            }
        }
        Err(error) => {
            let remedy = "Make the folder readable for this user.";
            checked.fault(Part::Images, format!("The folder of images cannot be read: {error}."), remedy);
        }
    }
    Ok(())
}

/// The packages whose file this is.
pub async fn names_of(connection: &mut AnyConnection, hash: ImageHash) -> sqlx::Result<String> {
    let rows = sqlx::query("SELECT name FROM packages WHERE sha256 = $1 ORDER BY id LIMIT 10")
        .bind(hash.to_string())
        .fetch_all(connection)
        .await?;
    let names: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<sqlx::Result<_>>()?;
    Ok(format!("the package {}", names.join(", ")))
}
