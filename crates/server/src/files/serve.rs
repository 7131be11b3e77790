//! Accepts connections and answers on them, within bounds.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{interval, timeout};
use tokio_rustls::TlsAcceptor;

use super::answer::{answer, token};
use super::body::ImageBody;
use super::offers::Offers;
use super::patient::Patient;

/// How long a TLS handshake, or the head of a request, may take.
const GREETING: Duration = Duration::from_secs(15);
/// How long nothing may move on a connection (FAULTS F50).
const IDLE: Duration = Duration::from_secs(60);
/// The head of a request at most, and what waits inside the process for a slow reader.
const BUFFER: usize = 32 << 10;
/// What waits in the system for a slow reader. Small, so that progress is what the device has.
const SEND_BUFFER: usize = 64 << 10;
const MOST_HEADERS: usize = 64;
/// The pause after the system refused a connection (no file handles left).
const PAUSE: Duration = Duration::from_millis(200);

/// Serves one port until `stopping` becomes true; connections that are open then are cut, and the devices
/// resume.
pub async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    offers: Offers,
    slots: Arc<Semaphore>,
    mut stopping: watch::Receiver<bool>,
) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = connections.join_next(), if !connections.is_empty() => continue,
            _ = stopping.wait_for(|stopping| *stopping) => return,
        };
        match (accepted, slots.clone().try_acquire_owned()) {
            (Ok((stream, peer)), Ok(slot)) => {
                let (tls, offers) = (tls.clone(), offers.clone());
                connections.spawn(async move {
                    tracing::trace!(%peer, "a device connects for an image");
                    connection(stream, tls, offers).await;
                    drop(slot);
                });
            }
            (Ok((_, peer)), Err(_)) => tracing::debug!(%peer, "too many downloads at once; one more is cut"),
            (Err(error), _) => {
                tracing::warn!(%error, "a connection for an image was not accepted");
                let mut pause = interval(PAUSE);
                pause.tick().await;
                pause.tick().await;
            }
        }
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, offers: Offers) {
    // Both are wishes; the system's own values work as well.
    let _ = stream.set_nodelay(true);
    let _ = rustix::net::sockopt::set_socket_send_buffer_size(&stream, SEND_BUFFER);
    let stream = Patient::new(stream, IDLE);
    match tls {
        None => answer_on(stream, offers).await,
        Some(tls) => match timeout(GREETING, tls.accept(stream)).await {
            Ok(Ok(stream)) => answer_on(stream, offers).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        },
    }
}

async fn answer_on(stream: impl AsyncRead + AsyncWrite + Unpin, offers: Offers) {
    let respond = service_fn(|request| {
        let response = respond(&request, &offers);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(GREETING)
        .max_headers(MOST_HEADERS)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), respond);
    if let Err(error) = connection.await {
        tracing::debug!(error = &error as &dyn std::error::Error, "a download was cut");
    }
}

fn respond(request: &Request<Incoming>, offers: &Offers) -> Response<ImageBody> {
    let offer = token(request.uri().path()).and_then(|token| offers.find(token));
    let answer = answer(request.method(), request.headers(), offer.as_deref());
    let body = match (offer, answer.bytes) {
        (Some(offer), Some(part)) => ImageBody::of(offer, offers.clone(), part),
        _ => ImageBody::empty(),
    };
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    if let Some(length) = answer.untold {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}
