//! Where a server listens, its limits and its timeouts.
//!
//! The configuration file is read into these types directly: the doc comment of each field is the text about its key in
//! `docs/configuration.md`.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::codec::DocumentLimits;
use crate::http::audience::Audience;
use crate::model::text_form::text_form;
use crate::model::units::{Period, Size, bytes, duration};
use crate::protocol::set::ProtocolSet;
pub use crate::server::socket_access::{SocketAccess, SocketMode};
pub use crate::server::tls::settings::{CertificateFiles, ClientCertificates, TlsSettings, TlsVersion};
use crate::service::RpcService;
use crate::service::layer::layered_unguarded;
use crate::service::limiter::Limiter;
use crate::service::quota::QuotaOptions;
use crate::service::rate::RateOptions;

/// Where a server listens: `"127.0.0.1:8008"`, `"[::1]:8008"` or `"unix:/run/croupier.sock"`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum ListenAddress {
    /// A TCP address and port. With port 0 the system chooses a free port.
    Tcp(SocketAddr),
    /// A unix socket at this path. Other systems than unix refuse to bind it.
    Unix(PathBuf),
}

/// The `format` of [`ListenAddress`] in a JSON Schema.
pub(crate) const ADDRESS: &str = "address";

/// An address to listen on, and what is served there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(from = "ListenerForm", into = "ListenerForm")]
#[schemars(with = "ListenerForm")]
pub struct ListenerConfig {
    /// The address.
    pub listen: ListenAddress,
    /// How its connections are served.
    pub options: ConnectionOptions,
    /// Who may connect to a unix socket.
    pub access: SocketAccess,
    /// TLS; `None` for connections without encryption.
    pub tls: Option<TlsSettings>,
}

/// An address to listen on: the address itself, or a table with it.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
enum ListenerForm {
    /// An address where pages and the API are served.
    Address(ListenAddress),
    /// An address with settings of its own.
    Table(Box<ListenerTable>),
}

/// How the connections of a listener are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConnectionOptions {
    /// What is served; `None` for everything.
    pub serves: Option<Audience>,
    /// Whether each connection begins with a header of the PROXY protocol, version 1 or 2. Only trusted proxies may then
    /// connect, and the address in the header is that of the peer.
    pub proxy_protocol: bool,
    /// Whether all requests are redirected to https.
    pub redirect_https: HttpsRedirect,
}

/// Whether requests are redirected to the same address with `https`: `true`, or the port of the server there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(from = "RedirectForm", into = "RedirectForm")]
pub enum HttpsRedirect {
    /// Requests are served here.
    #[default]
    Off,
    /// They are redirected to this port.
    To(u16),
}

#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum RedirectForm {
    Whether(bool),
    Port(u16),
}

/// The port of https, which an address leaves out.
pub(crate) const HTTPS_PORT: u16 = 443;

impl HttpsRedirect {
    fn is_off(&self) -> bool {
        *self == HttpsRedirect::Off
    }
}

impl From<RedirectForm> for HttpsRedirect {
    fn from(form: RedirectForm) -> HttpsRedirect {
        match form {
            RedirectForm::Whether(false) => HttpsRedirect::Off,
            RedirectForm::Whether(true) => HttpsRedirect::To(HTTPS_PORT),
            RedirectForm::Port(port) => HttpsRedirect::To(port),
        }
    }
}

impl From<HttpsRedirect> for RedirectForm {
    fn from(redirect: HttpsRedirect) -> RedirectForm {
        match redirect {
            HttpsRedirect::Off => RedirectForm::Whether(false),
            HttpsRedirect::To(HTTPS_PORT) => RedirectForm::Whether(true),
            HttpsRedirect::To(port) => RedirectForm::Port(port),
        }
    }
}

impl JsonSchema for HttpsRedirect {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "HttpsRedirect".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["boolean", "integer"], "minimum": 1, "maximum": u16::MAX })
    }
}

