//! Power is cut in every flash operation of an update, in three ways: the old or the new image always
//! boots, and the update goes on to its end.
#![expect(clippy::unwrap_used, reason = "all of this file is tests")]

use std::collections::BTreeMap;

use firmware::{
    Bank, Banks, BootError, BootLoader, BootRecord, BootState, ByteCount, Device, EmulatedFlash, Flash,
    FlashAddress, FlashError, ImageHeader, InstallError, Installer, Model, Origin, PowerCut, RevertCause,
    SectorIndex, Tear, Version,
};
use machine::Random;

const OLD: &str = "5.4.1.1-57830";
const NEW: &str = "5.4.1.1-57857";
const TRIES: u8 = 3;
const TEARS: [Tear; 3] = [Tear::Nothing, Tear::Half, Tear::Garbage { seed: 0 }];

#[test]
fn an_update_survives_a_cut_in_every_operation() {
    let bench = Bench::small();
    let operations = bench.operations_of(Plan::Update);
    let mut lives = BTreeMap::new();
    for cut in every_cut(operations) {
        let mut flash = bench.factory();
        let story = bench.run(&mut flash, &[cut], Plan::Update);
        assert_eq!(story.booted, NEW, "{cut:?}");
        assert_eq!(story.state, BootState::Updated, "{cut:?}");
        // The sector that was torn is filled again, and nothing else.
        let bank = bench.banks.bank(Bank::B);
        let erased: u32 = (0..bench.banks.bank_sectors()).map(|sector| flash.wear(bank.plus(sector))).sum();
        assert!(erased <= bench.banks.bank_sectors() + 1, "{cut:?} cost {erased} erases");
        *lives.entry(story.lives).or_insert(0) += 1;
    }
    // One restart into the new image, and one more for the cut.
    assert!(lives.keys().all(|lives| *lives <= 3), "{lives:?}");
    println!("{} cuts in {operations} operations, lives {lives:?}", operations * 3);
}

#[test]
fn an_update_and_the_way_back_survive_a_cut_in_every_operation() {
    let bench = Bench::small();
    let operations = bench.operations_of(Plan::ThereAndBack);
    for cut in every_cut(operations) {
        let mut flash = bench.factory();
        let story = bench.run(&mut flash, &[cut], Plan::ThereAndBack);
        assert_eq!((story.booted, story.state), (OLD, BootState::Updated), "{cut:?}");
    }
}

#[test]
fn an_image_that_never_works_is_left_after_its_tries_whatever_is_cut() {
    let bench = Bench::small();
    let operations = bench.operations_of(Plan::BrokenUpdate);
    for cut in every_cut(operations) {
        let mut flash = bench.factory();
        let story = bench.run(&mut flash, &[cut], Plan::BrokenUpdate);
        let reverted = BootState::Reverted(RevertCause::TriesExhausted);
        assert_eq!((story.booted, story.state), (OLD, reverted), "{cut:?}");
        assert!(story.trials <= u32::from(TRIES), "{cut:?}");
        // And the next image installs.
        Installer::discard(&mut flash, &bench.banks).unwrap();
        let story = bench.run(&mut flash, &[], Plan::Update);
        assert_eq!((story.booted, story.state), (NEW, BootState::Updated), "{cut:?}");
    }
}

