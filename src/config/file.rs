//! The tables of a configuration file, as serde reads them.
//!
//! The doc comment of each field is the text about its key in `docs/configuration.md`.
//!
//! Nothing reads `include`, `limits`, `xml_rpc`, `json`, `json_rpc`, `soap` and `cors` of [`File`]: they are there for the
//! schema and the defaults. Included files are read before (see `include`), and the keys of the others are copied into the
//! tables of each group before serde reads it (see `resolve::inherit`).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::Log;
use super::aggregate::file::AggregateFile;
use super::auth::AuthFile;
use super::fallback::FallbackFile;
use super::mcp::McpFile;
use super::otlp::OtlpFile;
use super::page::PageFile;
use super::quotas::QuotasFile;
use super::shares::{ShadowFile, SplitFile};
use super::upstream::UpstreamFile;
use crate::codec::xml::Control;
use crate::codec::xmlrpc::XmlRpcDialect;
use crate::codec::{DocumentLimits, json};
use crate::http::cors::CorsOptions;
use crate::http::public_url::PublicUrl;
use crate::protocol::Protocol;
use crate::protocol::jsonrpc::server::FurtherMembers;
use crate::protocol::mcp::server::McpOptions;
use crate::protocol::set::ProtocolSet;
use crate::protocol::soap::server::SoapOptions;
use crate::server::mount::CallerRules;
use crate::server::settings::{AdminSettings, GroupLimits, ListenAddress, ListenerConfig, ServerSettings};
use crate::service::access::{AccessRule, AccessRules, VisibleMethods};
use crate::service::cache::CacheOptions;

/// The whole file.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    /// Further files with groups and pages: names, or patterns such as `"conf.d/*.toml"`, relative to the folder of this
    /// file. `*`, `?` and `[…]` match parts of a name that does not begin with a dot, and `**` any folders. The files are
    /// read in the order of their names, and have tables of `group` and `page` only. Each path is in one file. The names of
    /// further files in an included file are relative to its own folder. There may be 1,000 files of 16 MiB together.
    pub(super) include: Vec<String>,
    /// Whether the server reads its configuration again, as at SIGHUP, when one of its files has changed: this file, included
    /// files, templates, descriptions, and files with secrets and certificates. The folders in which they are have to stay.
    pub(super) watch: bool,
    /// Where the server listens: TCP addresses such as `"127.0.0.1:8008"`, `"0.0.0.0:80"` or `"[::1]:8008"`, and unix
    /// sockets such as `"unix:/run/croupier.sock"`. With port 0 the system chooses a free port. A table restricts what is
    /// served at an address to pages or to the API: `{ address = "127.0.0.1:8080", serves = "pages" }`.
    #[schemars(with = "Vec<ListenerConfig>", length(min = 1))]
    pub(super) listen: Vec<Spanned<ListenerConfig>>,
    /// How many worker threads serve requests. Without it, one for each processor.
    #[schemars(range(min = 1, max = 1024))]
    pub(super) workers: Option<usize>,
    /// What is written to standard error while the server runs.
    pub(super) log: Log,
    /// The limits on what all clients together may use.
    pub(super) server: ServerSettings,
    /// The admin listener: probes, metrics and status for operators, and commands to reload and to stop. Without `auth` and
    /// without client certificates, every client that reaches it may use all of it.
    pub(super) admin: AdminSettings,
    /// The address under which clients know this server. It is written into the documents that they fetch.
    pub(super) public: PublicUrl,
    // From here to `cors`: only for the schema and the defaults, see `resolve::inherit`.
    /// The limits on each request and call. A group's own `limits` override single keys.
    pub(super) limits: GroupLimits,
    /// How XML-RPC is read and written. A group's own `xml-rpc` overrides single keys.
    pub(super) xml_rpc: XmlRpcDialect,
    /// How JSON is written, by JSON-RPC and REST alike. A group's own `json` overrides single keys.
    pub(super) json: json::JsonDialect,
    /// How JSON-RPC is read. A group's own `json-rpc` overrides single keys.
    pub(super) json_rpc: JsonRpcFile,
    /// How SOAP is written. A group's own `soap` overrides single keys.
    pub(super) soap: SoapFile,
    /// Which pages of other origins may call the groups from a browser and read their responses (CORS). A group's own `cors`
    /// overrides single keys.
    pub(super) cors: CorsOptions,
    /// Ways to find out who calls, by names that groups refer to. Each has exactly one of these tables. Files with keys and
    /// passwords are read again when the configuration is.
    pub(super) auth: BTreeMap<String, AuthFile>,
    /// The groups by their paths. A path begins with a slash and has none at its end, and no segment of it is empty,
    /// `.` or `..` or has white space, a backslash, `%`, `?` or `#`. Each path and alias belongs to one group.
    pub(super) group: BTreeMap<String, GroupFile>,
    /// The pages by their paths, which must differ from those of the groups. A page shows the result of a method by a
    /// template. `GET` requests it, and the query holds the method's parameters, as over REST.
    #[schemars(with = "BTreeMap<String, PageFile>")]
    pub(super) page: BTreeMap<Spanned<String>, PageFile>,
    /// One address with the tools of several groups, for clients of MCP, beside the addresses of the groups. Each call obeys the
    /// limits and rules of its group.
    pub(super) mcp: McpFile,
    /// Where the spans of requests are sent, for a tracing system: to a collector of OpenTelemetry over OTLP (protobuf over
    /// HTTP).
    pub(super) otlp: OtlpFile,
    /// Where the counts of `limits.quota` are kept when the server stops.
    pub(super) quotas: QuotasFile,
}

