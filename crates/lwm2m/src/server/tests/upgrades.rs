//! Upgrades on the wire: what the procedure asks for arrives as it must.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use coap::{Code, ContentFormat, Request, Response};
use firmware::upgrade::{Cause, Delivery, Outcome, Proof};
use machine::Link;

use super::super::upgrade::{Package, UpgradeEvent, UpgradeId, UpgradePlan, UpgradeRecord};
use super::super::*;
use super::rig::*;

const ID: UpgradeId = UpgradeId(1);

fn plan(delivery: Delivery) -> UpgradePlan {
    let package = Package {
        name: "two".into(),
        bytes: [7; 3_000].into(),
        model: None,
        version: Some("2".into()),
        source_version: None,
    };
    UpgradePlan::new(package, delivery)
}

fn text(value: &str) -> Response {
    Response::new(Code::CONTENT).content(ContentFormat::TEXT_PLAIN, value)
}

fn changed() -> Response {
    Response::new(Code::CHANGED)
}

fn tlv(bytes: &[u8]) -> Response {
    Response::new(Code::CONTENT).content(ContentFormat::LWM2M_TLV, bytes)
}

/// A registered device whose precheck is answered.
fn checked(delivery: Delivery) -> (Rig, Link) {
    let mut rig = Rig::new();
    rig.server.start_upgrade(ID, "a", plan(delivery), None, rig.now).unwrap();
    let link = rig.session("key-a");
    rig.registered(link, "ep=a&lt=300&lwm2m=1.1&b=U");
    rig.reply("/3/0", tlv(b"\xC1\x031"));
    rig.reply("/5/0", tlv(&[0xC1, 3, 0, 0xC1, 5, 0, 0x86, 8, 0x41, 0, 0, 0x41, 1, 1, 0xC1, 9, 2]));
    (rig, link)
}

fn outcome(rig: &Rig) -> Option<Outcome> {
    rig.events.iter().find_map(|event| match event {
        Event::Upgrade { event: UpgradeEvent::Finished { outcome, .. }, .. } => Some(*outcome),
        _ => None,
    })
}

fn last_record(rig: &Rig) -> UpgradeRecord {
    let mut records = rig.events.iter().filter_map(|event| match event {
        Event::Upgrade { event: UpgradeEvent::Stage { record, .. }, .. } => Some(record.clone()),
        Event::Upgrade { event: UpgradeEvent::IntentWanted { record }, .. } => Some(record.clone()),
        _ => None,
    });
    records.next_back().unwrap()
}

fn intent_is_wanted(rig: &Rig) -> bool {
    let wanted =
        |event: &Event| matches!(event, Event::Upgrade { event: UpgradeEvent::IntentWanted { .. }, .. });
    rig.events.iter().any(wanted)
}

/// From State 2 on: intent, order, restart, proof.
fn install(rig: &mut Rig, last_token: coap::Token) {
    assert!(intent_is_wanted(rig));
    assert!(rig.asked.is_empty(), "nothing is sent before the intent is durable");
    rig.server.intent_durable(ID, rig.now);
    rig.pump();
    let order = rig.reply("/5/0/2", changed());
    assert_eq!((order.method, order.payload.len(), order.options.content_format()), (Code::POST, 0, None));
    rig.wait(30);
    // It comes back on a new session and goes on with its old token (LiteOS, PEERS 10).
    let link = rig.session("key-a");
    rig.registered(link, "ep=a&lt=300&lwm2m=1.1&b=U");
    rig.notify(link, last_token, 9, "0");
    rig.reply("/5/0/3", text("0"));
    rig.reply("/5/0/5", text("1"));
    rig.reply("/3/0/3", text("2"));
    let end = rig.reply("/5/0/3", text("0"));
    assert_eq!(end.options.observe(), Some(1));
    assert_eq!(outcome(rig), Some(Outcome::Succeeded(Proof::VersionAndResult)));
    assert_eq!(rig.server.upgrades.len() + rig.server.images.len(), 0);
    rig.wait(1_000);
    assert!(rig.asked.is_empty(), "nothing more is sent");
}

#[test]
fn ets_771_pull_on_the_wire() {
    let (mut rig, link) = checked(Delivery::Pull);
    let token = rig.asked[0].1.token();
    let request = rig.reply("/5/0/3", text("0").observe(1));
    assert_eq!(request.options.observe(), Some(0));
    let offer = rig.reply("/5/0/1", changed());
    assert_eq!((offer.method, offer.options.content_format()), (Code::PUT, Some(ContentFormat::TEXT_PLAIN)));
    let uri = core::str::from_utf8(&offer.payload).unwrap().to_string();
    let path = uri.strip_prefix("coaps://u.example:5684").unwrap();
    rig.notify(link, token, 2, "1");
    // The whole body, joined by the device from three blocks.
    assert_eq!(&*rig.request(link, Request::get(path)).payload, &[7; 3_000]);
    rig.notify(link, token, 3, "2");
    rig.reply("/5/0/3", text("2"));
    rig.reply("/5/0/5", text("0"));
    install(&mut rig, token);
    let facts = rig.events.iter().find_map(|event| match event {
        Event::Upgrade { event: UpgradeEvent::Finished { facts, .. }, .. } => Some(facts),
        _ => None,
    });
    let facts = facts.unwrap();
    assert_eq!((facts.bytes, facts.blocks, facts.retransmissions), (3_000, 3, 0));
    assert_eq!((facts.version_before.as_deref(), facts.version_after.as_deref()), (Some("1"), Some("2")));
}

