//! `vmodule flash`.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use firmware::{Banks, ByteCount, Geometry, PowerCut, Tear};

use super::file::FlashOptions;
use super::{initialise, inspect, install};

/// What can be done with flash files.
#[derive(Subcommand, Debug)]
pub enum FlashCommand {
    /// Make the flash of a new module: one image in bank A, confirmed.
    Init(InitArguments),
    /// Install an image as an update, as if by wire: it boots on trial next.
    Install(InstallArguments),
    /// Show banks, versions and the state of the boot loader.
    Show(ShowArguments),
}

/// Arguments of `vmodule flash init`.
#[derive(Args, Debug)]
pub struct InitArguments {
    /// The flash file to make.
    #[arg(long)]
    file: PathBuf,
    /// The image that the module is delivered with.
    #[arg(long)]
    image: PathBuf,
    /// Room for the payload of an image in each bank, in bytes.
    #[arg(long, default_value_t = 1_048_576)]
    bank_size: u32,
    /// Bytes that are erased together.
    #[arg(long, default_value_t = 4_096)]
    sector_size: u32,
    /// Bytes that are written together.
    #[arg(long, default_value_t = 8)]
    word_size: u32,
    /// Replace a flash file that exists.
    #[arg(long)]
    force: bool,
}

/// Arguments of `vmodule flash install`.
#[derive(Args, Debug)]
pub struct InstallArguments {
    /// The flash file of the module.
    #[arg(long)]
    file: PathBuf,
    /// The image to install.
    #[arg(long)]
    image: PathBuf,
    #[command(flatten)]
    power: PowerArguments,
}

/// Arguments of `vmodule flash show`.
#[derive(Args, Debug)]
pub struct ShowArguments {
    /// The flash file.
    #[arg(long)]
    file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// When power fails, for every command that writes to flash.
#[derive(Args, Clone, Debug)]
pub struct PowerArguments {
    /// Cut the power after this many flash operations (erased sectors and programmed words); the process
    /// then ends with exit code 3.
    #[arg(long, value_name = "OPERATIONS")]
    power_cut_after: Option<u64>,
    /// What the operation in which power fails leaves behind.
    #[arg(long, value_enum, default_value_t = TearKind::Nothing)]
    tear: TearKind,
    /// Which garbage `--tear garbage` leaves.
    #[arg(long, default_value_t = 1)]
    tear_seed: u64,
    /// Wait for the disk after each flash operation (slow; needed only if the machine itself may fail).
    #[arg(long)]
    sync: bool,
}

/// The kinds of [`Tear`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum TearKind {
    /// Nothing of the operation happens.
    Nothing,
    /// The first half of the word or the sector changes.
    Half,
    /// Any bit of the word or the sector may have changed.
    Garbage,
}

impl PowerArguments {
    /// How the flash file is to be opened.
    pub fn options(&self) -> FlashOptions {
        let tear = match self.tear {
            TearKind::Nothing => Tear::Nothing,
            TearKind::Half => Tear::Half,
            TearKind::Garbage => Tear::Garbage { seed: self.tear_seed },
        };
        let power_cut = self.power_cut_after.map(|after| PowerCut { after, tear });
        FlashOptions { sync: self.sync, power_cut }
    }
}

impl FlashCommand {
    /// Does it and writes what is to be seen to `output`.
    pub fn run(&self, output: &mut dyn Write) -> anyhow::Result<()> {
        match self {
            Self::Init(arguments) => arguments.run(output),
            Self::Install(arguments) => arguments.run(output),
            Self::Show(arguments) => arguments.run(output),
        }
    }
}

impl InitArguments {
    fn run(&self, output: &mut dyn Write) -> anyhow::Result<()> {
        let image = read_image(&self.image)?;
        let header = initialise(&self.file, self.geometry()?, &image, self.force)?;
        let file = self.file.display();
        writeln!(output, "{file}: {} {} in bank A, confirmed", header.model, header.version)?;
        Ok(())
    }

    fn geometry(&self) -> anyhow::Result<Geometry> {
        Banks::geometry_for(ByteCount(self.bank_size), self.sector_size, self.word_size)
            .context("this shape of flash is not possible; change --sector-size, --word-size or --bank-size")
    }
}

impl InstallArguments {
    fn run(&self, output: &mut dyn Write) -> anyhow::Result<()> {
        let image = read_image(&self.image)?;
        let header = install(&self.file, self.power.options(), &image)?;
        let file = self.file.display();
        writeln!(output, "{file}: {} {} boots on trial next", header.model, header.version)?;
        Ok(())
    }
}

impl ShowArguments {
    fn run(&self, output: &mut dyn Write) -> anyhow::Result<()> {
        let content = inspect(&self.file)?;
        if self.json {
            writeln!(output, "{}", serde_json::to_string_pretty(&content)?)?;
        } else {
            write!(output, "{content}")?;
        }
        Ok(())
    }
}

fn read_image(path: &PathBuf) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read the image {}", path.display()))
}
