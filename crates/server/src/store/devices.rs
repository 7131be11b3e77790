//! Devices and what the protocol last told about them.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

use super::bootstraps::{self, DeviceBootstrap};
use super::{places, storable};
use crate::clock::Moment;

/// A device as it was added, with what is known of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    pub id: String,
    pub domain: String,
    pub endpoint: String,
    pub name: String,
    pub security: String,
    pub created_at: Moment,
    pub state: Option<DeviceState>,
    /// Identity and key prefix of the key that it proves to the management server.
    pub identity: Option<String>,
    pub key_prefix: Option<String>,
    /// The key that a bootstrap wrote and that it has not proved yet.
    pub staged: Option<StagedKey>,
    pub bootstrap: Option<DeviceBootstrap>,
    /// The product that it was said to be.
    pub product_id: Option<String>,
}

/// A key that waits for its proof.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StagedKey {
    pub identity: String,
    pub prefix: String,
    pub since: Moment,
}

/// What the protocol told.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DeviceState {
    pub registered: bool,
    pub address: String,
    pub secured: bool,
    pub lwm2m_version: String,
    pub lifetime_seconds: i64,
    pub manufacturer: Option<String>,
    pub model: Option<String>,
    pub firmware_version: Option<String>,
    pub registered_at: Option<i64>,
    pub last_seen_at: i64,
    /// One in a line.
    pub warning: Option<String>,
    pub binding: Option<String>,
    pub queue_mode: bool,
    /// In link-format.
    pub objects: Option<String>,
}

const SELECT: &str = "SELECT devices.id, devices.domain, devices.endpoint, devices.name, devices.security, \
    devices.created_at, devices.product_id, device_states.registered, device_states.address, device_states.secured, \
    device_states.lwm2m_version, device_states.lifetime_seconds, device_states.manufacturer, \
    device_states.model, device_states.firmware_version, device_states.registered_at, \
    device_states.last_seen_at, device_states.warning, device_states.binding, device_states.queue_mode, \
    device_states.objects, active.identity, active.key_prefix, staged.identity AS staged_identity, \
    staged.key_prefix AS staged_prefix, staged.created_at AS staged_at, \
    bootstrap.identity AS bootstrap_identity, bootstrap.key_prefix AS bootstrap_prefix, \
    device_bootstraps.security AS bootstrap_security, device_bootstraps.model AS bootstrap_model, \
    device_bootstraps.result, device_bootstraps.detail, device_bootstraps.steps, \
    device_bootstraps.warning AS bootstrap_warning, device_bootstraps.started_at, \
    device_bootstraps.finished_at \
    FROM devices LEFT JOIN device_states ON device_states.device_id = devices.id \
    LEFT JOIN device_bootstraps ON device_bootstraps.device_id = devices.id \
    LEFT JOIN credentials AS active ON active.device_id = devices.id AND active.kind = 'psk' \
    AND active.state = 'active' \
    LEFT JOIN credentials AS staged ON staged.device_id = devices.id AND staged.kind = 'psk' \
    AND staged.state = 'staged' \
    LEFT JOIN credentials AS bootstrap ON bootstrap.device_id = devices.id \
    AND bootstrap.kind = 'bootstrap'";

/// Adds a device without state and credential.
pub async fn insert(connection: &mut AnyConnection, device: &Device) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO devices (id, domain, endpoint, name, security, last_upgrade_number, created_at, \
         product_id) VALUES ($1, $2, $3, $4, $5, 0, $6, $7)",
    )
    .bind(&device.id)
    .bind(&device.domain)
    .bind(&device.endpoint)
    .bind(&device.name)
    .bind(&device.security)
    .bind(device.created_at.0)
    .bind(&device.product_id)
    .execute(connection)
    .await?;
    Ok(())
}

/// The device with this endpoint name.
pub async fn by_endpoint(connection: &mut AnyConnection, endpoint: &str) -> sqlx::Result<Option<Device>> {
    let row = sqlx::query(AssertSqlSafe(format!("{SELECT} WHERE devices.endpoint = $1")))
        .bind(endpoint)
        .fetch_optional(connection)
        .await?;
    row.map(device).transpose()
}

/// Devices in the order of their endpoint names, after `after`, whose endpoint or name contains `search`.
pub async fn page(
    connection: &mut AnyConnection,
    search: &str,
    after: &str,
    limit: i64,
) -> sqlx::Result<Vec<Device>> {
    let rows = sqlx::query(AssertSqlSafe(format!(
        "{SELECT} WHERE devices.endpoint > $1 \
         AND (LOWER(devices.endpoint) LIKE $2 ESCAPE '\\' OR LOWER(devices.name) LIKE $2 ESCAPE '\\') \
         ORDER BY devices.endpoint LIMIT $3"
    )))
    .bind(after)
    .bind(pattern(search))
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(device).collect()
}

