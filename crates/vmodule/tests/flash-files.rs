//! `vmodule flash`: a module's flash outlives its process, whenever and however that ends.
#![expect(clippy::unwrap_used, reason = "all of this file is tests")]

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use firmware::{Bank, Banks, BootState, ByteCount, Flash as _};
use serde_json::Value;
use vmodule::flash::{FileFlash, FlashOptions};
use vmodule::{boot, image};

const OLD: &str = "5.4.1.1-57830";
const NEW: &str = "5.4.1.1-57857";

#[test]
fn a_new_flash_holds_the_image_it_was_given() {
    let bench = Bench::new(5_000);
    assert_eq!(bench.init().text, format!("module.flash: GM01Q {OLD} in bank A, confirmed\n"));
    let shown = bench.run(&["flash", "show", "--file", "module.flash"]).succeeds();
    assert_eq!(
        shown,
        format!(
            "flash    32 sectors of 512 bytes, words of 8\n\
             state    confirmed\n\
             bank A   boots  GM01Q {OLD}, 5256 of 6656 bytes\n\
             bank B          no intact image, 6656 bytes\n"
        )
    );
    let json = bench.show();
    assert_eq!((&json["boots"], &json["state"]), (&"A".into(), &"confirmed".into()));
    assert_eq!(json["banks"][0]["version"], OLD);
    assert_eq!(json["banks"][1]["intact"], false);
    assert_eq!(json["install"], Value::Null);
}

#[test]
fn an_installed_image_boots_on_trial_and_stays_when_confirmed() {
    let bench = Bench::new(5_000);
    bench.init().succeeds();
    bench.install(&[]).succeeds();
    let json = bench.show();
    assert_eq!(
        (&json["state"], &json["boots"], &json["tries_left"]),
        (&"testing".into(), &"B".into(), &3.into())
    );
    let mut module = bench.boot();
    assert_eq!(module.booted.header.version.as_str(), NEW);
    module.loader.confirm(&mut module.flash, module.booted.bank).unwrap();
    drop(module);
    assert_eq!(bench.show()["state"], "updated");
    assert_eq!(bench.boot().booted.state, BootState::Updated);
}

#[test]
fn an_image_that_is_never_confirmed_is_left() {
    let bench = Bench::new(5_000);
    bench.init().succeeds();
    bench.install(&[]).succeeds();
    (0..3).for_each(|_| assert_eq!(bench.boot().booted.header.version.as_str(), NEW));
    assert_eq!(bench.boot().booted.header.version.as_str(), OLD);
    let json = bench.show();
    assert_eq!((&json["state"], &json["revert_cause"]), (&"reverted".into(), &"tries-exhausted".into()));
}

#[test]
fn a_process_that_loses_power_leaves_a_flash_that_boots_and_takes_the_image_later() {
    let bench = Bench::new(5_000);
    for (number, operations) in (0..900).step_by(23).enumerate() {
        let tear = ["nothing", "half", "garbage"][number % 3];
        let bench = bench.again();
        bench.init().succeeds();
        let cut = bench.install(&["--power-cut-after", &operations.to_string(), "--tear", tear]);
        if cut.code == Some(0) {
            assert!(operations > 700, "{operations}");
        } else {
            assert_eq!(cut.code, Some(3), "{}", cut.error);
            assert!(cut.error.ends_with("power is lost\n"), "{}", cut.error);
            let running = bench.boot().booted;
            if running.header.version.as_str() == OLD {
                bench.install(&[]).succeeds();
            }
        }
        assert_eq!(bench.boot().booted.header.version.as_str(), NEW, "{operations} {tear}");
    }
}

#[test]
fn a_killed_process_leaves_a_flash_that_boots_and_goes_on_from_there() {
    let bench = Bench::new(600_000);
    bench.init().succeeds();
    // The disk is waited for, so that the process is still at it when it is killed.
    let mut child = bench.spawn_install(&["--sync"]);
    bench.wait_for_byte_in_bank_b(20_000);
    child.kill().unwrap();
    child.wait().unwrap();
    let install = &bench.show()["install"];
    let stored = install["stored_bytes"].as_u64().unwrap();
    assert!((19_000..600_256).contains(&stored), "{install}");
    assert_eq!(bench.boot().booted.header.version.as_str(), OLD);
    bench.install(&[]).succeeds();
    assert_eq!(bench.boot().booted.header.version.as_str(), NEW);
}

#[test]
fn a_flash_in_use_is_not_touched() {
    let bench = Bench::new(5_000);
    bench.init().succeeds();
    let module = bench.boot();
    bench.install(&[]).fails("in use by another virtual module");
    bench.run(&bench.init_arguments(&["--force"])).fails("in use by another virtual module");
    assert_eq!(bench.show()["state"], "confirmed");
    drop(module);
    bench.install(&[]).succeeds();
}

