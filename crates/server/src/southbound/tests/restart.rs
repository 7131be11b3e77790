//! A restart with many registered devices.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use dtls::Event as DtlsEvent;
use futures_util::StreamExt;
use lwm2m::server::RegistrationSnapshot;
use machine::{Credential, Link, Machine, Random};

use super::super::starter::Starter;
use super::super::station::Station;
use super::*;
use crate::app::{KnownDevices, KnownRegistration, SessionBytes};
use crate::store::Life;

/// Several pages of the store and many pieces of a shard.
const DEVICES: u32 = 2_500;
/// Devices that are added at once, so that they share commits.
const AT_ONCE: usize = 512;

fn endpoint(number: u32) -> String {
    format!("urn:imei:{:015}", 356_938_000_000_000_u64 + u64::from(number))
}

/// No two devices have the same.
fn psk(number: u32) -> [u8; 32] {
    let mut key = [7; 32];
    key[..4].copy_from_slice(&number.to_be_bytes());
    key
}

/// Sessions of all devices, as a server saves them.
fn sessions() -> Vec<(SessionBytes, Link)> {
    let now = machine::Instant::ZERO;
    let mut server = dtls::Endpoint::new(dtls::Config::default(), [1; 32]);
    let at = SocketAddr::from(([127, 0, 0, 1], 5_684));
    (0..DEVICES)
        .map(|number| {
            let address = Ipv4Addr::from(0x7F01_0000 + number);
            let seed = Random::from_number(number.into()).seed();
            let mut client = dtls::Endpoint::new(dtls::Config::default(), seed);
            let identity = endpoint(number).into_bytes();
            client.connect(at, Credential { identity, key: psk(number).to_vec() }, now);
            let mut buffer = [0; 2_048];
            loop {
                while let Some((_, length)) = client.poll_transmit(&mut buffer) {
                    server.handle_input(SocketAddr::from((address, 40_001)), &buffer[..length], now);
                }
                while let Some(event) = server.poll_event() {
                    match event {
                        DtlsEvent::KeyWanted { handshake, .. } => {
                            server.provide_key(handshake, Some(&psk(number)), now);
                        }
                        DtlsEvent::Up { session, .. } => {
                            let saved = server.save(session).unwrap().to_bytes();
                            return (SessionBytes(saved), Link::Secured(session));
                        }
                        _ => {}
                    }
                }
                while let Some((_, length)) = server.poll_transmit(&mut buffer) {
                    client.handle_input(at, &buffer[..length], now);
                }
            }
        })
        .collect()
}

/// The data folder of a server with all devices registered.
async fn fill(scratch: &Scratch) {
    let (app, _orders, store) = start_in(scratch).await;
    let life = Life::begin(&store, scratch.path()).await.unwrap();
    let added = futures_util::stream::iter(0..DEVICES).map(|number| {
        let (app, name) = (app.clone(), endpoint(number));
        let key: String = psk(number).iter().map(|byte| format!("{byte:02x}")).collect();
        let device = device(&name, &name, &key);
        async move { app.add_device(device).await.unwrap().device.id }
    });
    let ids: Vec<String> = added.buffered(AT_ONCE).collect().await;
    let registrations =
        ids.into_iter().zip(0..).zip(sessions()).map(|((device_id, number), (session, link))| {
            let name = endpoint(number);
            let location = format!("{number:012}");
            let snapshot = RegistrationSnapshot {
                location,
                link: Some(link),
                identity: Some(name.clone().into_bytes()),
                endpoint: name,
                lifetime: Duration::from_secs(86_400),
                ..registrations::snapshot(false)
            };
            let snapshot = snapshot.to_bytes();
            KnownRegistration { device_id, shard: 0, snapshot, session: Some(session), life }
        });
    let known = KnownDevices { registrations: registrations.collect(), ..KnownDevices::default() };
    app.record_devices(known).await.unwrap();
    store.close().await;
}

on_both_engines!(many_devices_are_taken_up);
async fn many_devices_are_taken_up(scratch: Scratch) {
    fill(&scratch).await;

    let (app, _orders, store) = start_in(&scratch).await;
    let life = Life::begin(&store, scratch.path()).await.unwrap();
    let timeouts = Timeouts::from(&Config::read(&Sources::default()).unwrap().upgrade);
    let (offers, _served) = crate::files::Offers::new();
    let (_dispatcher, commands) = Dispatcher::load(app.clone(), TWO, timeouts, offers, life).await.unwrap();
    let (reporter, mut reports) = Reporter::new(EVENTS);
    let (_stop, stopped) = watch::channel(false);
    let coaps = [SocketAddr::from(([127, 0, 0, 1], 5_684))];
    let starter = Starter::new(&app, (&coaps, &[]), reporter, stopped).unwrap();
    let mut stations = starter.build(commands).unwrap();
    for station in &mut stations {
        assert!(!matches!(station.poll_event(), Some(Report::NotRestored(_))));
        assert!(station.sessions() > DEVICES as usize / 4);
    }
    let sessions: usize = stations.iter_mut().map(Station::sessions).sum();
    assert_eq!(sessions, DEVICES as usize, "none was lost");
    assert!(reports.try_recv().is_err());
}
