//! Stateless cookies: a client must show that it receives at its address before it costs any memory
//! (RFC 6347 section 4.2.1).

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use machine::{Instant, Seed};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::wire::hello::ClientHello;

/// Short enough for the HelloVerifyRequest to stay below the shortest ClientHello, long enough not to be
/// guessed.
pub(crate) const COOKIE: usize = 16;

/// What cookies are made with, shared by shards: a hello may come to one and return its cookie to another.
///
/// The key of each period (see [`crate::Config::cookie_rotation`]) is derived from one secret, so shards whose
/// clocks agree change keys together without a word.
#[derive(Clone)]
pub struct CookieKeys(Seed);

impl CookieKeys {
    /// `secret` comes from the operating system's random source.
    pub const fn new(secret: Seed) -> Self {
        Self(secret)
    }

    fn of_period(&self, period: u64) -> Hmac<Sha256> {
        let mut mac = keyed(&self.0);
        mac.update(&period.to_be_bytes());
        let mut key = <[u8; 32]>::from(mac.finalize().into_bytes());
        let mac = keyed(&key);
        key.zeroize();
        mac
    }
}

impl Drop for CookieKeys {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for CookieKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CookieKeys(..)")
    }
}

/// Makes cookies with the key of this period, and takes those of the one before too.
pub(crate) struct CookieJar {
    keys: CookieKeys,
    rotation: Duration,
    period: u64,
    current: Hmac<Sha256>,
    previous: Hmac<Sha256>,
    /// Of a shard whose clock is a little ahead.
    next: Hmac<Sha256>,
}

impl CookieJar {
    pub(crate) fn new(keys: CookieKeys, rotation: Duration) -> Self {
        let [previous, current, next] = [u64::MAX, 0, 1].map(|period| keys.of_period(period));
        // A cookie must outlive at least a round trip.
        let rotation = rotation.max(Duration::from_secs(1));
        Self { keys, rotation, period: 0, current, previous, next }
    }

    /// The cookie for this client at this address.
    pub(crate) fn issue(
        &mut self,
        client: SocketAddr,
        hello: &ClientHello<'_>,
        now: Instant,
    ) -> [u8; COOKIE] {
        self.rotate(now);
        cookie(&self.current, client, hello)
    }

    /// Whether the hello carries the cookie that was issued for it.
    pub(crate) fn accepts(&mut self, client: SocketAddr, hello: &ClientHello<'_>, now: Instant) -> bool {
        if hello.cookie.len() != COOKIE {
            return false;
        }
        self.rotate(now);
        [&self.current, &self.previous, &self.next]
            .into_iter()
            .any(|key| bool::from(cookie(key, client, hello).ct_eq(hello.cookie)))
    }

    fn rotate(&mut self, now: Instant) {
        let length = u64::try_from(self.rotation.as_micros()).unwrap_or(u64::MAX);
        let period = now.as_micros() / length;
        if period != self.period {
            self.period = period;
            self.previous = self.keys.of_period(period.wrapping_sub(1));
            self.current = self.keys.of_period(period);
            self.next = self.keys.of_period(period + 1);
        }
    }
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn cookie(key: &Hmac<Sha256>, client: SocketAddr, hello: &ClientHello<'_>) -> [u8; COOKIE] {
    let mut mac = key.clone();
    match client.ip() {
        IpAddr::V4(address) => mac.update(&address.octets()),
        IpAddr::V6(address) => mac.update(&address.octets()),
    }
    mac.update(&client.port().to_be_bytes());
    hello.parameters.iter().for_each(|part| mac.update(part));
    let full = mac.finalize().into_bytes();
    core::array::from_fn(|index| full[index])
}
