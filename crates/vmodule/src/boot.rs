//! Starts a module from its flash file.

use std::path::Path;

use firmware::{Banks, BootLoader, Booted, Flash as _};

use crate::flash::{FileFlash, FlashFileError, FlashOptions};

/// A module whose boot loader has chosen what runs.
#[derive(Debug)]
pub struct BootedModule {
    /// The flash, locked for this process.
    pub flash: FileFlash,
    /// Where things lie in it.
    pub banks: Banks,
    /// To confirm the image that runs, and to activate another one.
    pub loader: BootLoader,
    /// The image that runs, and whether it is on trial.
    pub booted: Booted,
}

/// Does what the boot loader of a module does when power comes on: checks the image whose turn it is, takes
/// a try if it is on trial, goes back to the old one if it must.
///
/// The outcome is in the flash before this returns. An image on trial has to be confirmed once it works.
pub fn boot(path: &Path, options: FlashOptions) -> Result<BootedModule, FlashFileError> {
    let mut flash = FileFlash::open(path, options)?;
    let banks = Banks::new(flash.geometry())?;
    let loader = BootLoader::new(banks);
    let started = loader.start(&mut flash);
    let booted = started.map_err(|source| FlashFileError::Boot { path: path.to_owned(), source })?;
    Ok(BootedModule { flash, banks, loader, booted })
}
