//! The table of an upstream in the file. [`resolve`] makes the [`Upstream`](crate::upstream::Upstream) of it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::codec::xml::InvalidCharacters;
use crate::config::forwarding::{ForwardIdentityFile, PassCookies};
use crate::config::rest_methods::RestMethodFile;
use crate::config::rest_upstream::{FaultKindFile, IdempotencyKeyFile};
use crate::config::secret_file::SecretFile;
use crate::config::setting_reader::TlsFile;
use crate::config::soap_headers::SoapUpstreamFile;
use crate::model::name_patterns::NamePatterns;
use crate::model::units::{Period, Size};
use crate::protocol::Protocol;
use crate::protocol::jsonrpc::client::ParamStructure;
use crate::protocol::jsonrpc::server::FurtherMembers;
use crate::upstream::forwarding::ForwardedForm;
use crate::upstream::transport;
use crate::upstream::{Batching, Redirects, UpstreamOptions};
use health::HealthFile;
use hosts::{BalanceFile, BreakerFile, HostLimitsFile, OutliersFile, RetriesFile};

mod health;
mod hosts;
mod program;
pub(super) mod resolve;

/// An upstream server that serves the calls of a group.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct UpstreamFile {
    /// The URLs of the upstream: `"http://host:port/path"`, `"https://…"`, `"unix:/path/of.sock:/path"`,
    /// `"scgi://host:port/path"`, `"scgi:/path/of.sock"`, or `"srv+http://_service._tcp.name/path"` for the hosts in SRV records. Several URLs are hosts that are equal: `balance` says which of them gets a
    /// call, and `outliers` which get none for a time.
    #[schemars(with = "Vec<String>", length(min = 1), inner(regex(pattern = "^([a-zA-Z+]+://.|(unix|scgi):/)")))]
    #[serde(default)]
    urls: Option<Vec<Spanned<String>>>,
    /// In place of `urls`, for `protocol = "mcp"`: a program that serves MCP over its standard input and output, and its arguments.
    /// croupier starts the program when the group begins to serve, starts it again after it has ended, and ends it when the group or
    /// croupier ends.
    #[schemars(with = "Vec<String>", length(min = 1))]
    #[serde(default)]
    command: Vec<Spanned<String>>,
    /// Environment variables of the program in `command`, by name: `{ env = "NAME" }`, `{ file = "path" }` or `{ text = "…" }`. From the
    /// environment of croupier, the program inherits only `PATH`, `HOME`, `LANG` and the like.
    #[schemars(with = "BTreeMap<String, SecretFile>")]
    #[serde(default)]
    environment: BTreeMap<String, Spanned<SecretFile>>,
    /// The folder in which the program in `command` runs, relative to that of the configuration file. Without it, that of croupier.
    #[schemars(with = "Option<String>")]
    #[serde(default)]
    directory: Option<Spanned<String>>,
    /// The protocol of the upstream: `"xml-rpc"` (written by the rules of the group's `xml-rpc`), `"json-rpc"` (2.0),
    /// `"soap"` (1.1 or 1.2, as its WSDL document says), `"rest"` (as its OpenAPI document says) or `"mcp"` (the tools of a server
    /// are the methods).
    #[schemars(with = "String", extend("enum" = Protocol::OF_UPSTREAMS.map(Protocol::name)))]
    protocol: Spanned<Protocol>,
    /// Where the WSDL, OpenAPI or OpenRPC document of the upstream is, or the result of `tools/list` of an MCP server: a path on the
    /// upstream, a URL, or `"file:"` and the name of a file, relative to the folder of the configuration file. What a WSDL or OpenAPI document in a file refers to is read
    /// from the files beside it. Without this key, the upstream is asked by introspection (XML-RPC), `rpc.discover` (JSON-RPC),
    /// `?wsdl` (SOAP), `openapi.json` and other usual paths (REST), or `tools/list` (MCP).
    #[schemars(with = "Option<String>")]
    #[serde(default)]
    description: Option<Spanned<String>>,
    /// The port in the WSDL document: its name, the name of its service, or both as `"Service/Port"`. Without it, the first
    /// port for SOAP 1.1.
    #[schemars(with = "Option<String>")]
    #[serde(default)]
    wsdl_port: Option<Spanned<String>>,
    /// The methods of a REST upstream by their names, beside those of its OpenAPI document. A method here takes the place of one
    /// with the same name there. Without `description`, there is no document, and none is asked for.
    #[schemars(with = "BTreeMap<String, RestMethodFile>")]
    #[serde(default)]
    methods: BTreeMap<Spanned<String>, RestMethodFile>,
    /// The methods that may be called. `*` in a name matches any characters.
    #[schemars(with = "NamePatterns")]
    #[serde(default = "all")]
    allow: Vec<Spanned<String>>,
    /// The methods that may not be called, even if `allow` matches them.
    #[schemars(with = "NamePatterns")]
    #[serde(default)]
    deny: Vec<Spanned<String>>,
    /// The methods that change nothing. HTTP GET may call them.
    #[schemars(with = "NamePatterns")]
    #[serde(default)]
    safe: Vec<Spanned<String>>,
    /// The methods that may run twice without harm; those in `safe` always may. Such a call is sent again if the upstream
    /// closes a kept connection before it responds.
    #[schemars(with = "NamePatterns")]
    #[serde(default)]
    idempotent: Vec<Spanned<String>>,
    /// The names of the parameters of methods, in order, for an upstream that does not describe them.
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    #[serde(default)]
    params: BTreeMap<Spanned<String>, Vec<String>>,
    /// The members of JSON-RPC requests beyond `jsonrpc`, `method`, `params` and `id` that are passed on to a JSON-RPC upstream, such
    /// as `"auth"`. `*` in a name matches any characters. A request with any other is refused, and so is one in a batch.
    #[schemars(with = "NamePatterns")]
    #[serde(default)]
    pass_members: Vec<Spanned<String>>,
    /// A secret that is sent as the first parameter of every call: `{ env = "NAME" }` or `{ file = "path" }`. aria2 expects
    /// one that begins with `token:`.
    #[schemars(with = "Option<SecretFile>")]
    #[serde(default)]
    token: Option<Spanned<SecretFile>>,
    /// The user name for basic authentication.
    #[serde(default)]
    user: Option<String>,
    /// The password for basic authentication: `{ env = "NAME" }` or `{ file = "path" }`.
    #[schemars(with = "Option<SecretFile>")]
    #[serde(default)]
    password: Option<Spanned<SecretFile>>,
    /// A token for bearer authentication: `{ env = "NAME" }` or `{ file = "path" }`.
    #[schemars(with = "Option<SecretFile>")]
    #[serde(default)]
    bearer: Option<Spanned<SecretFile>>,
    /// Access tokens for bearer authentication from an authorization server, by OAuth 2.0 client credentials: `token-url`,
    /// `client-id` and `client-secret`, and if the server needs them `scopes`, `audience` and `tls`.
    #[schemars(with = "Option<OAuth2File>")]
    #[serde(default)]
    oauth2: Option<Spanned<OAuth2File>>,
    /// The headers of a client's request that the upstream gets, by name. Without this key, it gets none of them.
    #[schemars(with = "Vec<String>")]
    #[serde(default)]
    pass_headers: Vec<Spanned<String>>,
    /// Whether the upstream gets the `Authorization` of a client's request.
    #[schemars(with = "bool")]
    #[serde(default = "not_passed")]
    pass_authorization: Spanned<bool>,
    /// Whether the upstream gets the cookies of a client, and the client the `Set-Cookie` of the upstream: `true`, or the
    /// names of the cookies.
    #[schemars(with = "PassCookies")]
    #[serde(default = "no_cookies_passed")]
    pass_cookies: Spanned<PassCookies>,
    /// Whether the query of the client's URL is appended to the URL of the upstream, for requests of XML-RPC, JSON-RPC and
    /// SOAP. Over REST and on pages, the query has the arguments.
    #[schemars(with = "bool")]
    #[serde(default = "not_passed")]
    pass_query: Spanned<bool>,
    /// Headers that are made for each call, by their names: a text with placeholders, or a secret. The placeholders are
    /// `{identity.name}`, `{identity.roles}`, `{client.address}`, `{request.id}`, `{group}` and `{method}`. A header is left
    /// out if it names something that the request does not have.
    #[schemars(with = "BTreeMap<String, SetHeader>")]
    #[serde(default)]
    set_headers: BTreeMap<String, Spanned<SetHeader>>,
    /// The headers that carry the address of the client, and the scheme and host to which the client has sent
    /// its request: `"x-forwarded"` (`X-Forwarded-For`, `-Proto` and `-Host`), `"forwarded"` (RFC 7239), `"both"` or `"off"`.
    #[serde(default)]
    forwarded: ForwardedForm,
    /// The headers that carry the identity of the caller to the upstream.
    #[serde(default)]
    forward_identity: ForwardIdentityFile,
    /// The header that tells the upstream how much time is left for the call, such as `"X-Request-Timeout"`: seconds
    /// (`1.5`), milliseconds if the name ends with `-ms`, or as gRPC writes it for `"grpc-timeout"`. Another croupier ends the call by
    /// then, if the name is in its `public.timeout-headers`.
    #[schemars(with = "Option<String>")]
    #[serde(default)]
    timeout_header: Option<Spanned<String>>,
    /// The headers of the upstream's response that a client gets, by name, for requests with a single call.
    #[schemars(with = "Vec<String>")]
    #[serde(default)]
    return_headers: Vec<Spanned<String>>,
    /// Whether callers get the beginning of the body of a response with an error status, such as that of an error page: 200
    /// characters on one line. Without this, they get the first line of a plain text only, and nothing of one with status 401,
    /// 403, 407, 502 or 504. Error pages may show addresses, paths and source code.
    #[serde(default)]
    return_error_text: bool,
    /// The kinds of the faults that responses of a REST upstream with an error status become, by their statuses, such as
    /// `{ 429 = "rate-limited" }`: `"service"`, `"bad-params"`, `"limit"`, `"unauthenticated"`, `"forbidden"`, `"rate-limited"`,
    /// `"busy"`, `"late"` or `"unreachable"`. Any other status is a `"service"` fault with the status as its code.
    #[schemars(with = "BTreeMap<String, FaultKindFile>")]
    #[serde(default)]
    fault_kinds: BTreeMap<Spanned<String>, FaultKindFile>,
    /// Which redirects of a REST upstream are followed. Those of other requests than GET and HEAD never are.
    #[schemars(with = "Redirects")]
    #[serde(default = "usual_redirects")]
    redirects: Spanned<Redirects>,
    /// Whether each call of a REST upstream by POST or PATCH, which may not be sent twice by its verb, has a random key in the header
    /// `Idempotency-Key`, or the name of another header for it. The upstream must know a call by its key: the call is sent again with
    /// the same key if a kept connection is closed before the response.
    #[schemars(with = "IdempotencyKeyFile")]
    #[serde(default = "no_idempotency_key")]
    idempotency_key: Spanned<IdempotencyKeyFile>,
    /// Headers of every request, by their names.
    #[schemars(with = "BTreeMap<String, SecretFile>")]
    #[serde(default)]
    headers: BTreeMap<String, Spanned<SecretFile>>,
    /// Secrets in the query of every request, by their names: `{ env = "NAME" }` or `{ file = "path" }`. A parameter of a REST
    /// upstream with such a name in the query, in `cookies` or in `headers` is no parameter of its method.
    #[schemars(with = "BTreeMap<String, SecretFile>")]
    #[serde(default)]
    query: BTreeMap<String, Spanned<SecretFile>>,
    /// Secrets in the cookies of every request, by their names: `{ env = "NAME" }` or `{ file = "path" }`.
    #[schemars(with = "BTreeMap<String, SecretFile>")]
    #[serde(default)]
    cookies: BTreeMap<String, Spanned<SecretFile>>,
    /// Whether calls in the protocol of the upstream reach it in their original bytes, and its responses the client in theirs.
    /// With `false`, each request and each response is decoded and written anew. SOAP messages in the form of the upstream's own
    /// WSDL are then not accepted.
    #[schemars(with = "bool")]
    #[serde(default = "passed_through")]
    passthrough: Spanned<bool>,
    /// JSON bodies of at most this size are checked against the OpenAPI document of a REST upstream before they are passed on in
    /// their original bytes. What does not fit is refused, and the upstream gets nothing of it. Longer bodies are passed on unchecked.
    /// Without this key, none is checked.
    #[schemars(with = "Option<Size>", extend("minimum" = 1, "maximum" = LARGEST_CHECKED))]
    #[serde(default)]
    check_bodies: Option<Spanned<Size>>,
    /// The headers of the calls to a SOAP upstream.
    #[schemars(with = "SoapUpstreamFile")]
    #[serde(default = "no_soap")]
    soap: Spanned<SoapUpstreamFile>,
    /// How parameters are sent over JSON-RPC. Most servers accept them by position, some only by name.
    #[schemars(with = "ParamStructure")]
    #[serde(default = "by_default_structure")]
    param_structure: Spanned<ParamStructure>,
    /// Whether the calls of a client's `system.multicall` or JSON-RPC batch are sent to the upstream in one request of the
    /// same kind, which the upstream must support. SOAP and REST have no batches.
    #[schemars(with = "Batching")]
    #[serde(default = "no_batching")]
    batching: Spanned<Batching>,
    /// How XML-RPC responses are read that have characters which XML forbids, such as the colours of a terminal, or bytes that
    /// are not valid in their encoding.
    #[schemars(with = "InvalidCharacters")]
    #[serde(default = "kept_characters")]
    invalid_characters: Spanned<InvalidCharacters>,
    /// The title of the group. Without it, the title that the upstream gives, or else the path.
    #[serde(default)]
    title: Option<String>,
    /// How names in `urls` are looked up by DNS.
    #[schemars(with = "DnsFile")]
    #[serde(default = "usual_dns")]
    dns: Spanned<DnsFile>,
    /// How long each phase of a request to the upstream may take.
    #[serde(default)]
    timeouts: UpstreamTimeoutsFile,
    /// How many bytes a response may have if it is not passed through in its original bytes. A long array may have more: it
    /// is written in another protocol while it arrives.
    #[schemars(extend("minimum" = 1))]
    #[serde(default = "max_response")]
    max_response: Size,
    /// The time between two requests for the description of the upstream.
    #[schemars(extend("minimum" = 1000, "maximum" = LONGEST))]
    #[serde(default = "refresh")]
    refresh: Period,
    /// Whether HTTP/2 is used without TLS. The upstream must support it. With TLS the two sides negotiate the version.
    #[serde(default)]
    http2: bool,
    /// The trusted roots and the client certificate for `https` URLs.
    #[serde(default)]
    tls: TlsFile,
    /// How one of several `urls` is chosen for a call.
    #[schemars(with = "BalanceFile")]
    #[serde(default = "usual_balance")]
    balance: Spanned<BalanceFile>,
    /// What the key of a call is for `balance = "hash"`: `"identity"` (the name of the authenticated caller), `"client"` (the address
    /// of the client), `"header:NAME"` or `"param:NAME"`. A call without a key goes to any host.
    #[schemars(with = "Option<String>")]
    #[serde(default)]
    hash_by: Option<Spanned<String>>,
    /// The shares of the `urls` in calls, one for each, from 1 to 1000. Without it, all have the same.
    #[schemars(with = "Vec<u32>")]
    #[serde(default = "no_weights")]
    weights: Spanned<Vec<u32>>,
    /// The time in which a host that comes back gets more and more calls: a tenth of its share at first.
    #[schemars(extend("maximum" = LONGEST))]
    #[serde(default = "slow_start")]
    slow_start: Period,
    /// Which of several hosts get no calls for a time because they fail.
    #[serde(default)]
    outliers: OutliersFile,
    /// When a call is sent again.
    #[serde(default)]
    retries: RetriesFile,
    /// After which time a call of a safe or idempotent method is sent to a second host, although the first may still respond: a time, or
    /// `"p95"` for the time within which 95 % of the calls of the last minute had responses. The first response counts. The
    /// second call is one of the budget of `retries`. Without it, never.
    #[schemars(with = "Option<String>")]
    #[serde(default)]
    hedge: Option<Spanned<String>>,
    /// How much each host gets at a time.
    #[serde(default)]
    limits: HostLimitsFile,
    /// How the hosts are probed if there are several `urls`: by one of `method` (and the expected `result`), `describe = true`, `path` (and
    /// the expected `status`) and `tcp = true`. A host that fails its probes gets no calls, unless all do. Without this table, hosts are
    /// not probed.
    #[schemars(with = "Option<HealthFile>")]
    #[serde(default)]
    health: Option<Spanned<HealthFile>>,
    /// When calls are refused because too many have failed: `failures` within the `window`, and at least the part `ratio` of all. They are
    /// refused for the time `open`; then `probes` are let through, which must be answered. Without this table, no call is refused.
    #[serde(default)]
    breaker: Option<BreakerFile>,
}

