//! The upstream of a group: its table in the file, and the [`Upstream`] that is made from it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use http::header::{AUTHORIZATION, HeaderName, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::LARGEST_FILE;
use super::kept::{Kept, fingerprint};
use super::problem::Problem;
use super::resolved::Backend;
use super::sources::Folder;
use crate::codec::xml;
use crate::codec::xmlrpc::XmlRpcDialect;
use crate::files;
use crate::model::text::abridge;
use crate::model::units::{Period, Size};
use crate::protocol::Protocol;
use crate::protocol::jsonrpc::client::ParamStructure;
use crate::server::mount::Fingerprint;
use crate::server::settings::GroupLimits;
use crate::upstream::transport;
use crate::upstream::transport::{Address, Tls, Transport};
use crate::upstream::{Batching, DescriptionSource, NamePatterns, UnsupportedProtocol, Upstream, UpstreamOptions};

/// The prefix of a `description` that is the name of a file.
const FILE_PREFIX: &str = "file:";

/// An upstream server that serves the calls of a group.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct UpstreamFile {
    /// The URLs of the upstream: `"http://host:port/path"`, `"https://…"`, `"unix:/path/of.sock:/path"`,
    /// `"scgi://host:port/path"` or `"scgi:/path/of.sock"`. Several URLs are equal servers that take turns; one that cannot
    /// be reached is skipped for five seconds.
    #[schemars(with = "Vec<String>", length(min = 1))]
    urls: Vec<Spanned<String>>,
    /// The protocol of the upstream: `"xml-rpc"` (written by the rules of the group's `xml-rpc`), `"json-rpc"` (2.0) or
    /// `"soap"` (1.1 or 1.2, as its WSDL document says).
    #[schemars(with = "String", extend("enum" = Protocol::OF_UPSTREAMS.map(Protocol::name)))]
    protocol: Spanned<Protocol>,
    /// Where the WSDL or OpenRPC document of the upstream is: a path on the upstream, or `"file:"` and the name of a file,
    /// relative to the folder of the configuration file. Without it, the upstream is asked by introspection (XML-RPC),
    /// `rpc.discover` (JSON-RPC) or `?wsdl` (SOAP).
    #[schemars(with = "Option<String>")]
    #[serde(default)]
    description: Option<Spanned<String>>,
    /// The name of the port in the WSDL document. Without it, the first port for SOAP 1.1.
    #[serde(default)]
    wsdl_port: Option<String>,
    /// The methods that may be called. `*` in a name matches any characters.
    #[serde(default = "all")]
    allow: NamePatterns,
    /// The methods that may not be called, even if `allow` matches them.
    #[serde(default)]
    deny: NamePatterns,
    /// The methods that change nothing. HTTP GET may call them.
    #[serde(default)]
    safe: NamePatterns,
    /// The methods that may run twice without harm; those in `safe` always may. Such a call is sent again if the upstream
    /// closes a kept connection before it responds.
    #[serde(default)]
    idempotent: NamePatterns,
    /// The names of the parameters of methods, in order, for an upstream that does not describe them.
    #[serde(default)]
    params: BTreeMap<String, Vec<String>>,
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
    /// Headers of every request, by their names.
    #[schemars(with = "BTreeMap<String, SecretFile>")]
    #[serde(default)]
    headers: BTreeMap<String, Spanned<SecretFile>>,
    /// How parameters are sent over JSON-RPC. Most servers accept them by position, some only by name.
    #[serde(default)]
    param_structure: ParamStructure,
    /// Whether the calls of a client's `system.multicall` or JSON-RPC batch are sent to the upstream in one request of the
    /// same kind, which the upstream must support. SOAP has no batches.
    #[schemars(with = "Batching")]
    #[serde(default = "no_batching")]
    batching: Spanned<Batching>,
    /// The title of the group. Without it, the title that the upstream gives, or else the path.
    #[serde(default)]
    title: Option<String>,
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
}

/// A text that may be a secret. Exactly one of these keys is given.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct SecretFile {
    /// The name of the environment variable with the text.
    env: Option<String>,
    /// The file with the text, relative to the folder of the configuration file. White space at both ends is removed.
    file: Option<String>,
    /// The text itself, if it is not a secret.
    text: Option<String>,
}

/// The trusted roots and the client certificate for TLS. The certificates of servers are always verified.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct TlsFile {
    /// A PEM file with the trusted root certificates. Without it, those of the system.
    roots: Option<String>,
    /// A PEM file with the client certificate, for servers that require one.
    certificate: Option<String>,
    /// A PEM file with the private key of `certificate`.
    key: Option<String>,
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
    /// How long an unused connection is kept. It should be shorter than the time that the upstream keeps one.
    #[schemars(extend("maximum" = LONGEST))]
    idle: Period,
}

impl Default for UpstreamTimeoutsFile {
    fn default() -> Self {
        let transport::TransportOptions { connect, response, idle, .. } = transport::TransportOptions::default();
        UpstreamTimeoutsFile { connect: Period(connect), response: Period(response), idle: Period(idle) }
    }
}

