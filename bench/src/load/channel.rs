//! How a device sends and receives one message.

use std::net::{SocketAddr, UdpSocket};

use anyhow::{Context, bail};
use machine::{Credential, Machine, Random, SessionId};
use net::{Clock, DATAGRAM_LIMIT};

use crate::device::DeviceNumber;

/// A way to the server.
pub trait Channel {
    /// Sends one message.
    fn send(&mut self, message: &[u8]) -> anyhow::Result<()>;
    /// The next message; `None` if none came in time.
    fn receive(&mut self, buffer: &mut [u8]) -> anyhow::Result<Option<usize>>;
}

/// Plain UDP.
#[derive(Debug)]
pub struct Plain(UdpSocket);

impl Plain {
    /// Binds the device's address.
    pub fn open(device: DeviceNumber, server: SocketAddr) -> anyhow::Result<Self> {
        device.socket(server).map(Self)
    }
}

impl Channel for Plain {
    fn send(&mut self, message: &[u8]) -> anyhow::Result<()> {
        self.0.send(message).context("loopback takes no more")?;
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8]) -> anyhow::Result<Option<usize>> {
        receive(&self.0, buffer)
    }
}

/// A DTLS session.
pub struct Secured {
    device: DeviceNumber,
    socket: UdpSocket,
    server: SocketAddr,
    clock: Clock,
    endpoint: dtls::Endpoint,
    session: Option<SessionId>,
}

impl Secured {
    /// Binds the device's address; the session comes with [`Fleet::handshakes`](super::Fleet::handshakes).
    pub fn open(device: DeviceNumber, server: SocketAddr, clock: Clock) -> anyhow::Result<Self> {
        let seed = Random::from_number(device.0.into()).seed();
        Ok(Self {
            device,
            socket: device.socket(server)?,
            server,
            clock,
            endpoint: dtls::Endpoint::new(dtls::Config::default(), seed),
            session: None,
        })
    }

    fn call(&mut self) -> anyhow::Result<()> {
        self.session = None;
        let credential =
            Credential { identity: self.device.name().into_bytes(), key: self.device.key().to_vec() };
        self.endpoint.connect(self.server, credential, self.clock.now());
        self.transmit()
    }

    fn transmit(&mut self) -> anyhow::Result<()> {
        let mut buffer = [0; DATAGRAM_LIMIT];
        while let Some((_, length)) = self.endpoint.poll_transmit(&mut buffer) {
            self.socket.send(&buffer[..length])?;
        }
        Ok(())
    }

    /// Takes one datagram of the handshake.
    fn proceed(&mut self) -> anyhow::Result<()> {
        let mut buffer = [0; DATAGRAM_LIMIT];
        match receive(&self.socket, &mut buffer)? {
            Some(length) => self.endpoint.handle_input(self.server, &buffer[..length], self.clock.now()),
            None => self.endpoint.handle_timeout(self.clock.now()),
        }
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                dtls::Event::Up { session, .. } => self.session = Some(session),
                dtls::Event::Down { end, .. } if self.session.is_none() => {
                    bail!("{} got no session: {end:?}", self.device.name())
                }
                _ => {}
            }
        }
        self.transmit()
    }
}

impl Channel for Secured {
    fn send(&mut self, message: &[u8]) -> anyhow::Result<()> {
        let session = self.session.context("the session is not up")?;
        let mut buffer = [0; DATAGRAM_LIMIT];
        let (_, length) = self.endpoint.seal(session, message, &mut buffer)?;
        self.socket.send(&buffer[..length])?;
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8]) -> anyhow::Result<Option<usize>> {
        loop {
            let Some(length) = receive(&self.socket, buffer)? else { return Ok(None) };
            self.endpoint.handle_input(self.server, &buffer[..length], self.clock.now());
            while let Some(event) = self.endpoint.poll_event() {
                if let dtls::Event::Data { bytes, .. } = event {
                    buffer[..bytes.len()].copy_from_slice(&bytes);
                    return Ok(Some(bytes.len()));
                }
            }
        }
    }
}

/// Opens a session for each of these devices, flight by flight.
pub(super) fn handshakes(devices: &mut [Secured]) -> anyhow::Result<()> {
    for device in devices.iter_mut() {
        device.call()?;
    }
    while devices.iter().any(|device| device.session.is_none()) {
        for device in devices.iter_mut().filter(|device| device.session.is_none()) {
            device.proceed()?;
        }
    }
    Ok(())
}

fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> anyhow::Result<Option<usize>> {
    match socket.recv(buffer) {
        Ok(length) => Ok(Some(length)),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error).context("the server is gone"),
    }
}
