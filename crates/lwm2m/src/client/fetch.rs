//! A download over HTTP or HTTPS: this side decides, the owner of the client does the transfer.
//!
//! ```text
//!  client                                      owner
//!    Event::FetchWanted { offset, etag } ──────▶  GET, Range: bytes=<offset>-, If-Range: <etag>
//!    fetch_started ◀──────────────────────────    206 or 200 with its entity tag and size
//!    fetch_chunk ◀────────────────────────────    each piece of the body
//!    fetch_ended, fetch_failed ◀──────────────    its end
//!    Event::FetchStopped ─────────────────────▶  drop the connection
//! ```

use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use machine::Instant;

use super::Client;
use super::event::Event;
use super::firmware_store::{FirmwareStore, Kept};
use super::firmware_values::UpdateResult;

/// Names a transfer, so that what comes late of an earlier one is told apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FetchId(pub u64);

/// What a server says before the first byte.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct FetchStart {
    /// Where the bytes that follow begin: that of Content-Range for 206, 0 for 200.
    pub offset: u64,
    /// The entity tag as it was written, quotes and all; `None` if there is none or it is weak, since a weak
    /// one says nothing about bytes (RFC 9110 section 8.8.1).
    pub etag: Option<Vec<u8>>,
    /// The size of the whole package in bytes, if the server says it.
    pub total: Option<u64>,
}

/// Why a transfer gave no package.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FetchFailure {
    /// No connection, a connection that broke, or a server in trouble: it may work later. The server may
    /// have said when (Retry-After).
    Interrupted(Option<Duration>),
    /// There is nothing from this offset on (416): what is stored is not what lies there.
    NothingFromThere,
    /// The server's answer is final: there is no such package.
    Refused,
    /// The server has not proved that it is the one.
    Untrusted,
    /// The owner cannot do this scheme.
    UnsupportedProtocol,
}

/// A transfer that is wanted.
#[derive(Debug)]
pub(super) struct Fetch {
    id: FetchId,
    /// The entity tag of the bytes that are stored.
    etag: Option<Vec<u8>>,
    /// The store knows entity tag and size.
    identified: bool,
    /// Bytes to come that are stored already.
    skip: u64,
    /// Transfers that came to nothing since the last byte.
    attempts: u32,
    /// When to ask (again); `None` while the owner is at it.
    due: Option<Instant>,
}

/// The longest entity tag that is kept: beside a Package URI of 255 bytes it fits into an install journal.
const LONGEST_TAG: usize = 44;
/// The wait after the first transfer that came to nothing; it doubles with each one.
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_secs(120);
/// The longest wait that a server can ask for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3_600);

impl<F: FirmwareStore> Client<F> {
    pub(super) fn start_fetch(&mut self, kept: &Kept, now: Instant) {
        let id = FetchId(self.random.u64());
        let etag = kept.etag.clone();
        let identified = etag.is_some();
        self.fetch = Some(Fetch { id, etag, identified, skip: 0, attempts: 0, due: Some(now) });
    }

    pub(super) fn fetch_due(&self) -> Option<Instant> {
        self.fetch.as_ref()?.due
    }

    pub(super) fn advance_fetch(&mut self, now: Instant) {
        let Some(fetch) = self.fetch.as_mut().filter(|fetch| fetch.due.is_some_and(|due| due <= now)) else {
            return;
        };
        fetch.due = None;
        fetch.id = FetchId(self.random.u64());
        fetch.skip = 0;
        let offset = if fetch.identified { self.update.progress().0 } else { 0 };
        self.events.push_back(Event::FetchWanted {
            fetch: fetch.id,
            uri: self.update.uri().to_string(),
            offset,
            etag: fetch.etag.clone(),
        });
    }

    pub(super) fn drop_fetch(&mut self) {
        if let Some(fetch) = self.fetch.take().filter(|fetch| fetch.due.is_none()) {
            self.events.push_back(Event::FetchStopped(fetch.id));
        }
    }

    fn current_fetch(&mut self, id: FetchId) -> Option<&mut Fetch> {
        self.fetch.as_mut().filter(|fetch| fetch.id == id && fetch.due.is_none())
    }

