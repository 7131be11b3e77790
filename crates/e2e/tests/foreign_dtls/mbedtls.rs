//! DTLS against mbedTLS, the library inside most LwM2M modules: Debian's 2.28 and the newer 3.6.

mod client;

use super::station::Station;
use client::{Client, Release};
use dtls::{Event, Suite};
use machine::SessionEnd;

const CCM_8: (&str, Suite) = ("TLS-PSK-WITH-AES-128-CCM-8", Suite::PskAes128Ccm8);
const CBC: (&str, Suite) = ("TLS-PSK-WITH-AES-128-CBC-SHA256", Suite::PskAes128CbcSha256);

#[test]
fn server_serves_mbedtls_2_28_in_every_suite() {
    for suite in [CCM_8, CBC] {
        serve(Release::V2, suite, &[]);
    }
}

#[test]
fn server_serves_mbedtls_2_28_without_extended_master_secret() {
    for suite in [CCM_8, CBC] {
        serve(Release::V2, suite, &["no-ems"]);
    }
}

#[test]
fn server_serves_mbedtls_2_28_with_mac_then_encrypt() {
    serve(Release::V2, CBC, &["no-etm"]);
    serve(Release::V2, CBC, &["no-etm", "no-ems"]);
}

#[test]
fn server_serves_mbedtls_3_6_in_every_suite() {
    for suite in [CCM_8, CBC] {
        serve(Release::V3, suite, &[]);
    }
}

/// Lets mbedTLS call us, exchanges bytes each way, and lets it close.
fn serve(release: Release, (name, suite): (&str, Suite), options: &[&str]) {
    let mut station = Station::new(&Suite::ALL);
    let mut client = Client::start(release, station.port(), name, options);
    let (session, agreed) = station.wait_for_session(&client.program);
    assert_eq!(agreed, suite);
    station.wait_for_output(&client.program, &format!("up {name}"));
    client.say("send 00ff10");
    assert_eq!(station.wait_for_data(&client.program), [0x00, 0xff, 0x10]);
    station.send(session, &[0xab; 3]);
    station.wait_for_output(&client.program, "received ababab");
    client.say("close");
    let end = station.wait_for("goodbye", &client.program, |event| match event {
        Event::Down { session: ended, end } if *ended == session => Some(*end),
        _ => None,
    });
    assert_eq!(end, SessionEnd::ClosedByPeer);
}