/// A header of each call: a text with placeholders, or a secret without.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
enum SetHeader {
    /// A text with placeholders.
    Text(String),
    /// A text without placeholders.
    Secret(Box<SecretFile>),
}

/// Where access tokens come from: the token endpoint of an authorization server (RFC 6749, section 4.4).
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct OAuth2File {
    /// The URL of the token endpoint, such as `"https://login.example/oauth2/token"`.
    #[schemars(with = "String")]
    token_url: Spanned<String>,
    /// The name of the client.
    client_id: String,
    /// The secret of the client: `{ env = "NAME" }` or `{ file = "path" }`.
    #[schemars(with = "SecretFile")]
    client_secret: Spanned<SecretFile>,
    /// What the token is to be used for.
    #[serde(default)]
    scopes: Vec<String>,
    /// The server that the token is for, if the authorization server asks for that.
    #[serde(default)]
    audience: Option<String>,
    /// The trusted roots and the client certificate for an `https` token endpoint.
    #[serde(default)]
    tls: TlsFile,
}

impl UpstreamFile {
    /// Whether there are several hosts, or DNS may say that there are.
    fn may_have_several_hosts(&self) -> bool {
        let is_service =
            |url: &Spanned<String>| url.get_ref().parse::<transport::Address>().is_ok_and(|url| url.is_service());
        self.urls().len() > 1 || self.dns.get_ref().each_address || self.urls().iter().any(is_service)
    }