#[test]
fn forgetting_an_install_and_an_outcome_survives_a_cut_in_every_operation() {
    let bench = Bench::small();
    let loader = BootLoader::new(bench.banks);
    let forget = |flash: &mut EmulatedFlash| -> Result<(), Fault> {
        Installer::discard(flash, &bench.banks)?;
        Ok(loader.acknowledge(flash)?)
    };
    // An interrupted install leaves both areas of the journal in use.
    let mut failed = bench.factory();
    let halfway = PowerCut { after: 200, tear: Tear::Half };
    bench.run(&mut failed, &[halfway], Plan::BrokenUpdate);
    let before = failed.operations();
    let mut forgotten = failed.clone();
    forget(&mut forgotten).unwrap();
    let operations = forgotten.operations() - before;
    assert_eq!(operations, 2 + 1 + 12, "two areas, one copy of the boot record");
    for cut in every_cut(operations) {
        let mut flash = failed.clone();
        flash.cut_power(cut);
        assert!(forget(&mut flash).is_err(), "{cut:?}");
        flash.restore_power();
        assert_eq!(loader.start(&mut flash).unwrap().header.version.as_str(), OLD);
        forget(&mut flash).unwrap();
        assert_eq!(loader.start(&mut flash).unwrap().state, BootState::Confirmed);
        assert!(Installer::resume(&mut flash, &bench.banks, bench.device(OLD)).unwrap().is_none());
    }
}

#[test]
fn a_second_cut_during_recovery_is_survived_too() {
    let bench = Bench::small();
    let operations = bench.operations_of(Plan::Update);
    let mut random = Random::from_number(2);
    for _ in 0..20_000 {
        let cuts: Vec<PowerCut> = (0..1 + random.below(4))
            .map(|_| PowerCut { after: random.below(operations), tear: any_tear(&mut random) })
            .collect();
        let mut flash = bench.factory();
        let story = bench.run(&mut flash, &cuts, Plan::Update);
        // Only cuts that hit the image on trial can use up its tries; then the old one runs again.
        if story.booted == OLD {
            assert_eq!(story.state, BootState::Reverted(RevertCause::TriesExhausted), "{cuts:?}");
            assert_eq!(story.trials, u32::from(TRIES), "{cuts:?}");
        } else {
            assert_eq!(story.state, BootState::Updated, "{cuts:?}");
        }
    }
}

#[test]
fn cuts_in_a_flash_of_real_size() {
    let bench = Bench::new(300_000, 4096, 8, 1024);
    let operations = bench.operations_of(Plan::Update);
    let mut random = Random::from_number(3);
    for _ in 0..60 {
        for tear in [Tear::Nothing, Tear::Half, any_tear(&mut random)] {
            let cut = PowerCut { after: random.below(operations), tear };
            let mut flash = bench.factory();
            let story = bench.run(&mut flash, &[cut], Plan::Update);
            assert_eq!((story.booted, story.state), (NEW, BootState::Updated), "{cut:?}");
        }
    }
}

#[test]
fn every_word_size_survives() {
    for word_size in [1, 2, 4, 16, 32] {
        let bench = Bench::new(700, 512, word_size, 100);
        let operations = bench.operations_of(Plan::Update);
        let mut random = Random::from_number(word_size.into());
        for _ in 0..300 {
            let cut = PowerCut { after: random.below(operations), tear: any_tear(&mut random) };
            let story = bench.run(&mut bench.factory(), &[cut], Plan::Update);
            assert_eq!((story.booted, story.state), (NEW, BootState::Updated), "{word_size} {cut:?}");
        }
    }
}

#[test]
fn cuts_at_the_first_boot_end_confirmed_or_reverted() {
    let bench = Bench::small();
    let loader = BootLoader::new(bench.banks);
    for cuts in 1..=10 {
        let mut flash = bench.factory();
        let booted = loader.start(&mut flash).unwrap();
        bench.install(&mut flash, booted.header.version).unwrap();
        // The power goes again and again before the new image can confirm itself.
        for boot in 1..=cuts {
            let booted = loader.start(&mut flash).unwrap();
            let expected = if boot <= u32::from(TRIES) { NEW } else { OLD };
            assert_eq!(booted.header.version.as_str(), expected);
        }
        let booted = loader.start(&mut flash).unwrap();
        if let BootState::Testing { .. } = booted.state {
            loader.confirm(&mut flash, booted.bank).unwrap();
        }
        let state = loader.start(&mut flash).unwrap().state;
        let reverted = BootState::Reverted(RevertCause::TriesExhausted);
        assert_eq!(state, if cuts < u32::from(TRIES) { BootState::Updated } else { reverted });
    }
}

