//! A module's firmware: the client role's store over banks in flash.

use firmware::{
    Bank, Banks, BootLoader, BootState, Booted, ByteCount, DEFAULT_TRIES, Device, Flash, FlashError,
    InstallError, Installer, Model, Origin, RevertCause, Verified,
};
use lwm2m::client::{FirmwareStore, Kept, PackageName, Recovered, Source, StoreError};

/// The bank that does not run, seen as the place for the next package.
#[derive(Debug)]
pub struct FlashStore<F> {
    flash: F,
    banks: Banks,
    loader: BootLoader,
    booted: Booted,
    device: Device,
    /// What the next install is told about where it comes from, until its entity tag is known.
    source: Option<Provenance>,
    installer: Option<Installer>,
    verified: Option<Verified>,
}

impl<F: Flash> FlashStore<F> {
    /// The store of a module of this model that has just booted.
    pub fn new(flash: F, banks: Banks, model: Model, booted: Booted) -> Self {
        let device = Device { model, version: booted.header.version };
        let loader = BootLoader::new(banks);
        Self { flash, banks, loader, booted, device, source: None, installer: None, verified: None }
    }

    /// The flash.
    pub fn flash(&self) -> &F {
        &self.flash
    }

    /// The flash.
    pub fn flash_mut(&mut self) -> &mut F {
        &mut self.flash
    }

    /// Gives the flash back, and says where things lie in it.
    pub fn into_parts(self) -> (F, Banks) {
        (self.flash, self.banks)
    }

    /// Looks for what an earlier boot has stored of a package.
    fn resume(&mut self) -> Option<Provenance> {
        let resumed = Installer::resume(&mut self.flash, &self.banks, self.device).ok()??;
        let source = Provenance::parse(resumed.origin.as_bytes())?;
        self.installer = Some(resumed.installer);
        Some(source)
    }

    /// The outcome of the last update has been replaced by a new one.
    fn acknowledge(&mut self) -> Result<(), StoreError> {
        self.loader.acknowledge(&mut self.flash).map_err(|error| match error {
            firmware::BootError::Flash(FlashError::PowerLost) => StoreError::PowerLost,
            _ => StoreError::Broken,
        })
    }

    fn install(&mut self) -> Result<(), StoreError> {
        let origin = self.source.as_ref().and_then(Provenance::origin).ok_or(StoreError::Broken)?;
        let installer = Installer::begin(&mut self.flash, &self.banks, self.device, origin);
        self.installer = Some(installer.map_err(store_error)?);
        Ok(())
    }
}

impl<F: Flash> FirmwareStore for FlashStore<F> {
    fn running_version(&self) -> String {
        self.device.version.to_string()
    }

    fn recover(&mut self) -> Recovered {
        let source = self.resume();
        let complete = self.installer.as_ref().is_some_and(Installer::is_complete);
        if complete && let Some(installer) = &mut self.installer {
            self.verified = installer.finish(&mut self.flash).ok();
        }
        let uri = source.as_ref().and_then(|source| source.uri.clone());
        // A whole package is either verified or refused: there is nothing to go on with.
        self.source = source.filter(|_| !complete);
        self.installer.take_if(|_| complete);
        match self.booted.state {
            BootState::Updated | BootState::Testing { .. } => Recovered::Installed,
            BootState::Reverted(RevertCause::TriesExhausted | RevertCause::CandidateDamaged) => {
                Recovered::InstallFailed
            }
            BootState::Confirmed | BootState::Reverted(RevertCause::ConfirmedDamaged) => match uri {
                uri if self.verified.is_some() => Recovered::Downloaded { uri },
                Some(uri) if self.installer.is_some() => Recovered::Interrupted { uri },
                // A push cannot be gone on with: the server has to start again.
                _ => Recovered::Nothing,
            },
        }
    }