/// An address to listen on, with settings of its own.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ListenerTable {
    /// The address.
    address: ListenAddress,
    /// What is served here: only pages, or only the API. Without it, both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    serves: Option<Audience>,
    /// Whether each connection begins with a header of the PROXY protocol, version 1 or 2, as HAProxy, load balancers and the
    /// `stream` module of nginx send it. The address in it is that of the client, and the headers of its requests are trusted
    /// only if that is a trusted proxy too. Only `public.trusted-proxies` may connect, and unix sockets if
    /// `public.trust-unix-sockets` is true; the header must arrive within `server.timeouts.header`.
    #[serde(default)]
    proxy_protocol: bool,
    /// TLS: the certificate with which the server proves who it is, and its private key. Without it, connections are not
    /// encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TlsSettings")]
    tls: Option<TlsSettings>,
    /// Whether each request is redirected (status 308) to the same address with `https`: `true` for port 443, or the port.
    /// With a `public.base` of `https` the redirect leads there. Requests that a trusted proxy has received over https are
    /// served.
    #[serde(default, skip_serializing_if = "HttpsRedirect::is_off")]
    redirect_https: HttpsRedirect,
    /// The mode of the file of a unix socket, such as `"0660"`: three octal digits for its owner, its group and others.
    /// Those with the right to write may connect. Without it, the system's mode for new files (umask).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<SocketMode>,
    /// The owner of the file of a unix socket: a name in `/etc/passwd` or a number. Only root may set it. Without it, the
    /// user of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    /// The group of the file of a unix socket: a name in `/etc/group` or a number. The user of the server has to belong to
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<String>,
}

/// The limits on what all clients together may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ServerSettings {
    /// How many connections may be open at the same time. For one more, the one that has been idle for the longest time
    /// is closed. If none is idle, it waits in the system's queue until one closes.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub connections: usize,
    /// How many calls may run at the same time, in all groups together. A request counts from the end of its body until
    /// its result is ready. Further calls get the fault "busy" in the protocol of the request. One group may have
    /// half of them.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub in_flight: usize,
    /// How many handshakes of TLS may be under way at the same time, from the first message of the client to the end. Further
    /// ones wait in order. One client may have half of them; the connection of one more is closed.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub handshakes: usize,
    /// How many bytes of memory all request bodies together may use while they are read and their calls run. A body of
    /// more than 16 KiB counts six times its size, because the values made from it are larger than the body. A body for
    /// which no memory becomes free within two seconds is refused with status 503. The default is at most an eighth of the
    /// memory that the process may have.
    #[serde(with = "bytes")]
    #[schemars(with = "Size", extend("minimum" = 1 << 20))]
    pub memory: usize,
    /// How many bytes of memory all results together may use while they are made as a whole and until they are sent:
    /// responses of upstreams that are written in another protocol, and results of aggregates and pages. A long array that
    /// is sent while it arrives uses about 2 MiB. A result waits for memory in order, until shortly before its deadline,
    /// and then becomes the fault "busy". One result may have two thirds of it, and the results of one upstream half. The
    /// default is at most a quarter of the memory that the process may have.
    #[serde(with = "bytes")]
    #[schemars(with = "Size", extend("minimum" = 1 << 20))]
    pub response_memory: usize,
    /// How much of these one client may have.
    pub per_client: PerClient,
    /// How many bytes the request line and headers of a request may have.
    #[serde(with = "bytes")]
    #[schemars(with = "Size", extend("minimum" = 8 << 10, "maximum" = 16 << 20))]
    pub head_bytes: usize,
    /// How many HTTP/2 streams may be open at the same time on one connection.
    #[schemars(range(min = 1))]
    pub streams: u32,
    /// Whether responses of 1,400 bytes or more are compressed with gzip for clients that accept it. This saves bytes and
    /// costs CPU time.
    pub compress: bool,
    /// How long each phase of a connection may take.
    pub timeouts: Timeouts,
}

/// How much one client may have of what all clients share. A client is an IPv4 address, or the first 64 bits of an IPv6
/// address. Clients of unix sockets and trusted proxies have no limit of their own; a client behind a trusted proxy is
/// the last address that the proxies have forwarded and that is not one of them (`public.client-header`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PerClient {
    /// How many connections a client may have. For one more, the one of this client that has been idle for the longest
    /// time is closed; if none is idle, the new one. Without it, half of `connections`.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub connections: Option<usize>,
    /// How many requests of a client may be open, from their head to the end of their response. Without it, a quarter of
    /// `in-flight`, so that one client cannot have all calls of a group.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests: Option<usize>,
    /// How many bytes of `memory` the bodies of a client may use. Without it, half of `memory`.
    pub memory: Option<Size>,
    /// How many bytes of `response-memory` the results of a client may use. Without it, half of `response-memory`.
    pub response_memory: Option<Size>,
}