/// What the device is to go through.
#[derive(Clone, Copy, PartialEq)]
enum Plan {
    /// From the old image to the new one.
    Update,
    /// And from there to the old one again.
    ThereAndBack,
    /// The new image never confirms itself.
    BrokenUpdate,
}

struct Bench {
    banks: Banks,
    factory: EmulatedFlash,
    model: Model,
    images: BTreeMap<&'static str, Vec<u8>>,
    piece: usize,
}

#[derive(Debug)]
struct Story {
    /// What runs in the end.
    booted: &'static str,
    state: BootState,
    /// Starts, those included that a cut ended.
    lives: u32,
    /// Starts of an image on trial.
    trials: u32,
}

#[derive(Debug)]
enum Fault {
    Boot(BootError),
    Install(InstallError),
}

impl From<BootError> for Fault {
    fn from(error: BootError) -> Self {
        Self::Boot(error)
    }
}

impl From<InstallError> for Fault {
    fn from(error: InstallError) -> Self {
        Self::Install(error)
    }
}

impl Fault {
    fn is_power_loss(&self) -> bool {
        matches!(
            self,
            Self::Boot(BootError::Flash(FlashError::PowerLost))
                | Self::Install(InstallError::Flash(FlashError::PowerLost))
        )
    }
}

impl Bench {
    /// Small enough to cut everywhere; the image does not end with a sector or a word.
    fn small() -> Self {
        Self::new(1_301, 256, 8, 48)
    }

    fn new(payload: u32, sector_size: u32, word_size: u32, piece: usize) -> Self {
        let geometry = Banks::geometry_for(ByteCount(payload), sector_size, word_size).unwrap();
        let banks = Banks::new(geometry).unwrap();
        let model = Model::new("GM01Q").unwrap();
        let mut images = BTreeMap::new();
        for (seed, version) in [(1, OLD), (2, NEW)] {
            let mut bytes = vec![0; payload as usize];
            Random::from_number(seed).fill(&mut bytes);
            // Some of it is erased flash, as in real images.
            bytes[100..300].fill(0xFF);
            let header = ImageHeader::describe(model, Version::new(version).unwrap(), None, &bytes);
            images.insert(version, [&header.encode()[..], &bytes].concat());
        }
        let mut factory = EmulatedFlash::new(geometry);
        BootLoader::new(banks).provision(&mut factory, &images[OLD]).unwrap();
        // A fresh emulation counts wear and operations from here.
        let mut fresh = EmulatedFlash::new(geometry);
        copy(&factory, &mut fresh);
        Self { banks, factory: fresh, model, images, piece }
    }

    fn factory(&self) -> EmulatedFlash {
        self.factory.clone()
    }

    fn device(&self, version: &str) -> Device {
        Device { model: self.model, version: Version::new(version).unwrap() }
    }

    fn operations_of(&self, plan: Plan) -> u64 {
        let mut flash = self.factory();
        let before = flash.operations();
        self.run(&mut flash, &[], plan);
        flash.operations() - before
    }

    /// Starts the device again and again until the plan is done. Each cut is set for one life.
    fn run(&self, flash: &mut EmulatedFlash, cuts: &[PowerCut], plan: Plan) -> Story {
        let mut cuts = cuts.iter();
        let mut trials = 0;
        let mut returning = false;
        if let Some(cut) = cuts.next() {
            flash.cut_power(*cut);
        }
        for lives in 1..50 {
            match self.live(flash, plan, &mut returning, &mut trials) {
                Ok(Some((booted, state))) => return Story { booted, state, lives, trials },
                Ok(None) => {}
                Err(fault) => {
                    assert!(fault.is_power_loss(), "{fault:?}");
                    flash.restore_power();
                    if let Some(cut) = cuts.next() {
                        flash.cut_power(*cut);
                    }
                }
            }
        }
        panic!("the update never ended after {cuts:?}");
    }

