//! Those who knock and are no device of ours.

use std::fmt;
use std::net::SocketAddr;

/// Counts them and keeps the last one. Whoever floods the server with names gets one line in the log for all
/// that came between two tellings.
#[derive(Debug, Default)]
pub struct Strangers {
    knocks: u64,
    last: Option<Stranger>,
}

/// How somebody without a device called itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stranger {
    /// The identity in a handshake.
    Identity { identity: String, remote: SocketAddr },
    /// The endpoint name in a registration without encryption.
    Endpoint(String),
}

impl fmt::Display for Stranger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity { identity, remote } => {
                write!(
                    formatter,
                    "no device has the identity \"{identity}\" that {remote} uses; if it is yours, add it \
                     with `updraft device add ENDPOINT --identity \"{identity}\"`"
                )
            }
            Self::Endpoint(endpoint) => write!(
                formatter,
                "no device has the endpoint name {endpoint:?}; if it is yours, add it with `updraft device \
                 add {endpoint:?} --no-security`"
            ),
        }
    }
}

impl Strangers {
    /// Somebody was not let in.
    pub fn knocked(&mut self, stranger: Stranger) {
        self.knocks += 1;
        self.last = Some(stranger);
    }

    /// How many knocked since the last call, and the last of them.
    pub fn take(&mut self) -> Option<(u64, Stranger)> {
        let last = self.last.take()?;
        Some((std::mem::take(&mut self.knocks), last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_names_is_told_as_one_with_the_remedy() {
        let mut strangers = Strangers::default();
        assert_eq!(strangers.take(), None);
        for number in 0..1_000 {
            let remote = SocketAddr::from(([192, 0, 2, 7], 40_001));
            strangers.knocked(Stranger::Identity { identity: number.to_string(), remote });
        }
        let (knocks, last) = strangers.take().unwrap();
        assert_eq!(knocks, 1_000);
        let text = last.to_string();
        assert!(
            text.contains("device add ENDPOINT --identity \"999\"") && text.contains("192.0.2.7"),
            "{text}"
        );
        assert_eq!(strangers.take(), None);
    }
}
