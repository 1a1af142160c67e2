//! The configuration as it is written in a file.
//!
//! The documentation of each key here is what the reference and an operator's editor show.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::Log;
use super::aggregate::AggregateFile;
use super::page::PageFile;
use super::upstream::UpstreamFile;
use crate::codec::xml::Control;
use crate::codec::xmlrpc::Dialect;
use crate::codec::{Limits, json};
use crate::http::public_url::PublicUrl;
use crate::protocol::rest::server::RestOptions;
use crate::protocol::set::{Protocol, ProtocolSet};
use crate::protocol::soap::server::SoapOptions;
use crate::server::settings::{GroupLimits, ListenAddress, ListenerConfig, Settings};

/// The whole file.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    /// Where the server listens: TCP addresses such as `"127.0.0.1:8008"`, `"0.0.0.0:80"` or `"[::1]:8008"`, and unix
    /// sockets such as `"unix:/run/croupier.sock"`. Port 0 takes any port that is free. A place where only pages or only
    /// calls are answered is a table: `{ address = "127.0.0.1:8080", serves = "pages" }`.
    #[schemars(with = "Vec<ListenerConfig>", length(min = 1))]
    pub(super) listen: Vec<Spanned<ListenerConfig>>,
    /// How many threads answer requests; without it, one for each processor.
    #[schemars(range(min = 1, max = 1024))]
    pub(super) workers: Option<usize>,
    /// What is written to standard error while the server runs.
    pub(super) log: Log,
    /// What all clients together may take.
    pub(super) server: Settings,
    /// Under which address clients know this server; it stands in the documents that they fetch.
    pub(super) public: PublicUrl,
    /// What a request and a call may take. A group's own `limits` override single keys.
    pub(super) limits: GroupLimits,
    /// How XML-RPC is read and written. A group's own `xml-rpc` overrides single keys.
    pub(super) xml_rpc: Dialect,
    /// How JSON is written, by JSON-RPC and REST alike. A group's own `json` overrides single keys.
    pub(super) json: json::Dialect,
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
    pub(super) limits: GroupLimits,
    /// Over which protocols the group is reached; all of them, unless this says otherwise.
    #[schemars(length(min = 1))]
    pub(super) protocols: Vec<Protocol>,
    /// How XML-RPC is read and written here; what is not given is inherited.
    pub(super) xml_rpc: Dialect,
    /// How JSON is written here; what is not given is inherited.
    pub(super) json: json::Dialect,
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
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8008);

impl Default for File {
    fn default() -> Self {
        let listen = ListenAddress::Tcp(DEFAULT_LISTEN);
        File {
            listen: vec![Spanned::new(0..0, listen.into())],
            workers: None,
            log: Log::default(),
            server: Settings::default(),
            public: PublicUrl::default(),
            limits: GroupLimits::default(),
            xml_rpc: Dialect::default(),
            json: json::Dialect::default(),
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
            limits: GroupLimits::default(),
            protocols: Protocol::ALL.to_vec(),
            xml_rpc: Dialect::default(),
            json: json::Dialect::default(),
            json_rpc: JsonRpcFile::default(),
            rest: RestOptions::default(),
            soap: SoapOptions::default(),
            routes: Vec::new(),
        }
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
