//! `updraft product`

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use super::client::{Client, escaped, query};
use super::failure::Failure;
use super::output::{Output, facts, moment, table};
use crate::api;

/// Import profiles of products and say what they decide.
#[derive(Subcommand, Debug)]
pub enum Product {
    /// Import the devices of a profile (JSON), all or none.
    Import(Import),
    /// List products.
    List {
        /// Only products of exactly this manufacturer.
        #[arg(long, value_name = "NAME")]
        manufacturer: Option<String>,
    },
    /// Show one product.
    Show {
        /// Its id, or its name such as Quectel/NBIoTDevice or Quectel/NBIoTDevice/WaterMeter.
        product: String,
    },
    /// Write the profile as it was imported.
    Export {
        /// Its id or its name.
        product: String,
        /// Into this file instead of standard output.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Change what a product decides.
    Set(Set),
    /// Add the maintenance capability, which profiles made for platform v1.5 lack.
    AddCapability {
        /// Its id or its name.
        product: String,
    },
    /// Remove a product that nothing uses.
    Remove {
        /// Its id or its name.
        product: String,
    },
}

#[derive(Args, Debug)]
pub struct Import {
    /// The profile.
    file: PathBuf,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Take the place of the profile of a product that is there.
    #[arg(long)]
    replace: bool,
}

#[derive(Args, Debug)]
pub struct Set {
    /// Its id or its name.
    product: String,
    /// NAME=VALUE, such as version_order=text, allow_no_security=true, reports.model=BC35-G; NAME= alone takes
    /// the setting back. docs/products.md explains all.
    #[arg(required = true, value_name = "NAME=VALUE")]
    settings: Vec<String>,
}

const ADDRESS: &str = "/api/v1/products";

fn path(product: &str) -> String {
    format!("{ADDRESS}/{}", escaped(product))
}

impl Product {
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        match self {
            Self::Import(import) => import.run(client, output)?,
            Self::List { manufacturer } => {
                let parameters = [("manufacturer", manufacturer.as_deref())];
                let products: Vec<api::Product> = client.all(ADDRESS, &parameters)?;
                output.value(&products, || listed(&products));
            }
            Self::Show { product } => {
                let product: api::Product = client.get(&path(product))?;
                output.value(&product, || shown(&product));
            }
            Self::Export { product, output: file } => export(client, output, product, file.as_deref())?,
            Self::Set(set) => {
                let product: api::Product = client.patch(&path(&set.product), &set.changes()?)?;
                output.value(&product, || shown(&product));
            }
            Self::AddCapability { product } => {
                let product: api::Product = client.order(&format!("{}/upgrade-capability", path(product)))?;
                output.value(&product, || shown(&product));
            }
            Self::Remove { product } => {
                client.delete(&path(product))?;
                output.value(&serde_json::json!({"removed": product}), || format!("removed {product}"));
            }
        }
        Ok(())
    }
}

impl Import {
    fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        let bytes = std::fs::read(&self.file)
            .with_context(|| format!("cannot read {}", self.file.display()))
            .map_err(Failure::Usage)?;
        let truth = |truth: bool| truth.then_some("true");
        let query = query(&[("dry_run", truth(self.dry_run)), ("replace", truth(self.replace))]);
        let imported: api::ImportedProducts =
            client.send(&format!("{ADDRESS}{query}"), "application/json", &bytes)?;
        output.value(&imported, || imported_text(&imported));
        for warning in imported.products.iter().flat_map(|one| &one.warnings) {
            output.aside(&format!("warning: {warning} (`updraft product add-capability`)"));
        }
        Ok(())
    }
}

