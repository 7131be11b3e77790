//! Security: int-401 and the refusals that the ETS leaves out.

use std::time::Duration;

use lwm2m::client::Access;
use lwm2m::server::{Event, Refusal};
use lwm2m::value::Value;
use machine::Socket;
use vmodule::Settings;

use crate::system::{ENDPOINT, System};

#[test]
fn ets_401_udp_psk() {
    let mut system = System::new();
    let registration = system.wait_for_registration();
    assert!(registration.link.is_some_and(machine::Link::is_secured));
    assert_eq!(registration.identity.as_deref(), Some(ENDPOINT.as_bytes()));
    assert_eq!(system.value("/3/0/1"), Value::from("GM01Q"));
}

#[test]
fn ets_401x_wrong_key() {
    let mut system = System::with(|settings| credential(settings, ENDPOINT, "another key of 16 and more"));
    system.pass(Duration::from_secs(300));
    assert!(system.told.is_empty(), "nothing above DTLS has heard of it: {:?}", system.told);
    assert!(failures(&system).wrong_key > 0);
}

#[test]
fn ets_401x_unknown_identity() {
    let mut system = System::with(|settings| credential(settings, "nobody", crate::system::KEY));
    system.pass(Duration::from_secs(300));
    assert!(system.told.is_empty(), "nothing above DTLS has heard of it: {:?}", system.told);
    assert!(failures(&system).unknown_identity > 0);
}

#[test]
fn ets_401x_endpoint_of_another_device() {
    let mut system =
        System::with(|settings| settings.client.endpoint_name = "urn:imei:490154203237518".into());
    let refused = system.wait_for("refusal", |event| match event {
        Event::Refused { identity, endpoint, refusal } => {
            Some((identity.clone(), endpoint.clone(), *refusal))
        }
        _ => None,
    });
    let (identity, endpoint, refusal) = refused;
    assert_eq!(identity.as_deref(), Some(ENDPOINT.as_bytes()));
    assert_eq!(endpoint.as_deref(), Some("urn:imei:490154203237518"));
    assert_eq!(refusal, Refusal::WrongEndpoint);
    assert!(system.registration().is_none());
}

fn credential(settings: &mut Settings, identity: &str, key: &str) {
    let server = settings.client.accounts.servers.first_mut().expect("the module has a server");
    let Access::Secured { credential, .. } = &mut server.access else { panic!("it is secured") };
    credential.identity = identity.into();
    credential.key = key.into();
}

fn failures(system: &System) -> dtls::Failures {
    let server = system.world.node(system.server).other().expect("the first node is the server");
    server.dtls_statistics(Socket(0)).expect("the socket is secured").failures
}