    /// The URLs. They are empty if the upstream is a program.
    fn urls(&self) -> &[Spanned<String>] {
        self.urls.as_deref().unwrap_or_default()
    }
}

/// How names of upstream servers are looked up by DNS.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct DnsFile {
    /// The addresses of the DNS servers, such as `"10.0.0.2"` or `"[::1]:5353"`; the port is 53 if none is given. Without them, those
    /// of the system: of `/etc/resolv.conf`, with its search domains and options. Names in `/etc/hosts` come first in both cases.
    #[schemars(with = "Vec<String>")]
    servers: Vec<Spanned<String>>,
    /// How long an answer is kept at least, whatever its TTL is.
    #[schemars(extend("maximum" = LONGEST))]
    min_ttl: Period,
    /// How long an answer is kept at most.
    #[schemars(extend("maximum" = LONGEST))]
    max_ttl: Period,
    /// How long the answer that a name has no addresses is kept at most.
    #[schemars(extend("maximum" = LONGEST))]
    negative_ttl: Period,
    /// Whether each address of a name is a host of its own, with its own health, limits and share. Otherwise a name is one host, and
    /// connections are spread over its addresses.
    each_address: bool,
}

impl Default for DnsFile {
    fn default() -> Self {
        let transport::DnsOptions { min_ttl, max_ttl, negative_ttl, each_address, .. } =
            transport::DnsOptions::default();
        let [min_ttl, max_ttl, negative_ttl] = [min_ttl, max_ttl, negative_ttl].map(Period);
        DnsFile { servers: Vec::new(), min_ttl, max_ttl, negative_ttl, each_address }
    }
}