/// How long each phase of a connection may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Timeouts {
    /// From the first byte of a request's head to the last. Also from the beginning of a connection to the end of its TLS
    /// handshake.
    #[serde(with = "duration")]
    #[schemars(with = "Period", extend("minimum" = 1, "maximum" = LONGEST))]
    pub header: Duration,
    /// From the end of a request's head to the end of its body.
    #[serde(with = "duration")]
    #[schemars(with = "Period", extend("minimum" = 1, "maximum" = LONGEST))]
    pub body: Duration,
    /// Between two requests on one connection, and before the first.
    #[serde(with = "duration")]
    #[schemars(with = "Period", extend("minimum" = 1, "maximum" = LONGEST))]
    pub idle: Duration,
    /// How long the client may take no byte of its response before the connection is closed.
    #[serde(with = "duration")]
    #[schemars(with = "Period", extend("minimum" = 1, "maximum" = LONGEST))]
    pub write: Duration,
    /// How many bytes a second a client must at least move, on average: of the body of a request over 15 seconds, or else the
    /// request is refused with status 408; of a response over the time of `write`, or else the connection is closed. Time
    /// for which the client is not waited for does not count. With 0 the pace does not matter.
    #[serde(with = "bytes")]
    #[schemars(with = "Size")]
    pub min_rate: usize,
    /// From the signal to stop until the listeners are closed. Meanwhile requests are served as before, but `/ready` of the
    /// admin listener fails, so that load balancers and Kubernetes send no more of them by the time that the listeners are
    /// closed.
    #[serde(with = "duration")]
    #[schemars(with = "Period", extend("maximum" = LONGEST))]
    pub drain_delay: Duration,
    /// From the end of `drain-delay` until the connections that are still busy are closed; `"0s"` closes them at once.
    #[serde(with = "duration")]
    #[schemars(with = "Period", extend("maximum" = LONGEST))]
    pub drain: Duration,
}

/// The longest configurable time, in milliseconds: 30 days.
const LONGEST: u64 = 30 * 24 * 60 * 60 * 1000;

/// The admin listener: probes, metrics and status for operators, and commands to reload and to stop.
///
/// Without client certificates it has no authentication: every client that reaches it may use all of it. Give it an address
/// that only operators and their programs reach, such as one of the loopback interface or a unix socket.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct AdminSettings {
    /// Where it listens: a TCP address or a unix socket, which must not be one of `listen`. It serves `GET /live`,
    /// `/ready`, `/metrics` and `/status`, and `POST /reload` and `/drain`. Without it, there is no admin listener and nothing
    /// is counted.
    pub listen: Option<ListenAddress>,
    /// Who may use it: the names of tables of `auth`. Probes of `/live` and `/ready` need no credentials; without them
    /// `/ready` gives no reasons.
    pub auth: Vec<String>,
    /// TLS, as a listener has it. With `client-roots`, only clients with a certificate reach the admin listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TlsSettings")]
    pub tls: Option<TlsSettings>,
}

impl AdminSettings {
    /// Its listener, if there is one.
    #[cfg(feature = "cli")]
    pub(crate) fn listener(&self) -> Option<ListenerConfig> {
        let listener = ListenerConfig::from(self.listen.clone()?);
        Some(ListenerConfig { tls: self.tls.clone(), ..listener })
    }

    /// What an operator should know of the address.
    pub(crate) fn warning(&self) -> Option<String> {
        let has_authentication = self.tls.as_ref().is_some_and(TlsSettings::requires_certificates);
        match &self.listen {
            Some(ListenAddress::Tcp(address))
                if self.auth.is_empty() && !has_authentication && !address.ip().to_canonical().is_loopback() =>
            {
                Some(format!(
                    "the admin listener at {address} has no authentication, and other machines may reach it: everyone who can \
                 connect to it can stop the server; give `auth` or client certificates, listen on a loopback address such as 127.0.0.1:8009 or on a unix \
                 socket, or let only your own networks through to it"
                ))
            }
            _ => None,
        }
    }
}

