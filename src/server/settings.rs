//! How the server treats connections: limits and deadlines, with the defaults that a careful operator would choose.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::codec::Limits;
use crate::http::audience::Audience;
use crate::protocol::set::ProtocolSet;
use crate::service::RpcService;
use crate::service::limits::Limiter;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// A TCP address and port; port 0 takes any that is free.
    Tcp(SocketAddr),
    /// A unix socket at this path.
    Unix(PathBuf),
}

/// A place to listen, and what is answered there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerConfig {
    /// The place.
    pub listen: ListenAddress,
    /// What is answered there alone; everything, if that is not said.
    pub serves: Option<Audience>,
}

/// Limits on what all clients together may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Connections open at a time; further ones wait unaccepted (4,096 by default).
    pub connections: usize,
    /// Requests being answered at a time; further ones are refused with 503 (2,048 by default).
    pub in_flight: usize,
    /// Bytes that all request bodies together may take while they are read, parsed and answered (48 MiB by
    /// default). A request of more than 16 KiB is counted with six times its size.
    pub memory: usize,
    /// Bytes of a request's head, its line and headers (32 KiB by default).
    pub head_bytes: usize,
    /// HTTP/2 streams open at a time on one connection (100 by default).
    pub streams: u32,
    /// Whether answers are packed with gzip for clients that offer to unpack them (not by default: it saves bytes and
    /// costs time).
    pub compress: bool,
    /// How long each phase may take.
    pub timeouts: Timeouts,
}

/// How long each phase of a connection may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first byte of a request's head to its last (10 s by default).
    pub header: Duration,
    /// From the end of the head to the end of the body (30 s by default).
    pub body: Duration,
    /// Between two requests of one connection, and before the first (75 s by default).
    pub idle: Duration,
    /// Without the client taking a single byte of its answer (30 s by default).
    pub write: Duration,
    /// From the signal to stop until what still runs is cut off (10 s by default).
    pub drain: Duration,
}

/// Limits on each request to a group and on each of its calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupLimits {
    /// Bytes of a request's body, as sent and as unpacked (4 MiB by default).
    pub body: usize,
    /// How deep values may be nested (64 by default).
    pub depth: usize,
    /// How many elements a document may have (250,000 by default).
    pub elements: usize,
    /// How many calls one `system.multicall` or JSON-RPC batch may hold (1,000 by default).
    pub batch: usize,
    /// How many calls run at a time (1,024 by default).
    pub concurrent: usize,
    /// How long a call may take, including its wait for a permit (60 s by default).
    pub deadline: Duration,
}

impl GroupLimits {
    /// Wraps a service so that its calls keep to `concurrent` and `deadline`.
    pub fn limit(&self, service: Arc<dyn RpcService>) -> Arc<dyn RpcService> {
        Arc::new(Limiter::new(service, self.concurrent, self.deadline))
    }
}

impl Default for GroupLimits {
    fn default() -> Self {
        let ProtocolSet { limits: Limits { depth, elements }, multicall: batch, .. } = ProtocolSet::default();
        GroupLimits { body: 4 << 20, depth, elements, batch, concurrent: 1024, deadline: Duration::from_secs(60) }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            connections: 4096,
            in_flight: 2048,
            memory: 48 << 20,
            head_bytes: 32 << 10,
            streams: 100,
            compress: false,
            timeouts: Timeouts::default(),
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            header: Duration::from_secs(10),
            body: Duration::from_secs(30),
            idle: Duration::from_secs(75),
            write: Duration::from_secs(30),
            drain: Duration::from_secs(10),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Tcp(address) => address.fmt(f),
            ListenAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for ListenerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.listen.fmt(f)?;
        match self.serves {
            None => Ok(()),
            Some(Audience::Pages) => f.write_str(" (pages only)"),
            Some(Audience::Api) => f.write_str(" (calls only)"),
        }
    }
}

impl From<ListenAddress> for ListenerConfig {
    fn from(listen: ListenAddress) -> ListenerConfig {
        ListenerConfig { listen, serves: None }
    }
}

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    /// Reads `127.0.0.1:8008`, `[::1]:8008` or `unix:/run/croupier.sock`.
    fn from_str(text: &str) -> Result<ListenAddress, ListenAddressError> {
        match text.strip_prefix("unix:") {
            Some("") => Err(ListenAddressError),
            Some(path) => Ok(ListenAddress::Unix(path.into())),
            None => text.parse().map(ListenAddress::Tcp).map_err(|_| ListenAddressError),
        }
    }
}

/// The text names no place to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenAddressError;

impl fmt::Display for ListenAddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an address such as 127.0.0.1:8008, [::1]:8008 or unix:/run/croupier.sock")
    }
}

impl std::error::Error for ListenAddressError {}