/// A pattern for texts that contain `search`, its ASCII letters in any case: what both engines know of cases.
fn pattern(search: &str) -> String {
    let mut pattern = String::from("%");
    for letter in search.to_ascii_lowercase().chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

/// Says which product a device is, or that nobody says it. False if there is no such device.
pub async fn set_product(
    connection: &mut AnyConnection,
    id: &str,
    product_id: Option<&str>,
) -> sqlx::Result<bool> {
    let done = sqlx::query("UPDATE devices SET product_id = $2 WHERE id = $1")
        .bind(id)
        .bind(product_id)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// How many devices are of this product: said to be, or known by what they report of manufacturer and model.
pub async fn count_of_product(
    connection: &mut AnyConnection,
    product_id: &str,
    reported: Option<(&str, &str)>,
) -> sqlx::Result<i64> {
    let (manufacturer, model) = reported.unzip();
    let row = sqlx::query(
        "SELECT COUNT(*) FROM devices LEFT JOIN device_states ON device_states.device_id = devices.id \
         WHERE devices.product_id = $1 OR (devices.product_id IS NULL \
         AND device_states.manufacturer = $2 AND device_states.model = $3)",
    )
    .bind(product_id)
    .bind(manufacturer)
    .bind(model)
    .fetch_one(connection)
    .await?;
    row.try_get(0)
}

/// How many devices of this product connect without encryption, to whichever port.
pub async fn count_open_of_product(connection: &mut AnyConnection, product_id: &str) -> sqlx::Result<i64> {
    let row = sqlx::query(
        "SELECT COUNT(*) FROM devices \
         LEFT JOIN device_bootstraps ON device_bootstraps.device_id = devices.id \
         WHERE devices.product_id = $1 \
         AND (devices.security = 'none' OR device_bootstraps.security = 'none')",
    )
    .bind(product_id)
    .fetch_one(connection)
    .await?;
    row.try_get(0)
}

/// Removes a device with its credentials, state and history.
pub async fn delete(connection: &mut AnyConnection, id: &str) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM devices WHERE id = $1").bind(id).execute(connection).await?;
    Ok(())
}

/// The number of the device's next upgrade, counted from one and never given twice.
pub async fn take_upgrade_number(connection: &mut AnyConnection, id: &str) -> sqlx::Result<i64> {
    let row = sqlx::query(
        "UPDATE devices SET last_upgrade_number = last_upgrade_number + 1 WHERE id = $1 \
         RETURNING last_upgrade_number",
    )
    .bind(id)
    .fetch_one(connection)
    .await?;
    row.try_get(0)
}

/// What is new about a device; what is absent stays as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DeviceChange {
    pub registered: Option<bool>,
    pub address: Option<String>,
    pub secured: Option<bool>,
    pub lwm2m_version: Option<String>,
    pub lifetime_seconds: Option<i64>,
    pub manufacturer: Option<String>,
    pub model: Option<String>,
    pub firmware_version: Option<String>,
    pub registered_at: Option<i64>,
    pub last_seen_at: Option<i64>,
    /// Empty for none.
    pub warning: Option<String>,
    pub binding: Option<String>,
    pub queue_mode: Option<bool>,
    /// In link-format.
    pub objects: Option<String>,
}

impl DeviceChange {
    /// This, then `newer`.
    pub fn merge(&mut self, newer: Self) {
        fn put<T>(place: &mut Option<T>, newer: Option<T>) {
            if newer.is_some() {
                *place = newer;
            }
        }
        put(&mut self.registered, newer.registered);
        put(&mut self.address, newer.address);
        put(&mut self.secured, newer.secured);
        put(&mut self.lwm2m_version, newer.lwm2m_version);
        put(&mut self.lifetime_seconds, newer.lifetime_seconds);
        put(&mut self.manufacturer, newer.manufacturer);
        put(&mut self.model, newer.model);
        put(&mut self.firmware_version, newer.firmware_version);
        put(&mut self.registered_at, newer.registered_at);
        put(&mut self.last_seen_at, newer.last_seen_at);
        put(&mut self.warning, newer.warning);
        put(&mut self.binding, newer.binding);
        put(&mut self.queue_mode, newer.queue_mode);
        put(&mut self.objects, newer.objects);
    }
}

/// Rows of one statement; 15 values each stays below the limits of both engines.
const ROWS: usize = 200;

/// Writes what is new about many devices; those that were removed meanwhile are left out.
pub async fn write_changes(
    connection: &mut AnyConnection,
    changes: &[(String, DeviceChange)],
) -> sqlx::Result<()> {
    for chunk in changes.chunks(ROWS) {
        insert_states(connection, chunk).await?;
        update_states(connection, chunk).await?;
    }
    Ok(())
}

