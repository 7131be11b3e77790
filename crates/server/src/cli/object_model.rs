//! `updraft object-model`

use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;

use super::client::{Client, escaped, query};
use super::failure::Failure;
use super::output::{Output, facts, moment, table};
use crate::api::{self, ObjectSource};

/// Say which objects and resources devices have.
#[derive(Subcommand, Debug)]
pub enum ObjectModel {
    /// List all objects that are known.
    List,
    /// Show an object with its resources, in all its versions.
    Show {
        /// Its number, such as 3303.
        object: u16,
    },
    /// Add the objects of a file in OMA's XML (DDF); they are in force at once.
    Add {
        /// The file, such as 3303.xml of the public OMA registry.
        file: PathBuf,
        /// Take the place of a definition with the same number and version.
        #[arg(long)]
        replace: bool,
    },
    /// Remove a definition that was added.
    Remove {
        /// Its number.
        object: u16,
        /// Its version, such as 1.0.
        version: String,
    },
    /// Read the folder lwm2m.object_models again.
    Reload,
}

const ADDRESS: &str = "/api/v1/object-models";

impl ObjectModel {
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        match self {
            Self::List => {
                let objects: Vec<api::ObjectModel> = client.all(ADDRESS, &[])?;
                output.value(&objects, || listed(&objects));
            }
            Self::Show { object } => {
                let versions: Vec<api::ObjectModel> = client.get(&format!("{ADDRESS}/{object}"))?;
                let shown = || versions.iter().map(shown).collect::<Vec<_>>().join("\n\n");
                output.value(&versions, shown);
            }
            Self::Add { file, replace } => {
                let bytes = std::fs::read(file)
                    .with_context(|| format!("cannot read {}", file.display()))
                    .map_err(Failure::Usage)?;
                let address = format!("{ADDRESS}{}", query(&[("replace", replace.then_some("true"))]));
                let added: Vec<api::ObjectModel> = client.send(&address, "application/xml", &bytes)?;
                output.value(&added, || format!("added\n{}", listed(&added)));
            }
            Self::Remove { object, version } => {
                client.delete(&format!("{ADDRESS}/{object}/{}", escaped(version)))?;
                let removed = serde_json::json!({"removed": {"object": object, "version": version}});
                output.value(&removed, || format!("removed {object} {version}"));
            }
            Self::Reload => {
                let folder: api::ObjectModelFolder = client.order(&format!("{ADDRESS}/reload"))?;
                output.value(&folder, || reloaded(&folder));
            }
        }
        Ok(())
    }
}

fn origin(object: &api::ObjectModel) -> String {
    match (object.source, &object.file, &object.added_at) {
        (ObjectSource::BuiltIn, ..) => "built in".to_owned(),
        (ObjectSource::Folder, file, _) => format!("file {}", file.as_deref().unwrap_or_default()),
        (ObjectSource::Uploaded, _, at) => format!("added {}", moment(at.as_deref().unwrap_or_default())),
    }
}

fn listed(objects: &[api::ObjectModel]) -> String {
    let rows = objects.iter().map(|object| {
        let resources = object.resources.len().to_string();
        vec![
            object.object.to_string(),
            object.version.clone(),
            object.name.clone(),
            resources,
            origin(object),
        ]
    });
    table(&["OBJECT", "VERSION", "NAME", "RESOURCES", "FROM"], rows)
}

fn shown(object: &api::ObjectModel) -> String {
    let instances = if object.multiple { "several" } else { "one" };
    let head = facts(&[
        ("object", format!("{} {}", object.object, object.name)),
        ("version", object.version.clone()),
        ("instances", instances.to_owned()),
        ("from", origin(object)),
        ("description", object.description.clone()),
    ]);
    let rows = object.resources.iter().map(|resource| {
        let several = if resource.multiple { ", several" } else { "" };
        let must = if resource.mandatory { "always" } else { "" };
        vec![
            resource.resource.to_string(),
            resource.name.clone(),
            resource.operations.clone(),
            format!("{}{several}", resource.kind),
            must.to_owned(),
            resource.range.clone().unwrap_or_default(),
            resource.unit.clone().unwrap_or_default(),
        ]
    });
    format!("{head}\n{}", table(&["RESOURCE", "NAME", "CAN", "TYPE", "THERE", "VALUES", "UNIT"], rows))
}

fn reloaded(folder: &api::ObjectModelFolder) -> String {
    let Some(path) = &folder.folder else {
        return "no folder is configured; set lwm2m.object_models".to_owned();
    };
    let mut lines = vec![format!("definitions in {path}: {}", folder.objects)];
    lines.extend(folder.faults.iter().map(|fault| format!("left out: {}: {}", fault.file, fault.reason)));
    lines.join("\n")
}
