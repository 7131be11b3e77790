//! Devices that do the same thing at the same time.

use coap::Code;

use super::channel::handshakes;
use super::message::{Registrar, register, update};
use super::{Channel, Secured, WAVE, exchange};
use crate::device::DeviceNumber;

/// Devices and the way of each to the server. Whatever they do goes in waves of [`WAVE`].
pub struct Fleet<C> {
    channels: Vec<C>,
    registrars: Vec<Registrar>,
}

impl<C: Channel> Fleet<C> {
    /// Opens a way for each device.
    pub fn open(
        devices: &[DeviceNumber],
        open: impl FnMut(DeviceNumber) -> anyhow::Result<C>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            channels: devices.iter().copied().map(open).collect::<anyhow::Result<_>>()?,
            registrars: devices.iter().copied().map(Registrar::new).collect(),
        })
    }

    /// Each registers.
    pub fn register(&mut self) -> anyhow::Result<()> {
        self.request(register, Code::CREATED)
    }

    /// Each updates its registration.
    pub fn update(&mut self) -> anyhow::Result<()> {
        self.request(update, Code::CHANGED)
    }

    fn request(
        &mut self,
        write: impl Fn(&Registrar, &mut [u8]) -> anyhow::Result<usize>,
        expected: Code,
    ) -> anyhow::Result<()> {
        let waves = self.channels.chunks_mut(WAVE).zip(self.registrars.chunks_mut(WAVE));
        for (channels, registrars) in waves {
            registrars.iter_mut().for_each(Registrar::next);
            let registrars = std::cell::RefCell::new(registrars);
            exchange(
                channels,
                |index, buffer| write(&registrars.borrow()[index], buffer),
                |index, bytes| registrars.borrow_mut()[index].accepts(bytes, expected),
            )?;
        }
        Ok(())
    }

    /// Each sends this many datagrams of the length of an Update and gets them back.
    pub fn echo(&mut self, times: u32) -> anyhow::Result<()> {
        const LIKE_AN_UPDATE: usize = 30;
        for time in 0..times {
            for channels in self.channels.chunks_mut(WAVE) {
                let write = |_, buffer: &mut [u8]| {
                    buffer[..LIKE_AN_UPDATE].fill(0);
                    buffer[..4].copy_from_slice(&time.to_be_bytes());
                    Ok(LIKE_AN_UPDATE)
                };
                exchange(channels, write, |_, bytes| Ok(bytes[..4] == time.to_be_bytes()))?;
            }
        }
        Ok(())
    }
}

impl Fleet<Secured> {
    /// Each opens a session.
    pub fn handshakes(&mut self) -> anyhow::Result<()> {
        self.channels.chunks_mut(WAVE).try_for_each(handshakes)
    }
}
