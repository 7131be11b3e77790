//! Downloads over HTTP and HTTPS for the client, which only says what it wants.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use lwm2m::client::{self, FetchFailure, FetchId, FetchStart, PackageUri, Scheme};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{interval, timeout};
use tokio_rustls::TlsConnector;

use crate::{Command, Fetched};

/// Why the certificates to trust cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file cannot be read.
    #[error("cannot read the certificates to trust from {}", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// There is none in it.
    #[error("{} holds no certificate in PEM; `updraft files certificate` prints that of a server", .0.display())]
    Empty(PathBuf),
}

/// Carries out what a client asks for, one transfer at a time.
pub(super) struct Fetcher {
    tls: TlsConnector,
    /// Bytes a second at most.
    speed: Option<u32>,
    commands: mpsc::Sender<Command>,
    running: Option<AbortHandle>,
}

/// How long a connection or an answer may take, and how long nothing may come.
const PATIENCE: Duration = Duration::from_secs(30);
/// The largest piece that is written to flash at once.
const PIECE: usize = 4_096;

impl Fetcher {
    pub(super) fn new(
        trust: Option<&Path>,
        speed: Option<u32>,
        commands: mpsc::Sender<Command>,
    ) -> Result<Self, TrustError> {
        Ok(Self { tls: connector(trusted(trust)?), speed, commands, running: None })
    }

    /// Begins or ends a transfer if the event is about one. Needs a runtime around it.
    pub(super) fn handle(&mut self, event: &client::Event) {
        match event {
            client::Event::FetchWanted { fetch, uri, offset, etag } => {
                self.stop();
                let transfer = Transfer {
                    fetch: *fetch,
                    uri: uri.clone(),
                    offset: *offset,
                    etag: etag.clone(),
                    tls: self.tls.clone(),
                    speed: self.speed,
                    commands: self.commands.clone(),
                };
                self.running = Some(tokio::spawn(transfer.run()).abort_handle());
            }
            client::Event::FetchStopped(_) => self.stop(),
            _ => {}
        }
    }

    /// Ends what runs: its connection is cut.
    pub(super) fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
        }
    }
}

fn trusted(file: Option<&Path>) -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    let Some(path) = file else { return Ok(roots) };
    let text = fs::read(path).map_err(|source| TrustError::Read { path: path.to_owned(), source })?;
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&text).filter_map(Result::ok));
    if roots.is_empty() { Err(TrustError::Empty(path.to_owned())) } else { Ok(roots) }
}

fn connector(roots: RootCertStore) -> TlsConnector {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .expect("the provider speaks both")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(config))
}

/// One download.
struct Transfer {
    fetch: FetchId,
    uri: String,
    offset: u64,
    etag: Option<Vec<u8>>,
    tls: TlsConnector,
    speed: Option<u32>,
    commands: mpsc::Sender<Command>,
}

/// The connection broke, or never came up.
const INTERRUPTED: FetchFailure = FetchFailure::Interrupted(None);

impl Transfer {
    async fn run(self) {
        let end = match self.download().await {
            Ok(()) => Fetched::Ended,
            Err(failure) => Fetched::Failed(failure),
        };
        self.tell(end).await;
    }

    /// Fails only when the module has ended, and this task with it.
    async fn tell(&self, fetched: Fetched) {
        let _ = self.commands.send(Command::Fetched(self.fetch, fetched)).await;
    }

    async fn download(&self) -> Result<(), FetchFailure> {
        let uri = PackageUri::parse(&self.uri).map_err(|_| FetchFailure::Refused)?;
        let connected = timeout(PATIENCE, TcpStream::connect((uri.host.as_str(), uri.port))).await;
        let stream = connected.ok().and_then(Result::ok).ok_or(INTERRUPTED)?;
        match uri.scheme {
            Scheme::Http => self.ask(stream, &uri).await,
            Scheme::Https => {
                let name = ServerName::try_from(uri.host.clone()).map_err(|_| FetchFailure::Refused)?;
                let secured = timeout(PATIENCE, self.tls.connect(name, stream)).await;
                self.ask(secured.map_err(|_| INTERRUPTED)?.map_err(|error| tls_failure(&error))?, &uri).await
            }
            Scheme::Coap | Scheme::Coaps => Err(FetchFailure::UnsupportedProtocol),
        }
    }