/// A group: the service at a path.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct GroupFile {
    /// Further paths of the same group.
    #[schemars(with = "Vec<String>")]
    pub(super) aliases: Vec<Spanned<String>>,
    /// The kind of service. Every group needs a `service`, an `aggregate` or an `upstream`.
    #[schemars(with = "Option<String>")]
    pub(super) service: Option<Spanned<String>>,
    /// The options of the service. Each kind has its own.
    pub(super) options: serde_json::Map<String, serde_json::Value>,
    /// A service made of calls to other groups, instead of `service`.
    pub(super) aggregate: AggregateFile,
    /// An upstream server that serves the calls of the group, instead of `service`.
    pub(super) upstream: UpstreamFile,
    /// Who may call: the names of tables of `auth`. Each request needs the credentials of any of them. Without it, everyone
    /// may call.
    #[schemars(with = "Vec<String>")]
    pub(super) auth: Vec<Spanned<String>>,
    /// Who may call which methods. The first rule whose methods and callers match decides; a call that no rule matches is
    /// refused. Without rules, every caller may call every method.
    #[schemars(with = "Vec<AccessRule>")]
    pub(super) access: Vec<Spanned<AccessRule>>,
    /// Which methods introspection, documents and pages show to a caller. A call of another method is refused as the rules of
    /// `access` say, whatever is shown.
    pub(super) visible_methods: VisibleMethods,
    /// Which pages of other origins may call the group from a browser and read its responses (CORS). Keys that are not given
    /// are inherited.
    pub(super) cors: CorsOptions,
    /// The limits on each request and call. Keys that are not given are inherited.
    pub(super) limits: GroupLimits,
    /// Answers of safe methods that are kept, and returned to equal calls. Without `ttl` and `methods` there are none.
    pub(super) cache: CacheOptions,
    /// What takes the place of results that cannot be had. The first whose methods match decides.
    #[schemars(with = "Vec<FallbackFile>")]
    pub(super) fallback: Vec<Spanned<FallbackFile>>,
    /// A share of the calls that is also sent to another group.
    pub(super) shadow: ShadowFile,
    /// A share of the calls that goes to another group.
    pub(super) split: SplitFile,
    /// The protocols over which the group is reached. Without it, all of them.
    #[schemars(length(min = 1))]
    pub(super) protocols: Vec<Protocol>,
    /// How XML-RPC is read and written here. Keys that are not given are inherited.
    pub(super) xml_rpc: XmlRpcDialect,
    /// How JSON is written here. Keys that are not given are inherited.
    pub(super) json: json::JsonDialect,
    /// How JSON-RPC is read here. Keys that are not given are inherited.
    pub(super) json_rpc: JsonRpcFile,
    /// How SOAP is written here. Keys that are not given are inherited.
    pub(super) soap: SoapOptions,
    /// Which methods are tools of MCP, and how they are shown.
    pub(super) mcp: McpOptions,
    /// Further verbs and paths by which REST calls methods, in addition to the path of each method.
    pub(super) routes: Vec<RouteFile>,
}

