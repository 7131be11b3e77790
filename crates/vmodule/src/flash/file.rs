//! Flash whose bytes are in a file, written in place.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use firmware::{
    ERASED, EmulatedFlash, Flash, FlashAddress, FlashError, Geometry, Medium, PowerCut, SectorIndex,
};

use super::error::{Damage, FlashFileError};
use super::layout::{self, HeadError};

/// How a flash file is used.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct FlashOptions {
    /// Wait until each operation is on the disk. Not needed to survive the end of the process, only to
    /// survive the end of the machine.
    pub sync: bool,
    /// When power fails.
    pub power_cut: Option<PowerCut>,
}

/// A virtual module's flash.
///
/// Each operation is one positioned write that has reached the operating system when it returns: a `kill`
/// at any moment leaves what was written and nothing else. The rules of flash and the ways in which an
/// operation can be torn are those of [`EmulatedFlash`]. While this exists, the file is locked against other
/// processes.
#[derive(Debug)]
pub struct FileFlash(EmulatedFlash<FileMedium>);

/// The bytes of a flash file.
#[derive(Debug)]
pub struct FileMedium {
    file: File,
    sync: bool,
}

impl Drop for FileMedium {
    fn drop(&mut self) {
        // Closing alone would not do: a process that is being started by another thread right now holds a
        // copy of the descriptor, and with it the lock, for a moment.
        let _ = self.file.unlock();
    }
}

impl Medium for FileMedium {
    fn load(&mut self, at: FlashAddress, into: &mut [u8]) -> Result<(), FlashError> {
        self.file.read_exact_at(into, layout::START + u64::from(at.0)).map_err(|error| device(&error))
    }

    fn store(&mut self, at: FlashAddress, bytes: &[u8]) -> Result<(), FlashError> {
        let stored = self.file.write_all_at(bytes, layout::START + u64::from(at.0));
        let stored = if self.sync { stored.and_then(|()| self.file.sync_data()) } else { stored };
        stored.map_err(|error| device(&error))
    }
}

fn device(error: &io::Error) -> FlashError {
    FlashError::Device { code: error.raw_os_error().unwrap_or(0) }
}

impl FileFlash {
    /// Makes a file with erased flash; `replace` allows it to overwrite one that is not in use.
    pub fn create(path: &Path, geometry: Geometry, replace: bool) -> Result<Self, FlashFileError> {
        let failed = |action| move |source| FlashFileError::Io { action, path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        // Not truncated before the lock is ours: a running module may still use it.
        let opened = if replace {
            options.create(true).truncate(false).open(path)
        } else {
            options.create_new(true).open(path)
        };
        let mut file = match opened {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(FlashFileError::Exists { path: path.to_owned() });
            }
            opened => opened.map_err(failed("create"))?,
        };
        lock(&file, path)?;
        let write = |file: &mut File| -> io::Result<()> {
            file.set_len(0)?;
            let mut page = [0; layout::START as usize];
            page[..layout::HEAD].copy_from_slice(&layout::encode(&geometry));
            file.write_all(&page)?;
            let sector = vec![ERASED; geometry.sector_size() as usize];
            (0..geometry.sectors()).try_for_each(|_| file.write_all(&sector))
        };
        if let Err(error) = write(&mut file) {
            // What could not be finished (a full disk, say) is no flash; a second try must not stumble on it.
            let _ = std::fs::remove_file(path);
            return Err(failed("write")(error));
        }
        Self::over(file, geometry, false).map_err(failed("read"))
    }

    /// Opens a flash file for a module: nobody else may use it meanwhile.
    pub fn open(path: &Path, options: FlashOptions) -> Result<Self, FlashFileError> {
        let file = open(path, OpenOptions::new().read(true).write(true))?;
        lock(&file, path)?;
        let mut flash = Self::read_head(path, file, options.sync)?;
        if let Some(cut) = options.power_cut {
            flash.0.cut_power(cut);
        }
        Ok(flash)
    }

    /// Opens a flash file to look into it, even while a module uses it. Every write fails.
    pub fn open_read_only(path: &Path) -> Result<Self, FlashFileError> {
        let file = open(path, OpenOptions::new().read(true))?;
        Self::read_head(path, file, false)
    }

    fn read_head(path: &Path, file: File, sync: bool) -> Result<Self, FlashFileError> {
        let failed = |source| FlashFileError::Io { action: "read", path: path.to_owned(), source };
        let damaged = |what| FlashFileError::Damaged { path: path.to_owned(), what };
        let found = file.metadata().map_err(failed)?.len();
        let mut head = [0; layout::HEAD];
        if found < layout::START {
            return Err(FlashFileError::NotAFlash { path: path.to_owned() });
        }
        file.read_exact_at(&mut head, 0).map_err(failed)?;
        let geometry = layout::parse(&head).map_err(|error| match error {
            HeadError::NotAFlash => FlashFileError::NotAFlash { path: path.to_owned() },
            HeadError::Damaged => damaged(Damage::Head),
        })?;
        let expected = layout::START + u64::from(geometry.capacity().0);
        if found != expected {
            return Err(damaged(Damage::Length { expected, found }));
        }
        Self::over(file, geometry, sync).map_err(failed)
    }

