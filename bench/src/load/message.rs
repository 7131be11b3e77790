//! The requests of a device.

use anyhow::{Context, ensure};
use coap::{Code, Encoder, Kind, Message, MessageId, OptionNumber, Token};

use crate::device::DeviceNumber;

/// What a device remembers of its registration.
#[derive(Clone, Debug)]
pub struct Registrar {
    device: DeviceNumber,
    message_id: u16,
    location: Vec<Vec<u8>>,
}

/// The objects of a typical module.
const OBJECTS: &[u8] = b"</1/0>,</3/0>,</4/0>,</5/0>,</6/0>,</7/0>";

impl Registrar {
    /// A device that has not registered yet.
    pub fn new(device: DeviceNumber) -> Self {
        Self { device, message_id: 0, location: Vec::new() }
    }

    /// Goes on to the next exchange.
    pub fn next(&mut self) {
        self.message_id = self.message_id.wrapping_add(1);
    }

    fn encoder<'b>(&self, buffer: &'b mut [u8], code: Code) -> anyhow::Result<Encoder<'b>> {
        let token = Token::new(&self.message_id.to_be_bytes()).context("two bytes are a token")?;
        Ok(Encoder::new(buffer, Kind::Confirmable, code, MessageId(self.message_id), token))
    }

    /// Whether `bytes` answer the running request with `expected`.
    pub fn accepts(&mut self, bytes: &[u8], expected: Code) -> anyhow::Result<bool> {
        let message = Message::parse(bytes).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        if message.token().as_bytes() != self.message_id.to_be_bytes() {
            return Ok(false);
        }
        ensure!(message.code() == expected, "{} was answered {}", self.device.name(), message.code());
        if expected == Code::CREATED {
            let path = message.options().filter(|(number, _)| *number == OptionNumber::LOCATION_PATH);
            self.location = path.map(|(_, value)| value.to_vec()).collect();
        }
        Ok(true)
    }
}

/// Writes a Register request (OMA-TS-LightweightM2M 1.0 section 5.3.1).
pub fn register(registrar: &Registrar, buffer: &mut [u8]) -> anyhow::Result<usize> {
    let mut encoder = registrar.encoder(buffer, Code::POST)?;
    encoder
        .option(OptionNumber::URI_PATH, b"rd")
        .option_uint(OptionNumber::CONTENT_FORMAT, 40)
        .option(OptionNumber::URI_QUERY, format!("ep={}", registrar.device.name()).as_bytes())
        .option(OptionNumber::URI_QUERY, b"lt=86400")
        .option(OptionNumber::URI_QUERY, b"lwm2m=1.1")
        .payload(OBJECTS);
    encoder.finish().map_err(|error| anyhow::anyhow!("{error:?}"))
}

/// Writes an Update request without parameters (section 5.3.2).
pub fn update(registrar: &Registrar, buffer: &mut [u8]) -> anyhow::Result<usize> {
    let mut encoder = registrar.encoder(buffer, Code::POST)?;
    for segment in &registrar.location {
        encoder.option(OptionNumber::URI_PATH, segment);
    }
    encoder.finish().map_err(|error| anyhow::anyhow!("{error:?}"))
}