/// The longest configurable time, in milliseconds: 30 days.
const LONGEST: u64 = 30 * 24 * 60 * 60 * 1000;

impl UpstreamFile {
    /// The table of a group without an upstream. It is never resolved.
    pub(super) fn none() -> UpstreamFile {
        UpstreamFile {
            urls: Vec::new(),
            protocol: Spanned::new(0..0, Protocol::XmlRpc),
            description: None,
            wsdl_port: None,
            allow: all(),
            deny: NamePatterns::default(),
            safe: NamePatterns::default(),
            idempotent: NamePatterns::default(),
            params: BTreeMap::new(),
            token: None,
            user: None,
            password: None,
            bearer: None,
            headers: BTreeMap::new(),
            param_structure: ParamStructure::default(),
            batching: no_batching(),
            title: None,
            timeouts: UpstreamTimeoutsFile::default(),
            max_response: max_response(),
            refresh: refresh(),
            http2: false,
            tls: TlsFile::default(),
        }
    }
}

fn all() -> NamePatterns {
    UpstreamOptions::new(Protocol::XmlRpc).allow
}

fn no_batching() -> Spanned<Batching> {
    Spanned::new(0..0, Batching::default())
}

fn max_response() -> Size {
    Size(UpstreamOptions::new(Protocol::XmlRpc).max_response)
}

fn refresh() -> Period {
    Period(UpstreamOptions::new(Protocol::XmlRpc).refresh)
}

/// Makes the upstream of the group at a path, within its limits, or takes it from what is served; `None` if the table has
/// problems, which are then in `problems`.
///
/// XML-RPC is written in the dialect of the group. It is always read leniently, because many servers deviate from the
/// specification.
pub(super) fn resolve(
    path: &Spanned<String>,
    file: UpstreamFile,
    (dialect, limits): (XmlRpcDialect, &GroupLimits),
    folder: Folder<'_>,
    kept: Kept<'_>,
    problems: &mut Vec<Problem>,
) -> Option<(Backend, Fingerprint)> {
    let before = problems.len();
    let table = serde_json::to_string(&file).unwrap_or_default();
    let mut reader = SettingReader { folder, problems };
    let addresses = file.urls.iter().filter_map(|url| reader.address(url)).collect();
    let headers = reader.headers_of_upstream(&file);
    let description = file.description.as_ref().and_then(|named| reader.description(named));
    let token = file.token.as_ref().and_then(|secret| reader.secret(secret));
    let protocol = *file.protocol.get_ref();
    match (protocol, file.batching.get_ref()) {
        (Protocol::Soap, Batching::On | Batching::BareResults) => {
            reader.wrong(file.batching.span(), "SOAP has no batches: leave `batching` out");
        }
        (Protocol::JsonRpc, Batching::BareResults) => {
            reader.wrong(
                file.batching.span(),
                "`\"bare-results\"` is for XML-RPC only; for JSON-RPC batches, write `\"on\"`",
            );
        }
        _ => {}
    }
    if let (Some(password), None) = (&file.password, &file.user) {
        reader.wrong(password.span(), "`password` needs a `user`");
    }
    let tls = reader.tls(&file.tls, path.span());
    if problems.len() > before {
        return None;
    }
    let fingerprint = fingerprint((table, format!("{dialect:?}"), Contents::of(&headers, &token, &description, &tls)));
    if let Some(served) = kept.backend(path.get_ref(), fingerprint, limits) {
        return Some((served, fingerprint));
    }
    let transport_options = transport::TransportOptions {
        connect: file.timeouts.connect.0,
        response: file.timeouts.response.0,
        idle: file.timeouts.idle.0,
        http2: file.http2,
        tls,
        headers,
        ..transport::TransportOptions::default()
    };
    let transport = Transport::new(addresses, transport_options);
    let transport = transport.map_err(|error| problems.push(Problem::at(path.span(), error.to_string()))).ok()?;
    let options = UpstreamOptions {
        description,
        wsdl_port: file.wsdl_port,
        allow: file.allow,
        deny: file.deny,
        safe: file.safe,
        idempotent: file.idempotent,
        params: file.params,
        token,
        param_structure: file.param_structure,
        batching: *file.batching.get_ref(),
        dialect: XmlRpcDialect { reading: xml::Reading::Lenient, ..dialect },
        max_response: file.max_response.0,
        title: file.title,
        group: path.get_ref().clone(),
        refresh: file.refresh.0,
        ..UpstreamOptions::new(protocol)
    };
    let unsupported = |error: UnsupportedProtocol| problems.push(Problem::at(file.protocol.span(), error.to_string()));
    let upstream = Upstream::new(transport, options).map_err(unsupported).ok()?;
    Some((Backend::upstream(upstream, limits), fingerprint))
}

/// What the table of an upstream only names: the contents of files, and the values of environment variables.
#[derive(Hash)]
struct Contents {
    headers: Vec<(String, Vec<u8>)>,
    token: Option<String>,
    description: Option<String>,
    tls: Vec<Option<Vec<u8>>>,
}