    fn over(file: File, geometry: Geometry, sync: bool) -> io::Result<Self> {
        match EmulatedFlash::over(geometry, FileMedium { file, sync }) {
            Ok(flash) => Ok(Self(flash)),
            Err(FlashError::Device { code }) => Err(io::Error::from_raw_os_error(code)),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// Whether power has not failed. Once it has, the process must end as a module without power does.
    pub fn is_powered(&self) -> bool {
        self.0.is_powered()
    }

    /// Lets power fail in a later operation.
    pub fn cut_power(&mut self, cut: PowerCut) {
        self.0.cut_power(cut);
    }

    /// Power is back, and no cut is planned.
    pub fn restore_power(&mut self) {
        self.0.restore_power();
    }

    /// Erased sectors and programmed words since the file was opened.
    pub fn operations(&self) -> u64 {
        self.0.operations()
    }
}

fn open(path: &Path, options: &OpenOptions) -> Result<File, FlashFileError> {
    options.open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => FlashFileError::Missing { path: path.to_owned() },
        _ => FlashFileError::Io { action: "open", path: path.to_owned(), source },
    })
}

/// The lock ends with the process, however it ends.
fn lock(file: &File, path: &Path) -> Result<(), FlashFileError> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => FlashFileError::InUse { path: path.to_owned() },
        TryLockError::Error(source) => FlashFileError::Io { action: "lock", path: path.to_owned(), source },
    })
}

impl Flash for FileFlash {
    fn geometry(&self) -> Geometry {
        self.0.geometry()
    }

    fn read(&mut self, at: FlashAddress, into: &mut [u8]) -> Result<(), FlashError> {
        self.0.read(at, into)
    }

    fn erase(&mut self, sector: SectorIndex) -> Result<(), FlashError> {
        self.0.erase(sector)
    }

    fn write(&mut self, at: FlashAddress, words: &[u8]) -> Result<(), FlashError> {
        self.0.write(at, words)
    }
}

#[cfg(test)]
mod tests {
    use firmware::Tear;

    use super::*;

    #[test]
    fn what_was_written_is_in_the_file_at_once_and_after_reopening() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flash");
        let mut flash = FileFlash::create(&path, Geometry::new(256, 4, 8).unwrap(), false).unwrap();
        flash.write(FlashAddress(256), &[7; 16]).unwrap();
        assert_eq!(
            std::fs::read(&path).unwrap()[4096 + 256..][..17],
            [7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 0xFF]
        );
        drop(flash);
        let mut flash = FileFlash::open(&path, FlashOptions { sync: true, power_cut: None }).unwrap();
        let refused = flash.write(FlashAddress(264), &[7; 8]);
        assert_eq!(refused, Err(FlashError::NotErased { at: FlashAddress(264) }));
        flash.erase(SectorIndex(1)).unwrap();
        flash.write(FlashAddress(264), &[8; 8]).unwrap();
    }

    #[test]
    fn power_fails_in_the_chosen_operation_and_what_is_torn_is_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flash");
        FileFlash::create(&path, Geometry::new(256, 4, 8).unwrap(), false).unwrap();
        let power_cut = Some(PowerCut { after: 1, tear: Tear::Half });
        let mut flash = FileFlash::open(&path, FlashOptions { sync: false, power_cut }).unwrap();
        assert_eq!(flash.write(FlashAddress(0), &[1; 24]), Err(FlashError::PowerLost));
        assert!(!flash.is_powered());
        let bytes = &std::fs::read(&path).unwrap()[4096..][..16];
        assert_eq!(bytes, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0xFF, 0xFF, 0xFF, 0xFF]);
    }

    #[test]
    fn a_file_in_use_is_refused_but_can_be_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flash");
        let geometry = Geometry::new(256, 4, 8).unwrap();
        let mut used = FileFlash::create(&path, geometry, false).unwrap();
        used.write(FlashAddress(0), &[1; 8]).unwrap();
        let options = FlashOptions::default();
        assert!(matches!(FileFlash::open(&path, options), Err(FlashFileError::InUse { .. })));
        let replaced = FileFlash::create(&path, geometry, true);
        assert!(matches!(replaced, Err(FlashFileError::InUse { .. })));
        assert!(matches!(FileFlash::create(&path, geometry, false), Err(FlashFileError::Exists { .. })));
        let mut looked_at = FileFlash::open_read_only(&path).unwrap();
        let mut bytes = [0; 8];
        looked_at.read(FlashAddress(0), &mut bytes).unwrap();
        assert_eq!(bytes, [1; 8]);
        assert!(matches!(looked_at.write(FlashAddress(8), &[1; 8]), Err(FlashError::Device { .. })));
    }

    #[test]
    fn what_is_no_flash_file_or_a_damaged_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flash");
        let open = || FileFlash::open(&path, FlashOptions::default()).unwrap_err();
        assert!(matches!(open(), FlashFileError::Missing { .. }));
        std::fs::write(&path, "not a flash").unwrap();
        assert!(matches!(open(), FlashFileError::NotAFlash { .. }));
        FileFlash::create(&path, Geometry::new(256, 4, 8).unwrap(), true).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(matches!(open(), FlashFileError::Damaged { what: Damage::Length { .. }, .. }));
        std::fs::write(&path, [&bytes[..12], &[9], &bytes[13..]].concat()).unwrap();
        assert!(matches!(open(), FlashFileError::Damaged { what: Damage::Head, .. }));
    }
}