/// The limits on each request to a group and on each of its calls.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct GroupLimits {
    /// How many bytes the body of a request may have, both as sent and after decompression.
    #[serde(with = "bytes")]
    #[schemars(with = "Size", extend("minimum" = 1))]
    pub body: usize,
    /// How many levels deep values may be nested.
    #[schemars(range(min = 1, max = 256))]
    pub depth: usize,
    /// How many elements a document may have.
    #[schemars(range(min = 1))]
    pub elements: usize,
    /// How many calls one `system.multicall` or JSON-RPC batch may hold.
    #[schemars(range(min = 1))]
    pub batch: usize,
    /// How many calls of the group may run at the same time. Further calls wait, at most until their deadline.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub concurrent: usize,
    /// How many calls of the group may wait for others to finish. Further calls get the fault "busy" at once, and so does
    /// a call that could not begin before its deadline if all before it take as long as calls have taken so far.
    #[schemars(range(max = 1_000_000))]
    pub waiting: usize,
    /// How long a call may take, including the time it waits for others to finish.
    #[serde(with = "duration")]
    #[schemars(with = "Period", extend("minimum" = 1, "maximum" = LONGEST))]
    pub deadline: Duration,
    /// How often the calls of the group may be made.
    pub rate: RateOptions,
    /// How many calls of the group may be made in a day or a month.
    pub quota: QuotaOptions,
}

impl GroupLimits {
    /// Wraps a service so that its calls keep to `concurrent` and `deadline`.
    pub fn limit(&self, service: Arc<dyn RpcService>) -> Arc<dyn RpcService> {
        layered_unguarded(service, self.limiter())
    }

    /// Whether the other limits allow as many calls, for as long.
    pub(crate) fn limit_calls_as(&self, other: &GroupLimits) -> bool {
        (self.concurrent, self.waiting, self.deadline) == (other.concurrent, other.waiting, other.deadline)
    }

    /// The layer that keeps to `concurrent`, `waiting` and `deadline`.
    pub(crate) fn limiter(&self) -> Limiter {
        Limiter::new(self.concurrent, self.deadline).waiting(self.waiting)
    }
}

impl Default for GroupLimits {
    fn default() -> Self {
        let ProtocolSet { limits: DocumentLimits { depth, elements }, batch, .. } = ProtocolSet::default();
        GroupLimits {
            body: 4 << 20,
            depth,
            elements,
            batch,
            concurrent: 1024,
            waiting: 1024,
            deadline: Duration::from_secs(60),
            rate: RateOptions::default(),
            quota: QuotaOptions::default(),
        }
    }
}

impl Default for ServerSettings {
    fn default() -> Self {
        ServerSettings {
            connections: 4096,
            in_flight: 2048,
            handshakes: 512,
            memory: 48 << 20,
            response_memory: 192 << 20,
            per_client: PerClient::default(),
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
            min_rate: 500,
            drain_delay: Duration::ZERO,
            drain: Duration::from_secs(10),
        }
    }
}

text_form!(ListenAddress, ListenAddressError, ADDRESS);

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
        match self.options.serves {
            None => Ok(()),
            Some(Audience::Pages) => f.write_str(" (pages only)"),
            Some(Audience::Api) => f.write_str(" (API only)"),
        }
    }
}

impl From<ListenAddress> for ListenerConfig {
    fn from(listen: ListenAddress) -> ListenerConfig {
        ListenerConfig { listen, options: ConnectionOptions::default(), access: SocketAccess::default(), tls: None }
    }
}

impl From<ListenerForm> for ListenerConfig {
    fn from(form: ListenerForm) -> ListenerConfig {
        match form {
            ListenerForm::Address(listen) => ListenerConfig::from(listen),
            ListenerForm::Table(table) => {
                let ListenerTable { address, serves, proxy_protocol, tls, redirect_https, mode, owner, group } = *table;
                let options = ConnectionOptions { serves, proxy_protocol, redirect_https };
                ListenerConfig { listen: address, options, access: SocketAccess { mode, owner, group }, tls }
            }
        }
    }
}