    fn begin(&mut self, source: Source<'_>) -> Result<Kept, StoreError> {
        self.acknowledge()?;
        self.verified = None;
        let uri = match source {
            Source::Pushed => None,
            Source::Uri(uri) => Some(uri.to_string()),
        };
        if let (Some(installer), Some(known)) = (&self.installer, &self.source)
            && uri.is_some()
            && known.uri == uri
            && known.etag.is_some()
        {
            let total = installer.header().map(|header| header.image_length().0.into());
            return Ok(Kept { offset: installer.offset().0.into(), etag: known.etag.clone(), total });
        }
        self.source = Some(Provenance { uri, etag: None });
        self.installer = None;
        Ok(Kept::default())
    }

    fn restart(&mut self) -> Result<(), StoreError> {
        self.installer = None;
        Ok(())
    }

    fn identify(&mut self, etag: Option<&[u8]>, total: Option<u64>) -> Result<(), StoreError> {
        if total.is_some_and(|total| total > u64::from(self.banks.capacity().0)) {
            return Err(StoreError::NoSpace);
        }
        if let Some(source) = &mut self.source {
            source.etag = etag.map(<[u8]>::to_vec);
        }
        self.install()
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let installer = self.installer.as_mut().ok_or(StoreError::Broken)?;
        let offset = u32::try_from(offset).map_err(|_| StoreError::NoSpace)?;
        installer.write(&mut self.flash, ByteCount(offset), bytes).map_err(store_error)
    }

    fn finish(&mut self) -> Result<(), StoreError> {
        let installer = self.installer.as_mut().ok_or(StoreError::Damaged)?;
        self.verified = Some(installer.finish(&mut self.flash).map_err(store_error)?);
        Ok(())
    }

    fn package(&self) -> Option<PackageName> {
        let header = self.verified.as_ref()?.header();
        Some(PackageName { name: header.model.to_string(), version: header.version.to_string() })
    }

    fn activate(&mut self) -> Result<(), StoreError> {
        let verified = self.verified.as_ref().ok_or(StoreError::Broken)?;
        self.loader.activate(&mut self.flash, verified, DEFAULT_TRIES).map_err(|error| match error {
            firmware::BootError::Flash(FlashError::PowerLost) => StoreError::PowerLost,
            _ => StoreError::Broken,
        })
    }

    fn discard(&mut self) -> Result<(), StoreError> {
        self.installer = None;
        self.verified = None;
        self.source = None;
        Installer::discard(&mut self.flash, &self.banks).map_err(store_error)?;
        self.acknowledge()
    }
}

impl<F> FlashStore<F> {
    /// The bank that runs.
    pub fn running_bank(&self) -> Bank {
        self.booted.bank
    }
}

fn store_error(error: InstallError) -> StoreError {
    use firmware::upgrade::UpdateResult;
    if let InstallError::Flash(FlashError::PowerLost) = error {
        return StoreError::PowerLost;
    }
    match error.update_result() {
        UpdateResult::NOT_ENOUGH_FLASH => StoreError::NoSpace,
        UpdateResult::INTEGRITY_FAILED => StoreError::Damaged,
        UpdateResult::UNSUPPORTED_PACKAGE => StoreError::Unsuitable,
        _ => StoreError::Broken,
    }
}

/// Where a package comes from, as the install journal keeps it:
///
/// | bytes | meaning |
/// | ---: | --- |
/// | 1 | length of the entity tag, 0 for none |
/// | 0 to 8 | entity tag |
/// | the rest | Package URI; empty for a push |
#[derive(Clone, PartialEq, Eq, Debug)]
struct Provenance {
    uri: Option<String>,
    etag: Option<Vec<u8>>,
}

impl Provenance {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first()?;
        let (etag, uri) = rest.split_at_checked(usize::from(*length))?;
        let uri = core::str::from_utf8(uri).ok()?;
        Some(Self {
            uri: (!uri.is_empty()).then(|| uri.to_string()),
            etag: (!etag.is_empty()).then(|| etag.to_vec()),
        })
    }

    fn origin(&self) -> Option<Origin> {
        let etag = self.etag.as_deref().unwrap_or_default();
        let uri = self.uri.as_deref().unwrap_or_default();
        Origin::new(&[&[etag.len() as u8], etag, uri.as_bytes()].concat())
    }
}
