//! Keeps other web pages out.
//!
//! Without accounts, whoever can make this machine send a request rules the server. A page in the
//! operator's own browser could: by a form, or by a name that it makes resolve to this machine. Browsers
//! tell the first by `Origin`, and the second by `Host`.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// Whether the server listens on this machine only, so that only its own names may be used for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LocalOnly(pub bool);

/// Refuses requests that another web page made.
pub async fn guard(State(local): State<LocalOnly>, request: Request, next: Next) -> Response {
    match check(local, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn check(local: LocalOnly, headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default();
    if local.0 && !is_local(host) {
        return Err(refused(format!("the server was addressed as {host:?}")));
    }
    match text(header::ORIGIN) {
        Some(origin) if origin.split_once("://").is_none_or(|(_, authority)| authority != host) => {
            Err(refused(format!("the request comes from a page of {origin}")))
        }
        _ => Ok(()),
    }
}

fn refused(detail: String) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "foreign-origin", "Requests of other web pages are refused", detail)
        .remedy("Use http://127.0.0.1 or http://localhost with the server's port, or the command line.")
}

fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn accepts(local: bool, host: &'static str, origin: Option<&'static str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(host));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        }
        check(LocalOnly(local), &headers).is_ok()
    }

    #[test]
    fn only_names_of_this_machine_reach_a_local_server() {
        for host in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST", "[::1]:8080", "127.0.0.2"] {
            assert!(accepts(true, host, None), "{host}");
        }
        for host in ["", "evil.example", "evil.example:8080", "localhost.evil.example", "192.0.2.1:8080"] {
            assert!(!accepts(true, host, None), "{host}");
        }
        assert!(accepts(false, "fota.example.org", None));
    }

    #[test]
    fn pages_of_other_servers_are_refused() {
        assert!(accepts(true, "127.0.0.1:8080", Some("http://127.0.0.1:8080")));
        for origin in ["http://evil.example", "http://127.0.0.1:9999", "null"] {
            assert!(!accepts(true, "127.0.0.1:8080", Some(origin)), "{origin}");
        }
    }
}