async fn insert_states(
    connection: &mut AnyConnection,
    changes: &[(String, DeviceChange)],
) -> sqlx::Result<()> {
    let text = format!(
        "INSERT INTO device_states (device_id, registered, address, secured, lwm2m_version, \
         lifetime_seconds, last_seen_at) \
         SELECT new.column1, 0, '', 0, '', 0, 0 FROM (VALUES {}) AS new \
         WHERE EXISTS (SELECT 1 FROM devices WHERE devices.id = new.column1) \
         ON CONFLICT (device_id) DO NOTHING",
        places(changes.len(), 1)
    );
    let mut query = sqlx::query(AssertSqlSafe(text)).persistent(false);
    for (id, _) in changes {
        query = query.bind(id);
    }
    query.execute(connection).await?;
    Ok(())
}

/// The columns that a change may change, after the id of the device.
const CHANGEABLE: [&str; 14] = [
    "registered",
    "address",
    "secured",
    "lwm2m_version",
    "lifetime_seconds",
    "manufacturer",
    "model",
    "firmware_version",
    "registered_at",
    "last_seen_at",
    "warning",
    "binding",
    "queue_mode",
    "objects",
];

async fn update_states(
    connection: &mut AnyConnection,
    changes: &[(String, DeviceChange)],
) -> sqlx::Result<()> {
    let set = |(index, column): (usize, &&str)| {
        format!("{column} = COALESCE(new.column{}, device_states.{column})", index + 2)
    };
    let sets: Vec<String> = CHANGEABLE.iter().enumerate().map(set).collect();
    let text = format!(
        "UPDATE device_states SET {} FROM (VALUES {}) AS new WHERE device_states.device_id = new.column1",
        sets.join(", "),
        places(changes.len(), CHANGEABLE.len() + 1)
    );
    let mut query = sqlx::query(AssertSqlSafe(text)).persistent(false);
    for (id, change) in changes {
        query = query
            .bind(id)
            .bind(change.registered.map(i64::from))
            .bind(change.address.as_deref().map(storable))
            .bind(change.secured.map(i64::from))
            .bind(change.lwm2m_version.as_deref().map(storable))
            .bind(change.lifetime_seconds)
            .bind(change.manufacturer.as_deref().map(storable))
            .bind(change.model.as_deref().map(storable))
            .bind(change.firmware_version.as_deref().map(storable))
            .bind(change.registered_at)
            .bind(change.last_seen_at)
            .bind(change.warning.as_deref().map(storable))
            .bind(change.binding.as_deref().map(storable))
            .bind(change.queue_mode.map(i64::from))
            .bind(change.objects.as_deref().map(storable));
    }
    query.execute(connection).await?;
    Ok(())
}

/// Whoever's registration is not stored is not registered.
pub async fn forget_registrations(connection: &mut AnyConnection) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE device_states SET registered = 0 WHERE registered <> 0 AND NOT EXISTS \
         (SELECT 1 FROM registrations WHERE registrations.device_id = device_states.device_id)",
    )
    .execute(connection)
    .await?;
    Ok(())
}

fn device(row: AnyRow) -> sqlx::Result<Device> {
    Ok(Device {
        id: row.try_get("id")?,
        domain: row.try_get("domain")?,
        endpoint: row.try_get("endpoint")?,
        name: row.try_get("name")?,
        security: row.try_get("security")?,
        created_at: Moment(row.try_get("created_at")?),
        state: state(&row)?,
        identity: row.try_get("identity")?,
        key_prefix: row.try_get("key_prefix")?,
        staged: staged(&row)?,
        bootstrap: bootstraps::of_device(&row)?,
        product_id: row.try_get("product_id")?,
    })
}

fn staged(row: &AnyRow) -> sqlx::Result<Option<StagedKey>> {
    let Some(identity) = row.try_get::<Option<String>, _>("staged_identity")? else { return Ok(None) };
    let since = Moment(row.try_get("staged_at")?);
    Ok(Some(StagedKey { identity, prefix: row.try_get("staged_prefix")?, since }))
}

fn state(row: &AnyRow) -> sqlx::Result<Option<DeviceState>> {
    let Some(registered) = row.try_get::<Option<i64>, _>("registered")? else { return Ok(None) };
    Ok(Some(DeviceState {
        registered: registered != 0,
        address: row.try_get("address")?,
        secured: row.try_get::<i64, _>("secured")? != 0,
        lwm2m_version: row.try_get("lwm2m_version")?,
        lifetime_seconds: row.try_get("lifetime_seconds")?,
        manufacturer: row.try_get("manufacturer")?,
        model: row.try_get("model")?,
        firmware_version: row.try_get("firmware_version")?,
        registered_at: row.try_get("registered_at")?,
        last_seen_at: row.try_get("last_seen_at")?,
        warning: row.try_get::<Option<String>, _>("warning")?.filter(|warning| !warning.is_empty()),
        binding: row.try_get("binding")?,
        queue_mode: row.try_get::<Option<i64>, _>("queue_mode")?.is_some_and(|truth| truth != 0),
        objects: row.try_get("objects")?,
    }))
}