    /// One life of the device: from its start to a restart or a cut (`None`), or to the end of the plan.
    fn live(
        &self,
        flash: &mut EmulatedFlash,
        plan: Plan,
        returning: &mut bool,
        trials: &mut u32,
    ) -> Result<Option<(&'static str, BootState)>, Fault> {
        let loader = BootLoader::new(self.banks);
        let booted = loader.start(flash)?;
        let version = [OLD, NEW].into_iter().find(|known| *known == booted.header.version.as_str()).unwrap();
        self.assert_intact(flash, booted.bank, version);
        if let BootState::Testing { .. } = booted.state {
            *trials += 1;
            if plan == Plan::BrokenUpdate {
                return Ok(None);
            }
            loader.confirm(flash, booted.bank)?;
        }
        let ended = match plan {
            Plan::BrokenUpdate => booted.state == BootState::Reverted(RevertCause::TriesExhausted),
            Plan::Update => version == NEW || *trials >= TRIES.into(),
            Plan::ThereAndBack => *returning && version == OLD,
        };
        *returning |= version == NEW;
        if ended {
            return Ok(Some((version, BootRecord::read(flash, &self.banks).unwrap().unwrap().state)));
        }
        self.install(flash, booted.header.version)?;
        Ok(None)
    }

    /// Goes on with the image that does not run, or begins it.
    fn install(&self, flash: &mut EmulatedFlash, running: Version) -> Result<(), Fault> {
        let wanted = if running.as_str() == OLD { NEW } else { OLD };
        let device = Device { model: self.model, version: running };
        let origin = Origin::new(wanted.as_bytes()).unwrap();
        let resumed = Installer::resume(flash, &self.banks, device)?;
        let mut installer = match resumed.filter(|resumed| resumed.origin == origin) {
            Some(resumed) => resumed.installer,
            None => Installer::begin(flash, &self.banks, device, origin)?,
        };
        let image = &self.images[wanted];
        while !installer.is_complete() {
            let offset = installer.offset();
            let rest = &image[offset.0 as usize..];
            installer.write(flash, offset, &rest[..rest.len().min(self.piece)])?;
        }
        let verified = installer.finish(flash)?;
        BootLoader::new(self.banks).activate(flash, &verified, TRIES)?;
        Ok(())
    }

    /// What runs is byte for byte what was built.
    fn assert_intact(&self, flash: &mut EmulatedFlash, bank: Bank, version: &str) {
        let image = &self.images[version];
        let start = self.banks.address(bank, ByteCount(0)).0 as usize;
        assert!(flash.bytes()[start..start + image.len()] == image[..], "bank {bank} is not {version}");
    }
}

/// Takes over what is written, word by word.
fn copy(from: &EmulatedFlash, to: &mut EmulatedFlash) {
    let word = to.geometry().word_size() as usize;
    for (number, bytes) in from.bytes().chunks(word).enumerate() {
        if bytes.iter().any(|byte| *byte != 0xFF) {
            to.write(FlashAddress((number * word) as u32), bytes).unwrap();
        }
    }
    assert!((0..to.geometry().sectors()).all(|sector| to.wear(SectorIndex(sector)) == 0));
}

fn every_cut(operations: u64) -> impl Iterator<Item = PowerCut> {
    (0..operations).flat_map(|after| {
        TEARS.map(|tear| match tear {
            Tear::Garbage { .. } => PowerCut { after, tear: Tear::Garbage { seed: after } },
            _ => PowerCut { after, tear },
        })
    })
}

fn any_tear(random: &mut Random) -> Tear {
    match random.below(3) {
        0 => Tear::Nothing,
        1 => Tear::Half,
        _ => Tear::Garbage { seed: random.u64() },
    }
}
