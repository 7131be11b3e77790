//! Where devices reach this server.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// A host name or an IP address, as it stands in a URI.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Host(String);

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The text is not a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a host name or an IP address without port")]
pub struct NotAHost;

impl FromStr for Host {
    type Err = NotAHost;

    fn from_str(text: &str) -> Result<Self, NotAHost> {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        if bare.parse::<Ipv6Addr>().is_ok() {
            return Ok(Self(format!("[{bare}]")));
        }
        // RFC 1123 section 2.1.
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let is_name = text.len() <= 253 && text.split('.').all(is_label);
        is_name.then(|| Self(text.to_owned())).ok_or(NotAHost)
    }
}

/// The part of a download address before its path: scheme, host and optional port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BaseUri(String);

impl fmt::Display for BaseUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The text is not a base URI.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not coap://, coaps://, http:// or https:// with a host and an optional port")]
pub struct NotABaseUri;

impl FromStr for BaseUri {
    type Err = NotABaseUri;

    fn from_str(text: &str) -> Result<Self, NotABaseUri> {
        let (scheme, authority) =
            text.strip_suffix('/').unwrap_or(text).split_once("://").ok_or(NotABaseUri)?;
        if !matches!(scheme, "coap" | "coaps" | "http" | "https") {
            return Err(NotABaseUri);
        }
        let (name, port) = match authority.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
            _ => (authority, None),
        };
        let host: Host = name.parse().map_err(|_| NotABaseUri)?;
        match port.map(str::parse::<u16>) {
            None => Ok(Self(format!("{scheme}://{host}"))),
            Some(Ok(port)) if port > 0 => Ok(Self(format!("{scheme}://{host}:{port}"))),
            Some(_) => Err(NotABaseUri),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_or_addresses_without_port() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(text.parse::<Host>().ok().map(|host| host.to_string()).as_deref(), expect, "{text}");
        };
        check("fota.example.org", Some("fota.example.org"));
        check("192.0.2.7", Some("192.0.2.7"));
        check("2001:db8::7", Some("[2001:db8::7]"));
        check("[2001:db8::7]", Some("[2001:db8::7]"));
        for text in ["", "host:5684", "a b", "coaps://x", "-x", "a..b", "x/y"] {
            check(text, None);
        }
    }

    #[test]
    fn base_uris_keep_scheme_host_and_port_only() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(text.parse::<BaseUri>().ok().map(|uri| uri.to_string()).as_deref(), expect, "{text}");
        };
        check("coaps://fota.example.org:5684", Some("coaps://fota.example.org:5684"));
        check("coap://[2001:db8::7]", Some("coap://[2001:db8::7]"));
        check("https://fota.example.org", Some("https://fota.example.org"));
        check("coap://192.0.2.7:5683/", Some("coap://192.0.2.7:5683"));
        for text in ["ftp://x", "coaps://", "coaps://x:0", "coaps://x:y", "coaps://x/path", "x", "coap://a@b"]
        {
            check(text, None);
        }
    }
}
