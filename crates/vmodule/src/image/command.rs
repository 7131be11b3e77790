//! `vmodule image`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand, ValueEnum};
use firmware::{IMAGE_HEADER_SIZE, Model, Version};

use super::{Identity, build, inspect};

/// What can be done with image files.
#[derive(Subcommand, Debug)]
pub enum ImageCommand {
    /// Put a header in front of a payload.
    Create(CreateArguments),
    /// Show what an image is for, and whether it is intact. A damaged one gives exit code 1.
    Show(ShowArguments),
}

/// Arguments of `vmodule image create`.
#[derive(Args, Debug)]
pub struct CreateArguments {
    /// The model it is for, as devices report it in /3/0/1.
    #[arg(long)]
    model: Model,
    /// The version it brings, as devices report it in /3/0/3.
    #[arg(long)]
    version: Version,
    /// The only version it may be installed over. Without it, any.
    #[arg(long)]
    source_version: Option<Version>,
    /// The file with the machine code.
    #[arg(long)]
    payload: PathBuf,
    /// Leave out this many bytes at the start of the payload file.
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    payload_skip: usize,
    /// Take at most this many bytes of the payload file.
    #[arg(long, value_name = "BYTES")]
    payload_take: Option<usize>,
    /// The image file to write.
    #[arg(long)]
    output: PathBuf,
    /// Damage the image on purpose, to see it refused.
    #[arg(long, value_enum)]
    corrupt: Option<Corruption>,
}

/// How an image can be damaged on purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Corruption {
    /// One bit of the payload is flipped, so that its CRC-32 is wrong.
    Crc,
    /// The second half of the payload is missing.
    Truncate,
}

/// Arguments of `vmodule image show`.
#[derive(Args, Debug)]
pub struct ShowArguments {
    /// The image file.
    file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl ImageCommand {
    /// Does it and writes what is to be seen to `output`.
    pub fn run(&self, output: &mut dyn Write) -> anyhow::Result<()> {
        match self {
            Self::Create(arguments) => arguments.run(output),
            Self::Show(arguments) => arguments.run(output),
        }
    }
}

impl CreateArguments {
    fn run(&self, output: &mut dyn Write) -> anyhow::Result<()> {
        let payload = self.read_payload()?;
        let Self { model, version, source_version: source, .. } = *self;
        let mut image = build(&Identity { model, version, source }, &payload);
        if let Some(corruption) = self.corrupt {
            corruption.apply(&mut image);
        }
        write_whole(&self.output, &image)?;
        let file = self.output.display();
        writeln!(output, "{file}: {model} {version}, {} bytes", image.len())?;
        Ok(())
    }

    fn read_payload(&self) -> anyhow::Result<Vec<u8>> {
        let file = self.payload.display();
        let mut payload =
            fs::read(&self.payload).with_context(|| format!("cannot read the payload {file}"))?;
        if let (Ok(input), Ok(output)) = (self.payload.canonicalize(), self.output.canonicalize())
            && input == output
        {
            bail!("{file} is both --payload and --output; give the image another name");
        }
        let total = payload.len();
        ensure!(
            self.payload_skip < total || total == 0,
            "{file} has only {total} bytes; lower --payload-skip"
        );
        payload.drain(..self.payload_skip.min(total));
        payload.truncate(self.payload_take.unwrap_or(usize::MAX));
        ensure!(!payload.is_empty(), "the payload {file} is empty; give a file with machine code");
        let room = u32::MAX as usize - IMAGE_HEADER_SIZE;
        ensure!(payload.len() <= room, "the payload {file} is larger than 4 GiB; use --payload-take");
        Ok(payload)
    }
}

/// Writes a file, or leaves none behind.
fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let existed = path.exists();
    let written = fs::write(path, bytes);
    if written.is_err() && !existed {
        // It may not even have been created.
        let _ = fs::remove_file(path);
    }
    written.with_context(|| format!("cannot write the image {}", path.display()))
}

impl Corruption {
    fn apply(self, image: &mut Vec<u8>) {
        let middle = IMAGE_HEADER_SIZE + (image.len() - IMAGE_HEADER_SIZE) / 2;
        match self {
            Self::Crc => image[middle] ^= 0x01,
            Self::Truncate => image.truncate(middle),
        }
    }
}

impl ShowArguments {
    fn run(&self, output: &mut dyn Write) -> anyhow::Result<()> {
        let file = self.file.display();
        let image = fs::read(&self.file).with_context(|| format!("cannot read the image {file}"))?;
        let content = inspect(&image).with_context(|| {
            format!("{file} cannot be installed; build it anew with `vmodule image create`")
        })?;
        if self.json {
            writeln!(output, "{}", serde_json::to_string_pretty(&content)?)?;
        } else {
            write!(output, "{content}")?;
        }
        if let Some(fault) = content.fault() {
            bail!("{file} cannot be installed, fetch or build it anew: {fault}");
        }
        Ok(())
    }
}
