//! What the installer takes, refuses and remembers.
#![expect(clippy::unwrap_used, reason = "all of this file is tests")]

use firmware::{
    Bank, Banks, BootLoader, ByteCount, Crc32, DEFAULT_TRIES, Device, EmulatedFlash, Flash, FlashAddress,
    FlashError, Geometry, HeaderError, HeaderField, IMAGE_HEADER_SIZE, ImageHeader, InstallError, Installer,
    Model, Origin, SectorIndex, Version,
};

const PAYLOAD: usize = 3_000;

#[test]
fn every_kind_of_unusable_image_has_its_error_and_its_update_result() {
    let good = image("GM01Q", "2.0", None, PAYLOAD);
    let changed = |at: usize| {
        let mut image = good.clone();
        image[at] ^= 0x10;
        image
    };
    let header_only = |change: &dyn Fn(&mut [u8])| {
        let mut image = good.clone();
        change(&mut image[..252]);
        let crc = Crc32::of(&image[..252]);
        image[252..256].copy_from_slice(&crc.0.to_le_bytes());
        image
    };
    let forged_crc = header_only(&|header| {
        let crc = Crc32::of(&changed(2_000)[IMAGE_HEADER_SIZE..]);
        header[16..20].copy_from_slice(&crc.0.to_le_bytes());
    });
    let forged = [&forged_crc[..IMAGE_HEADER_SIZE], &changed(2_000)[IMAGE_HEADER_SIZE..]].concat();
    let unknown = header_only(&|header| header[8] = 9);
    let nameless = header_only(&|header| header[52] = 0);
    let huge = header_only(&|header| header[12..16].copy_from_slice(&[0xFF; 4]));

    check("vendor file", b"\x7FELF and so on", 6, |error| {
        *error == InstallError::Header(HeaderError::NotAnImage)
    });
    check("header of a later kind", &unknown, 6, |error| {
        *error == InstallError::Header(HeaderError::UnknownVersion(9))
    });
    check("no model", &nameless, 6, |error| {
        *error == InstallError::Header(HeaderError::BadField(HeaderField::Model))
    });
    check("damaged header", &changed(60), 5, |error| *error == InstallError::Header(HeaderError::Damaged));
    check("damaged payload", &changed(2_000), 5, |error| matches!(error, InstallError::WrongCrc { .. }));
    check("forged payload", &forged, 5, |error| matches!(error, InstallError::WrongDigest { .. }));
    check("ends early", &good[..good.len() - 1], 5, |error| {
        let received = ByteCount(good.len() as u32 - 1);
        *error == InstallError::Truncated { expected: ByteCount(good.len() as u32), received }
    });
    check("ends in the header", &good[..100], 5, |error| matches!(error, InstallError::Truncated { .. }));
    check("empty", &[], 5, |error| matches!(error, InstallError::Truncated { .. }));
    check("one byte more", &[&good[..], &[0]].concat(), 5, |error| {
        matches!(error, InstallError::TooLong { .. })
    });
    check("does not fit", &image("GM01Q", "2.0", None, 30_000), 2, |error| {
        matches!(error, InstallError::TooLarge { .. })
    });
    check("does not even fit into memory", &huge, 2, |error| matches!(error, InstallError::TooLarge { .. }));
    check("other model", &image("GM02S", "2.0", None, PAYLOAD), 6, |error| {
        *error == InstallError::WrongModel { expected: model("GM01Q"), found: model("GM02S") }
    });
    check("other source version", &image("GM01Q", "2.0", Some("0.9"), PAYLOAD), 6, |error| {
        *error == InstallError::WrongSource { expected: version("1.0"), found: version("0.9") }
    });
}

#[test]
fn an_image_for_the_running_version_is_taken() {
    let mut bench = Bench::new();
    let image = image("GM01Q", "2.0", Some("1.0"), PAYLOAD);
    assert!(bench.install(&image, 64).is_ok());
}

#[test]
fn pieces_may_have_any_size_and_may_come_twice() {
    let image = image("GM01Q", "2.0", None, PAYLOAD);
    for piece in [1, 7, 16, 255, 256, 257, 1024, 4_000] {
        let mut bench = Bench::new();
        let mut installer = bench.begin();
        for (number, bytes) in image.chunks(piece).enumerate() {
            let offset = ByteCount((number * piece) as u32);
            installer.write(&mut bench.flash, offset, bytes).unwrap();
            installer.write(&mut bench.flash, offset, bytes).unwrap();
            installer.write(&mut bench.flash, ByteCount(0), &image[..1]).unwrap();
        }
        assert!(installer.is_complete());
        installer.finish(&mut bench.flash).unwrap();
        assert_eq!(bench.bank_bytes(Bank::B, image.len()), image);
    }
}

