//! Sessions that the client keeps for us, sealed (RFC 5077).
//!
//! ```text
//! day (4)   nonce (12)   sealed: form, suite, flags, master secret, prints, established, identity   tag (16)
//! ```
//! The key of each day comes from one secret, so that shards that share the secret share the keys, and no key
//! seals more tickets than its random nonces can bear.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use aes_gcm::Aes128Gcm;
use aes_gcm::aead::{AeadInPlace, KeyInit as _};
use hmac::{Hmac, KeyInit, Mac};
use machine::{Instant, Random, Seed};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use super::ResumableSession;
use crate::Suite;
use crate::secrets::MasterSecret;
use crate::wire::reader::Reader;

const DAY: u64 = 24 * 60 * 60;
const NONCE: usize = 12;
const TAG: usize = 16;
const FORM: u8 = 1;
const EXTENDED_MASTER_SECRET: u8 = 1;

/// The longest ticket that a client of ours keeps for a server. Ours have at most 260 bytes.
pub(crate) const MAX_TICKET: usize = 512;

/// What tickets are sealed with, shared by shards. Kept by the owner, tickets outlive the process.
#[derive(Clone)]
pub struct TicketKeys {
    secret: Seed,
    started: Duration,
}

impl TicketKeys {
    /// `secret` comes from the operating system, or from where the owner keeps it. `started` is the time since
    /// 1970 at [`Instant::ZERO`]; where tickets need not outlive the process it may be zero.
    pub const fn new(secret: Seed, started: Duration) -> Self {
        Self { secret, started }
    }
}

impl Drop for TicketKeys {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl fmt::Debug for TicketKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TicketKeys(..)")
    }
}

/// Seals and opens tickets.
pub(crate) struct TicketSeal {
    keys: TicketKeys,
    /// Today's cipher, expanded.
    today: Option<(u32, Aes128Gcm)>,
}

impl TicketSeal {
    pub(crate) const fn new(keys: TicketKeys) -> Self {
        Self { keys, today: None }
    }

    /// The time by which tickets go: since 1970, where the owner has said when we started.
    pub(crate) fn wall(&self, now: Instant) -> Instant {
        now + self.keys.started
    }

    pub(crate) fn seal(&mut self, session: &ResumableSession, now: Instant, random: &mut Random) -> Vec<u8> {
        let day = self.day(now);
        let mut nonce = [0; NONCE];
        random.fill(&mut nonce);
        let mut content = Zeroizing::new(Vec::with_capacity(256));
        encode(session, &mut content);
        let day_bytes = day.to_be_bytes();
        let sealed = self.cipher(day).encrypt_in_place_detached(&nonce.into(), &day_bytes, &mut content);
        let tag = sealed.expect("a ticket is shorter than any limit of the cipher");
        let mut ticket = Vec::with_capacity(4 + NONCE + content.len() + TAG);
        ticket.extend_from_slice(&day_bytes);
        ticket.extend_from_slice(&nonce);
        ticket.extend_from_slice(&content);
        ticket.extend_from_slice(&tag);
        ticket
    }

    /// The session in a ticket of ours; any other ticket is as good as none.
    pub(crate) fn open(&mut self, ticket: &[u8], now: Instant) -> Option<ResumableSession> {
        let mut reader = Reader(ticket);
        let (day_bytes, nonce) = (*reader.array::<4>()?, *reader.array::<NONCE>()?);
        let length = reader.0.len().checked_sub(TAG).filter(|_| ticket.len() <= MAX_TICKET)?;
        let (content, tag) = reader.0.split_at(length);
        let day = u32::from_be_bytes(day_bytes);
        // The session's own age is checked where its lifetime is known; other days have no keys.
        self.day(now).checked_sub(day).filter(|age| *age <= 7)?;
        let mut content = Zeroizing::new(content.to_vec());
        self.cipher(day)
            .decrypt_in_place_detached(&nonce.into(), &day_bytes, &mut content, tag.into())
            .ok()?;
        decode(&content)
    }

