//! Upgrades of one module by a scripted server, over plain CoAP and the virtual network.

mod scripted;

use std::time::Duration;

use coap::{Code, Request};
use lwm2m::client::{DownloadRoute, UpdateResult, UpdateState};
use machine::Socket;
use machine::simulation::Quality;
use scripted::{NEW, OLD, PAYLOAD, Scene, image, push, write_uri};

const URI: &str = "coap://198.51.100.1/fw";

fn start() -> Scene {
    let mut scene = Scene::new(Quality::PERFECT, |_| {});
    scene.until_registered();
    scene
}

fn pull(scene: &mut Scene) {
    assert_eq!(scene.ask(write_uri(URI)).code, Code::CHANGED);
}

fn execute(scene: &mut Scene) {
    assert_eq!(scene.ask(Request::post("/5/0/2")).code, Code::CHANGED);
}

#[track_caller]
fn assert_runs(scene: &Scene, version: &str) {
    assert_eq!(scene.module().version().as_deref(), Some(version));
}

#[test]
fn a_pull_ends_with_the_new_version_registered() {
    let mut scene = start();
    pull(&mut scene);
    scene.until_firmware(UpdateState::Downloaded, UpdateResult::Initial);
    execute(&mut scene);
    assert_eq!(scene.firmware(), Some((UpdateState::Updating, UpdateResult::Initial)));
    scene.until("a restart", |scene| scene.module().boots() == 2);
    scene.until_registered();
    assert_eq!(scene.firmware(), Some((UpdateState::Idle, UpdateResult::Success)));
    assert_runs(&scene, NEW);
    assert_eq!(scene.asked.iter().filter(|asked| *asked == "POST /rd").count(), 2);
}

#[test]
fn a_push_ends_with_the_new_version_registered() {
    let mut scene = start();
    let answer = scene.ask(push(&image("GM01Q", NEW, Some(OLD), PAYLOAD)));
    assert_eq!(answer.code, Code::CHANGED);
    assert_eq!(scene.firmware(), Some((UpdateState::Downloaded, UpdateResult::Initial)));
    execute(&mut scene);
    scene.until("a restart", |scene| scene.module().boots() == 2);
    scene.until_registered();
    assert_eq!(scene.firmware(), Some((UpdateState::Idle, UpdateResult::Success)));
    assert_runs(&scene, NEW);
}

#[test]
fn a_pull_through_heavy_loss_succeeds() {
    let mut scene = Scene::new(Quality::narrow_band(0.2), |_| {});
    scene.until_registered();
    pull(&mut scene);
    scene.until_firmware(UpdateState::Downloaded, UpdateResult::Initial);
}

#[test]
fn a_damaged_image_gives_result_5_and_is_forgotten() {
    let mut damaged = image("GM01Q", NEW, None, PAYLOAD);
    *damaged.last_mut().unwrap() ^= 1;
    let mut scene = start();
    scene.package.0 = damaged.clone().into();
    pull(&mut scene);
    scene.until_firmware(UpdateState::Idle, UpdateResult::IntegrityFailure);
    // PEERS 4: the verdict on a push is not in the code of its last block.
    assert_eq!(scene.ask(push(&damaged)).code, Code::CHANGED);
    assert_eq!(scene.firmware(), Some((UpdateState::Idle, UpdateResult::IntegrityFailure)));
    assert_eq!(scene.ask(Request::post("/5/0/2")).code, Code::METHOD_NOT_ALLOWED);
}

#[test]
fn an_image_for_another_model_or_source_version_gives_result_6() {
    for wrong in [image("BC35-G", NEW, None, PAYLOAD), image("GM01Q", NEW, Some("1.0"), PAYLOAD)] {
        let mut scene = start();
        scene.package.0 = wrong.clone().into();
        pull(&mut scene);
        scene.until_firmware(UpdateState::Idle, UpdateResult::UnsupportedPackage);
        assert!(scene.stored < 1_500, "it was refused at its header");
        let answer = scene.try_ask(push(&wrong));
        assert_eq!(answer, Err(coap::Failure::TransferRejected(Code::INTERNAL_SERVER_ERROR)));
        assert_eq!(scene.firmware(), Some((UpdateState::Idle, UpdateResult::UnsupportedPackage)));
    }
}

