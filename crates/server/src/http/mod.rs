//! The REST API under `/api/v1`. One endpoint is one file: documentation, handler, and what its errors
//! become.

mod actor;
mod body;
mod bootstrap;
mod devices;
mod files;
mod health;
mod object_models;
mod openapi;
mod operations;
mod origin;
mod packages;
mod page;
mod problem;
mod products;
mod signing_keys;
mod upgrades;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::{Router, middleware};
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use openapi::document;
use origin::LocalOnly;
use problem::Problem;

use crate::app::App;

/// What handlers work with.
#[derive(Clone, Debug)]
struct Context {
    app: App,
    /// Becomes true when the server stops; whoever answers without end stops then.
    stopping: watch::Receiver<bool>,
}

/// Why the API cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody else has the port.
    #[error(
        "TCP {0} is in use by another program; stop that one (`ss -tlpn 'sport = :{port}'` names it) or set \
         http.bind to another port", port = .0.port()
    )]
    InUse(SocketAddr),
    /// Anything else.
    #[error("cannot listen on TCP {address}; set http.bind to an address of this machine")]
    Refused {
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Takes the port.
///
/// # Errors
/// It is in use or not ours.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse(address),
        _ => ListenError::Refused { address, source },
    })
}

/// How long requests may go on after the server was told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Serves the API until `stopping` becomes true.
///
/// # Errors
/// The listener failed for good.
pub async fn serve(listener: TcpListener, app: App, stopping: watch::Receiver<bool>) -> io::Result<()> {
    let local = LocalOnly(listener.local_addr()?.ip().is_loopback());
    let router = router(app, stopping.clone(), local);
    let (mut graceful, mut hard) = (stopping.clone(), stopping);
    let serving = axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            // An error means that whoever stops the server is gone.
            let _ = graceful.wait_for(|stopping| *stopping).await;
        })
        .into_future();
    let cut = async {
        let _ = hard.wait_for(|stopping| *stopping).await;
        let mut grace = tokio::time::interval(GRACE);
        grace.tick().await;
        grace.tick().await;
    };
    tokio::select! {
        served = serving => served,
        () = cut => Ok(()),
    }
}

/// Longest JSON body; images have a route of their own.
const LARGEST_BODY: usize = 64 << 10;

fn router(app: App, stopping: watch::Receiver<bool>, local: LocalOnly) -> Router {
    let (api, document) = openapi::routes().split_for_parts();
    let context = Context { app, stopping };
    let set = |name: HeaderName, value: &'static str| {
        middleware::map_response(move |mut response: axum::response::Response| {
            let name = name.clone();
            async move {
                response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
                response
            }
        })
    };
    Router::new()
        .merge(api)
        .merge(openapi::pages(document))
        .fallback(async |address: axum::http::Uri| {
            Problem::not_found(format!("there is nothing at {}", address.path()))
                .remedy("See /api/v1/openapi.json or /docs for what there is.")
        })
        .method_not_allowed_fallback(async || {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method",
                "This method is not possible here",
                "the address exists, but not for this method",
            )
            .remedy("The header Allow names the possible ones.")
        })
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(middleware::from_fn_with_state(local, origin::guard))
        .layer(set(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(set(header::X_FRAME_OPTIONS, "DENY"))
        .layer(set(header::CACHE_CONTROL, "no-store"))
        .with_state(context)
}

#[cfg(test)]
mod tests;
