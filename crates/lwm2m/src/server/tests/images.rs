//! Images under unguessable paths.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use coap::{Block, BlockSize, Code, ContentFormat, OptionNumber, Request, Response};
use firmware::upgrade::Delivery;
use machine::Link;

use super::super::upgrade::{Package, UpgradeEvent, UpgradeId, UpgradePlan};
use super::super::*;
use super::rig::*;

fn bytes() -> Arc<[u8]> {
    (0..3_000_u32).map(|number| (number % 251) as u8).collect::<Vec<_>>().into()
}

fn plan() -> UpgradePlan {
    let package = Package {
        name: "two".into(),
        bytes: bytes(),
        model: None,
        version: Some("2".into()),
        source_version: None,
    };
    UpgradePlan::new(package, Delivery::Pull)
}

fn token(rig: &mut Rig) -> alloc::string::String {
    let record = rig.events.iter().find_map(|event| match event {
        Event::Upgrade { event: UpgradeEvent::Stage { record, .. }, .. } => Some(record.clone()),
        _ => None,
    });
    record.unwrap().token
}

fn block(rig: &mut Rig, link: Link, token: &str, number: u32, size: usize) -> Response {
    let size = BlockSize::at_most(size).unwrap();
    let encoded = Block { number, more: false, size }.encode().to_be_bytes();
    let request = Request::get(&format!("/fw/{token}")).option(OptionNumber::BLOCK2, &encoded[3..]);
    rig.request(link, request)
}

#[test]
fn an_image_is_served_by_its_path_from_any_block_until_the_upgrade_ends() {
    let mut rig = Rig::new();
    rig.server.start_upgrade(UpgradeId(7), "a", plan(), None, rig.now).unwrap();
    rig.pump();
    let token = token(&mut rig);
    assert!(token.len() >= 22, "128 random bits");
    let link = rig.session("key-a");
    let first = block(&mut rig, link, &token, 0, 512);
    assert_eq!((first.code, &*first.payload), (Code::CONTENT, &bytes()[..512]));
    assert_eq!(first.options.content_format(), Some(ContentFormat::OCTET_STREAM));
    assert_eq!(first.options.size2(), Some(3_000));
    // Resumed, on another link, in blocks of another size.
    let other = rig.open(9);
    let middle = block(&mut rig, other, &token, 8, 256);
    assert_eq!(&*middle.payload, &bytes()[2_048..2_304]);
    assert_eq!(middle.options.etag(), first.options.etag());
    assert_eq!(block(&mut rig, link, &token, 6, 512).code, Code::BAD_REQUEST, "past the end");
    assert_eq!(block(&mut rig, link, "guessed", 0, 512).code, Code::NOT_FOUND);
    let accept = Request::get(&format!("/fw/{token}")).accept(ContentFormat::TEXT_PLAIN);
    assert_eq!(rig.request(link, accept).code, Code::NOT_ACCEPTABLE);
    rig.server.cancel_upgrade(UpgradeId(7), rig.now);
    rig.pump();
    assert_eq!(block(&mut rig, link, &token, 0, 512).code, Code::NOT_FOUND);
    assert_eq!(rig.server.device_count(), 0);
}

/// The code that the first GET from somewhere is answered with.
fn first_answer(rig: &mut Rig, from: Link, token: &str) -> Code {
    let request = Request::get(&format!("/fw/{token}"));
    let mut device = coap::Endpoint::new(coap::Config::default(), [9; 32]);
    let mut buffer = [0; 1_500];
    device.request(0_u8, request, rig.now);
    let (_, length) = device.poll_transmit(&mut buffer).unwrap();
    rig.server.handle_input(from, &buffer[..length], rig.now);
    let (to, length) = rig.server.poll_transmit(&mut buffer).unwrap();
    assert_eq!(to, from);
    coap::Message::parse(&buffer[..length]).unwrap().code()
}

#[test]
fn s32_an_image_goes_without_echo_only_to_the_address_that_was_told_its_path() {
    let mut rig = Rig::new();
    let registered = rig.open(1);
    rig.registered(registered, "ep=OPEN");
    rig.server.start_upgrade(UpgradeId(7), "OPEN", plan(), None, rig.now).unwrap();
    rig.pump();
    let token = token(&mut rig);
    let Link::Open(mut path) = registered else { unreachable!() };
    path.remote.set_port(9_999);
    assert_eq!(
        first_answer(&mut rig, Link::Open(path), &token),
        Code::CONTENT,
        "another socket of the device"
    );
    path.remote.set_ip([192, 0, 2, 200].into());
    assert_eq!(first_answer(&mut rig, Link::Open(path), &token), Code::UNAUTHORIZED);
}

#[test]
fn an_image_of_another_shard_is_served_to_its_device() {
    let mut rig = Rig::new();
    rig.server.publish_image("token", Some(b"key-a"), None, bytes());
    let (a, b, open) = (rig.session("key-a"), rig.session("key-b"), rig.open(9));
    assert_eq!(block(&mut rig, a, "token", 1, 1_024).payload[..], bytes()[1_024..2_048]);
    assert_eq!(block(&mut rig, b, "token", 0, 1_024).code, Code::NOT_FOUND);
    assert_eq!(block(&mut rig, open, "token", 0, 1_024).code, Code::NOT_FOUND);
    rig.server.withdraw_image("token");
    assert_eq!(block(&mut rig, a, "token", 0, 1_024).code, Code::NOT_FOUND);
}

#[test]
fn sec_n03_an_image_of_another_shard_goes_without_echo_only_to_the_address_of_its_device() {
    let mut rig = Rig::new();
    let Link::Open(mut path) = rig.open(9) else { unreachable!() };
    rig.server.publish_image("token", None, Some(path.remote.ip()), bytes());
    assert_eq!(first_answer(&mut rig, Link::Open(path), "token"), Code::CONTENT);
    path.remote.set_ip([192, 0, 2, 200].into());
    assert_eq!(first_answer(&mut rig, Link::Open(path), "token"), Code::UNAUTHORIZED);
}

#[test]
fn f33_a_device_has_one_upgrade_at_a_time() {
    let mut rig = Rig::new();
    let start = |rig: &mut Rig, id, endpoint| {
        rig.server.start_upgrade(UpgradeId(id), endpoint, plan(), None, rig.now)
    };
    assert_eq!(start(&mut rig, 1, "a"), Ok(()));
    assert_eq!(start(&mut rig, 2, "a"), Err(StartError::Busy(UpgradeId(1))));
    assert_eq!(start(&mut rig, 1, "b"), Err(StartError::Running(UpgradeId(1))));
    rig.server.release("a", rig.now);
    assert_eq!(start(&mut rig, 2, "a"), Ok(()));
}
