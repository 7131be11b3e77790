//! Which shard owns which device.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The number of a shard, counted from zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Shard(pub u8);

/// The identity → owner map that all shards share.
///
/// A device that turns up at another shard (new address, new handshake) is claimed by that one; the answer
/// says who must drop its copy. One short lock per handshake or registration, none per datagram. It holds
/// one entry per identity that was proved or admitted, so it is bounded by the credentials that exist;
/// callers never claim for a name that nobody vouched for.
#[derive(Debug, Default)]
pub struct Owners {
    owners: Mutex<HashMap<Box<[u8]>, Shard>>,
}

impl Owners {
    /// Nobody owns anything.
    pub fn new() -> Self {
        Self::default()
    }

    /// `shard` now owns this identity. The previous owner, if it was another one, must drop its copy.
    pub fn claim(&self, identity: &[u8], shard: Shard) -> Option<Shard> {
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        match owners.get_mut(identity) {
            Some(owner) => {
                let previous = std::mem::replace(owner, shard);
                (previous != shard).then_some(previous)
            }
            None => {
                owners.insert(identity.into(), shard);
                None
            }
        }
    }

    /// `shard` no longer has this identity. Nothing happens if another shard has claimed it meanwhile.
    pub fn release(&self, identity: &[u8], shard: Shard) {
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        if owners.get(identity) == Some(&shard) {
            owners.remove(identity);
        }
    }

    /// Who owns this identity now: where a command for it must go.
    pub fn owner(&self, identity: &[u8]) -> Option<Shard> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner).get(identity).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_previous_owner_is_told_once() {
        let owners = Owners::new();
        assert_eq!(owners.claim(b"a", Shard(0)), None);
        assert_eq!(owners.claim(b"a", Shard(0)), None);
        assert_eq!(owners.claim(b"a", Shard(3)), Some(Shard(0)));
        assert_eq!(owners.claim(b"a", Shard(3)), None);
        assert_eq!(owners.owner(b"a"), Some(Shard(3)));
        assert_eq!(owners.owner(b"b"), None);
    }

    #[test]
    fn a_late_release_does_not_take_from_the_new_owner() {
        let owners = Owners::new();
        owners.claim(b"a", Shard(0));
        owners.claim(b"a", Shard(1));
        owners.release(b"a", Shard(0));
        assert_eq!(owners.owner(b"a"), Some(Shard(1)));
        owners.release(b"a", Shard(1));
        assert_eq!(owners.owner(b"a"), None);
    }

    /// Four shards fight for one identity: whoever is told to drop it really had it.
    #[test]
    fn every_claim_but_the_first_has_exactly_one_loser() {
        let owners = Owners::new();
        let told: usize = std::thread::scope(|scope| {
            let shards: Vec<_> = (0..4)
                .map(|shard| {
                    let owners = &owners;
                    scope.spawn(move || (0..1_000).filter_map(|_| owners.claim(b"x", Shard(shard))).count())
                })
                .collect();
            shards.into_iter().map(|shard| shard.join().expect("no shard panics")).sum()
        });
        assert!(told <= 3_999);
        assert!(owners.owner(b"x").is_some());
    }
}
