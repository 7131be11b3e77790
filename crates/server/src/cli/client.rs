//! Asks the REST API.

use std::io::Read;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{HeaderValue, Response, StatusCode};
use ureq::typestate::{WithBody, WithoutBody};
use ureq::{Agent, Body, RequestBuilder, SendBody};

use super::failure::Failure;
use crate::api::{ACTOR_HEADER, Page, Problem};

/// A server.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    base: String,
    actor: HeaderValue,
}

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// What may stand unchanged in an address (RFC 3986 section 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A part of an address with everything escaped that could end it.
pub fn escaped(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// A query of the parameters that are set.
pub fn query(parameters: &[(&str, Option<&str>)]) -> String {
    let pairs: Vec<String> = parameters
        .iter()
        .filter_map(|(name, value)| value.map(|value| format!("{name}={}", escaped(value))))
        .collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

impl Client {
    /// A server that is asked in the name of `actor`.
    pub fn new(url: &str, actor: &str) -> Result<Self, Failure> {
        if !url.starts_with("http://") {
            return Err(Failure::usage(anyhow::anyhow!(
                "{url:?} is no address of a server: this version speaks http:// only, such as http://127.0.0.1:8080"
            )));
        }
        let config =
            Agent::config_builder().http_status_as_error(false).timeout_connect(Some(CONNECT)).build();
        let actor = HeaderValue::from_bytes(actor.as_bytes())
            .map_err(|_| Failure::usage(anyhow::anyhow!("--as {actor:?} is no name")))?;
        Ok(Self { agent: config.new_agent(), base: url.trim_end_matches('/').to_owned(), actor })
    }

    fn reading(&self, request: RequestBuilder<WithoutBody>) -> RequestBuilder<WithoutBody> {
        request.header(ACTOR_HEADER, &self.actor)
    }

    fn sending(&self, request: RequestBuilder<WithBody>) -> RequestBuilder<WithBody> {
        request.header(ACTOR_HEADER, &self.actor)
    }

    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.read(self.reading(self.agent.get(self.url(path))).call())
    }

    pub fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        self.read(self.sending(self.agent.post(self.url(path))).send_json(body))
    }

    /// Changes a part of something.
    pub fn patch<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        self.read(self.sending(self.agent.patch(self.url(path))).send_json(body))
    }

    pub fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        self.read(self.sending(self.agent.put(self.url(path))).send_json(body))
    }

    /// A POST that needs no body.
    pub fn order<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.read(self.sending(self.agent.post(self.url(path))).send_empty())
    }

    pub fn delete(&self, path: &str) -> Result<(), Failure> {
        self.checked(self.reading(self.agent.delete(self.url(path))).call()).map(|_| ())
    }

    /// Sends a small file of this type.
    pub fn send<T: DeserializeOwned>(&self, path: &str, kind: &str, bytes: &[u8]) -> Result<T, Failure> {
        self.read(self.sending(self.agent.post(self.url(path))).header("content-type", kind).send(bytes))
    }

    /// Sends a file.
    pub fn upload<T: DeserializeOwned>(
        &self,
        path: &str,
        length: u64,
        file: impl Read + 'static,
    ) -> Result<T, Failure> {
        let request = self
            .sending(self.agent.post(self.url(path)))
            .header("content-type", "application/octet-stream")
            .header("content-length", length.to_string())
            // The server may refuse before the file is sent.
            .header("expect", "100-continue");
        self.read(request.send(SendBody::from_owned_reader(file)))
    }

    /// A text, as it is.
    pub fn text(&self, path: &str) -> Result<String, Failure> {
        let mut response = self.checked(self.reading(self.agent.get(self.url(path))).call())?;
        response.body_mut().read_to_string().map_err(Failure::operation)
    }

    /// Reads a file as it comes.
    pub fn file(&self, path: &str) -> Result<Box<dyn Read>, Failure> {
        let response = self.checked(self.reading(self.agent.get(self.url(path))).call())?;
        Ok(Box::new(response.into_body().into_reader()))
    }

    /// Opens a stream of events after the one numbered `after`.
    pub fn stream(&self, path: &str, after: i64) -> Result<Box<dyn Read>, Failure> {
        let request = self.reading(self.agent.get(self.url(path))).header("last-event-id", after.to_string());
        let response = self.checked(request.call())?;
        Ok(Box::new(response.into_body().into_reader()))
    }

    /// All entries of a list, page after page.
    pub fn all<T: DeserializeOwned>(
        &self,
        path: &str,
        parameters: &[(&str, Option<&str>)],
    ) -> Result<Vec<T>, Failure> {
        let mut all = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut parameters = parameters.to_vec();
            parameters.extend([("limit", Some("200")), ("cursor", cursor.as_deref())]);
            let page: Page<T> = self.get(&format!("{path}{}", query(&parameters)))?;
            all.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                return Ok(all);
            }
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn unreachable(&self, error: ureq::Error) -> Failure {
        Failure::Unreachable { url: self.base.clone(), source: Box::new(error) }
    }

    fn read<T: DeserializeOwned>(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<T, Failure> {
        let mut response = self.checked(answer)?;
        response.body_mut().read_json().map_err(|error| {
            Failure::operation(anyhow::Error::new(error).context(format!(
                "the answer of {} cannot be read; is it an updraft server of this version?",
                self.base
            )))
        })
    }

    fn checked(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>, Failure> {
        let mut response = answer.map_err(|error| self.unreachable(error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        Err(match response.body_mut().read_json::<Problem>() {
            Ok(problem) => Failure::Problem(problem),
            Err(_) => self.strange(status),
        })
    }

    fn strange(&self, status: StatusCode) -> Failure {
        Failure::operation(anyhow::anyhow!("{} answered {status}; is it an updraft server?", self.base))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_escaped() {
        assert_eq!(escaped("urn:imei:1/2 ?"), "urn%3Aimei%3A1%2F2%20%3F");
        assert_eq!(query(&[("a", Some("1&2")), ("b", None), ("c", Some(""))]), "?a=1%262&c=");
        assert_eq!(query(&[("b", None)]), "");
    }

    #[test]
    fn only_http_is_spoken() {
        assert!(Client::new("https://127.0.0.1", "anna").is_err());
        assert!(Client::new("127.0.0.1:8080", "anna").is_err());
        assert!(Client::new("http://127.0.0.1:8080/", "anna").is_ok());
        assert!(Client::new("http://127.0.0.1:8080/", "a\nb").is_err());
    }
}
