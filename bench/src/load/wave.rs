//! Many requests at once.

use net::DATAGRAM_LIMIT;

use super::Channel;

/// Requests in flight: enough that the server finds several per system call, few enough that no queue of
/// the system overflows.
pub const WAVE: usize = 128;

/// Lost messages after which the server is taken for broken.
const ATTEMPTS: u32 = 20;

/// Sends one request from every channel, then takes one answer on each. `request` writes the request of
/// channel `index`; `answer` says whether this is the answer to it.
pub fn exchange<C: Channel>(
    channels: &mut [C],
    mut request: impl FnMut(usize, &mut [u8]) -> anyhow::Result<usize>,
    mut answer: impl FnMut(usize, &[u8]) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let mut buffer = [0; DATAGRAM_LIMIT];
    for (index, channel) in channels.iter_mut().enumerate() {
        let length = request(index, &mut buffer)?;
        channel.send(&buffer[..length])?;
    }
    for (index, channel) in channels.iter_mut().enumerate() {
        let mut attempts = 0;
        loop {
            match channel.receive(&mut buffer)? {
                Some(length) if answer(index, &buffer[..length])? => break,
                Some(_) => {}
                None => {
                    attempts += 1;
                    anyhow::ensure!(attempts < ATTEMPTS, "the server does not answer");
                    let length = request(index, &mut buffer)?;
                    channel.send(&buffer[..length])?;
                }
            }
        }
    }
    Ok(())
}
