//! The servers that a client belongs to, as objects 0 and 1 hold them.

use alloc::vec;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use machine::{Credential, Path, Socket};

/// At most this many accounts of each kind are kept; more are refused when they are written.
pub const MOST_SERVERS: usize = 8;

/// All servers that a client knows when it starts.
///
/// With servers it registers at each of them; without, it asks the bootstrap server for some.
#[derive(Clone, Default, Debug)]
pub struct Accounts {
    /// Who gives out accounts, if anybody does.
    pub bootstrap: Option<BootstrapAccount>,
    /// The servers to register at, at most [`MOST_SERVERS`], each with a short server id of its own.
    pub servers: Vec<ServerAccount>,
}

impl Accounts {
    /// Nothing but a bootstrap server: what a device leaves its factory with.
    pub const fn bootstrap(account: BootstrapAccount) -> Self {
        Self { bootstrap: Some(account), servers: Vec::new() }
    }
}

impl Accounts {
    /// The socket of the first plain account; the first of all if there is none.
    pub(super) fn open_socket(&self) -> Socket {
        let accesses = self
            .bootstrap
            .iter()
            .map(|account| &account.access)
            .chain(self.servers.iter().map(|account| &account.access));
        let sockets = accesses.filter_map(|access| match access {
            Access::Open(path) => Some(path.socket),
            Access::Secured { .. } => None,
        });
        { sockets }.next().unwrap_or(Socket(0))
    }
}

impl From<ServerAccount> for Accounts {
    fn from(account: ServerAccount) -> Self {
        Self { bootstrap: None, servers: vec![account] }
    }
}

/// A server to register at.
#[derive(Clone, Debug)]
pub struct ServerAccount {
    /// How to reach it.
    pub access: Access,
    /// `/1/x/0`, 1 to 65,534.
    pub short_server_id: u16,
    /// `/1/x/1` in seconds; 0 never ends.
    pub lifetime: u32,
}

/// The server that gives out accounts.
#[derive(Clone, Debug)]
pub struct BootstrapAccount {
    /// How to reach it.
    pub access: Access,
    /// `/0/x/11`: how long it is given to begin by itself before the client asks.
    pub hold_off: Duration,
    /// `/0/x/12`: how long after a bootstrap the account is kept; `None`: for ever.
    pub account_timeout: Option<Duration>,
}

impl BootstrapAccount {
    /// An account that is asked at once and kept.
    pub const fn new(access: Access) -> Self {
        Self { access, hold_off: Duration::ZERO, account_timeout: None }
    }
}

/// How to reach a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Access {
    /// Plain CoAP along this path.
    Open(Path),
    /// CoAP over DTLS with a pre-shared key.
    Secured {
        /// The server's address.
        remote: SocketAddr,
        /// Who we are.
        credential: Credential,
    },
}
