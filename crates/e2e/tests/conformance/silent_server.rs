//! A server that has lost all sessions, while a module downloads from it: nobody answers the module's blocks.

use std::time::Duration;

use firmware::upgrade::Delivery;
use lwm2m::server::Event;

use crate::firmware_update::{plan, start};
use crate::system::{System, image};

/// MAX_TRANSMIT_WAIT (RFC 7252 section 4.8.2): after it a request has been given up.
const GIVEN_UP: Duration = Duration::from_secs(93);

#[test]
fn a_module_opens_a_new_session_as_soon_as_a_block_is_given_up() {
    let took = comes_back_after(false);
    assert!(took < GIVEN_UP + Duration::from_secs(10), "{took:?}");
}

#[test]
fn a_module_like_anjay_needs_two_rounds_of_repetitions() {
    let took = comes_back_after(true);
    assert!(took > GIVEN_UP && took < GIVEN_UP * 2 + Duration::from_secs(20), "{took:?}");
}

/// How long it takes until the module is registered at the new server.
fn comes_back_after(clings_to_session: bool) -> Duration {
    let mut system = System::with(|settings| {
        settings.client.firmware.bytes_per_second = Some(500);
        settings.client.quirks.clings_to_session = clings_to_session;
        // The time of an update would hide it.
        settings.client.accounts.servers[0].lifetime = 86_400;
    });
    system.wait_for_registration();
    start(&mut system, plan(image("5.4.1.1-60000"), Delivery::Pull));
    system.pass(Duration::from_secs(15));
    let downloads = |(_, event): &(_, vmodule::Event)| {
        matches!(event, vmodule::Event::Client(lwm2m::client::Event::Progress { bytes: 1.., .. }))
    };
    assert!(system.device_told.iter().any(downloads), "{:?}", system.device_told);
    let lost_at = system.world.now();
    system.replace_server();
    let registered = |event: &Event| matches!(event, Event::Registered { .. }).then_some(());
    system.wait_within(Duration::from_secs(600), "registration at the new server", registered);
    system.world.now() - lost_at
}