    fn day(&self, now: Instant) -> u32 {
        u32::try_from(self.wall(now).as_micros() / 1_000_000 / DAY).unwrap_or(u32::MAX)
    }

    fn cipher(&mut self, day: u32) -> Aes128Gcm {
        if let Some((today, cipher)) = &self.today
            && *today == day
        {
            return cipher.clone();
        }
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.keys.secret)
            .expect("HMAC takes keys of any length");
        mac.update(b"ticket");
        mac.update(&day.to_be_bytes());
        let key = Zeroizing::new(<[u8; 32]>::from(mac.finalize().into_bytes()));
        let cipher = Aes128Gcm::new_from_slice(&key[..16]).expect("16 bytes are a key");
        self.today = Some((day, cipher.clone()));
        cipher
    }
}

fn encode(session: &ResumableSession, out: &mut Vec<u8>) {
    out.push(FORM);
    out.extend_from_slice(&session.suite.code().to_be_bytes());
    out.push(if session.extended_master_secret { EXTENDED_MASTER_SECRET } else { 0 });
    out.extend_from_slice(session.master.bytes());
    out.extend_from_slice(&session.key);
    out.extend_from_slice(&session.server_name);
    out.extend_from_slice(&session.established.as_micros().to_be_bytes());
    out.extend_from_slice(&session.identity);
}

fn decode(content: &[u8]) -> Option<ResumableSession> {
    let mut reader = Reader(content);
    if reader.u8()? != FORM {
        return None;
    }
    let suite = Suite::from_code(reader.u16()?)?;
    let extended_master_secret = reader.u8()? == EXTENDED_MASTER_SECRET;
    let master = MasterSecret::from_bytes(reader.array()?);
    let (key, server_name) = (*reader.array()?, *reader.array()?);
    let established = Instant::from_micros(reader.u64()?);
    let identity = reader.0.to_vec();
    Some(ResumableSession { suite, extended_master_secret, master, key, server_name, established, identity })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(identity: usize) -> ResumableSession {
        ResumableSession {
            suite: Suite::PskAes128Ccm8,
            extended_master_secret: true,
            master: MasterSecret::from_bytes(&[5; 48]),
            key: [1; 8],
            server_name: [2; 8],
            established: Instant::from_secs(9),
            identity: alloc::vec![b'i'; identity],
        }
    }

    #[test]
    fn ticket_opens_with_the_same_secret_only() {
        let random = &mut Random::from_number(1);
        let now = Instant::from_secs(100);
        let keys = TicketKeys::new([1; 32], Duration::from_secs(1_700_000_000));
        let (mut one, mut two) = (TicketSeal::new(keys.clone()), TicketSeal::new(keys));
        let mut other = TicketSeal::new(TicketKeys::new([2; 32], Duration::from_secs(1_700_000_000)));
        for identity in [0, 1, 128] {
            let ticket = one.seal(&session(identity), now, random);
            assert!(ticket.len() <= 260, "{}", ticket.len());
            let opened = two.open(&ticket, now).unwrap();
            assert_eq!((opened.identity.len(), opened.suite), (identity, Suite::PskAes128Ccm8));
            assert_eq!((opened.master.bytes(), opened.established), (&[5; 48], Instant::from_secs(9)));
            assert!(other.open(&ticket, now).is_none());
        }
    }

    #[test]
    fn changed_cut_or_old_ticket_is_none() {
        let random = &mut Random::from_number(1);
        let mut seal = TicketSeal::new(TicketKeys::new([1; 32], Duration::ZERO));
        let ticket = seal.seal(&session(9), Instant::ZERO, random);
        for index in 0..ticket.len() {
            let mut changed = ticket.clone();
            changed[index] ^= 1;
            assert!(seal.open(&changed, Instant::ZERO).is_none(), "byte {index}");
            assert!(seal.open(&ticket[..index], Instant::ZERO).is_none());
        }
        assert!(
            seal.open(&ticket, Instant::from_secs(7 * DAY)).is_some(),
            "the session's age is judged later"
        );
        assert!(seal.open(&ticket, Instant::from_secs(8 * DAY)).is_none());
    }
}
