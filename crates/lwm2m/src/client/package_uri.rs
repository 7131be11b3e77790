//! The Package URI of object 5.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};

/// A Package URI that this client can download from (RFC 7252 section 6).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PackageUri {
    /// How to reach the host.
    pub scheme: Scheme,
    /// The host as it is written, without brackets.
    pub host: String,
    /// The port; that of the scheme if none is written.
    pub port: u16,
    /// The decoded segments of the path.
    pub path: Vec<Vec<u8>>,
    /// The decoded parts of the query.
    pub query: Vec<Vec<u8>>,
}

/// A scheme that this client speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    /// CoAP over UDP.
    Coap,
    /// CoAP over DTLS.
    Coaps,
    /// HTTP 1.1, by the owner of the client.
    Http,
    /// HTTP 1.1 over TLS, by the owner of the client.
    Https,
}

/// Why a Package URI cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PackageUriError {
    /// It is no absolute URI with a host.
    #[error("the package URI is not an absolute URI")]
    Invalid,
    /// Its scheme is not spoken here.
    #[error("the scheme of the package URI is not supported")]
    UnsupportedScheme,
}

impl PackageUri {
    /// Reads `scheme://host[:port]/path[?query]`.
    pub fn parse(text: &str) -> Result<Self, PackageUriError> {
        let (scheme, rest) = text.split_once("://").ok_or(PackageUriError::Invalid)?;
        let scheme = Scheme::parse(scheme)?;
        // A fragment has no meaning for a transfer (RFC 7252 section 6.4, step 1).
        if rest.contains('#') || text.bytes().any(|byte| byte <= b' ' || byte == 0x7F) {
            return Err(PackageUriError::Invalid);
        }
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = split_authority(authority)?;
        let port = match port {
            Some(digits) => digits.parse().ok().filter(|port| *port != 0).ok_or(PackageUriError::Invalid)?,
            None => scheme.default_port(),
        };
        Ok(Self {
            scheme,
            host: host.to_string(),
            port,
            path: decode_parts(path, '/')?,
            query: query.map_or(Ok(Vec::new()), |query| decode_parts(query, '&'))?,
        })
    }

    /// The address to call, if the host is one and not a name.
    pub fn address(&self) -> Option<SocketAddr> {
        let ip: IpAddr = self.host.parse().ok()?;
        Some(SocketAddr::new(ip, self.port))
    }
}

impl Scheme {
    fn parse(text: &str) -> Result<Self, PackageUriError> {
        let mut characters = text.bytes();
        let starts_well = characters.next().is_some_and(|first| first.is_ascii_alphabetic());
        let goes_on = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        if !starts_well || !characters.all(goes_on) {
            return Err(PackageUriError::Invalid);
        }
        let spoken = Self::ALL.into_iter().find(|scheme| text.eq_ignore_ascii_case(scheme.name()));
        spoken.ok_or(PackageUriError::UnsupportedScheme)
    }

    const ALL: [Self; 4] = [Self::Coap, Self::Coaps, Self::Http, Self::Https];

    /// As it stands in a URI.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Coap => "coap",
            Self::Coaps => "coaps",
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The number in `/5/0/8` (OMA 5.xml).
    pub const fn protocol(self) -> u8 {
        match self {
            Self::Coap => 0,
            Self::Coaps => 1,
            Self::Http => 2,
            Self::Https => 3,
        }
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Coap => 5683,
            Self::Coaps => 5684,
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Host and port digits; user information is not allowed in these schemes.
fn split_authority(authority: &str) -> Result<(&str, Option<&str>), PackageUriError> {
    let (host, port) = if let Some(bracketed) = authority.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']').ok_or(PackageUriError::Invalid)?;
        host.parse::<Ipv6Addr>().map_err(|_| PackageUriError::Invalid)?;
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => return Err(PackageUriError::Invalid),
        }
    } else {
        authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)))
    };
    let bracketed = authority.starts_with('[');
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
    if host.is_empty() || (!bracketed && !host.bytes().all(named)) {
        return Err(PackageUriError::Invalid);
    }
    // "host:" means the default port (RFC 3986 section 3.2.3).
    Ok((host, port.filter(|port| !port.is_empty())))
}

fn decode_parts(text: &str, separator: char) -> Result<Vec<Vec<u8>>, PackageUriError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    text.split(separator).map(percent_decode).collect()
}

fn percent_decode(part: &str) -> Result<Vec<u8>, PackageUriError> {
    let mut decoded = Vec::with_capacity(part.len());
    let mut bytes = part.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || {
                let byte = bytes.next()?;
                char::from(byte).to_digit(16)
            };
            let (high, low) = digit().zip(digit()).ok_or(PackageUriError::Invalid)?;
            decoded.push((high * 16 + low) as u8);
        } else {
            decoded.push(byte);
        }
    }
    // An option value of a path or query holds at most 255 bytes (RFC 7252 section 5.10).
    if decoded.len() > 255 { Err(PackageUriError::Invalid) } else { Ok(decoded) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_host_port_path_and_query() {
        let uri = PackageUri::parse("coaps://10.0.0.1:5700/fw/a%20b?x=1&y").unwrap();
        assert_eq!(uri.scheme, Scheme::Coaps);
        assert_eq!(uri.address(), Some("10.0.0.1:5700".parse().unwrap()));
        assert_eq!(uri.path, [b"fw".to_vec(), b"a b".to_vec()]);
        assert_eq!(uri.query, [b"x=1".to_vec(), b"y".to_vec()]);
    }

    #[test]
    fn fills_in_the_port_of_the_scheme() {
        let port = |text| PackageUri::parse(text).unwrap().port;
        assert_eq!(port("coap://host/f"), 5683);
        assert_eq!(port("COAPS://host:/f"), 5684);
        assert_eq!(
            (port("http://host/f"), port("https://host/f"), port("HTTP://host:8081/f")),
            (80, 443, 8_081)
        );
        assert_eq!(PackageUri::parse("coap://[::1]:9/f").unwrap().address(), "[::1]:9".parse().ok());
    }

    #[test]
    fn a_name_has_no_address() {
        assert_eq!(PackageUri::parse("coap://fota.example/f").unwrap().address(), None);
    }

    #[test]
    fn tells_a_bad_uri_from_a_foreign_scheme() {
        for text in [
            "nonsense",
            "://host/f",
            "1coap://host/f",
            "coap://",
            "coap:///f",
            "coap://ho st/f",
            "coap://user@host/f",
            "coap://host:0/f",
            "coap://host:65536/f",
            "coap://host/%4",
            "coap://host/%zz",
            "coap://[::1/f",
            "coap://[host]/f",
            "coap://host/f#part",
        ] {
            assert_eq!(PackageUri::parse(text), Err(PackageUriError::Invalid), "{text}");
        }
        for text in ["ftp://host/f", "httpx://host/f", "coap+tcp://host/f"] {
            assert_eq!(PackageUri::parse(text), Err(PackageUriError::UnsupportedScheme), "{text}");
        }
    }
}
