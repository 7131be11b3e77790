//! Send: data that a device reports without being asked (LwM2M Core 1.1 section 6.4.6).

use core::time::Duration;

use coap::{Code, ContentFormat, Request, Response};
use machine::{Instant, Link};

use crate::format::{self, Record};
use crate::object;
use crate::path::Path;
use crate::server::Server;
use crate::server::event::Event;
use crate::server::interface::Refused;

impl Server {
    /// A device reports data. What a muted device still sends is answered and dropped (ets 307); keys are
    /// never taken.
    pub(in crate::server) fn receive_data(
        &mut self,
        peer: Link,
        request: &Request,
        now: Instant,
    ) -> Result<Response, Refused> {
        let key = self.devices.by_link(peer);
        let device = key.and_then(|key| Some((key, self.devices.get_mut(key)?)));
        let Some((key, device)) = device else { return Err(Refused::new(Code::NOT_FOUND, "not registered")) };
        let format = request.options.content_format().map(|format| format.0);
        let format = format.ok_or_else(|| Refused::new(Code::BAD_REQUEST, "Send needs a Content-Format"))?;
        if !is_for_records(format) {
            let text = "Send takes SenML CBOR (112), SenML JSON (110) or LwM2M CBOR (11544)";
            return Err(Refused::new(Code::UNSUPPORTED_CONTENT_FORMAT, text));
        }
        let day = self.config.sent_per_day.max(1);
        let (bytes, each) = (request.payload.len() as u32, Duration::from_secs(86_400) / day);
        let taken = device.sent.take_many(bytes, each, day, now);
        taken.map_err(|wait| Refused::until(wait, "too much data for a day"))?;
        let endpoint = device.endpoint.clone();
        let muted = device.reporting.as_ref().is_some_and(|reporting| reporting.muted);
        let model = self.model_of_device(key);
        let records = format::decode_records(format, Path::Root, &request.payload, &model);
        let mut records = records.map_err(|error| Refused::new(Code::BAD_REQUEST, error))?;
        let is_secret = |record: &Record| {
            record.path.object_id().is_some_and(|object| [object::SECURITY, object::OSCORE].contains(&object))
        };
        records.retain(|record| !is_secret(record));
        if !muted && !records.is_empty() {
            self.emit(Event::Sent { endpoint, records });
        }
        Ok(Response::new(Code::CHANGED))
    }
}

fn is_for_records(format: u16) -> bool {
    [ContentFormat::SENML_CBOR, ContentFormat::SENML_JSON, ContentFormat::LWM2M_CBOR]
        .contains(&ContentFormat(format))
}
