//! Ranges of network addresses.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::model::text_form::text_form;

/// The `format` of [`Network`] in a JSON Schema.
pub const NETWORK: &str = "network";

/// An address or a range of addresses: `"10.0.0.7"`, `"10.0.0.0/8"` or `"fd00::/8"`.
///
/// ```
/// use croupier::Network;
///
/// let office: Network = "192.0.2.0/24".parse()?;
/// assert!(office.contains("192.0.2.7".parse()?) && !office.contains("198.51.100.7".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(pub IpNet);

/// The text is not a valid [`Network`]. The message says how one is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an address such as \"10.0.0.7\", or a range such as \"10.0.0.0/8\"")]
pub struct NetworkError;

impl Network {
    /// Whether an address is in the range. An IPv4 address that is written as one of IPv6 counts as the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Network, NetworkError> {
        let address = text.parse::<IpAddr>().map(IpNet::from);
        address.or_else(|_| text.parse::<IpNet>()).map(Network).map_err(|_| NetworkError)
    }
}

text_form!(Network, NetworkError, NETWORK);

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
