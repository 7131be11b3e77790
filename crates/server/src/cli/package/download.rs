//! `updraft package download`

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::{Client, Failure, Output, find, path};

#[derive(Args, Debug)]
pub struct Download {
    /// The id of the package, or its name if there is only one of that name.
    package: String,
    /// Into this file; otherwise one that is named as it was uploaded, here. A file that is there stays.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace a file that is there.
    #[arg(long)]
    force: bool,
}

impl Download {
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        let package = find(client, &self.package)?;
        // Only the last part: the name comes from whoever uploaded it.
        let own = Path::new(&package.file_name)
            .file_name()
            .map_or_else(|| package.id.clone().into(), PathBuf::from);
        let target = self.output.clone().unwrap_or(own);
        let bar = output.bar(package.size_bytes, "downloading");
        let mut source = bar.wrap_read(client.file(&format!("{}/file", path(&package.id)))?);
        let mut options = OpenOptions::new();
        options.write(true);
        let options = if self.force { options.create(true).truncate(true) } else { options.create_new(true) };
        let mut file = options
            .open(&target)
            .with_context(|| format!("cannot write {}; --force replaces a file", target.display()))
            .map_err(Failure::Usage)?;
        let copied = io::copy(&mut source, &mut file);
        bar.finish_and_clear();
        let copied = copied.context("the download was cut off").map_err(Failure::Operation)?;
        if copied != package.size_bytes {
            return Err(Failure::operation(anyhow::anyhow!(
                "the download was cut off after {copied} of {} bytes",
                package.size_bytes
            )));
        }
        let told = serde_json::json!({"file": target, "size_bytes": copied, "sha256": package.sha256});
        output.value(&told, || format!("{} ({})", target.display(), package.size));
        Ok(())
    }
}