impl Contents {
    fn of(headers: &HeaderMap, token: &Option<String>, description: &Option<DescriptionSource>, tls: &Tls) -> Contents {
        let headers = headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
        let description = match description {
            Some(DescriptionSource::Text { text, .. }) => Some(text.clone()),
            _ => None,
        };
        let (certificate, key) = tls.identity.as_ref().map(|(certificate, key)| (certificate, key)).unzip();
        // One that cannot be read is reported where it is used.
        let contents = |file: Option<&PathBuf>| files::read(file?, LARGEST_FILE).ok();
        let tls = [tls.roots.as_ref(), certificate, key].map(contents).to_vec();
        Contents { headers: headers.collect(), token: token.clone(), description, tls }
    }
}

/// Reads files, secrets and addresses, and collects the problems with them.
pub(super) struct SettingReader<'r> {
    pub(super) folder: Folder<'r>,
    pub(super) problems: &'r mut Vec<Problem>,
}

impl SettingReader<'_> {
    fn wrong(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.problems.push(Problem::at(span, message.into()));
    }

    fn address(&mut self, url: &Spanned<String>) -> Option<Address> {
        let address = url.get_ref().parse();
        address.map_err(|error: transport::InvalidAddress| self.wrong(url.span(), error.to_string())).ok()
    }

    fn secret(&mut self, secret: &Spanned<SecretFile>) -> Option<String> {
        let SecretFile { env, file, text } = secret.get_ref();
        let read = match (env, file, text) {
            (Some(name), None, None) => std::env::var(name)
                .map_err(|_| format!("the environment variable `{}` is not set, or is not UTF-8", abridge(name))),
            (None, Some(name), None) => self.read_file(name).map(|text| text.trim().to_owned()),
            (None, None, Some(text)) => Ok(text.clone()),
            _ => Err("a secret has exactly one of `env`, `file` and `text`".to_owned()),
        };
        read.map_err(|message| self.wrong(secret.span(), message)).ok()
    }

    fn read_file(&self, name: &str) -> Result<String, String> {
        let path = self.folder.join(name);
        files::read_text(&path, LARGEST_FILE).map_err(|error| format!("`{}` cannot be read: {error}", path.display()))
    }

    fn description(&mut self, named: &Spanned<String>) -> Option<DescriptionSource> {
        let Some(name) = named.get_ref().strip_prefix(FILE_PREFIX) else {
            return Some(DescriptionSource::At(named.get_ref().clone()));
        };
        match self.read_file(name) {
            Ok(text) => Some(DescriptionSource::Text { name: name.to_owned(), text }),
            Err(message) => {
                self.wrong(named.span(), message);
                None
            }
        }
    }

    /// The headers of a table, by their names.
    pub(super) fn headers(&mut self, table: &BTreeMap<String, Spanned<SecretFile>>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, secret) in table {
            match name.parse::<HeaderName>() {
                Ok(name) => self.header(&mut headers, name, "", secret),
                Err(_) => self.wrong(secret.span(), format!("`{}` is not a valid name of a header", abridge(name))),
            }
        }
        headers
    }

    fn headers_of_upstream(&mut self, file: &UpstreamFile) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("croupier/", env!("CARGO_PKG_VERSION"))));
        headers.extend(self.headers(&file.headers));
        if let Some(token) = &file.bearer {
            self.header(&mut headers, AUTHORIZATION, "Bearer ", token);
        }
        if let Some(user) = &file.user {
            let password = file.password.as_ref();
            let secret = password.map_or_else(|| Some(String::new()), |secret| self.secret(secret));
            let span = password.map_or(0..0, Spanned::span);
            match secret.map(|secret| transport::basic(user, &secret)) {
                Some(Ok(value)) => drop(headers.insert(AUTHORIZATION, value)),
                Some(Err(error)) => self.wrong(span, error.to_string()),
                None => {}
            }
        }
        headers
    }

    fn header(&mut self, headers: &mut HeaderMap, name: HeaderName, before: &str, secret: &Spanned<SecretFile>) {
        let Some(text) = self.secret(secret) else { return };
        match HeaderValue::from_str(&format!("{before}{text}")) {
            Ok(mut value) => {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
            Err(_) => self.wrong(secret.span(), "the text has characters that a header cannot have"),
        }
    }

    /// `place` is where a mistake is reported.
    pub(super) fn tls(&mut self, file: &TlsFile, place: Range<usize>) -> Tls {
        let at = |name: &String| self.folder.join(name);
        let roots = file.roots.as_ref().map(at);
        match (&file.certificate, &file.key) {
            (Some(certificate), Some(key)) => Tls { roots, identity: Some((at(certificate), at(key))) },
            (None, None) => Tls { roots, identity: None },
            _ => {
                self.wrong(place, "`tls` needs both `certificate` and `key`, or neither");
                Tls::default()
            }
        }
    }
}