    /// The server of a download that was asked for by [`Event::FetchWanted`] sends the package, or the rest
    /// of it.
    pub fn fetch_started(&mut self, id: FetchId, start: FetchStart, now: Instant) {
        let stored = self.update.progress().0;
        let Some(fetch) = self.current_fetch(id) else { return };
        let tag = start.etag.filter(|tag| tag.len() <= LONGEST_TAG);
        // A 206 to If-Range may leave out what the client knows already.
        let same = fetch.etag.is_some() && (tag == fetch.etag || tag.is_none() && start.offset > 0);
        match (fetch.identified, start.offset) {
            (true, offset) if same && offset <= stored => fetch.skip = stored - offset,
            (_, 0) => self.begin_fetched(tag, start.total),
            _ => self.fetch_anew(now),
        }
        self.settle(now);
    }

    /// The package comes from its first byte on.
    fn begin_fetched(&mut self, tag: Option<Vec<u8>>, total: Option<u64>) {
        let Some(fetch) = &mut self.fetch else { return };
        let restarted = if fetch.identified { self.update.restart() } else { Ok(()) };
        let identified = restarted.and_then(|()| self.update.identify(tag.as_deref(), total));
        match identified {
            Ok(()) => (fetch.etag, fetch.identified) = (tag, true),
            Err(_) => self.drop_fetch(),
        }
    }

    /// What is stored is of no use: everything from the start.
    fn fetch_anew(&mut self, now: Instant) {
        self.retry_fetch(None, now);
        let Some(fetch) = &mut self.fetch else { return };
        (fetch.etag, fetch.identified) = (None, false);
        if self.update.restart().is_err() {
            self.drop_fetch();
        }
    }

    /// The next bytes of a download.
    pub fn fetch_chunk(&mut self, id: FetchId, bytes: &[u8], now: Instant) {
        let Some(fetch) = self.current_fetch(id).filter(|fetch| fetch.identified) else { return };
        let known = fetch.skip.min(bytes.len() as u64);
        fetch.skip -= known;
        let new = &bytes[known as usize..];
        if !new.is_empty() {
            fetch.attempts = 0;
            if self.update.append(new).is_err() {
                self.drop_fetch();
            }
        }
        self.settle(now);
    }

    /// A download's body has come to its end.
    pub fn fetch_ended(&mut self, id: FetchId, now: Instant) {
        if self.current_fetch(id).is_none() {
            return;
        }
        let (stored, total) = self.update.progress();
        if total.is_some_and(|total| stored < total) {
            self.retry_fetch(None, now);
        } else {
            self.fetch = None;
            self.update.finish();
        }
        self.settle(now);
    }

    /// A download gave nothing, or no more.
    pub fn fetch_failed(&mut self, id: FetchId, failure: FetchFailure, now: Instant) {
        if self.current_fetch(id).is_none() {
            return;
        }
        match failure {
            FetchFailure::Interrupted(wait) => self.retry_fetch(wait, now),
            FetchFailure::NothingFromThere => self.fetch_anew(now),
            FetchFailure::Refused => self.end_fetch(UpdateResult::InvalidUri),
            FetchFailure::Untrusted => self.end_fetch(UpdateResult::ConnectionLost),
            FetchFailure::UnsupportedProtocol => self.end_fetch(UpdateResult::UnsupportedProtocol),
        }
        self.settle(now);
    }

    fn end_fetch(&mut self, result: UpdateResult) {
        self.fetch = None;
        self.update.abandon(result);
    }

    fn retry_fetch(&mut self, wait: Option<Duration>, now: Instant) {
        let Some(fetch) = &mut self.fetch else { return };
        let doubled = FIRST_WAIT * 2_u32.saturating_pow(fetch.attempts.min(16));
        fetch.attempts += 1;
        fetch.due = Some(now + wait.map_or(doubled.min(LONGEST_WAIT), |wait| wait.min(LONGEST_RETRY_AFTER)));
        if fetch.attempts > self.config.firmware.attempts {
            self.fetch = None;
            self.update.give_up(UpdateResult::ConnectionLost);
        }
    }
}