#[test]
fn a_gap_is_refused_and_can_be_filled() {
    let image = image("GM01Q", "2.0", None, PAYLOAD);
    let mut bench = Bench::new();
    let mut installer = bench.begin();
    installer.write(&mut bench.flash, ByteCount(0), &image[..500]).unwrap();
    let gap = installer.write(&mut bench.flash, ByteCount(501), &image[501..]);
    assert_eq!(gap, Err(InstallError::Gap { expected: 500, found: 501 }));
    installer.write(&mut bench.flash, ByteCount(500), &image[500..]).unwrap();
    assert!(installer.finish(&mut bench.flash).is_ok());
}

#[test]
fn resuming_keeps_whole_sectors_and_only_reads() {
    let image = image("GM01Q", "2.0", None, PAYLOAD);
    let mut bench = Bench::new();
    let mut installer = bench.begin();
    assert_eq!(installer.header(), None);
    installer.write(&mut bench.flash, ByteCount(0), &image[..1_600]).unwrap();
    let operations = bench.flash.operations();
    let mut resumed = bench.resume();
    assert_eq!(bench.flash.operations(), operations);
    assert_eq!(resumed.origin.as_bytes(), b"coap://server/f/1");
    assert_eq!(resumed.installer.offset(), ByteCount(1_536));
    assert_eq!(resumed.installer.header().unwrap().version, version("2.0"));
    resumed.installer.write(&mut bench.flash, ByteCount(1_536), &image[1_536..]).unwrap();
    resumed.installer.finish(&mut bench.flash).unwrap();
    // Nothing but the interrupted sector was erased twice.
    let bank = bench.banks.bank(Bank::B);
    let erases: Vec<u32> = (0..7).map(|sector| bench.flash.wear(bank.plus(sector)) - 1).collect();
    assert_eq!(erases, [1, 1, 1, 2, 1, 1, 1]);
}

#[test]
fn a_sector_that_changed_meanwhile_is_fetched_again() {
    let image = image("GM01Q", "2.0", None, PAYLOAD);
    let mut bench = Bench::new();
    let mut installer = bench.begin();
    installer.write(&mut bench.flash, ByteCount(0), &image[..2_600]).unwrap();
    bench.flash.damage(bench.banks.address(Bank::B, ByteCount(1_100)), 0x01).unwrap();
    let mut resumed = bench.resume();
    assert_eq!(resumed.installer.offset(), ByteCount(1_024));
    resumed.installer.write(&mut bench.flash, ByteCount(1_024), &image[1_024..]).unwrap();
    assert!(resumed.installer.finish(&mut bench.flash).is_ok());
}

#[test]
fn damage_after_the_last_byte_is_found_before_activation() {
    let image = image("GM01Q", "2.0", None, PAYLOAD);
    let mut bench = Bench::new();
    let mut installer = bench.begin();
    installer.write(&mut bench.flash, ByteCount(0), &image).unwrap();
    bench.flash.damage(bench.banks.address(Bank::B, ByteCount(3_200)), 0x80).unwrap();
    assert!(matches!(installer.finish(&mut bench.flash), Err(InstallError::WrongCrc { .. })));
}

#[test]
fn beginning_anew_forgets_what_was_there() {
    let image = image("GM01Q", "2.0", None, PAYLOAD);
    let mut bench = Bench::new();
    let mut installer = bench.begin();
    installer.write(&mut bench.flash, ByteCount(0), &image).unwrap();
    let other = Origin::new(b"other").unwrap();
    Installer::begin(&mut bench.flash, &bench.banks, bench.device, other).unwrap();
    let resumed = bench.resume();
    assert_eq!((resumed.origin, resumed.installer.offset()), (other, ByteCount(0)));
    Installer::discard(&mut bench.flash, &bench.banks).unwrap();
    assert!(Installer::resume(&mut bench.flash, &bench.banks, bench.device).unwrap().is_none());
}

#[test]
fn an_install_for_another_device_version_is_not_resumed() {
    let image = image("GM01Q", "2.0", Some("1.0"), PAYLOAD);
    let mut bench = Bench::new();
    let mut installer = bench.begin();
    installer.write(&mut bench.flash, ByteCount(0), &image[..2_000]).unwrap();
    bench.device.version = version("1.1");
    assert_eq!(bench.resume().installer.offset(), ByteCount(0));
}

#[test]
fn while_an_image_is_on_trial_the_other_bank_is_kept() {
    let mut bench = Bench::new();
    let verified = bench.install(&image("GM01Q", "2.0", None, PAYLOAD), 512).unwrap();
    bench.loader.activate(&mut bench.flash, &verified, DEFAULT_TRIES).unwrap();
    let begun = Installer::begin(&mut bench.flash, &bench.banks, bench.device, origin());
    assert_eq!(begun.err(), Some(InstallError::OnTrial));
    let booted = bench.loader.start(&mut bench.flash).unwrap();
    bench.loader.confirm(&mut bench.flash, booted.bank).unwrap();
    let installer = Installer::begin(&mut bench.flash, &bench.banks, bench.device, origin()).unwrap();
    assert_eq!(installer.bank(), Bank::A);
}

