//! Observations over a restart of the server.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use coap::Token;
use machine::Instant;

use super::{Reporting, Standing, Target, Wanted};
use crate::server::Server;
use crate::server::devices::DeviceKey;
use crate::server::snapshot::ObservationSnapshot;

impl Server {
    /// The observations as they are stored.
    pub(in crate::server) fn observation_snapshots(&self, key: DeviceKey) -> Vec<ObservationSnapshot> {
        let reporting = self.devices.get(key).and_then(|device| device.reporting.as_deref());
        let wanted = reporting.map(|reporting| reporting.wanted.as_slice()).unwrap_or_default();
        let snapshots = wanted.iter().map(|wanted| {
            let (token, format) = match &wanted.standing {
                Standing::Stored { token, format } => (Some(*token), *format),
                Standing::Kept(id) => {
                    let format = self.exchanges.get(id).and_then(|exchange| exchange.format);
                    (self.coap.observation_token(*id), format)
                }
                Standing::Idle(_) | Standing::Asked(_) => (None, None),
            };
            let (paths, attributes, is_composite) = match &wanted.target {
                Target::One(path, attributes) => ([*path].to_vec(), attributes.to_string(), false),
                Target::Several(paths) => (paths.to_vec(), String::new(), true),
            };
            let pmax = reporting.and_then(|reporting| {
                let own = reporting.periods.iter().filter(|(place, _)| place.contains(wanted.target.path()));
                own.max_by_key(|(place, _)| place.depth()).map(|(_, seconds)| *seconds)
            });
            let token = token.map(|token| token.as_bytes().to_vec());
            ObservationSnapshot { paths, is_composite, attributes, token, format, pmax }
        });
        snapshots.collect()
    }

    /// Wants again what a snapshot says; taken up when the device is there.
    pub(in crate::server) fn want_stored(
        &mut self,
        key: DeviceKey,
        observations: Vec<ObservationSnapshot>,
        now: Instant,
    ) {
        let most = self.config.coap.max_observations;
        let Some(device) = self.devices.get_mut(key).filter(|_| !observations.is_empty()) else { return };
        let reporting: &mut Box<Reporting> = device.reporting.get_or_insert_default();
        for stored in observations.into_iter().take(most) {
            let target = match (&stored.paths[..], stored.is_composite) {
                ([path], false) => Target::One(*path, stored.attributes.parse().unwrap_or_default()),
                (paths, _) => Target::Several(paths.into()),
            };
            if let (Target::One(path, _), Some(seconds)) = (&target, stored.pmax) {
                reporting.periods.push((*path, seconds));
            }
            let standing = match stored.token.as_deref().and_then(Token::new) {
                Some(token) => Standing::Stored { token, format: stored.format },
                None => Standing::Idle(None),
            };
            reporting.wanted.push(Wanted { target, standing, former: None, heard: now, refusals: 0 });
        }
        self.renew(key, false, now);
    }
}
