//! What a request is answered: status, headers, and which bytes.

use std::ops::Range;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::offers::Offer;
use super::range::{Wanted, wanted};

/// The path in front of a token.
const PATH: &str = "/fw/";

/// A response without its body.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The bytes of the image that are its body; `None` if it has none.
    pub bytes: Option<Range<usize>>,
    /// The length that is told for a body that is not sent (HEAD).
    pub untold: Option<usize>,
}

/// The token in a path, if it has the shape of one.
pub fn token(path: &str) -> Option<&str> {
    let token = path.strip_prefix(PATH)?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    ((1..=64).contains(&token.len()) && token.bytes().all(fits)).then_some(token)
}

/// The answer to a request for what may be on offer.
pub(super) fn answer(method: &Method, headers: &HeaderMap, offer: Option<&Offer>) -> Answer {
    let Some(offer) = offer else { return Answer::bare(StatusCode::NOT_FOUND) };
    if method != Method::GET && method != Method::HEAD {
        let mut answer = Answer::bare(StatusCode::METHOD_NOT_ALLOWED);
        answer.set(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    // The order of RFC 9110 section 13.2.2.
    if !matches(headers, header::IF_MATCH, &offer.tag, true) {
        return Answer::bare(StatusCode::PRECONDITION_FAILED);
    }
    if headers.contains_key(header::IF_NONE_MATCH)
        && matches(headers, header::IF_NONE_MATCH, &offer.tag, false)
    {
        let mut answer = Answer::bare(StatusCode::NOT_MODIFIED);
        answer.set(header::ETAG, offer.tag.clone());
        return answer;
    }
    let length = offer.bytes.len();
    let mut answer = match asked(method, headers, offer) {
        Wanted::Whole => Answer::of(StatusCode::OK, 0..length),
        Wanted::Part(part) => {
            let mut answer = Answer::of(StatusCode::PARTIAL_CONTENT, part.start as usize..part.end as usize);
            answer.tell_range(&format!("bytes {}-{}/{length}", part.start, part.end - 1));
            answer
        }
        Wanted::Nothing => {
            let mut answer = Answer::bare(StatusCode::RANGE_NOT_SATISFIABLE);
            answer.tell_range(&format!("bytes */{length}"));
            answer
        }
    };
    answer.set(header::ETAG, offer.tag.clone());
    answer.set(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if method == Method::HEAD {
        answer.untold = answer.bytes.take().map(|bytes| bytes.len());
    }
    answer
}

/// A Range counts for GET only, and with If-Range only if that names these very bytes; a date never does,
/// since we give none (RFC 9110 section 13.1.5).
fn asked(method: &Method, headers: &HeaderMap, offer: &Offer) -> Wanted {
    let same = headers.get(header::IF_RANGE).is_none_or(|tag| tag == offer.tag);
    let range = headers.get(header::RANGE).filter(|_| same && method == Method::GET);
    let range = range.and_then(|range| range.to_str().ok());
    range.map_or(Wanted::Whole, |range| wanted(range, offer.bytes.len() as u64))
}

/// Whether a list of entity tags has this one; a header that is not there matches. `W/` is another tag for
/// the strong comparison and the same for the weak one (RFC 9110 section 8.8.3.2).
fn matches(headers: &HeaderMap, name: HeaderName, tag: &HeaderValue, strong: bool) -> bool {
    if !headers.contains_key(&name) {
        return true;
    }
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).any(|list| {
        list.split(',').map(str::trim).any(|listed| {
            let opaque = if strong { listed } else { listed.strip_prefix("W/").unwrap_or(listed) };
            opaque == "*" || opaque.as_bytes() == tag.as_bytes()
        })
    })
}

impl Answer {
    fn bare(status: StatusCode) -> Self {
        let mut answer = Self { status, headers: HeaderMap::new(), bytes: None, untold: None };
        answer.set(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        answer
    }

    fn of(status: StatusCode, bytes: Range<usize>) -> Self {
        let mut answer = Self::bare(status);
        answer.set(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        answer.bytes = Some(bytes);
        answer
    }

    fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers.insert(name, value);
    }

    fn tell_range(&mut self, range: &str) {
        let value = HeaderValue::from_str(range).expect("numbers can stand in a header");
        self.set(header::CONTENT_RANGE, value);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::files::Offers;
    use crate::store::upgrades::UpgradeKey;

    const TAG: &str = "\"00112233445566778899aabbccddeeff\"";

    fn offer() -> Arc<Offer> {
        let (offers, _) = Offers::new();
        let image: Arc<[u8]> = (0..100).collect::<Vec<u8>>().into();
        offers.publish("token", UpgradeKey(1), image, &"00112233445566778899aabbccddeeff".repeat(2));
        offers.find("token").unwrap()
    }

    fn asked(method: &Method, headers: &[(HeaderName, &str)]) -> Answer {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()))
            .collect();
        answer(method, &headers, Some(&offer()))
    }

    fn told<'a>(answer: &'a Answer, name: &HeaderName) -> &'a str {
        answer.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[test]
    fn tokens_are_whole_paths() {
        assert_eq!(token("/fw/abc-_09"), Some("abc-_09"));
        for path in ["/", "/fw", "/fw/", "/fw/a/b", "/fw/../etc", "/fw/a%2e", "/FW/a", "/fw/a?b", "fw/a"] {
            assert_eq!(token(path), None, "{path}");
        }
        assert_eq!(token(&format!("/fw/{}", "a".repeat(65))), None);
    }

    #[test]
    fn what_is_not_offered_is_not_there_whatever_the_method() {
        for method in [Method::GET, Method::HEAD, Method::POST, Method::DELETE] {
            assert_eq!(answer(&method, &HeaderMap::new(), None).status, StatusCode::NOT_FOUND);
        }
    }

    #[test]
    fn a_get_gives_everything_and_its_tag() {
        let whole = asked(&Method::GET, &[]);
        assert_eq!((whole.status, whole.bytes.clone()), (StatusCode::OK, Some(0..100)));
        assert_eq!(told(&whole, &header::ETAG), TAG);
        assert_eq!(told(&whole, &header::ACCEPT_RANGES), "bytes");
        let head = asked(&Method::HEAD, &[(header::RANGE, "bytes=5-")]);
        assert_eq!((head.status, head.bytes, head.untold), (StatusCode::OK, None, Some(100)));
    }

    #[test]
    fn ranges_are_parts_and_say_which() {
        let part = asked(&Method::GET, &[(header::RANGE, "bytes=40-")]);
        assert_eq!((part.status, part.bytes.clone()), (StatusCode::PARTIAL_CONTENT, Some(40..100)));
        assert_eq!(told(&part, &header::CONTENT_RANGE), "bytes 40-99/100");
        let beyond = asked(&Method::GET, &[(header::RANGE, "bytes=100-")]);
        assert_eq!((beyond.status, beyond.bytes.clone()), (StatusCode::RANGE_NOT_SATISFIABLE, None));
        assert_eq!(told(&beyond, &header::CONTENT_RANGE), "bytes */100");
    }

    #[test]
    fn if_range_wants_the_very_same_bytes() {
        let check = |condition: &str, status| {
            let headers = [(header::RANGE, "bytes=40-"), (header::IF_RANGE, condition)];
            assert_eq!(asked(&Method::GET, &headers).status, status, "{condition}");
        };
        check(TAG, StatusCode::PARTIAL_CONTENT);
        check("\"other\"", StatusCode::OK);
        check(&format!("W/{TAG}"), StatusCode::OK);
        check("Wed, 01 Jul 2026 08:13:37 GMT", StatusCode::OK);
    }

    #[test]
    fn conditions_come_before_ranges() {
        let check = |name: HeaderName, value: &str, status| {
            let headers = [(header::RANGE, "bytes=40-"), (name.clone(), value)];
            assert_eq!(asked(&Method::GET, &headers).status, status, "{name}: {value}");
        };
        check(header::IF_MATCH, TAG, StatusCode::PARTIAL_CONTENT);
        check(header::IF_MATCH, "*", StatusCode::PARTIAL_CONTENT);
        check(header::IF_MATCH, "\"other\"", StatusCode::PRECONDITION_FAILED);
        check(header::IF_MATCH, &format!("W/{TAG}"), StatusCode::PRECONDITION_FAILED);
        check(header::IF_NONE_MATCH, &format!("\"other\", W/{TAG}"), StatusCode::NOT_MODIFIED);
        check(header::IF_NONE_MATCH, "\"other\"", StatusCode::PARTIAL_CONTENT);
    }

    #[test]
    fn other_methods_are_told_what_is_possible() {
        let answer = asked(&Method::PUT, &[]);
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(told(&answer, &header::ALLOW), "GET, HEAD");
    }
}