impl From<ListenerConfig> for ListenerForm {
    fn from(ListenerConfig { listen: address, options, access, tls }: ListenerConfig) -> ListenerForm {
        if options == ConnectionOptions::default() && access.is_default() && tls.is_none() {
            return ListenerForm::Address(address);
        }
        let SocketAccess { mode, owner, group } = access;
        let ConnectionOptions { serves, proxy_protocol, redirect_https } = options;
        let table = ListenerTable { address, serves, proxy_protocol, tls, redirect_https, mode, owner, group };
        ListenerForm::Table(Box::new(table))
    }
}

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    /// Reads `127.0.0.1:8008`, `[::1]:8008` or `unix:/run/croupier.sock`.
    fn from_str(text: &str) -> Result<ListenAddress, ListenAddressError> {
        match text.strip_prefix("unix:") {
            Some(path) if path.len() > LONGEST_SOCKET_PATH => Err(ListenAddressError::SocketPathTooLong(path.len())),
            Some(path) if path.is_empty() || path.contains('\0') => Err(ListenAddressError::Malformed { meant: None }),
            Some(path) => Ok(ListenAddress::Unix(path.into())),
            None => {
                text.parse().map(ListenAddress::Tcp).map_err(|_| ListenAddressError::Malformed { meant: meant(text) })
            }
        }
    }
}

/// How many bytes the path of a unix socket may have: the size of the kernel's structure for it, less a NUL.
const LONGEST_SOCKET_PATH: usize = 107;

/// The text is not a valid address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListenAddressError {
    /// The path of a unix socket has this many bytes, which are more than the system allows.
    #[error("the path of a unix socket has at most {LONGEST_SOCKET_PATH} bytes, not {0}")]
    SocketPathTooLong(usize),
    /// The text is neither an IP address with a port nor `unix:` with a path.
    #[error("{}", .meant.as_ref().map_or(FORMS.to_owned(), |meant| format!("did you mean `{meant}`?")))]
    Malformed {
        /// The valid address that was probably meant.
        meant: Option<String>,
    },
}

const FORMS: &str = "an address is such as \"127.0.0.1:8008\", \"[::1]:8008\" or \"unix:/run/croupier.sock\"";

/// The valid address that was probably meant by an invalid one.
fn meant(text: &str) -> Option<String> {
    let candidates = match text.rsplit_once(':') {
        _ if text.starts_with('/') => vec![format!("unix:{text}")],
        Some(("", port)) => vec![format!("0.0.0.0:{port}")],
        Some(("localhost", port)) => vec![format!("127.0.0.1:{port}")],
        // Of an IPv6 address without brackets, the last part is rather the port.
        Some((host, port)) => vec![format!("[{host}]:{port}"), format!("[{text}]:8008")],
        None => vec![format!("{text}:8008"), format!("127.0.0.1:{text}")],
    };
    let is_valid =
        |text: &String| text.starts_with("unix:/") && !text.contains('\0') || text.parse::<SocketAddr>().is_ok();
    candidates.into_iter().find(is_valid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_address_comes_with_a_suggestion() {
        for (text, hint) in [
            (":8008", "did you mean `0.0.0.0:8008`?"),
            ("localhost:80", "did you mean `127.0.0.1:80`?"),
            ("8008", "did you mean `127.0.0.1:8008`?"),
            ("10.0.0.1", "did you mean `10.0.0.1:8008`?"),
            ("::1", "did you mean `[::1]:8008`?"),
            ("::1:8008", "did you mean `[::1]:8008`?"),
            ("2001:db8::7:80", "did you mean `[2001:db8::7]:80`?"),
            ("fe80::1", "did you mean `[fe80::1]:8008`?"),
            ("/run/c.sock", "did you mean `unix:/run/c.sock`?"),
        ] {
            assert_eq!(text.parse::<ListenAddress>().unwrap_err().to_string(), hint);
        }
        let plain = "an address is such as \"127.0.0.1:8008\", \"[::1]:8008\" or \"unix:/run/croupier.sock\"";
        for text in ["", "unix:", "example.org:80", "1.2.3.4:99999", "unix:/a\0b", "http://127.0.0.1:80"] {
            assert_eq!(text.parse::<ListenAddress>().unwrap_err().to_string(), plain, "{text}");
        }
        assert!(format!("unix:/{}", "x".repeat(106)).parse::<ListenAddress>().is_ok());
        assert!(format!("unix:/{}", "x".repeat(107)).parse::<ListenAddress>().is_err());
    }
}
