//! The configuration as it is written in a file.
//!
//! The documentation of each key here is what the reference and an operator's editor show.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::aggregate::AggregateFile;
use super::page::PageFile;
use super::units::{Address, Period, Size};
use super::upstream::UpstreamFile;
use super::web::{Base, TrustedProxy};
use super::{GroupLimits, Log};
use crate::codec::xml::Control;
use crate::codec::xmlrpc::XmlRpcDialect;
use crate::codec::{Limits, json};
use crate::http::audience::Audience;
use crate::http::public_url::PublicUrl;
use crate::protocol::rest::server::RestOptions;
use crate::protocol::set::{Protocol, ProtocolSet};
use crate::protocol::soap::server::SoapOptions;
use crate::server::settings::{ListenerConfig, Settings, Timeouts};

/// The whole file.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    /// Where the server listens: TCP addresses such as `"127.0.0.1:8008"`, `"0.0.0.0:80"` or `"[::1]:8008"`, and unix
    /// sockets such as `"unix:/run/croupier.sock"`. Port 0 takes any port that is free. A place where only pages or only
    /// calls are answered is a table: `{ address = "127.0.0.1:8080", serves = "pages" }`.
    #[schemars(with = "Vec<ListenFile>", length(min = 1))]
    pub(super) listen: Vec<Spanned<ListenFile>>,
    /// How many threads answer requests; without it, one for each processor.
    #[schemars(range(min = 1, max = 1024))]
    pub(super) workers: Option<usize>,
    /// What is written to standard error while the server runs.
    pub(super) log: Log,
    /// What all clients together may take.
    pub(super) server: ServerFile,
    /// Under which address clients know this server; it stands in the documents that they fetch.
    pub(super) public: PublicFile,
    /// What a request and a call may take. A group's own `limits` override single keys.
    pub(super) limits: LimitsFile,
    /// How XML-RPC is read and written. A group's own `xml-rpc` overrides single keys.
    pub(super) xml_rpc: XmlRpcDialect,
    /// How JSON is written, by JSON-RPC and REST alike. A group's own `json` overrides single keys.
    pub(super) json: json::JsonDialect,
    /// How JSON-RPC is read. A group's own `json-rpc` overrides single keys.
    pub(super) json_rpc: JsonRpcFile,
    /// What REST has to choose. A group's own `rest` overrides single keys.
    pub(super) rest: RestOptions,
    /// How SOAP is written. A group's own `soap` overrides single keys.
    pub(super) soap: SoapFile,
    /// The groups by their paths. A path begins with a slash and has none at its end, and no segment of it is empty,
    /// `.` or `..` or has white space, a backslash, `%`, `?` or `#`. Each path and alias belongs to one group.
    pub(super) group: BTreeMap<String, GroupFile>,
    /// The pages by their paths, which are none of the groups'. A page shows what a method answers, by a template; `GET`
    /// asks for it, and the query has the method's parameters, as over REST.
    #[schemars(with = "BTreeMap<String, PageFile>")]
    pub(super) page: BTreeMap<Spanned<String>, PageFile>,
}

/// A place to listen: an address, or a table of it.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum ListenFile {
    /// An address where everything is answered.
    All(Address),
    /// An address where only pages or only calls are answered.
    Some(ListenerFile),
}

/// A place to listen where only pages or only calls are answered.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ListenerFile {
    /// The address.
    address: Address,
    /// What is answered here; everything, if that is not said.
    #[serde(default)]
    serves: Option<Audience>,
}

/// What all clients together may take.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ServerFile {
    /// How many connections are open at a time; further ones wait unaccepted.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(super) connections: usize,
    /// How many requests are being answered at a time; further ones are refused with status 503.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(super) in_flight: usize,
    /// How many bytes all request bodies together may take while they are read and answered. A body of more than
    /// 16 KiB counts six times, since what is made of it is larger than itself; one that finds no room within two
    /// seconds is refused with status 503.
    #[schemars(extend("minimum" = 1 << 20))]
    pub(super) memory: Size,
    /// How many bytes the head of a request may have, its first line and headers.
    #[schemars(extend("minimum" = 8 << 10, "maximum" = 16 << 20))]
    pub(super) head_bytes: Size,
    /// How many HTTP/2 streams are open at a time on one connection.
    #[schemars(range(min = 1))]
    pub(super) streams: u32,
    /// Whether answers of 1,400 bytes and more are packed with gzip for clients that offer to unpack them.
    pub(super) compress: bool,
    /// How long each phase of a connection may take.
    pub(super) timeouts: TimeoutsFile,
}

/// Under which address clients know this server; it stands in the documents that they fetch.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PublicFile {
    /// The address before every path, such as `"https://casino.example"`. Without it, it is made of each request's
    /// own `Host`.
    pub(super) base: Option<Base>,
    /// The proxies, as addresses or ranges such as `"10.0.0.0/8"`, whose `X-Forwarded-Proto`, `X-Forwarded-Host` and
    /// `X-Forwarded-Prefix` are believed; nobody else's are.
    pub(super) trusted_proxies: Vec<TrustedProxy>,
    /// Whether whoever comes through a unix socket is such a proxy.
    pub(super) trust_unix_sockets: bool,
}

