//! Which image runs, whatever state the banks are in.
#![expect(clippy::unwrap_used, reason = "all of this file is tests")]

use firmware::{
    Bank, Banks, BootError, BootLoader, BootRecord, BootState, ByteCount, Device, EmulatedFlash, Flash,
    FlashAddress, FlashError, Geometry, ImageHeader, Installer, Model, Origin, RevertCause, SectorIndex,
    Verified, Version,
};

#[test]
fn a_new_image_runs_on_trial_until_it_is_confirmed() {
    let mut bench = Bench::new();
    let verified = bench.install("2.0");
    assert_eq!((verified.bank(), verified.header().version), (Bank::B, version("2.0")));
    assert_eq!(bench.start(), (Bank::A, "1.0", BootState::Confirmed));
    bench.loader.activate(&mut bench.flash, &verified, 2).unwrap();
    assert_eq!(bench.start(), (Bank::B, "2.0", BootState::Testing { tries_left: 1 }));
    bench.loader.confirm(&mut bench.flash, Bank::B).unwrap();
    bench.loader.confirm(&mut bench.flash, Bank::B).unwrap();
    assert_eq!(bench.start(), (Bank::B, "2.0", BootState::Updated));
    bench.loader.acknowledge(&mut bench.flash).unwrap();
    assert_eq!(bench.start(), (Bank::B, "2.0", BootState::Confirmed));
}

#[test]
fn an_image_that_is_not_confirmed_in_its_tries_is_left() {
    let mut bench = Bench::new();
    bench.activate("2.0", 2);
    assert_eq!(bench.start(), (Bank::B, "2.0", BootState::Testing { tries_left: 1 }));
    assert_eq!(bench.start(), (Bank::B, "2.0", BootState::Testing { tries_left: 0 }));
    let reverted = BootState::Reverted(RevertCause::TriesExhausted);
    assert_eq!(bench.start(), (Bank::A, "1.0", reverted));
    assert_eq!(bench.start(), (Bank::A, "1.0", reverted));
    let late = bench.loader.confirm(&mut bench.flash, Bank::B);
    assert_eq!(late, Err(BootError::NotOnTrial { running: Bank::B }));
}

#[test]
fn zero_tries_are_one() {
    let mut bench = Bench::new();
    bench.activate("2.0", 0);
    assert_eq!(bench.start(), (Bank::B, "2.0", BootState::Testing { tries_left: 0 }));
}

#[test]
fn a_candidate_that_is_damaged_never_runs() {
    let mut bench = Bench::new();
    bench.activate("2.0", 3);
    bench.damage(Bank::B);
    assert_eq!(bench.start(), (Bank::A, "1.0", BootState::Reverted(RevertCause::CandidateDamaged)));
}

#[test]
fn a_candidate_damaged_between_two_boots_does_not_run_again() {
    let mut bench = Bench::new();
    bench.activate("2.0", 3);
    assert_eq!(bench.start().0, Bank::B);
    bench.damage(Bank::B);
    assert_eq!(bench.start(), (Bank::A, "1.0", BootState::Reverted(RevertCause::CandidateDamaged)));
}

#[test]
fn when_the_confirmed_image_is_damaged_the_one_before_it_runs() {
    let mut bench = Bench::new();
    bench.activate("2.0", 3);
    bench.start();
    bench.loader.confirm(&mut bench.flash, Bank::B).unwrap();
    bench.damage(Bank::B);
    assert_eq!(bench.start(), (Bank::A, "1.0", BootState::Reverted(RevertCause::ConfirmedDamaged)));
    assert_eq!(BootRecord::read(&mut bench.flash, &bench.banks).unwrap().unwrap().confirmed, Bank::A);
}

#[test]
fn with_both_banks_damaged_nothing_runs() {
    let mut bench = Bench::new();
    bench.activate("2.0", 3);
    bench.damage(Bank::A);
    bench.damage(Bank::B);
    assert_eq!(bench.loader.start(&mut bench.flash), Err(BootError::NothingBootable));
}

#[test]
fn an_image_that_was_stored_but_never_accepted_does_not_run() {
    let mut bench = Bench::new();
    bench.install("2.0");
    bench.damage(Bank::A);
    assert_eq!(bench.loader.start(&mut bench.flash), Err(BootError::NothingBootable));
    // It is intact, though.
    assert_eq!(bench.loader.inspect(&mut bench.flash, Bank::B).unwrap().unwrap().version, version("2.0"));
}

