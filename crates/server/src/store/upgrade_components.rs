//! What an upgrade of several components installs where.

use sqlx::{AnyConnection, Row};

use super::upgrades::UpgradeKey;

/// The package for one component.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Component {
    /// The instance of object 33629.
    pub instance: u16,
    pub package_id: String,
}

/// Adds the components of an upgrade, in their order.
pub async fn insert(
    connection: &mut AnyConnection,
    key: UpgradeKey,
    components: &[Component],
) -> sqlx::Result<()> {
    for (position, component) in (0_i64..).zip(components) {
        sqlx::query(
            "INSERT INTO upgrade_components (upgrade_id, position, instance, package_id) \
             VALUES ($1, $2, $3, $4)",
        )
        .bind(key.0)
        .bind(position)
        .bind(i64::from(component.instance))
        .bind(&component.package_id)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// The components of an upgrade, in their order; none for one of object 5.
pub async fn of(connection: &mut AnyConnection, key: UpgradeKey) -> sqlx::Result<Vec<Component>> {
    let rows = sqlx::query(
        "SELECT instance, package_id FROM upgrade_components WHERE upgrade_id = $1 ORDER BY position",
    )
    .bind(key.0)
    .fetch_all(connection)
    .await?;
    let component = |row: sqlx::any::AnyRow| {
        let instance = u16::try_from(row.try_get::<i64, _>("instance")?);
        let instance = instance.map_err(|error| sqlx::Error::Decode(error.into()))?;
        Ok(Component { instance, package_id: row.try_get("package_id")? })
    };
    rows.into_iter().map(component).collect()
}
