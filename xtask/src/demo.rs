//! The main job, from nothing: one module is updated over the air and back.

mod children;
mod scene;

use std::time::Instant;

use crate::prerequisites;
use crate::tools::cargo;
use scene::{Delivery, Scene};
use xtask::Failure;

/// What becomes of the server and the module when the demo is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum After {
    Stop,
    Keep,
}

const IMEI: &str = "015770000031766";
const FACTORY_VERSION: &str = "5.4.1.1-57830";
const NEW_VERSION: &str = "5.4.1.1-57857";

/// Runs the demo.
pub fn run(after: After) -> Result<(), Failure> {
    #[expect(clippy::disallowed_methods, reason = "the demo says how long it took")]
    let start = Instant::now();
    prerequisites::install(prerequisites::FOR_BUILDING)?;
    title("Build updraft and vmodule (release)");
    cargo(&["build", "--release", "--package", "server", "--package", "vmodule", "--bins"])?;

    title("Start the server with a fresh data folder");
    let mut scene = Scene::new(IMEI, after)?;
    let factory = scene.make_image("factory", FACTORY_VERSION)?;
    let newer = scene.make_image("newer", NEW_VERSION)?;
    scene.start_server()?;

    title("Import the product, and trust the key of its manufacturer");
    scene.import_product()?;
    scene.make_signing_key()?;

    title("Add a device with a new pre-shared key, and switch its module on");
    scene.add_device()?;
    scene.start_module(&factory)?;
    scene.show_device()?;

    title("Sign both images offline; the supplier uploads them, the operator approves them");
    scene.release("newer", &newer)?;
    scene.release("factory", &factory)?;

    title(&format!("Upgrade {FACTORY_VERSION} to {NEW_VERSION} by PULL: the module downloads"));
    let pull = scene.upgrade("newer", Delivery::Pull)?;

    title(&format!("Upgrade {NEW_VERSION} back to {FACTORY_VERSION} by PUSH: the server sends"));
    let push = scene.upgrade("factory", Delivery::Push)?;

    title("What happened");
    scene.report(&pull)?;
    println!();
    scene.report(&push)?;
    println!("\nBoth upgrades succeeded; the demo took {} s.", start.elapsed().as_secs());
    if after == After::Keep {
        scene.keep();
    }
    Ok(())
}

fn title(text: &str) {
    println!("\n── {text}");
}
