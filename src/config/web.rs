//! Addresses of the web and ranges of addresses as people write them in the configuration.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::str::FromStr;

use http::Uri;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::http::public_url::Network;

/// How a schema names the texts that only [`Base`] can read.
pub(super) const BASE: &str = "base-url";
/// How a schema names the texts that only [`TrustedProxy`] can read.
pub(super) const NETWORK: &str = "network";

/// The public address of a server: `"https://casino.example"` or `"https://example.org/rpc"`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Base(pub(super) String);

/// An address or a range of addresses: `"10.0.0.7"`, `"10.0.0.0/8"` or `"fd00::/8"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct TrustedProxy(pub(super) Network);

/// A text is no address of the kind that is wanted; says how one is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnitError(&'static str);

impl FromStr for Base {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Base, UnitError> {
        let wrong = UnitError("an address such as \"https://casino.example\" or \"https://example.org/rpc\"");
        let uri: Uri = text.parse().map_err(|_| wrong.clone())?;
        let web = matches!(uri.scheme_str(), Some("http" | "https"));
        let host = uri.authority().is_some_and(|host| !host.host().is_empty() && !host.as_str().contains('@'));
        if !web || !host || uri.query().is_some() || text.contains('#') {
            return Err(wrong);
        }
        Ok(Base(text.trim_end_matches('/').to_owned()))
    }
}

impl FromStr for TrustedProxy {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<TrustedProxy, UnitError> {
        text.parse()
            .map(TrustedProxy)
            .map_err(|_| UnitError("an address such as \"10.0.0.7\", or a range such as \"10.0.0.0/8\""))
    }
}

impl Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for UnitError {}

impl TryFrom<String> for Base {
    type Error = UnitError;

    fn try_from(text: String) -> Result<Base, UnitError> {
        text.parse()
    }
}

impl TryFrom<String> for TrustedProxy {
    type Error = UnitError;

    fn try_from(text: String) -> Result<TrustedProxy, UnitError> {
        text.parse()
    }
}

impl From<Base> for String {
    fn from(base: Base) -> String {
        base.0
    }
}

impl From<TrustedProxy> for String {
    fn from(proxy: TrustedProxy) -> String {
        proxy.0.to_string()
    }
}

impl JsonSchema for Base {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Base".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": BASE })
    }
}

impl JsonSchema for TrustedProxy {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Proxy".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": NETWORK })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_have_a_scheme_and_a_host_and_no_query() {
        for (text, read) in [
            ("https://casino.example", Some("https://casino.example")),
            ("http://[::1]:8008/rpc/", Some("http://[::1]:8008/rpc")),
            ("casino.example", None),
            ("ftp://casino.example", None),
            ("https://user@casino.example", None),
            ("https://casino.example/?a=b", None),
            ("https://casino.example/#a", None),
            ("/rpc", None),
            ("", None),
        ] {
            assert_eq!(text.parse::<Base>().ok().map(|base| base.0).as_deref(), read, "{text}");
        }
    }
}