#[test]
fn something_that_is_no_image_gives_result_6() {
    let mut scene = start();
    scene.package.0 = vec![0x55; 3_000].into();
    pull(&mut scene);
    scene.until_firmware(UpdateState::Idle, UpdateResult::UnsupportedPackage);
}

#[test]
fn an_image_that_is_too_large_gives_result_2() {
    let mut scene = start();
    scene.package.0 = image("GM01Q", NEW, None, 40_000).into();
    pull(&mut scene);
    scene.until_firmware(UpdateState::Idle, UpdateResult::NotEnoughSpace);
}

#[test]
fn a_package_that_cannot_be_fetched_gives_result_7_or_9() {
    let mut scene = start();
    assert_eq!(scene.ask(write_uri("coap://198.51.100.1/none")).code, Code::CHANGED);
    scene.until_firmware(UpdateState::Idle, UpdateResult::InvalidUri);
    for (uri, result) in [
        ("nonsense", UpdateResult::InvalidUri),
        ("https://198.51.100.1/fw", UpdateResult::UnsupportedProtocol),
    ] {
        assert_eq!(scene.ask(write_uri(uri)).code, Code::CHANGED);
        assert_eq!(scene.firmware(), Some((UpdateState::Idle, result)));
    }
}

#[test]
fn a_host_that_never_answers_gives_result_4() {
    let mut scene = Scene::new(Quality::PERFECT, |settings| {
        settings.client.firmware.route = DownloadRoute::Separate(Socket(0));
    });
    scene.until_registered();
    pull(&mut scene);
    scene.until_firmware(UpdateState::Idle, UpdateResult::ConnectionLost);
    assert!(scene.module().client().unwrap().is_registered());
}

#[test]
fn a_pull_goes_on_where_a_long_outage_stopped_it() {
    let mut scene = start();
    pull(&mut scene);
    scene.until("half of it", |scene| scene.stored > 6_000);
    let server = scene.server;
    scene.world.network().isolate(server, true);
    scene.pass(Duration::from_secs(3_600));
    assert_eq!(scene.firmware().map(|(state, _)| state), Some(UpdateState::Downloading));
    scene.world.network().isolate(server, false);
    let before = scene.asked.len();
    scene.until_firmware(UpdateState::Downloaded, UpdateResult::Initial);
    let blocks = scene.asked[before..].iter().filter(|asked| *asked == "GET /fw").count();
    assert!(blocks <= 7, "only what was missing: {blocks}");
}

#[test]
fn power_lost_in_the_middle_of_a_pull_costs_less_than_a_sector_and_a_block() {
    let mut scene = Scene::new(Quality::PERFECT, |settings| {
        settings.power_returns = Some(Duration::from_secs(30));
    });
    scene.until_registered();
    pull(&mut scene);
    scene.until("half of it", |scene| scene.stored > 6_000);
    scene.with_module(|module, now| module.lose_power(now));
    let before = scene.asked.len();
    scene.until("a restart", |scene| scene.module().boots() == 2);
    assert_eq!(scene.firmware().map(|(state, _)| state), Some(UpdateState::Downloading));
    scene.until_firmware(UpdateState::Downloaded, UpdateResult::Initial);
    let blocks = scene.asked[before..].iter().filter(|asked| *asked == "GET /fw").count();
    assert!(blocks <= 8, "only what was missing: {blocks}");
}