fn imported_text(imported: &api::ImportedProducts) -> String {
    let lines = imported.products.iter().map(|one| {
        let change = match (one.change, imported.dry_run) {
            (api::ProductChange::Added, false) => "added",
            (api::ProductChange::Added, true) => "would be added:",
            (api::ProductChange::Replaced, false) => "replaced",
            (api::ProductChange::Replaced, true) => "would be replaced:",
            (api::ProductChange::Unchanged, _) => "unchanged",
        };
        let id = if imported.dry_run { String::new() } else { format!("  {}", one.product.id) };
        format!("{change} {}{id}", one.product.name)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn export(client: &Client, output: &Output, product: &str, file: Option<&Path>) -> Result<(), Failure> {
    let profile = client.text(&format!("{}/profile", path(product)))?;
    let Some(file) = file else {
        output.exactly(&profile);
        return Ok(());
    };
    std::fs::write(file, profile)
        .with_context(|| format!("cannot write {}", file.display()))
        .map_err(Failure::Operation)?;
    let file = file.display().to_string();
    output.value(&serde_json::json!({"written": file}), || format!("written to {file}"));
    Ok(())
}

impl Set {
    /// The settings as a change in JSON; what is wrong with them the server knows best.
    fn changes(&self) -> Result<Value, Failure> {
        let mut changes = Map::new();
        for setting in &self.settings {
            let (name, value) = setting.split_once('=').ok_or_else(|| {
                Failure::usage(anyhow::anyhow!(
                    "{setting:?} has no =; give NAME=VALUE, or NAME= to take it back"
                ))
            })?;
            match name.split_once('.') {
                Some((outer, inner)) => {
                    let inside = changes.entry(outer).or_insert_with(|| Value::Object(Map::new()));
                    let inside = inside.as_object_mut().ok_or_else(|| {
                        Failure::usage(anyhow::anyhow!("{outer} is given as a whole and in parts"))
                    })?;
                    inside.insert(inner.to_owned(), typed(inner, value));
                }
                None => drop(changes.insert(name.to_owned(), typed(name, value))),
            }
        }
        Ok(Value::Object(changes))
    }
}

/// Truths and the one number are no texts in JSON.
fn typed(name: &str, value: &str) -> Value {
    match (name, value) {
        (_, "") => Value::Null,
        ("allow_no_security" | "allow_legacy_keys", "true") => Value::Bool(true),
        ("allow_no_security" | "allow_legacy_keys", "false") => Value::Bool(false),
        ("required_signatures", number) => number.parse::<u64>().map_or(value.into(), Value::from),
        _ => value.into(),
    }
}

fn listed(products: &[api::Product]) -> String {
    if products.is_empty() {
        return "no products; `updraft product import` imports a profile".to_owned();
    }
    let header = ["ID", "MANUFACTURER", "MODEL", "DEVICE TYPE", "PROTOCOL", "UPGRADES", "CHANGED"];
    let rows = products.iter().map(|product| {
        vec![
            product.id.clone(),
            product.manufacturer_name.clone(),
            product.model.clone(),
            product.device_type.clone(),
            product.protocol_type.clone(),
            if product.can_upgrade { "yes" } else { "no" }.to_owned(),
            moment(&product.changed_at),
        ]
    });
    table(&header, rows)
}

fn shown(product: &api::Product) -> String {
    let settings = &product.settings;
    let upgrades = if product.can_upgrade { "possible" } else { "not possible: no maintenance capability" };
    let reports = settings.reports.clone().unwrap_or_default();
    let mut all = vec![
        ("id", product.id.clone()),
        ("name", product.name.clone()),
        ("manufacturer", format!("{} ({})", product.manufacturer_name, product.manufacturer_id)),
        ("model", product.model.clone()),
        ("device type", product.device_type.clone()),
        ("protocol", product.protocol_type.clone()),
        ("upgrades", upgrades.to_owned()),
        ("download protocol", product.download_protocol.map(word).unwrap_or_default()),
    ];
    let words = [
        ("delivery", settings.delivery.map(word)),
        ("module family", settings.module_family.map(word)),
        ("signature", settings.signature.map(word)),
        ("required signatures", settings.required_signatures.map(|count| count.to_string())),
        ("approval", settings.approval.map(word)),
        ("no security", settings.allow_no_security.map(allowed)),
        ("legacy keys", settings.allow_legacy_keys.map(allowed)),
        ("version pattern", settings.version_pattern.clone()),
        ("version order", settings.version_order.map(word)),
        ("reports manufacturer", reports.manufacturer),
        ("reports model", reports.model),
    ];
    all.extend(words.map(|(name, value)| (name, value.unwrap_or_default())));
    all.extend([("imported", moment(&product.created_at)), ("changed", moment(&product.changed_at))]);
    facts(&all)
}

/// A word as the API writes it.
fn word(value: impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

fn allowed(allowed: bool) -> String {
    if allowed { "allowed" } else { "not allowed" }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(settings: &[&str]) -> Result<Value, Failure> {
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        Set { product: String::new(), settings }.changes()
    }

    #[test]
    fn settings_become_a_change_in_json() {
        let given = ["delivery=", "allow_no_security=true", "required_signatures=2", "reports.model=BC35-G"];
        let expect = serde_json::json!({
            "delivery": null, "allow_no_security": true, "required_signatures": 2,
            "reports": {"model": "BC35-G"},
        });
        assert_eq!(changes(&given).unwrap(), expect);
        let pattern = serde_json::json!({"version_pattern": "a=b|1"});
        assert_eq!(changes(&["version_pattern=a=b|1"]).unwrap(), pattern);
        assert!(changes(&["delivery"]).is_err());
        assert!(changes(&["reports=x", "reports.model=y"]).is_err());
    }
}