    async fn ask(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        uri: &PackageUri,
    ) -> Result<(), FetchFailure> {
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|_| INTERRUPTED)?;
        let request = self.request(uri)?;
        let answer = async {
            let answered = timeout(PATIENCE, sender.send_request(request)).await;
            let response = answered.ok().and_then(Result::ok).ok_or(INTERRUPTED)?;
            self.take(response).await
        };
        tokio::pin!(answer);
        // The connection moves the bytes; it ends when the answer is complete, or broken.
        tokio::select! {
            end = &mut answer => end,
            _ = connection => answer.await,
        }
    }

    fn request(&self, uri: &PackageUri) -> Result<Request<Empty<Bytes>>, FetchFailure> {
        let rest = self.uri.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
        let host = if uri.host.contains(':') { format!("[{}]", uri.host) } else { uri.host.clone() };
        let mut request = Request::get(rest.unwrap_or("/"))
            .header(header::HOST, format!("{host}:{}", uri.port))
            .header(header::USER_AGENT, concat!("vmodule/", env!("CARGO_PKG_VERSION")));
        if self.offset > 0
            && let Some(etag) = &self.etag
        {
            request = request
                .header(header::RANGE, format!("bytes={}-", self.offset))
                .header(header::IF_RANGE, etag.as_slice());
        }
        request.body(Empty::new()).map_err(|_| FetchFailure::Refused)
    }

    async fn take(&self, response: Response<Incoming>) -> Result<(), FetchFailure> {
        let start = start_of(&response)?;
        self.tell(Fetched::Started(start)).await;
        let mut body = response.into_body();
        let mut pace = self.speed.map(|speed| {
            interval(Duration::from_micros((PIECE as u64 * 1_000_000 / u64::from(speed.max(1))).max(1)))
        });
        while let Some(frame) = timeout(PATIENCE, body.frame()).await.map_err(|_| INTERRUPTED)? {
            let Ok(data) = frame.map_err(|_| INTERRUPTED)?.into_data() else { continue };
            for piece in data.chunks(PIECE) {
                self.tell(Fetched::Chunk(piece.to_vec())).await;
                if let Some(pace) = &mut pace {
                    pace.tick().await;
                }
            }
        }
        Ok(())
    }
}

/// What the head of an answer says: where its bytes begin, or why there are none.
fn start_of(response: &Response<Incoming>) -> Result<FetchStart, FetchFailure> {
    let headers = response.headers();
    let etag = headers.get(header::ETAG).map(|tag| tag.as_bytes().to_vec());
    let etag = etag.filter(|tag| !tag.starts_with(b"W/"));
    match response.status() {
        StatusCode::OK => {
            let total = text(headers, header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
            Ok(FetchStart { offset: 0, etag, total })
        }
        StatusCode::PARTIAL_CONTENT => {
            let range = text(headers, header::CONTENT_RANGE).and_then(content_range);
            let (offset, total) = range.ok_or(FetchFailure::NothingFromThere)?;
            Ok(FetchStart { offset, etag, total })
        }
        StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::PRECONDITION_FAILED => {
            Err(FetchFailure::NothingFromThere)
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Err(interrupted(headers)),
        status if status.is_server_error() => Err(interrupted(headers)),
        _ => Err(FetchFailure::Refused),
    }
}

fn interrupted(headers: &HeaderMap) -> FetchFailure {
    let seconds = text(headers, header::RETRY_AFTER).and_then(|seconds| seconds.parse().ok());
    FetchFailure::Interrupted(seconds.map(Duration::from_secs))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Offset and size of `bytes 40-99/100`; the size may be `*`.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.parse().ok()?, total.parse().ok()))
}

/// A server that shows a wrong certificate is another matter than one that hangs up.
fn tls_failure(error: &std::io::Error) -> FetchFailure {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    if matches!(cause, Some(rustls::Error::InvalidCertificate(_))) {
        FetchFailure::Untrusted
    } else {
        INTERRUPTED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_says_where_and_of_how_much() {
        assert_eq!(content_range("bytes 40-99/100"), Some((40, Some(100))));
        assert_eq!(content_range("bytes 0-9/*"), Some((0, None)));
        for text in ["", "bytes */100", "items 0-1/2", "bytes x-1/2"] {
            assert_eq!(content_range(text), None, "{text}");
        }
    }
}