#[test]
fn only_what_runs_on_trial_can_be_confirmed() {
    let mut bench = Bench::new();
    let not_on_trial = Err(BootError::NotOnTrial { running: Bank::A });
    assert_eq!(bench.loader.confirm(&mut bench.flash, Bank::A), not_on_trial);
    bench.activate("2.0", 3);
    assert_eq!(bench.loader.confirm(&mut bench.flash, Bank::A), not_on_trial);
}

#[test]
fn nothing_is_activated_while_another_image_is_on_trial_or_in_the_running_bank() {
    let mut bench = Bench::new();
    let verified = bench.install("2.0");
    bench.loader.activate(&mut bench.flash, &verified, 3).unwrap();
    let again = Err(BootError::NotInactive { bank: Bank::B });
    assert_eq!(bench.loader.activate(&mut bench.flash, &verified, 3), again);
    bench.start();
    bench.loader.confirm(&mut bench.flash, Bank::B).unwrap();
    assert_eq!(bench.loader.activate(&mut bench.flash, &verified, 3), again);
}

#[test]
fn the_factory_takes_only_an_intact_image_that_fits() {
    let mut bench = Bench::new();
    let mut damaged = image("1.0", 800);
    damaged[300] ^= 1;
    let refused = bench.loader.provision(&mut bench.flash, &damaged);
    assert!(matches!(refused, Err(BootError::Image(_))));
    let refused = bench.loader.provision(&mut bench.flash, &image("1.0", 9_000));
    assert!(matches!(refused, Err(BootError::TooLarge { .. })));
    assert_eq!(bench.start(), (Bank::A, "1.0", BootState::Confirmed));
    let mut blank = EmulatedFlash::new(*bench.banks.geometry());
    assert_eq!(bench.loader.start(&mut blank), Err(BootError::NoBootRecord));
}

#[test]
fn a_boot_record_that_is_not_kept_is_an_error_and_the_old_image_runs() {
    let mut bench = Bench::new();
    let verified = bench.install("2.0");
    // The copy that is written next is in the second sector.
    let mut worn = WornOut { flash: bench.flash, at: FlashAddress(512 + 20) };
    let activated = bench.loader.activate(&mut worn, &verified, 3);
    assert_eq!(activated, Err(BootError::Flash(FlashError::NotKept { at: FlashAddress(512) })));
    assert_eq!(bench.loader.start(&mut worn).unwrap().header.version, version("1.0"));
}

/// One byte always reads as zero.
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
            *byte = 0;
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

struct Bench {
    flash: EmulatedFlash,
    banks: Banks,
    loader: BootLoader,
}

impl Bench {
    fn new() -> Self {
        let geometry = Geometry::new(512, 16, 8).unwrap();
        let mut flash = EmulatedFlash::new(geometry);
        let banks = Banks::new(geometry).unwrap();
        let loader = BootLoader::new(banks);
        loader.provision(&mut flash, &image("1.0", 1_001)).unwrap();
        Self { flash, banks, loader }
    }

    fn start(&mut self) -> (Bank, &'static str, BootState) {
        let booted = self.loader.start(&mut self.flash).unwrap();
        let version = ["1.0", "2.0"].into_iter().find(|known| *known == booted.header.version.as_str());
        (booted.bank, version.unwrap(), booted.state)
    }

    fn install(&mut self, brings: &str) -> Verified {
        let device = Device { model: Model::new("GM01Q").unwrap(), version: version("1.0") };
        let origin = Origin::new(b"").unwrap();
        let mut installer = Installer::begin(&mut self.flash, &self.banks, device, origin).unwrap();
        installer.write(&mut self.flash, ByteCount(0), &image(brings, 1_234)).unwrap();
        installer.finish(&mut self.flash).unwrap()
    }

    fn activate(&mut self, brings: &str, tries: u8) {
        let verified = self.install(brings);
        self.loader.activate(&mut self.flash, &verified, tries).unwrap();
    }

    fn damage(&mut self, bank: Bank) {
        self.flash.damage(self.banks.address(bank, ByteCount(900)), 0x04).unwrap();
    }
}

fn version(text: &str) -> Version {
    Version::new(text).unwrap()
}

fn image(brings: &str, length: usize) -> Vec<u8> {
    let payload: Vec<u8> = (0..length).map(|index| (index * 31 % 251) as u8).collect();
    let header = ImageHeader::describe(Model::new("GM01Q").unwrap(), version(brings), None, &payload);
    [&header.encode()[..], &payload].concat()
}
