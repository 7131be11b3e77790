//! Stateless cookies: a client must show that it receives at its address before it costs any memory
//! (RFC 6347 section 4.2.1).

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use machine::{Instant, Random};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::wire::hello::ClientHello;

/// Short enough for the HelloVerifyRequest to stay below the shortest ClientHello, long enough not to be
/// guessed.
pub(crate) const COOKIE: usize = 16;

/// Makes and checks cookies with two secrets, of which the older one is replaced in turn.
pub(crate) struct CookieJar {
    current: Secret,
    previous: Secret,
    rotation: Duration,
    rotated: Instant,
}

struct Secret([u8; 32]);

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl CookieJar {
    pub(crate) fn new(rotation: Duration, random: &mut Random) -> Self {
        // A cookie must outlive at least a round trip.
        let rotation = rotation.max(Duration::from_secs(1));
        Self { current: fresh(random), previous: fresh(random), rotation, rotated: Instant::ZERO }
    }

    /// The cookie for this client at this address.
    pub(crate) fn issue(
        &mut self,
        client: SocketAddr,
        hello: &ClientHello<'_>,
        now: Instant,
        random: &mut Random,
    ) -> [u8; COOKIE] {
        self.rotate(now, random);
        cookie(&self.current, client, hello)
    }

    /// Whether the hello carries the cookie that was issued for it.
    pub(crate) fn accepts(
        &mut self,
        client: SocketAddr,
        hello: &ClientHello<'_>,
        now: Instant,
        random: &mut Random,
    ) -> bool {
        if hello.cookie.len() != COOKIE {
            return false;
        }
        self.rotate(now, random);
        let matches = |secret| cookie(secret, client, hello).ct_eq(hello.cookie);
        bool::from(matches(&self.current) | matches(&self.previous))
    }

    fn rotate(&mut self, now: Instant, random: &mut Random) {
        let age = now - self.rotated;
        if age < self.rotation {
            return;
        }
        self.previous = core::mem::replace(&mut self.current, fresh(random));
        if age >= self.rotation.saturating_mul(2) {
            self.previous = fresh(random);
        }
        self.rotated = now;
    }
}

fn fresh(random: &mut Random) -> Secret {
    Secret(random.seed())
}

fn cookie(secret: &Secret, client: SocketAddr, hello: &ClientHello<'_>) -> [u8; COOKIE] {
    let mut mac =
        <Hmac<Sha256> as KeyInit>::new_from_slice(&secret.0).expect("HMAC takes keys of any length");
    match client.ip() {
        IpAddr::V4(address) => mac.update(&address.octets()),
        IpAddr::V6(address) => mac.update(&address.octets()),
    }
    mac.update(&client.port().to_be_bytes());
    hello.parameters.iter().for_each(|part| mac.update(part));
    let full = mac.finalize().into_bytes();
    core::array::from_fn(|index| full[index])
}
