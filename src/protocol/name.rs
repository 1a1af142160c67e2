//! The protocols by name.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::service::passthrough::RawFormat;

/// A protocol in which a group is reached, or in which it calls an upstream server.
///
/// ```
/// use croupier::protocol::Protocol;
///
/// assert_eq!("json-rpc".parse(), Ok(Protocol::JsonRpc));
/// assert_eq!(Protocol::JsonRpc.title(), "JSON-RPC");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// XML-RPC.
    XmlRpc,
    /// JSON-RPC 2.0, described by OpenRPC.
    JsonRpc,
    /// JSON over plain HTTP, described by OpenAPI.
    Rest,
    /// SOAP 1.1 and 1.2, described by WSDL.
    Soap,
    /// The Model Context Protocol, in which agents call the methods as tools.
    Mcp,
    /// An HTML page that documents the group and makes calls.
    Page,
}

impl Protocol {
    /// All protocols, in the order in which pages and messages list them. A group without `protocols` has all of them.
    pub const ALL: [Protocol; 6] =
        [Protocol::XmlRpc, Protocol::JsonRpc, Protocol::Rest, Protocol::Soap, Protocol::Mcp, Protocol::Page];

    /// The protocols in which upstream servers can be called, in the order in which an unknown server is asked for them.
    pub const OF_UPSTREAMS: [Protocol; 5] =
        [Protocol::XmlRpc, Protocol::JsonRpc, Protocol::Soap, Protocol::Rest, Protocol::Mcp];

    /// The protocols in which pages make calls.
    #[cfg(feature = "server")]
    pub(crate) const OF_PAGES: [Protocol; 4] = [Protocol::XmlRpc, Protocol::JsonRpc, Protocol::Rest, Protocol::Soap];

    /// The name in the configuration and on the command line, such as `xml-rpc`.
    pub const fn name(self) -> &'static str {
        match self {
            Protocol::XmlRpc => "xml-rpc",
            Protocol::JsonRpc => "json-rpc",
            Protocol::Rest => "rest",
            Protocol::Soap => "soap",
            Protocol::Mcp => "mcp",
            Protocol::Page => "page",
        }
    }

    /// The name in texts for people, such as `XML-RPC`.
    pub const fn title(self) -> &'static str {
        match self {
            Protocol::XmlRpc => "XML-RPC",
            Protocol::JsonRpc => "JSON-RPC",
            Protocol::Rest => "REST",
            Protocol::Soap => "SOAP",
            Protocol::Mcp => "MCP",
            Protocol::Page => "page",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that is not the name of a protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a protocol; write one of {}", Protocol::ALL.map(Protocol::name).join(", "))]
pub struct UnknownProtocol;

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(name: &str) -> Result<Protocol, UnknownProtocol> {
        Protocol::ALL.into_iter().find(|protocol| protocol.name() == name).ok_or(UnknownProtocol)
    }
}

impl From<RawFormat> for Protocol {
    fn from(format: RawFormat) -> Protocol {
        match format {
            RawFormat::XmlRpc => Protocol::XmlRpc,
            RawFormat::JsonRpc => Protocol::JsonRpc,
            RawFormat::Soap => Protocol::Soap,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_in_texts_and_in_serde() {
        for protocol in Protocol::ALL {
            assert_eq!(protocol.name().parse(), Ok(protocol));
            assert_eq!(serde_json::to_value(protocol).unwrap(), protocol.name());
        }
        assert_eq!("XML-RPC".parse::<Protocol>(), Err(UnknownProtocol));
    }
}
