//! Devices that do the same thing at the same time.

use coap::Code;

use super::channel::handshakes;
use super::message::{Registrar, get_block, is_block, register, update};
use super::{Channel, Secured, WAVE, exchange};
use crate::device::DeviceNumber;

/// Bytes in a block.
pub const BLOCK: usize = 1_024;

/// Below are the message ids of registrations. With the bound of `--rounds` there is room above for all downloads.
const FIRST_DOWNLOAD: u16 = 1_024;

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

    /// Only the first `count` stay.
    pub fn keep(&mut self, count: usize) {
        self.channels.truncate(count);
        self.registrars.truncate(count);
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

    /// Each downloads an image of so many blocks, all of them block by block in step.
    ///
    /// `round` keeps message ids of one address apart for longer than the server remembers them.
    pub fn download(&mut self, blocks: u32, round: u16) -> anyhow::Result<()> {
        for block in 0..blocks {
            let message_id = FIRST_DOWNLOAD + round * blocks as u16 + block as u16;
            exchange(
                &mut self.channels,
                |_, buffer| get_block(message_id, block, buffer),
                |_, bytes| is_block(bytes, message_id, block),
            )?;
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
