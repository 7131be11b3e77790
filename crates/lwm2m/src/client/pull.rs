//! A download from a Package URI.

use core::time::Duration;

use coap::{Code, Download, DownloadError, Request, RequestId, Response};
use machine::{Instant, Link, OpenRequest, Path, SessionCommand};

use super::Client;
use super::config::DownloadRoute;
use super::firmware_store::{FirmwareStore, Kept};
use super::firmware_values::UpdateResult;
use super::package_uri::{PackageUri, Scheme};

/// A download that is running.
#[derive(Debug)]
pub(super) struct Pull {
    uri: PackageUri,
    download: Download,
    /// The store knows entity tag and size.
    identified: bool,
    route: Route,
    phase: Phase,
    /// Exchanges given up since the last byte.
    attempts: u32,
    /// The link is doubted until the registration has proved it.
    doubted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Route {
    /// Whatever link the registration has.
    Registration,
    /// A link of its own, once it is up.
    Separate(Option<Link>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// The session of its own is being opened.
    Opening(OpenRequest),
    /// The next request may go then, if there is a link.
    Due(Instant),
    /// A request is on its way.
    Asking(RequestId),
}

/// The wait after an answer that asks for patience and does not say how much (RFC 7252 section 5.10.5:
/// Max-Age is 60 seconds unless given).
const DEFAULT_MAX_AGE: u32 = 60;
/// The longest wait that a server can ask for.
const LONGEST_MAX_AGE: u32 = 3_600;

impl<F: FirmwareStore> Client<F> {
    pub(super) fn start_pull(&mut self, uri: PackageUri, kept: &Kept, now: Instant) {
        if matches!(uri.scheme, Scheme::Http | Scheme::Https) {
            return self.start_fetch(kept, now);
        }
        let identified = kept.etag.is_some();
        let download = self.new_download(kept.offset, kept.etag.as_deref());
        let route = match self.config.firmware.route {
            DownloadRoute::Registration => Route::Registration,
            DownloadRoute::Separate(_) => Route::Separate(None),
        };
        let phase = Phase::Due(now);
        let mut pull = Pull { uri, download, identified, route, phase, attempts: 0, doubted: false };
        if route != Route::Registration && !self.open_own_link(&mut pull, now) {
            self.update.abandon(UpdateResult::InvalidUri);
            return;
        }
        self.pull = Some(pull);
    }

    fn new_download(&self, offset: u64, etag: Option<&[u8]>) -> Download {
        let download = Download::new(self.config.firmware.block_size, offset, etag);
        if self.config.quirks.begins_plainly { download.begin_plainly() } else { download }
    }

    /// Whether the host can be called at all.
    fn open_own_link(&mut self, pull: &mut Pull, now: Instant) -> bool {
        let (Some(remote), DownloadRoute::Separate(socket)) =
            (pull.uri.address(), self.config.firmware.route)
        else {
            return false;
        };
        match (pull.uri.scheme, self.download_credential()) {
            (Scheme::Coap, _) => {
                pull.route = Route::Separate(Some(Link::Open(Path { socket, remote })));
                pull.phase = Phase::Due(now);
            }
            (Scheme::Coaps, Some(credential)) => {
                let request = self.new_open_request();
                pull.phase = Phase::Opening(request);
                self.sessions.push_back(SessionCommand::Open { request, remote, credential });
            }
            (Scheme::Coaps, None) | (Scheme::Http | Scheme::Https, _) => return false,
        }
        true
    }

    /// When the download has something to do.
    pub(super) fn pull_due(&self) -> Option<Instant> {
        self.block_due().into_iter().chain(self.fetch_due()).min()
    }

    fn block_due(&self) -> Option<Instant> {
        match self.pull.as_ref()?.phase {
            Phase::Due(at) if self.pull_link().is_some() => Some(at),
            _ => None,
        }
    }

    fn pull_link(&self) -> Option<Link> {
        let pull = self.pull.as_ref()?;
        match pull.route {
            Route::Separate(link) => link,
            Route::Registration if pull.doubted => None,
            Route::Registration => self.download_link(),
        }
    }

    pub(super) fn advance_pull(&mut self, now: Instant) {
        self.advance_fetch(now);
        let (Some(due), Some(link)) = (self.block_due(), self.pull_link()) else { return };
        let Some(pull) = self.pull.as_mut().filter(|_| due <= now) else { return };
        let mut request =
            Request::with_segments(Code::GET, pull.uri.path.iter().map(alloc::vec::Vec::as_slice));
        let drops_query = self.config.quirks.drops_query;
        for part in pull.uri.query.iter().filter(|_| !drops_query) {
            request = request.option(coap::OptionNumber::URI_QUERY, part);
        }
        let request = pull.download.next_request(request);
        pull.phase = Phase::Asking(self.endpoint.request(link, request, now));
    }

    /// The registration was confirmed, so the link works.
    pub(super) fn pull_link_proved(&mut self) {
        if let Some(pull) = &mut self.pull {
            pull.doubted = false;
        }
    }

    /// Ends the download without a verdict.
    pub(super) fn drop_pull(&mut self, now: Instant) {
        self.drop_fetch();
        let Some(pull) = self.pull.take() else { return };
        if let Phase::Asking(id) = pull.phase {
            self.endpoint.cancel(id, now);
        }
        if let Route::Separate(Some(link)) = pull.route
            && link.is_secured()
        {
            self.sessions.push_back(SessionCommand::Close(link));
        }
    }

    pub(super) fn is_pull(&self, id: RequestId) -> bool {
        self.pull.as_ref().is_some_and(|pull| pull.phase == Phase::Asking(id))
    }

    /// Whether a request of the download is on its way to the server of the registration.
    pub(super) fn pull_is_asking_the_server(&self) -> bool {
        let asking =
            |pull: &Pull| pull.route == Route::Registration && matches!(pull.phase, Phase::Asking(_));
        self.pull.as_ref().is_some_and(asking)
    }

    pub(super) fn pull_answered(&mut self, response: &Response, now: Instant) {
        let Some(pull) = &mut self.pull else { return };
        match pull.download.accept(response) {
            Ok(chunk) => {
                let bytes = response.payload.get(chunk.bytes).unwrap_or_default();
                self.store_chunk(bytes, chunk.last, now);
            }
            Err(DownloadError::Changed) => self.restart_pull(now),
            Err(DownloadError::Mismatch) => self.retry_pull(Duration::ZERO, now),
            Err(DownloadError::Refused(code)) if code.class() == 5 => {
                let wait = response.options.max_age().unwrap_or(DEFAULT_MAX_AGE).min(LONGEST_MAX_AGE);
                self.retry_pull(Duration::from_secs(wait.into()), now);
            }
            Err(DownloadError::Refused(_)) => {
                self.drop_pull(now);
                self.update.abandon(UpdateResult::InvalidUri);
            }
        }
    }

    fn store_chunk(&mut self, bytes: &[u8], last: bool, now: Instant) {
        let Some(pull) = &mut self.pull else { return };
        pull.attempts = 0;
        let identified =
            pull.identified || self.update.identify(pull.download.etag(), pull.download.total()).is_ok();
        pull.identified = identified;
        if !identified || self.update.append(bytes).is_err() {
            self.drop_pull(now);
        } else if last {
            self.drop_pull(now);
            self.update.finish();
        } else {
            pull.phase = Phase::Due(now + self.config.firmware.pace(bytes.len()));
        }
    }

    /// Another image lies there now than the one that was begun.
    fn restart_pull(&mut self, now: Instant) {
        let download = self.new_download(0, None);
        if self.update.restart().is_err() {
            self.drop_pull(now);
        } else if let Some(pull) = &mut self.pull {
            pull.download = download;
            pull.identified = false;
            self.retry_pull(Duration::ZERO, now);
        }
    }

    /// An exchange was given up or its session ended. The other side may not know the session any more, which
    /// only a new handshake can tell.
    pub(super) fn pull_unanswered(&mut self, now: Instant) {
        self.retry_pull(Duration::ZERO, now);
        let Some(pull) = &mut self.pull else { return };
        match pull.route {
            Route::Registration => {
                pull.doubted = true;
                self.prove_download_link(now);
            }
            Route::Separate(Some(link @ Link::Secured(_))) => {
                self.endpoint.forget(link, now);
                self.sessions.push_back(SessionCommand::Close(link));
                self.reopen_own_link(now);
            }
            Route::Separate(_) => {}
        }
    }

    fn retry_pull(&mut self, wait: Duration, now: Instant) {
        let Some(pull) = &mut self.pull else { return };
        pull.attempts += 1;
        pull.phase = Phase::Due(now + wait);
        if pull.attempts > self.config.firmware.attempts {
            self.drop_pull(now);
            self.update.give_up(UpdateResult::ConnectionLost);
        }
    }

    /// A session came up. Whether it is the download's.
    pub(super) fn pull_opened(&mut self, request: OpenRequest, link: Link, now: Instant) -> bool {
        let Some(pull) = self.pull.as_mut().filter(|pull| pull.phase == Phase::Opening(request)) else {
            return false;
        };
        pull.route = Route::Separate(Some(link));
        pull.phase = Phase::Due(now);
        true
    }

    /// A session of the download did not come up, or ended.
    pub(super) fn pull_session_lost(&mut self, lost: Result<Link, OpenRequest>, now: Instant) {
        let ours = self.pull.as_ref().is_some_and(|pull| match lost {
            Ok(link) => pull.route == Route::Separate(Some(link)),
            Err(request) => pull.phase == Phase::Opening(request),
        });
        if !ours {
            return;
        }
        self.retry_pull(Duration::ZERO, now);
        self.reopen_own_link(now);
    }

    fn reopen_own_link(&mut self, now: Instant) {
        if let Some(mut pull) = self.pull.take() {
            pull.route = Route::Separate(None);
            self.open_own_link(&mut pull, now);
            self.pull = Some(pull);
        }
    }
}

impl super::config::FirmwareSettings {
    /// How long to wait after this many bytes.
    fn pace(&self, bytes: usize) -> Duration {
        let micros = |rate: u32| bytes as u64 * 1_000_000 / u64::from(rate.max(1));
        Duration::from_micros(self.bytes_per_second.map_or(0, micros))
    }
}