/// A route: a verb and a path by which REST calls a method.
///
/// A parameter is taken from the path if the path names it, from the body if `body` says so, and otherwise from the query.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RouteFile {
    /// The verb (`GET`, `POST`, `PUT`, `PATCH` or `DELETE`) and the path below the group's own: `"GET /guests/{id}"`. A
    /// segment in braces is the parameter of that name; a route with a literal segment takes precedence. Use `GET` with
    /// care for a method that changes something: pages of other sites, and programs that follow links, can call it too.
    #[schemars(with = "String")]
    pub(super) route: Spanned<String>,
    /// The method to call.
    #[schemars(with = "String")]
    pub(super) method: Spanned<String>,
    /// What the body holds: `"*"` for an object of all parameters that are neither in the path nor in `args`, or the name of
    /// one parameter. Without it, requests have no body.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) body: Option<Spanned<String>>,
    /// Parameters with fixed values, which no request can set.
    #[serde(default)]
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub(super) args: BTreeMap<Spanned<String>, Spanned<toml::Value>>,
}

/// How JSON-RPC is read.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct JsonRpcFile {
    /// Whether requests of JSON-RPC 1.0, which have no member `jsonrpc`, are accepted. Their responses have the form of 1.0.
    pub(super) version_1: bool,
}

/// How SOAP is written.
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
            include: Vec::new(),
            watch: false,
            listen: vec![Spanned::new(0..0, listen.into())],
            workers: None,
            log: Log::default(),
            server: ServerSettings::default(),
            admin: AdminSettings::default(),
            public: PublicUrl::default(),
            limits: GroupLimits::default(),
            xml_rpc: XmlRpcDialect::default(),
            json: json::JsonDialect::default(),
            json_rpc: JsonRpcFile::default(),
            soap: SoapFile::default(),
            cors: CorsOptions::default(),
            auth: BTreeMap::new(),
            group: BTreeMap::new(),
            page: BTreeMap::new(),
            mcp: McpFile::default(),
            otlp: OtlpFile::default(),
            quotas: QuotasFile::default(),
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
            auth: Vec::new(),
            access: Vec::new(),
            visible_methods: VisibleMethods::default(),
            cors: CorsOptions::default(),
            limits: GroupLimits::default(),
            cache: CacheOptions::default(),
            fallback: Vec::new(),
            shadow: ShadowFile::default(),
            split: SplitFile::default(),
            protocols: Protocol::ALL.to_vec(),
            xml_rpc: XmlRpcDialect::default(),
            json: json::JsonDialect::default(),
            json_rpc: JsonRpcFile::default(),
            soap: SoapOptions::default(),
            mcp: McpOptions::default(),
            routes: Vec::new(),
        }
    }
}

impl GroupFile {
    /// Who may call what, and how often.
    pub(super) fn caller_rules(&self, path: &str) -> CallerRules {
        let mut rules: Vec<_> = self.access.iter().map(|rule| rule.get_ref().clone()).collect();
        if rules.is_empty() && !self.auth.is_empty() {
            // Requests to the group have an identity then. So must have the calls that aggregates make.
            rules.push(AccessRule { authenticated: true, ..AccessRule::default() });
        }
        let access = (!rules.is_empty()).then(|| AccessRules::new(rules).showing(self.visible_methods));
        CallerRules::new(path, access, &self.limits).caching(self.cache.clone())
    }

    /// The protocols of the group and their options, without its routes.
    pub(super) fn protocol_set(&self, is_upstream: bool) -> ProtocolSet {
        ProtocolSet {
            names: self.protocols.clone(),
            limits: DocumentLimits { depth: self.limits.depth, elements: self.limits.elements },
            batch: self.limits.batch,
            xml_rpc: self.xml_rpc,
            json: self.json,
            json_rpc_1: self.json_rpc.version_1,
            json_rpc_members: match is_upstream {
                true => self.upstream.further_members(),
                false => FurtherMembers::Ignore,
            },
            soap: self.soap.clone(),
            mcp: self.mcp.clone(),
            routes: Vec::new(),
        }
    }
}
