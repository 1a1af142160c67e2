//! Whose calls count together, and how much each counts: for rates and for quotas.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use http::HeaderName;
use serde::{Deserialize, Serialize};

use crate::model::name_patterns::NamePatterns;
use crate::model::text_form::text_form;
use crate::service::Context;

/// Which calls count together.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum CallerKey {
    /// Those of one client address.
    Client,
    /// Those of one identity.
    Identity,
    /// All of the group.
    Group,
    /// Those whose requests have the same value of this header.
    Header(HeaderName),
}

/// The text is no [`CallerKey`]. The message says how one is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is \"client\", \"identity\", \"group\", or a header such as \"header:X-Tenant\"")]
pub struct CallerKeyError;

/// The `format` of [`CallerKey`] in a JSON Schema.
pub const CALLER_KEY: &str = "caller-key";

impl FromStr for CallerKey {
    type Err = CallerKeyError;

    fn from_str(text: &str) -> Result<CallerKey, CallerKeyError> {
        match text {
            "client" => Ok(CallerKey::Client),
            "identity" => Ok(CallerKey::Identity),
            "group" => Ok(CallerKey::Group),
            _ => {
                let name = text.strip_prefix("header:").ok_or(CallerKeyError)?;
                name.trim().parse().map(CallerKey::Header).map_err(|_| CallerKeyError)
            }
        }
    }
}

text_form!(CallerKey, CallerKeyError, CALLER_KEY);

impl fmt::Display for CallerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallerKey::Client => f.write_str("client"),
            CallerKey::Identity => f.write_str("identity"),
            CallerKey::Group => f.write_str("group"),
            CallerKey::Header(name) => write!(f, "header:{name}"),
        }
    }
}

/// The caller that a call counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Caller<'c> {
    /// Everyone.
    Group,
    /// The client at an address, or those of a network; `None` if the address is not known.
    Client(Option<IpAddr>),
    /// The one of this name.
    Identity(&'c str),
    /// The one whose header has this value.
    Header(&'c [u8]),
}

impl Caller<'_> {
    /// Appends the caller to `to`. Different callers write different bytes.
    pub(crate) fn write_to(self, to: &mut Vec<u8>) {
        match self {
            Caller::Group => to.push(b'g'),
            Caller::Client(client) => {
                to.push(b'c');
                if let Some(client) = client {
                    to.extend_from_slice(client.to_string().as_bytes());
                }
            }
            Caller::Identity(name) => {
                to.push(b'i');
                to.extend_from_slice(name.as_bytes());
            }
            Caller::Header(value) => {
                to.push(b'h');
                to.extend_from_slice(value);
            }
        }
    }
}

impl CallerKey {
    /// The caller of a call. One without an identity or without the header counts by its address.
    pub(crate) fn caller<'c>(&self, context: &'c Context) -> Caller<'c> {
        let found = match self {
            CallerKey::Client => None,
            CallerKey::Identity => context.identity.as_ref().map(|identity| Caller::Identity(&identity.name)),
            CallerKey::Header(name) => context
                .headers
                .as_ref()
                .and_then(|headers| headers.get(name))
                .map(|value| Caller::Header(value.as_bytes())),
            CallerKey::Group => Some(Caller::Group),
        };
        found.unwrap_or_else(|| Caller::Client(network_of(context.client)))
    }

    /// The headers of a request that say who the caller is.
    pub(crate) fn request_headers(&self) -> Vec<HeaderName> {
        match self {
            CallerKey::Header(name) => vec![name.clone()],
            _ => Vec::new(),
        }
    }
}

/// An IPv6 address counts with all others of its network of 64 bits, which are usually those of one customer.
fn network_of(client: Option<IpAddr>) -> Option<IpAddr> {
    match client.map(|client| client.to_canonical()) {
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            Some(IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)))
        }
        other => other,
    }
}

/// How many calls one call of a method counts as.
#[derive(Debug)]
pub(crate) struct Weights(Vec<(NamePatterns, u32)>);

impl Weights {
    pub(crate) fn new(weights: &BTreeMap<String, u32>) -> Weights {
        Weights(weights.iter().map(|(name, weight)| (NamePatterns(vec![name.clone()]), *weight)).collect())
    }

    /// How much a call of a method counts; 0 if it does not count.
    pub(crate) fn weight(&self, method: &str) -> u32 {
        self.0.iter().find(|(pattern, _)| pattern.has(method)).map_or(1, |(_, weight)| *weight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_words_or_headers() {
        for text in ["client", "identity", "group", "header:x-tenant"] {
            assert_eq!(String::from(text.parse::<CallerKey>().unwrap()), text);
        }
        for text in ["", "Client", "header:", "header:a b", "ip"] {
            assert!(text.parse::<CallerKey>().is_err(), "{text}");
        }
    }
}