/// How long each phase of a connection may take.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct TimeoutsFile {
    /// From the first byte of the head of a request to its last.
    #[schemars(extend("minimum" = 1, "maximum" = LONGEST))]
    pub(super) header: Period,
    /// From the end of the head to the end of the body.
    #[schemars(extend("minimum" = 1, "maximum" = LONGEST))]
    pub(super) body: Period,
    /// Between two requests on one connection, and before the first.
    #[schemars(extend("minimum" = 1, "maximum" = LONGEST))]
    pub(super) idle: Period,
    /// Without the client taking a single byte of its answer.
    #[schemars(extend("minimum" = 1, "maximum" = LONGEST))]
    pub(super) write: Period,
    /// From the signal to stop until what still runs is cut off; `"0s"` cuts it off at once.
    #[schemars(extend("maximum" = LONGEST))]
    pub(super) drain: Period,
}

/// The longest time that can be asked for, in milliseconds: 30 days.
const LONGEST: u64 = 30 * 24 * 60 * 60 * 1000;

/// What a request and a call may take.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct LimitsFile {
    /// How many bytes the body of a request may have, as it was sent and as it is after decompression.
    #[schemars(extend("minimum" = 1))]
    pub(super) body: Size,
    /// How deep values may lie inside each other.
    #[schemars(range(min = 1, max = 256))]
    pub(super) depth: usize,
    /// How many elements a document may have.
    #[schemars(range(min = 1))]
    pub(super) elements: usize,
    /// How many calls one `system.multicall` or JSON-RPC batch may hold.
    #[schemars(range(min = 1))]
    pub(super) batch: usize,
    /// How many calls of the group run at a time; further ones wait for their turn until their deadline.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(super) concurrent: usize,
    /// How long a call may take, the wait for its turn included.
    #[schemars(extend("minimum" = 1, "maximum" = LONGEST))]
    pub(super) deadline: Period,
}

/// A group: what answers at a path.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct GroupFile {
    /// Further paths of the same group.
    #[schemars(with = "Vec<String>")]
    pub(super) aliases: Vec<Spanned<String>>,
    /// The kind of service that answers; every group needs one, or an `aggregate`, or an `upstream`.
    #[schemars(with = "Option<String>")]
    pub(super) service: Option<Spanned<String>>,
    /// The options of the service; each kind has its own.
    pub(super) options: serde_json::Map<String, serde_json::Value>,
    /// A service made of calls to other groups; it stands in the place of `service`.
    pub(super) aggregate: AggregateFile,
    /// A server elsewhere that answers; it stands in the place of `service`.
    pub(super) upstream: UpstreamFile,
    /// What a request and a call may take here; what is not given is inherited.
    pub(super) limits: LimitsFile,
    /// Over which protocols the group is reached; all of them, unless this says otherwise.
    #[schemars(length(min = 1))]
    pub(super) protocols: Vec<Protocol>,
    /// How XML-RPC is read and written here; what is not given is inherited.
    pub(super) xml_rpc: XmlRpcDialect,
    /// How JSON is written here; what is not given is inherited.
    pub(super) json: json::JsonDialect,
    /// How JSON-RPC is read here; what is not given is inherited.
    pub(super) json_rpc: JsonRpcFile,
    /// What REST has to choose here; what is not given is inherited.
    pub(super) rest: RestOptions,
    /// How SOAP is written here; what is not given is inherited.
    pub(super) soap: SoapOptions,
    /// By which further verbs and paths REST calls methods, beside the path that each method has itself.
    pub(super) routes: Vec<RouteFile>,
}

/// A route: a verb and a path by which REST calls a method.
///
/// A parameter stands in the path where the path names it, in the body where `body` says so, and otherwise in the query.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RouteFile {
    /// The verb (`GET`, `POST`, `PUT`, `PATCH` or `DELETE`) and the path below the group's own: `"GET /guests/{id}"`. A
    /// segment in braces gives the parameter of that name; where both fit, a segment without braces is meant. `GET` to a
    /// method that may change something is asked for at one's own risk: pages of other sites, and whatever follows links
    /// by itself, can call it too.
    #[schemars(with = "String")]
    pub(super) route: Spanned<String>,
    /// The method that is called.
    #[schemars(with = "String")]
    pub(super) method: Spanned<String>,
    /// What the body is: `"*"` for an object of all parameters that stand neither in the path nor in `args`, or the name
    /// of the one parameter that it is. Without it there is no body.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) body: Option<Spanned<String>>,
    /// Parameters that always have these values, and that no request can give.
    #[serde(default)]
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub(super) args: BTreeMap<Spanned<String>, Spanned<toml::Value>>,
}

/// How JSON-RPC is read.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct JsonRpcFile {
    /// Whether requests of JSON-RPC 1.0 are answered too, in its own form: they have no member `jsonrpc`.
    pub(super) version_1: bool,
}