/// How long each phase of a request to an upstream may take.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct UpstreamTimeoutsFile {
    /// How long connecting may take.
    #[schemars(extend("minimum" = 1, "maximum" = LONGEST))]
    connect: Period,
    /// How long the upstream may take until its response begins, and how long the response may then pause.
    #[schemars(extend("minimum" = 1, "maximum" = LONGEST))]
    response: Period,
    /// How long an unused connection is kept. It should be shorter than the time that the upstream keeps one. A call that must not be
    /// sent twice takes no connection that has been unused for four fifths of this time: the upstream may be closing it.
    #[schemars(extend("maximum" = LONGEST))]
    idle: Period,
}

impl Default for UpstreamTimeoutsFile {
    fn default() -> Self {
        let transport::TransportOptions { connect, response, idle, .. } = transport::TransportOptions::default();
        UpstreamTimeoutsFile { connect: Period(connect), response: Period(response), idle: Period(idle) }
    }
}

/// The largest body that can be checked, in bytes: 1 MiB. It is read into memory.
const LARGEST_CHECKED: usize = 1 << 20;

/// The longest configurable time, in milliseconds: 30 days.
const LONGEST: u64 = 30 * 24 * 60 * 60 * 1000;

impl UpstreamFile {
    /// Whether requests at the paths of the upstream itself are passed on while their bodies arrive.
    pub(super) fn streams_bodies(&self) -> bool {
        *self.protocol.get_ref() == Protocol::Rest && *self.passthrough.get_ref()
    }