#[test]
fn another_package_at_the_same_place_is_taken_from_its_start() {
    let mut scene = Scene::new(Quality::PERFECT, |settings| {
        settings.power_returns = Some(Duration::from_secs(30));
    });
    scene.until_registered();
    pull(&mut scene);
    scene.until("half of it", |scene| scene.stored > 6_000);
    scene.with_module(|module, now| module.lose_power(now));
    scene.package = (image("GM01Q", "6.0", None, PAYLOAD - 100).into(), b"newer");
    scene.until("a restart", |scene| scene.module().boots() == 2);
    scene.until_firmware(UpdateState::Downloaded, UpdateResult::Initial);
    execute(&mut scene);
    scene.until("the update", |scene| scene.module().boots() == 3);
    assert_runs(&scene, "6.0");
}

#[test]
fn a_push_is_lost_with_the_power() {
    let mut scene = Scene::new(Quality::PERFECT, |settings| {
        settings.power_returns = Some(Duration::from_secs(30));
    });
    scene.until_registered();
    scene.begin(push(&image("GM01Q", NEW, None, PAYLOAD)));
    scene.until("half of it", |scene| scene.stored > 6_000);
    scene.with_module(|module, now| module.lose_power(now));
    scene.until("a restart", |scene| scene.module().boots() == 2);
    scene.until_registered();
    assert_eq!(scene.firmware(), Some((UpdateState::Idle, UpdateResult::Initial)));
    assert_runs(&scene, OLD);
}

#[test]
fn a_finished_download_survives_a_restart() {
    let mut scene = start();
    pull(&mut scene);
    scene.until_firmware(UpdateState::Downloaded, UpdateResult::Initial);
    assert_eq!(scene.ask(Request::post("/3/0/4")).code, Code::CHANGED);
    scene.until("a restart", |scene| scene.module().boots() == 2);
    scene.until_registered();
    assert_eq!(scene.firmware(), Some((UpdateState::Downloaded, UpdateResult::Initial)));
    execute(&mut scene);
    scene.until("the update", |scene| scene.module().boots() == 3);
    assert_runs(&scene, NEW);
}

#[test]
fn an_empty_uri_or_a_nul_package_resets_everything() {
    for reset in [write_uri(""), push(&[0])] {
        let mut scene = start();
        pull(&mut scene);
        scene.until("some of it", |scene| scene.stored > 3_000);
        assert_eq!(scene.ask(write_uri(URI)).code, Code::BAD_REQUEST);
        assert_eq!(scene.ask(reset.clone()).code, Code::CHANGED);
        assert_eq!(scene.firmware(), Some((UpdateState::Idle, UpdateResult::Initial)));
        scene.pass(Duration::from_secs(600));
        assert_eq!(scene.firmware(), Some((UpdateState::Idle, UpdateResult::Initial)));
        pull(&mut scene);
        scene.until_firmware(UpdateState::Downloaded, UpdateResult::Initial);
        assert_eq!(scene.ask(reset).code, Code::CHANGED);
        assert_eq!(scene.ask(Request::post("/5/0/2")).code, Code::METHOD_NOT_ALLOWED);
    }
}

#[test]
fn an_abandoned_push_ends_with_result_4() {
    let mut scene = start();
    scene.begin(push(&image("GM01Q", NEW, None, PAYLOAD)));
    scene.until("some of it", |scene| scene.stored > 3_000);
    let server = scene.server;
    scene.world.network().isolate(server, true);
    scene.until_firmware(UpdateState::Idle, UpdateResult::ConnectionLost);
}

#[test]
fn a_throttled_pull_takes_its_time() {
    let mut scene = Scene::new(Quality::PERFECT, |settings| {
        settings.client.firmware.bytes_per_second = Some(100);
    });
    scene.until_registered();
    let start = scene.world.now();
    pull(&mut scene);
    scene.until_firmware(UpdateState::Downloaded, UpdateResult::Initial);
    let seconds = scene.world.now().since(start).as_secs();
    assert!((110..140).contains(&seconds), "{seconds} s for 12 kB at 100 bytes a second");
}
