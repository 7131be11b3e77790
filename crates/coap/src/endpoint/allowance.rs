//! How much an unproved address may be sent, and how it is proved (RFC 7252 section 11.3, RFC 9175).
//!
//! Whoever writes a false sender address lets us send to somebody else. So an address that has not been
//! proved gets at most [`Config::amplification`] times the bytes that came from it. Three things prove it:
//! a response to a request of ours (64 random bits of token), an Echo value that we made, or the word of
//! the owner. Secured peers are proved by their handshake.

use core::hash::BuildHasher;
use core::time::Duration;

use machine::{Instant, KeyedState, Random};

use super::{Config, Peer};
use crate::Message;

/// The bytes that may still be sent to a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Allowance(u32);

/// Of each message so many bytes are set aside for its empty acknowledgement or reset.
const EMPTY_MESSAGE: usize = 4;

impl Allowance {
    /// Of a peer that has proved its address, or that we have spoken to first.
    pub(super) const PROVED: Self = Self(u32::MAX);

    /// Of a peer that has just been heard for the first time.
    pub(super) fn of_stranger<P: Peer>(peer: P, config: &Config) -> Self {
        if peer.is_proved() || config.amplification.is_none() { Self::PROVED } else { Self(0) }
    }

    pub(super) fn is_proved(self) -> bool {
        self == Self::PROVED
    }

    /// A message of this length has come.
    pub(super) fn earn(&mut self, bytes: usize, config: &Config) {
        let (false, Some(factor)) = (self.is_proved(), config.amplification) else { return };
        let earned = (bytes * usize::from(factor)).saturating_sub(EMPTY_MESSAGE);
        self.0 = self.0.saturating_add(earned as u32).min(Self::PROVED.0 - 1);
    }

    /// So many bytes have been acknowledged: they reached somebody who wanted them. (That proves little: the
    /// message id could have been guessed, in 65,536 attempts.)
    pub(super) fn give_back(&mut self, bytes: usize) {
        if !self.is_proved() {
            self.0 = self.0.saturating_add(bytes as u32).min(Self::PROVED.0 - 1);
        }
    }

    pub(super) fn covers(self, bytes: usize) -> bool {
        self.is_proved() || bytes <= self.0 as usize
    }

    /// Takes the bytes of a message off, unless they are not covered: the message must then not be sent.
    pub(super) fn spend(&mut self, bytes: usize) -> bool {
        let covered = self.covers(bytes);
        if covered && !self.is_proved() {
            self.0 -= bytes as u32;
        }
        covered
    }
}

/// Makes and checks the values of Echo options.
///
/// A value is the second in which it was made and a keyed hash (SipHash) over that second and the peer's
/// address, so nothing is kept for those who have been asked. Twelve bytes; RFC 9175 allows 40.
#[derive(Debug)]
pub(super) struct EchoMaker {
    key: KeyedState,
}

/// The value of an Echo option.
pub(super) type Echo = [u8; 12];

/// How long a value proves anything.
const ECHO_LIFETIME: Duration = Duration::from_secs(60);

impl EchoMaker {
    pub(super) fn new(random: &mut Random) -> Self {
        Self { key: KeyedState::new(random) }
    }

    pub(super) fn make<P: Peer>(&self, peer: P, now: Instant) -> Echo {
        self.of_second(peer, (now.as_micros() / 1_000_000) as u32)
    }

    /// Whether a value was made for this peer and is not too old.
    pub(super) fn is_genuine<P: Peer>(&self, value: &[u8], peer: P, now: Instant) -> bool {
        let Some((second, _)) = value.split_first_chunk() else { return false };
        let second = u32::from_be_bytes(*second);
        let made = Instant::from_secs(second.into());
        made <= now && now - made < ECHO_LIFETIME && self.of_second(peer, second) == *value
    }

    fn of_second<P: Peer>(&self, peer: P, second: u32) -> Echo {
        let mut echo = Echo::default();
        let (time, code) = echo.split_at_mut(4);
        time.copy_from_slice(&second.to_be_bytes());
        code.copy_from_slice(&self.key.hash_one((peer, second)).to_be_bytes());
        echo
    }
}

/// The value of the first Echo option of a message.
pub(super) fn echo_of<'a>(message: &Message<'a>) -> Option<&'a [u8]> {
    message.option(crate::OptionNumber::ECHO)
}