    /// What becomes of members of JSON-RPC requests beyond those of the specification.
    pub(super) fn further_members(&self) -> FurtherMembers {
        FurtherMembers::Pass(patterns(self.pass_members.clone()))
    }

    /// The table of a group without an upstream. It is never resolved.
    pub(super) fn none() -> UpstreamFile {
        UpstreamFile {
            urls: None,
            command: Vec::new(),
            environment: BTreeMap::new(),
            directory: None,
            protocol: Spanned::new(0..0, Protocol::XmlRpc),
            description: None,
            wsdl_port: None,
            methods: BTreeMap::new(),
            allow: all(),
            deny: Vec::new(),
            safe: Vec::new(),
            idempotent: Vec::new(),
            params: BTreeMap::new(),
            pass_members: Vec::new(),
            token: None,
            user: None,
            password: None,
            bearer: None,
            oauth2: None,
            pass_headers: Vec::new(),
            pass_authorization: not_passed(),
            pass_cookies: no_cookies_passed(),
            pass_query: not_passed(),
            set_headers: BTreeMap::new(),
            forwarded: ForwardedForm::default(),
            forward_identity: ForwardIdentityFile::default(),
            timeout_header: None,
            return_headers: Vec::new(),
            return_error_text: false,
            fault_kinds: BTreeMap::new(),
            redirects: usual_redirects(),
            idempotency_key: no_idempotency_key(),
            headers: BTreeMap::new(),
            query: BTreeMap::new(),
            cookies: BTreeMap::new(),
            passthrough: passed_through(),
            check_bodies: None,
            soap: no_soap(),
            param_structure: by_default_structure(),
            batching: no_batching(),
            invalid_characters: kept_characters(),
            title: None,
            dns: usual_dns(),
            timeouts: UpstreamTimeoutsFile::default(),
            max_response: max_response(),
            refresh: refresh(),
            http2: false,
            tls: TlsFile::default(),
            balance: usual_balance(),
            hash_by: None,
            weights: no_weights(),
            slow_start: slow_start(),
            outliers: OutliersFile::default(),
            retries: RetriesFile::default(),
            hedge: None,
            limits: HostLimitsFile::default(),
            health: None,
            breaker: None,
        }
    }
}

