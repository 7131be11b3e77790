//! `updraft package upload`

use std::fs::File;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::shown::shown;
use super::{ADDRESS, Client, Failure, Keep, Output};
use crate::api;
use crate::cli::client::query;

#[derive(Clone, Copy, ValueEnum, Debug)]
enum Kind {
    /// For any version.
    Full,
    /// For one.
    Delta,
}

#[derive(Args, Debug)]
pub struct Upload {
    /// A signed archive (see `updraft sign`); or an image or an archive with one, where the product allows it.
    file: PathBuf,
    /// What people call it; otherwise the name of the file.
    #[arg(long)]
    name: Option<String>,
    /// Anything worth knowing.
    #[arg(long)]
    description: Option<String>,
    /// The product that it is for: an id or a name such as Quectel/NBIoTDevice. Needed unless what else is given is
    /// true of one product only.
    #[arg(long)]
    product: Option<String>,
    /// The device type of the product, exactly as in its profile.
    #[arg(long, value_name = "TYPE")]
    device_type: Option<String>,
    /// The manufacturer of the product, exactly as in its profile.
    #[arg(long, value_name = "NAME")]
    manufacturer: Option<String>,
    /// The model of the product, exactly as in its profile.
    #[arg(long)]
    model: Option<String>,
    /// The protocol of the product, exactly as in its profile.
    #[arg(long)]
    protocol: Option<String>,
    /// The version that a device reports afterwards. Needed unless the package or the name of its file says so.
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// The version it must be installed over, if it is made for only one.
    #[arg(long, value_name = "VERSION")]
    source_version: Option<String>,
    /// Whether it is made for one version only.
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// For how long the file is kept.
    #[arg(long, value_enum, default_value = "forever")]
    keep: Keep,
}

impl Upload {
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
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
        let address = format!("{ADDRESS}{}", self.query(&file_name));
        let bar = output.bar(length, "uploading");
        let uploaded = client.upload(&address, length, bar.wrap_read(file));
        bar.finish_and_clear();
        let package: api::Package = uploaded?;
        output.value(&package, || format!("uploaded\n{}", shown(&package)));
        Ok(())
    }

    fn query(&self, file_name: &str) -> String {
        let kind = self.kind.map(|kind| match kind {
            Kind::Full => "full",
            Kind::Delta => "delta",
        });
        query(&[
            ("name", Some(self.name.as_deref().unwrap_or(file_name))),
            ("file_name", Some(file_name)),
            ("description", self.description.as_deref()),
            ("product", self.product.as_deref()),
            ("device_type", self.device_type.as_deref()),
            ("manufacturer", self.manufacturer.as_deref()),
            ("model", self.model.as_deref()),
            ("protocol", self.protocol.as_deref()),
            ("version", self.version.as_deref()),
            ("source_version", self.source_version.as_deref()),
            ("kind", kind),
            ("keep", Some(self.keep.code())),
        ])
    }
}
