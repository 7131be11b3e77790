//! Images into flash files without a network: in the factory, and by wire.

use std::path::Path;

use firmware::{
    Banks, BootLoader, BootState, ByteCount, DEFAULT_TRIES, Device, Digest, FlashError, Geometry,
    ImageHeader, InstallError, Installer, Origin,
};

use super::error::FlashFileError;
use super::file::{FileFlash, FlashOptions};
use crate::boot;

/// Bytes handed to the installer at a time, as a download does.
const PIECE: usize = 1_024;

/// What is done in the factory: a new flash file with `image` in bank A, confirmed.
pub fn initialise(
    path: &Path,
    geometry: Geometry,
    image: &[u8],
    replace: bool,
) -> Result<ImageHeader, FlashFileError> {
    let loader = BootLoader::new(Banks::new(geometry)?);
    // A bad image must not cost an existing file.
    firmware::Image::parse(image).map_err(|error| boot_failed(path, error.into()))?;
    let mut flash = FileFlash::create(path, geometry, replace)?;
    loader.provision(&mut flash, image).map_err(|error| boot_failed(path, error))
}

/// Installs `image` as an update and lets it boot on trial next. Goes on where an earlier call was cut.
pub fn install(path: &Path, options: FlashOptions, image: &[u8]) -> Result<ImageHeader, FlashFileError> {
    let mut module = boot::boot(path, options)?;
    let running = module.booted.header;
    if let BootState::Testing { .. } = module.booted.state {
        // Started and able to take an update: that is all the self-test there is without a network.
        let confirmed = module.loader.confirm(&mut module.flash, module.booted.bank);
        confirmed.map_err(|error| boot_failed(path, error))?;
    }
    let device = Device { model: running.model, version: running.version };
    let digest = Digest::of(image);
    let origin = Origin::new(&digest.0).ok_or(InstallError::Flash(FlashError::Device { code: 0 }))?;
    let resumed = Installer::resume(&mut module.flash, &module.banks, device)?;
    let mut installer = match resumed.filter(|resumed| resumed.origin == origin) {
        Some(resumed) => resumed.installer,
        None => Installer::begin(&mut module.flash, &module.banks, device, origin)?,
    };
    let start = installer.offset().0 as usize;
    for (number, bytes) in image.get(start..).unwrap_or_default().chunks(PIECE).enumerate() {
        let offset = ByteCount((start + number * PIECE) as u32);
        installer.write(&mut module.flash, offset, bytes)?;
    }
    let verified = installer.finish(&mut module.flash)?;
    let activated = module.loader.activate(&mut module.flash, &verified, DEFAULT_TRIES);
    activated.map_err(|error| boot_failed(path, error))?;
    Ok(*verified.header())
}

fn boot_failed(path: &Path, source: firmware::BootError) -> FlashFileError {
    FlashFileError::Boot { path: path.to_owned(), source }
}
