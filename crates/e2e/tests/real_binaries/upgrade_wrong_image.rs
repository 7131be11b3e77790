//! Images that must not be installed. Each one is stopped as early as possible, with its cause and a remedy.

use std::fs;
use std::os::unix::fs::FileExt as _;

use e2e::Conditions;

use crate::rig::{LAB_PRODUCT, NEW, OLD, PAYLOAD, Rig};

#[test]
fn damaged_images_are_not_taken_in() {
    let rig = Rig::start(Conditions::PERFECT);
    for (corruption, detail) in [("crc", "checksums"), ("truncate", "cut off")] {
        let image = rig.files.image(corruption, NEW, &["--corrupt", corruption]);
        let (exit_code, problem) = rig.server.refusal(&["package", "upload", &image]);
        assert_eq!(exit_code, Some(1));
        assert_eq!(problem["type"], "urn:updraft:problem:damaged", "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|text| text.contains(detail)), "{problem}");
        assert!(problem["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{problem}");
    }
}

#[test]
fn an_image_for_another_model_is_not_sent() {
    let rig = Rig::start(Conditions::PERFECT);
    let image = rig.files.image("other", NEW, &["--model", "BC35-G"]);
    let (_, problem) = rig.server.refusal(&["package", "upload", "--product", LAB_PRODUCT, &image]);
    assert_eq!(problem["type"], "urn:updraft:problem:contradiction", "{problem}");
    let meter = rig.server.import_product("Quectel", "BC35-G");
    rig.server.upload("other", &image, &["--product", &meter]);

    // Nobody knows yet what the device is: it is asked before anything is sent.
    let watch = rig.server.watch(&rig.start_upgrade("other", "pull"));
    let mut module = rig.module(&[]);
    module.event("registered");
    let ended = watch.end();
    ended.assert_failure("wrong-model");
    assert_eq!(ended.upgrade["bytes_sent"], 0);

    // Now it is known.
    rig.wait_for_device("model", &"GM01Q".into());
    let start = ["upgrade", "start", crate::rig::ENDPOINT, "other"];
    let (exit_code, problem) = rig.server.refusal(&start);
    assert_eq!(exit_code, Some(1));
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("BC35-G")), "{problem}");
    still_runs_the_old_one(&rig);
    rig.upgrade("new", "pull").assert_success(NEW);
}

#[test]
fn what_the_module_refuses_is_reported_with_its_cause() {
    let rig = Rig::start(Conditions::PERFECT);
    let mut module = rig.module(&[]);
    module.event("registered");
    let check = |name: &str, cause: &str| {
        for delivery in ["pull", "push"] {
            rig.upgrade(name, delivery).assert_failure(cause);
            still_runs_the_old_one(&rig);
        }
    };

    // Not made by us, so the server cannot look into it; whoever uploads it says what it is.
    let foreign = rig.files.path("foreign.bin");
    fs::write(&foreign, b"firmware of somebody else".repeat(1_000)).expect("the disk has room");
    let foreign = foreign.display().to_string();
    rig.server.upload("foreign", &foreign, &["--version", NEW]);
    check("foreign", "unsupported-package");

    let image = rig.files.image("large", NEW, &["--payload-take", "300000"]);
    rig.server.upload("large", &image, &[]);
    check("large", "not-enough-flash");

    let image = rig.files.image("step", NEW, &["--source-version", "1.0"]);
    rig.server.upload("step", &image, &[]);
    check("step", "wrong-source-version");

    rig.upgrade("new", "push").assert_success(NEW);
}

#[test]
fn an_image_that_changes_in_flash_is_not_installed() {
    let rig = Rig::start(Conditions::PERFECT);
    let mut module = rig.module(&["--speed", "60000"]);
    module.event("registered");
    let watch = rig.server.watch(&rig.start_upgrade("new", "pull"));
    module.stored(PAYLOAD / 2);
    change_a_bit(&rig);
    watch.end().assert_failure("integrity-failed");
    still_runs_the_old_one(&rig);
    rig.upgrade("new", "pull").assert_success(NEW);
}

/// In the part of the new image that is in flash already.
fn change_a_bit(rig: &Rig) {
    let image = fs::read(rig.files.path("new.img")).expect("it was made");
    let part = &image[20_000..20_032];
    let flash = fs::read(rig.files.flash()).expect("it was made");
    let at = flash.windows(part.len()).position(|window| window == part).expect("it is stored");
    let file = fs::OpenOptions::new().write(true).open(rig.files.flash()).expect("it is ours");
    file.write_all_at(&[flash[at] ^ 1], at as u64).expect("it is a file");
}

fn still_runs_the_old_one(rig: &Rig) {
    assert_eq!(rig.files.flash_version(), OLD);
    rig.wait_for_device("firmware_version", &OLD.into());
}