#[test]
fn bad_input_is_refused_and_loses_nothing() {
    let bench = Bench::new(5_000);
    bench.init().succeeds();
    bench.init().fails("module.flash exists already; give another name, or --force");
    bench.write("damaged.upd", &[&fs::read(bench.path("old.upd")).unwrap()[..300], &[0; 4_956]].concat());
    bench
        .run(&["flash", "init", "--file", "module.flash", "--image", "damaged.upd", "--force"])
        .fails("CRC-32");
    bench
        .run(&["flash", "init", "--file", "f", "--image", "missing.upd"])
        .fails("cannot read the image missing.upd");
    bench
        .run(&["flash", "init", "--file", "f", "--image", "old.upd", "--word-size", "3"])
        .fails("--word-size");
    bench
        .run(&["flash", "init", "--file", "f", "--image", "old.upd", "--bank-size", "600"])
        .fails("a bank holds");
    bench.run(&["flash", "show", "--file", "nowhere"]).fails("there is no flash file nowhere; make one with");
    bench.run(&["flash", "show", "--file", "old.upd"]).fails("old.upd is not a flash file");
    let other = image::build(&image::Identity { model: "GM02S".parse().unwrap(), ..identity(NEW) }, b"code");
    bench.write("new.upd", &other);
    bench.install(&[]).fails("the image is for model GM02S, this device is a GM01Q");
    assert_eq!(bench.boot().booted.header.version.as_str(), OLD);
}

#[test]
fn a_disk_that_is_full_leaves_no_half_flash_behind() {
    let bench = Bench::new(5_000);
    // The shell limits the size of files; ignoring the signal turns it into an error of the write.
    let script = format!(
        "trap '' XFSZ; ulimit -f 16; exec {} {}",
        env!("CARGO_BIN_EXE_vmodule"),
        bench.init_arguments(&[]).join(" ")
    );
    let mut command = Command::new("sh");
    let output = command.args(["-c", &script]).current_dir(bench.folder.path()).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.starts_with("error: cannot write module.flash: File too large"), "{error}");
    assert!(!bench.path("module.flash").exists());
    bench.init().succeeds();
}

struct Bench {
    folder: tempfile::TempDir,
    payload: usize,
}

struct Ran {
    code: Option<i32>,
    text: String,
    error: String,
}

impl Bench {
    fn new(payload: usize) -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap(), payload };
        for (name, version, seed) in [("old.upd", OLD, 1_usize), ("new.upd", NEW, 2)] {
            let bytes: Vec<u8> = (0..payload).map(|index| (index * 7 * seed / 3 % 251) as u8).collect();
            bench.write(name, &image::build(&identity(version), &bytes));
        }
        bench
    }

    fn again(&self) -> Self {
        Self::new(self.payload)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn init_arguments<'a>(&self, more: &[&'a str]) -> Vec<&'a str> {
        let room = if self.payload > 10_000 { "700000" } else { "6400" };
        let fixed = ["flash", "init", "--file", "module.flash", "--image", "old.upd", "--sector-size", "512"];
        [&fixed[..], &["--bank-size", room], more].concat()
    }

    fn init(&self) -> Ran {
        self.run(&self.init_arguments(&[]))
    }

    fn install(&self, more: &[&str]) -> Ran {
        let fixed = ["flash", "install", "--file", "module.flash", "--image", "new.upd"];
        self.run(&[&fixed[..], more].concat())
    }

    fn spawn_install(&self, more: &[&str]) -> Child {
        let fixed = ["flash", "install", "--file", "module.flash", "--image", "new.upd"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_vmodule"));
        command.args(fixed).args(more).current_dir(self.folder.path()).stdout(Stdio::null());
        command.spawn().unwrap()
    }

    /// Waits until the byte is written.
    fn wait_for_byte_in_bank_b(&self, offset: u32) {
        let geometry = FileFlash::open_read_only(&self.path("module.flash")).unwrap().geometry();
        let at = Banks::new(geometry).unwrap().address(Bank::B, ByteCount(offset));
        let file = File::open(self.path("module.flash")).unwrap();
        let mut word = [0xFF; 8];
        while word == [0xFF; 8] {
            file.read_exact_at(&mut word, 4096 + u64::from(at.0)).unwrap();
            std::thread::yield_now();
        }
    }

    fn boot(&self) -> boot::BootedModule {
        boot::boot(&self.path("module.flash"), FlashOptions::default()).unwrap()
    }

    fn show(&self) -> Value {
        let shown = self.run(&["flash", "show", "--file", "module.flash", "--json"]);
        serde_json::from_str(&shown.succeeds()).unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vmodule"));
        let output = command.args(arguments).current_dir(self.folder.path()).output().unwrap();
        let Output { status, stdout, stderr } = output;
        let (text, error) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        Ran { code: status.code(), text, error }
    }
}

impl Ran {
    fn succeeds(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.error);
        self.text
    }

    fn fails(self, cause: &str) {
        assert!(matches!(self.code, Some(1 | 2)), "{:?}", self.code);
        assert!(self.error.contains(cause), "{}", self.error);
    }
}

fn identity(version: &str) -> image::Identity {
    image::Identity { model: "GM01Q".parse().unwrap(), version: version.parse().unwrap(), source: None }
}
