//! `updraft package`

use std::fs::File;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};

use super::client::{Client, escaped, query};
use super::failure::Failure;
use super::output::{Output, facts, moment, table};
use crate::api;

/// Upload and list firmware.
#[derive(Subcommand, Debug)]
pub enum Package {
    /// Upload a firmware image.
    Upload(Upload),
    /// List packages, newest first.
    List,
    /// Show one package.
    Show {
        /// The id of the package.
        id: String,
    },
}

#[derive(Args, Debug)]
pub struct Upload {
    /// The image, as the module takes it.
    file: PathBuf,
    /// What people call it; otherwise the name of the file.
    #[arg(long)]
    name: Option<String>,
    /// Anything worth knowing.
    #[arg(long)]
    description: Option<String>,
    /// The model it is for. Images made by `vmodule image` say so themselves.
    #[arg(long)]
    model: Option<String>,
    /// The version that a device reports afterwards. Needed unless the image says so itself.
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// The version it must be installed over, if it is made for only one.
    #[arg(long, value_name = "VERSION")]
    source_version: Option<String>,
}

impl Package {
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        match self {
            Self::Upload(upload) => upload.run(client, output),
            Self::List => {
                let packages: Vec<api::Package> = client.all("/api/v1/packages", &[])?;
                output.value(&packages, || listed(&packages));
                Ok(())
            }
            Self::Show { id } => {
                let package: api::Package = client.get(&format!("/api/v1/packages/{}", escaped(id)))?;
                output.value(&package, || shown(&package));
                Ok(())
            }
        }
    }
}

impl Upload {
    fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        let open = || -> anyhow::Result<(File, u64)> {
            let file = File::open(&self.file)?;
            let metadata = file.metadata()?;
            anyhow::ensure!(metadata.is_file(), "it is no file");
            Ok((file, metadata.len()))
        };
        let (file, length) = open()
            .with_context(|| format!("cannot upload {}", self.file.display()))
            .map_err(Failure::Usage)?;
        let file_name = self.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let path = query(&[
            ("name", Some(self.name.as_deref().unwrap_or(&file_name))),
            ("file_name", Some(&file_name)),
            ("description", self.description.as_deref()),
            ("model", self.model.as_deref()),
            ("version", self.version.as_deref()),
            ("source_version", self.source_version.as_deref()),
        ]);
        let bar = output.bar(length, "uploading");
        let uploaded = client.upload(&format!("/api/v1/packages{path}"), length, bar.wrap_read(file));
        bar.finish_and_clear();
        let package: api::Package = uploaded?;
        output.value(&package, || format!("uploaded\n{}", shown(&package)));
        Ok(())
    }
}

fn listed(packages: &[api::Package]) -> String {
    if packages.is_empty() {
        return "no packages; `updraft package upload` adds one".to_owned();
    }
    let header = ["ID", "NAME", "FILE", "MODEL", "VERSION", "SIZE", "CREATED"];
    table(
        &header,
        packages.iter().map(|package| {
            vec![
                package.id.clone(),
                package.name.clone(),
                package.file_name.clone(),
                package.model.clone().unwrap_or_else(|| "any".to_owned()),
                package.version.clone(),
                package.size.clone(),
                moment(&package.created_at),
            ]
        }),
    )
}

fn shown(package: &api::Package) -> String {
    facts(&[
        ("id", package.id.clone()),
        ("name", package.name.clone()),
        ("file", package.file_name.clone()),
        ("description", package.description.clone()),
        ("model", package.model.clone().unwrap_or_else(|| "any".to_owned())),
        ("version", package.version.clone()),
        ("installs over", package.source_version.clone().unwrap_or_else(|| "any version".to_owned())),
        ("size", package.size.clone()),
        ("SHA-256", package.sha256.clone()),
        ("created", moment(&package.created_at)),
    ])
}