#[test]
fn ets_770_push_on_the_wire() {
    let (mut rig, _) = checked(Delivery::Push);
    let token = rig.asked[0].1.token();
    rig.reply("/5/0/3", text("0").observe(1));
    // An operation waits until the push is over.
    let push = rig.reply("/5/0/0", changed());
    assert_eq!((push.method, push.payload.len()), (Code::PUT, 3_000));
    assert_eq!(push.options.content_format(), Some(ContentFormat::OCTET_STREAM));
    let steps = rig.events.iter().filter(|event| {
        matches!(event, Event::Upgrade { event: UpgradeEvent::Progress { total: 3_000, .. }, .. })
    });
    assert_eq!(steps.count(), 3);
    rig.reply("/5/0/3", text("2"));
    rig.reply("/5/0/5", text("0"));
    install(&mut rig, token);
}

#[test]
fn peers_3_a_package_in_a_refused_format_is_sent_in_another() {
    let (mut rig, _) = checked(Delivery::Push);
    rig.reply("/5/0/3", text("0").observe(1));
    let refused = || Response::new(Code::UNSUPPORTED_CONTENT_FORMAT);
    rig.reply("/5/0/0", refused());
    let bare = rig.reply("/5/0/0", refused());
    assert_eq!((bare.options.content_format(), bare.payload.len()), (None, 3_000));
    let record = rig.reply("/5/0/0", refused());
    assert_eq!(record.options.content_format(), Some(ContentFormat::LWM2M_TLV));
    assert_eq!((&record.payload[..4], record.payload.len()), (&[0xD0, 0, 0x0B, 0xB8][..], 3_004));
    rig.reply("/5/0/3", text("0"));
    rig.reply("/5/0/5", text("0"));
    rig.reply("/5/0/3", text("0"));
    assert_eq!(outcome(&rig), Some(Outcome::Failed(Cause::OfferRefused(0x8F))));
}

#[test]
fn dm_calls_come_after_the_answer_to_the_registration() {
    let mut rig = Rig::new();
    rig.server.start_upgrade(ID, "a", plan(Delivery::Pull), None, rig.now).unwrap();
    let link = rig.session("key-a");
    let mut device = coap::Endpoint::new(coap::Config::default(), [9; 32]);
    let request = Request::post("/rd").query("ep=a").content(ContentFormat::LINK_FORMAT, OBJECTS);
    device.request(0_u8, request, rig.now);
    let mut buffer = [0; 1_500];
    let (_, length) = device.poll_transmit(&mut buffer).unwrap();
    rig.server.handle_input(link, &buffer[..length], rig.now);
    let mut codes = Vec::new();
    while let Some((_, length)) = rig.server.poll_transmit(&mut buffer) {
        codes.push(coap::Message::parse(&buffer[..length]).unwrap().code());
    }
    assert_eq!(codes, [Code::CREATED, Code::GET]);
}

#[test]
fn f17_a_restarted_server_goes_on_with_the_same_path() {
    let (mut rig, _) = checked(Delivery::Pull);
    rig.reply("/5/0/3", text("0").observe(1));
    let offer = rig.reply("/5/0/1", changed());
    let record = last_record(&rig);
    assert!(offer.payload.ends_with(format!("/fw/{}", record.token).as_bytes()));

    let mut rig = Rig::new();
    let record = record.to_string().parse().unwrap();
    rig.server.start_upgrade(ID, "a", plan(Delivery::Pull), Some(record), rig.now).unwrap();
    let link = rig.session("key-a");
    rig.pump();
    let path = format!("/fw/{}", last_record(&rig).token);
    assert_eq!(rig.request(link, Request::get(&path)).payload.len(), 3_000, "even before it registers");
    rig.registered(link, "ep=a&lt=300&lwm2m=1.1&b=U");
    rig.reply("/3/0", tlv(b"\xC1\x031"));
    rig.reply("/5/0", tlv(&[0xC1, 3, 2, 0xC1, 5, 0]));
    assert!(intent_is_wanted(&rig), "State 2 was read, the image is there");
}

#[test]
fn a_device_that_is_dropped_takes_its_upgrade_along() {
    let (mut rig, _) = checked(Delivery::Pull);
    rig.server.release("a", rig.now);
    rig.pump();
    assert_eq!((rig.server.device_count(), rig.server.images.len(), rig.server.upgrades.len()), (0, 0, 0));
    assert_eq!(outcome(&rig), None);
    rig.wait(100_000);
    assert!(rig.server.exchanges.is_empty() && rig.server.timers.is_empty());
}
