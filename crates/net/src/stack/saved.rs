//! Sessions that outlive the process: out of the endpoints, and back into them.

use std::num::NonZeroU32;

use machine::{Instant, Link, SessionEvent, SessionMachine};
use zeroize::Zeroizing;

use super::{Layer, Stack, index, link, local};

/// Why a saved session was not taken up again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RestoreError {
    /// The link is not one of a secured socket.
    #[error("there is no such secured socket")]
    NoSocket,
    /// The bytes are no session.
    #[error(transparent)]
    Bytes(#[from] dtls::SavedSessionError),
    /// It has no record numbers left.
    #[error(transparent)]
    Spent(#[from] dtls::Spent),
    /// The endpoint does not take it.
    #[error(transparent)]
    Endpoint(#[from] dtls::RestoreError),
}

impl<M: SessionMachine> Stack<M> {
    /// The endpoints below, to give them what they share with those of other shards.
    pub fn endpoints_mut(&mut self) -> impl Iterator<Item = &mut dtls::Endpoint> {
        self.sockets.iter_mut().filter_map(|layer| match layer {
            Layer::Open => None,
            Layer::Secured(endpoint) => Some(&mut **endpoint),
        })
    }

    /// A session as bytes, as secret as its key; `None` if it is not up.
    pub fn save_session(&self, link: Link) -> Option<Zeroizing<Vec<u8>>> {
        let Link::Secured(session) = link else { return None };
        let (socket, session) = local(session);
        match self.sockets.get(index(socket))? {
            Layer::Open => None,
            Layer::Secured(endpoint) => Some(endpoint.save(session)?.to_bytes()),
        }
    }

    /// Goes on with a session that was saved on the socket of `link`, and tells the machine above that it is
    /// up. Before the first datagram only. `starts` is how often the process has started since it was saved;
    /// that must be durable already, or record numbers might be used twice.
    ///
    /// # Errors
    /// The session cannot be taken up; its device makes a new one.
    pub fn restore_session(
        &mut self,
        link: Link,
        bytes: &[u8],
        starts: NonZeroU32,
        now: Instant,
    ) -> Result<Link, RestoreError> {
        let Link::Secured(session) = link else { return Err(RestoreError::NoSocket) };
        let (socket, _) = local(session);
        let saved = dtls::SavedSession::from_bytes(bytes)?;
        let (identity, remote) = (saved.identity().to_vec(), saved.remote());
        let advanced = saved.advance(starts)?;
        let endpoint = self.endpoint(socket).ok_or(RestoreError::NoSocket)?;
        let link = self::link(socket, endpoint.restore(advanced, now)?);
        let up = SessionEvent::Up { link, identity: &identity, remote, request: None, resumed: true };
        self.inner.handle_session(up, now);
        Ok(link)
    }
}