fn usual_balance() -> Spanned<BalanceFile> {
    Spanned::new(0..0, BalanceFile::default())
}

fn no_weights() -> Spanned<Vec<u32>> {
    Spanned::new(0..0, Vec::new())
}

fn slow_start() -> Period {
    Period(transport::TransportOptions::default().slow_start)
}

fn all() -> Vec<Spanned<String>> {
    let NamePatterns(all) = UpstreamOptions::new(Protocol::XmlRpc).allow;
    all.into_iter().map(|name| Spanned::new(0..0, name)).collect()
}

fn patterns(names: Vec<Spanned<String>>) -> NamePatterns {
    NamePatterns(names.into_iter().map(Spanned::into_inner).collect())
}

fn not_passed() -> Spanned<bool> {
    Spanned::new(0..0, false)
}

fn passed_through() -> Spanned<bool> {
    Spanned::new(0..0, true)
}

fn no_cookies_passed() -> Spanned<PassCookies> {
    Spanned::new(0..0, PassCookies::All(false))
}

fn usual_redirects() -> Spanned<Redirects> {
    Spanned::new(0..0, Redirects::default())
}

fn usual_dns() -> Spanned<DnsFile> {
    Spanned::new(0..0, DnsFile::default())
}

fn no_idempotency_key() -> Spanned<IdempotencyKeyFile> {
    Spanned::new(0..0, IdempotencyKeyFile::Usual(false))
}

fn by_default_structure() -> Spanned<ParamStructure> {
    Spanned::new(0..0, ParamStructure::default())
}

fn no_batching() -> Spanned<Batching> {
    Spanned::new(0..0, Batching::default())
}

fn no_soap() -> Spanned<SoapUpstreamFile> {
    Spanned::new(0..0, SoapUpstreamFile::default())
}

fn kept_characters() -> Spanned<InvalidCharacters> {
    Spanned::new(0..0, InvalidCharacters::default())
}

fn max_response() -> Size {
    Size(UpstreamOptions::new(Protocol::XmlRpc).max_response)
}

fn refresh() -> Period {
    Period(UpstreamOptions::new(Protocol::XmlRpc).refresh)
}