#[test]
fn flash_that_was_never_initialised_is_refused() {
    let mut bench = Bench::new();
    let mut blank = EmulatedFlash::new(bench.flash.geometry());
    let begun = Installer::begin(&mut blank, &bench.banks, bench.device, origin());
    assert_eq!(begun.err(), Some(InstallError::NoBootRecord));
    assert!(bench.loader.start(&mut bench.flash).is_ok());
}

#[test]
fn flash_that_does_not_keep_what_is_written_is_noticed_at_once() {
    let mut bench = Bench::new();
    let mut installer = bench.begin();
    let at = bench.banks.address(Bank::B, ByteCount(600));
    let mut worn = WornOut { flash: bench.flash, at };
    let written = installer.write(&mut worn, ByteCount(0), &image("GM01Q", "2.0", None, PAYLOAD));
    let sector = bench.banks.address(Bank::B, ByteCount(512));
    assert_eq!(written, Err(InstallError::Flash(FlashError::NotKept { at: sector })));
    assert_eq!(written.unwrap_err().update_result().0, 8);
}

/// One byte reads as something else.
struct WornOut {
    flash: EmulatedFlash,
    at: FlashAddress,
}

impl Flash for WornOut {
    fn geometry(&self) -> Geometry {
        self.flash.geometry()
    }

    fn read(&mut self, at: FlashAddress, into: &mut [u8]) -> Result<(), FlashError> {
        self.flash.read(at, into)?;
        if let Some(byte) = self.at.0.checked_sub(at.0).and_then(|index| into.get_mut(index as usize)) {
            *byte ^= 0x40;
        }
        Ok(())
    }

    fn erase(&mut self, sector: SectorIndex) -> Result<(), FlashError> {
        self.flash.erase(sector)
    }

    fn write(&mut self, at: FlashAddress, words: &[u8]) -> Result<(), FlashError> {
        self.flash.write(at, words)
    }
}

/// The image is refused with this error and result, leaves nothing to resume, and the old one still runs.
fn check(what: &str, image: &[u8], result: u8, expected: impl Fn(&InstallError) -> bool) {
    for piece in [64, 1024] {
        let mut bench = Bench::new();
        let error = bench.install(image, piece).unwrap_err();
        assert!(expected(&error), "{what}: {error:?}");
        assert_eq!(error.update_result().0, result, "{what}");
        assert!(error.is_final(), "{what}");
        let resumed = Installer::resume(&mut bench.flash, &bench.banks, bench.device).unwrap();
        assert!(resumed.is_none(), "{what} can be resumed");
        assert_eq!(bench.loader.start(&mut bench.flash).unwrap().header.version, version("1.0"), "{what}");
    }
}

struct Bench {
    flash: EmulatedFlash,
    banks: Banks,
    loader: BootLoader,
    device: Device,
}

impl Bench {
    fn new() -> Self {
        let geometry = Banks::geometry_for(ByteCount(5_000), 512, 8).unwrap();
        let mut flash = EmulatedFlash::new(geometry);
        let banks = Banks::new(geometry).unwrap();
        let loader = BootLoader::new(banks);
        loader.provision(&mut flash, &image("GM01Q", "1.0", None, 1_000)).unwrap();
        Self { flash, banks, loader, device: Device { model: model("GM01Q"), version: version("1.0") } }
    }

    fn begin(&mut self) -> Installer {
        Installer::begin(&mut self.flash, &self.banks, self.device, origin()).unwrap()
    }

    fn resume(&mut self) -> firmware::Resumed {
        Installer::resume(&mut self.flash, &self.banks, self.device).unwrap().unwrap()
    }

    fn install(&mut self, image: &[u8], piece: usize) -> Result<firmware::Verified, InstallError> {
        let mut installer = self.begin();
        for bytes in image.chunks(piece) {
            installer.write(&mut self.flash, installer.offset(), bytes)?;
        }
        installer.finish(&mut self.flash)
    }

    fn bank_bytes(&mut self, bank: Bank, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.flash.read(self.banks.address(bank, ByteCount(0)), &mut bytes).unwrap();
        bytes
    }
}

fn origin() -> Origin {
    Origin::new(b"coap://server/f/1").unwrap()
}

fn model(text: &str) -> Model {
    Model::new(text).unwrap()
}

fn version(text: &str) -> Version {
    Version::new(text).unwrap()
}

fn image(for_model: &str, brings: &str, source: Option<&str>, length: usize) -> Vec<u8> {
    let payload: Vec<u8> = (0..length).map(|index| (index * 31 % 251) as u8).collect();
    let header = ImageHeader::describe(model(for_model), version(brings), source.map(version), &payload);
    [&header.encode()[..], &payload].concat()
}