/// How SOAP is written by groups that do not say otherwise.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct SoapFile {
    /// How a character is written that XML forbids, such as U+0001. In the name of a struct's member it is always
    /// refused.
    pub(super) control_characters: Control,
}

/// Where the server listens if the file does not say.
pub(super) const LISTEN: &str = "127.0.0.1:8008";

impl Default for File {
    fn default() -> Self {
        let listen = LISTEN.parse().map(|address| Spanned::new(0..0, ListenFile::All(address)));
        File {
            listen: listen.into_iter().collect(),
            workers: None,
            log: Log::default(),
            server: ServerFile::default(),
            public: PublicFile::default(),
            limits: LimitsFile::default(),
            xml_rpc: XmlRpcDialect::default(),
            json: json::JsonDialect::default(),
            json_rpc: JsonRpcFile::default(),
            rest: RestOptions::default(),
            soap: SoapFile::default(),
            group: BTreeMap::new(),
            page: BTreeMap::new(),
        }
    }
}

impl Default for GroupFile {
    fn default() -> Self {
        GroupFile {
            aliases: Vec::new(),
            service: None,
            options: serde_json::Map::new(),
            aggregate: AggregateFile::default(),
            upstream: UpstreamFile::none(),
            limits: LimitsFile::default(),
            protocols: Protocol::ALL.to_vec(),
            xml_rpc: XmlRpcDialect::default(),
            json: json::JsonDialect::default(),
            json_rpc: JsonRpcFile::default(),
            rest: RestOptions::default(),
            soap: SoapOptions::default(),
            routes: Vec::new(),
        }
    }
}

impl Default for ServerFile {
    fn default() -> Self {
        let Settings { connections, in_flight, memory, head_bytes, streams, compress, timeouts } = Settings::default();
        let Timeouts { header, body, idle, write, drain } = timeouts;
        ServerFile {
            connections,
            in_flight,
            memory: Size(memory),
            head_bytes: Size(head_bytes),
            streams,
            compress,
            timeouts: TimeoutsFile {
                header: Period(header),
                body: Period(body),
                idle: Period(idle),
                write: Period(write),
                drain: Period(drain),
            },
        }
    }
}

impl Default for TimeoutsFile {
    fn default() -> Self {
        ServerFile::default().timeouts
    }
}

impl From<ServerFile> for Settings {
    fn from(file: ServerFile) -> Settings {
        let TimeoutsFile { header, body, idle, write, drain } = file.timeouts;
        Settings {
            connections: file.connections,
            in_flight: file.in_flight,
            memory: file.memory.0,
            head_bytes: file.head_bytes.0,
            streams: file.streams,
            compress: file.compress,
            timeouts: Timeouts { header: header.0, body: body.0, idle: idle.0, write: write.0, drain: drain.0 },
        }
    }
}

impl From<PublicFile> for PublicUrl {
    fn from(file: PublicFile) -> PublicUrl {
        let proxies = file.trusted_proxies.into_iter().map(|TrustedProxy(network)| network).collect();
        PublicUrl { base: file.base.map(|Base(base)| base), proxies, unix: file.trust_unix_sockets }
    }
}

impl Default for LimitsFile {
    fn default() -> Self {
        let GroupLimits { body, depth, elements, batch, concurrent, deadline } = GroupLimits::default();
        LimitsFile { body: Size(body), depth, elements, batch, concurrent, deadline: Period(deadline) }
    }
}

impl From<LimitsFile> for GroupLimits {
    fn from(file: LimitsFile) -> GroupLimits {
        let LimitsFile { body, depth, elements, batch, concurrent, deadline } = file;
        GroupLimits { body: body.0, depth, elements, batch, concurrent, deadline: deadline.0 }
    }
}

impl GroupFile {
    /// The faces of the group, as they are written, and still without routes.
    pub(super) fn protocol_set(&self) -> ProtocolSet {
        ProtocolSet {
            names: self.protocols.clone(),
            limits: Limits { depth: self.limits.depth, elements: self.limits.elements },
            multicall: self.limits.batch,
            xml_rpc: self.xml_rpc,
            json: self.json,
            json_rpc_1: self.json_rpc.version_1,
            rest: self.rest.clone(),
            soap: self.soap.clone(),
            routes: Vec::new(),
        }
    }
}

impl File {
    /// The places to listen, each with where it is written.
    pub(super) fn places(&self) -> impl Iterator<Item = (ListenerConfig, std::ops::Range<usize>)> {
        self.listen.iter().map(|place| (place.get_ref().entrance(), place.span()))
    }
}

impl ListenFile {
    fn entrance(&self) -> ListenerConfig {
        match self {
            ListenFile::All(Address(listen)) => ListenerConfig::from(listen.clone()),
            ListenFile::Some(ListenerFile { address: Address(listen), serves }) => {
                ListenerConfig { listen: listen.clone(), serves: *serves }
            }
        }
    }
}
