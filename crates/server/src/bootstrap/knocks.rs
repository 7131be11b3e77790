//! Those who knock at the bootstrap server and are not let in.

use std::net::SocketAddr;

/// Counts them and keeps the last one, so that a flood of names is one line in the log.
#[derive(Debug, Default)]
pub struct Knocks {
    count: u64,
    last: Option<String>,
}

impl Knocks {
    /// Somebody claimed an identity that no device has at the bootstrap server.
    pub fn unknown_identity(&mut self, identity: &str, remote: SocketAddr) {
        self.add(format!(
            "no device has the identity \"{identity}\" at the bootstrap server that {remote} uses; if it is \
             yours, add it with `updraft device add ENDPOINT --bootstrap-identity \"{identity}\"`"
        ));
    }

    /// Somebody claimed the identity of a device and had another key.
    pub fn wrong_key(&mut self, endpoint: &str, remote: SocketAddr) {
        self.add(format!(
            "somebody at {remote} used the identity of {endpoint} at the bootstrap server with another key"
        ));
    }

    /// Somebody without encryption gave a name that may not come so.
    pub fn refused(&mut self, endpoint: &str, why: &str) {
        self.add(format!(
            "the bootstrap of {endpoint:?} was refused: {why}; a device that comes without encryption is \
             added with `updraft device add {endpoint:?} --bootstrap-no-security`"
        ));
    }

    fn add(&mut self, line: String) {
        self.count += 1;
        self.last = Some(line);
    }

    /// How many knocked since the last call, and the last of them.
    pub fn take(&mut self) -> Option<(u64, String)> {
        let last = self.last.take()?;
        Some((std::mem::take(&mut self.count), last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_names_is_told_as_one_with_the_remedy() {
        let mut knocks = Knocks::default();
        assert_eq!(knocks.take(), None);
        for number in 0..1_000 {
            knocks.unknown_identity(&number.to_string(), SocketAddr::from(([192, 0, 2, 7], 40_001)));
        }
        let (count, last) = knocks.take().unwrap();
        assert_eq!(count, 1_000);
        assert!(last.contains("--bootstrap-identity \"999\"") && last.contains("192.0.2.7"), "{last}");
        assert_eq!(knocks.take(), None);
    }
}
