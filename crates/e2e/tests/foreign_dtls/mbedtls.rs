//! DTLS against mbedTLS, the library inside most LwM2M modules: Debian's 2.28 and the newer 3.6.

mod client;
mod module;

use super::station::Station;
use client::{Client, Release};
use dtls::{Event, Suite};
use firmware::upgrade::Outcome;
use machine::SessionEnd;
use module::Field;

const CCM_8: (&str, Suite) = ("TLS-PSK-WITH-AES-128-CCM-8", Suite::PskAes128Ccm8);
const CCM: (&str, Suite) = ("TLS-PSK-WITH-AES-128-CCM", Suite::PskAes128Ccm);
const GCM: (&str, Suite) = ("TLS-PSK-WITH-AES-128-GCM-SHA256", Suite::PskAes128Gcm);
const CBC: (&str, Suite) = ("TLS-PSK-WITH-AES-128-CBC-SHA256", Suite::PskAes128CbcSha256);
const ALL: [(&str, Suite); 4] = [CCM_8, CCM, GCM, CBC];

#[test]
fn server_serves_mbedtls_2_28_in_every_suite() {
    for suite in ALL {
        serve(Release::V2, suite, &[]);
    }
}

#[test]
fn server_serves_mbedtls_2_28_without_extended_master_secret() {
    for suite in ALL {
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
    for suite in ALL {
        serve(Release::V3, suite, &[]);
    }
}

#[test]
fn a_module_on_mbedtls_is_upgraded_by_pull() {
    for release in [Release::V2, Release::V3] {
        let mut field = Field::new(release, dtls::Config::default());
        field.run(|_, _| {});
        assert!(matches!(field.outcome, Some(Outcome::Succeeded(_))), "{:?}", field.outcome);
        assert_eq!(field.version().as_deref(), Some(module::NEW));
    }
}

/// D25 with a foreign client: the NAT forgets the module in the middle of the download; the records find
/// their session by its connection id, and there is no new handshake until the module restarts.
#[test]
fn d25_a_rebinding_in_mid_transfer_needs_no_handshake() {
    let ids = dtls::ConnectionIds { shard: 0, node: 0 };
    let config = dtls::Config { connection_id: Some(ids), ..dtls::Config::default() };
    let mut field = Field::new(Release::V3, config);
    let mut rebindings = 0;
    let mut handshakes_before_restart = 0;
    field.run(|field, percent| {
        if percent / 25 > rebindings {
            rebindings += 1;
            field.rebind();
        }
        handshakes_before_restart = field.handshakes;
    });
    assert!(matches!(field.outcome, Some(Outcome::Succeeded(_))), "{:?}", field.outcome);
    assert!(rebindings >= 3, "{rebindings}");
    assert_eq!(handshakes_before_restart, 1);
    assert_eq!(field.handshakes, 2, "the one of the restart and no other");
}

#[test]
fn server_resumes_the_session_of_mbedtls() {
    for release in [Release::V2, Release::V3] {
        let mut station = Station::new(&Suite::ALL);
        let mut client = Client::start(&release.build(), station.port(), CCM_8.0, &[]);
        let resumed = |station: &mut Station, client: &Client| {
            station.wait_for("session", &client.program, |event| match event {
                Event::Up { resumed, .. } => Some(*resumed),
                _ => None,
            })
        };
        assert!(!resumed(&mut station, &client));
        station.wait_for_output(&client.program, "up ");
        assert_eq!(station.statistics().cookies, 1);
        client.say("resume");
        assert!(resumed(&mut station, &client), "{release:?}");
        client.say("send 00ff10");
        assert_eq!(station.wait_for_data(&client.program), [0x00, 0xff, 0x10]);
        assert_eq!(station.statistics().cookies, 2, "one for each handshake");
    }
}

/// Lets mbedTLS call us, exchanges bytes each way, and lets it close.
fn serve(release: Release, (name, suite): (&str, Suite), options: &[&str]) {
    let mut station = Station::new(&Suite::ALL);
    let mut client = Client::start(&release.build(), station.port(), name, options);
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
