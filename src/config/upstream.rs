//! A group that is a server elsewhere, as it is written, and as it is meant.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

use http::header::{AUTHORIZATION, HeaderName, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::problem::Problem;
use crate::codec::xml;
use crate::codec::xmlrpc::XmlRpcDialect;
use crate::model::text::abridge;
use crate::model::units::{Period, Size};
use crate::protocol::Protocol;
use crate::protocol::jsonrpc::client::ParamStructure;
use crate::upstream::transport;
use crate::upstream::transport::{Address, Tls, Transport};
use crate::upstream::{Batching, DescriptionSource, NamePatterns, UnsupportedProtocol, Upstream, UpstreamOptions};

/// How a description's name begins that is a file's.
const FILE: &str = "file:";
/// How many bytes a file with a description, or with a secret, may have.
const LARGEST: u64 = 16 << 20;

/// A server elsewhere that answers the calls of a group.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct UpstreamFile {
    /// Where the server is: `"http://host:port/path"`, `"https://…"`, `"unix:/path/of.sock:/path"`,
    /// `"scgi://host:port/path"` or `"scgi:/path/of.sock"`. Of several servers that are the same each has its turn, and
    /// those that cannot be reached are passed over for five seconds.
    #[schemars(with = "Vec<String>", length(min = 1))]
    urls: Vec<Spanned<String>>,
    /// The protocol in which the server is called: `"xml-rpc"` (written as the `xml-rpc` of the group says),
    /// `"json-rpc"` (2.0) or `"soap"` (1.1 or 1.2, as the WSDL document says).
    #[schemars(with = "String", extend("enum" = Protocol::OF_UPSTREAMS.map(Protocol::name)))]
    protocol: Spanned<Protocol>,
    /// Where the WSDL or OpenRPC document of the server is: a path on the server, or after `"file:"` that of a file,
    /// relative to that of this file. Without it the server is asked by introspection, by `rpc.discover`, or with
    /// `?wsdl`.
    #[schemars(with = "Option<String>")]
    #[serde(default)]
    description: Option<Spanned<String>>,
    /// Which port of a WSDL document is meant, if it has several; without it, the first for SOAP 1.1.
    #[serde(default)]
    wsdl_port: Option<String>,
    /// The methods that may be called. In each name `*` stands for any characters.
    #[serde(default = "all")]
    allow: NamePatterns,
    /// The methods that may not be called, although they are allowed.
    #[serde(default)]
    deny: NamePatterns,
    /// The methods that change nothing: HTTP GET may ask for them.
    #[serde(default)]
    safe: NamePatterns,
    /// The methods that may be carried out twice without harm, as those that are safe always may: such a call is sent
    /// again where a connection that was kept turns out to be closed.
    #[serde(default)]
    idempotent: NamePatterns,
    /// The names of methods' parameters, in their order, where the server does not say them.
    #[serde(default)]
    params: BTreeMap<String, Vec<String>>,
    /// A secret that the server wants before the parameters of every call, as aria2 does, whose own has `token:` before
    /// it: `{ env = "NAME" }` or `{ file = "path" }`.
    #[schemars(with = "Option<SecretFile>")]
    #[serde(default)]
    token: Option<Spanned<SecretFile>>,
    /// The name for basic authentication.
    #[serde(default)]
    user: Option<String>,
    /// The password for it: `{ env = "NAME" }` or `{ file = "path" }`.
    #[schemars(with = "Option<SecretFile>")]
    #[serde(default)]
    password: Option<Spanned<SecretFile>>,
    /// A token for bearer authentication: `{ env = "NAME" }` or `{ file = "path" }`.
    #[schemars(with = "Option<SecretFile>")]
    #[serde(default)]
    bearer: Option<Spanned<SecretFile>>,
    /// Headers that every request has.
    #[schemars(with = "BTreeMap<String, SecretFile>")]
    #[serde(default)]
    headers: BTreeMap<String, Spanned<SecretFile>>,
    /// How JSON-RPC passes parameters: most servers take them by position, some by name only.
    #[serde(default)]
    param_structure: ParamStructure,
    /// Whether the calls of a client's `system.multicall` or batch travel to the server together, in one round trip: as one
    /// `system.multicall` or batch, which the server must then be able to answer. SOAP has no such thing.
    #[schemars(with = "Batching")]
    #[serde(default = "no_batching")]
    batching: Spanned<Batching>,
    /// What the group is called, if not what the server says; without either, its path.
    #[serde(default)]
    title: Option<String>,
    /// How long each phase of a request to the upstream may take.
    #[serde(default)]
    timeouts: UpstreamTimeoutsFile,
    /// How many bytes an answer may have that is not passed through as it is.
    #[schemars(extend("minimum" = 1))]
    #[serde(default = "max_response")]
    max_response: Size,
    /// How long after the server has described itself it is asked again.
    #[schemars(extend("minimum" = 1000, "maximum" = LONGEST))]
    #[serde(default = "refresh")]
    refresh: Period,
    /// Whether HTTP/2 is spoken without TLS, which the server must be able to; with TLS both sides agree by themselves.
    #[serde(default)]
    http2: bool,
    /// Whom to trust, and who one is, where a URL is one of `https`.
    #[serde(default)]
    tls: TlsFile,
}

/// A text, which may stand somewhere else because it is a secret: one of the keys, not several.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct SecretFile {
    /// The name of the environment's variable that holds it.
    env: Option<String>,
    /// The file that holds it, relative to that of this file; white space at its ends is left out.
    file: Option<String>,
    /// The text itself, for what is no secret.
    text: Option<String>,
}

/// Whom to trust with TLS, and who one is. Certificates are always checked.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct TlsFile {
    /// A file of certificates, in PEM, of those who vouch for servers; without it, whom the system trusts.
    roots: Option<String>,
    /// A file with one's own certificate, in PEM, for servers that want to know who asks.
    certificate: Option<String>,
    /// A file with its key, in PEM.
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
    /// How long a connection is kept unused: less than the upstream keeps it.
    #[schemars(extend("maximum" = LONGEST))]
    idle: Period,
}

impl Default for UpstreamTimeoutsFile {
    fn default() -> Self {
        let transport::TransportOptions { connect, response, idle, .. } = transport::TransportOptions::default();
        UpstreamTimeoutsFile { connect: Period(connect), response: Period(response), idle: Period(idle) }
    }
}

/// The longest time that can be asked for, in milliseconds: 30 days.
const LONGEST: u64 = 30 * 24 * 60 * 60 * 1000;

impl UpstreamFile {
    /// What a group has that is no server elsewhere.
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

/// The server of the group at a path; `None` where something is wrong with it, which is told. What XML-RPC leaves open is
/// written to it as to the group's callers, and read as leniently as can be: what callers may not do, servers do.
pub(super) fn resolve(
    path: &Spanned<String>,
    file: UpstreamFile,
    dialect: XmlRpcDialect,
    folder: &Path,
    problems: &mut Vec<Problem>,
) -> Option<Upstream> {
    let before = problems.len();
    let mut reading = Reading { folder, problems };
    let addresses = file.urls.iter().filter_map(|url| reading.address(url)).collect();
    let headers = reading.headers(&file);
    let description = file.description.as_ref().and_then(|named| reading.description(named));
    let token = file.token.as_ref().and_then(|secret| reading.secret(secret));
    let protocol = *file.protocol.get_ref();
    match (protocol, file.batching.get_ref()) {
        (Protocol::Soap, Batching::On | Batching::BareResults) => {
            reading.wrong(file.batching.span(), "SOAP has no way for several calls to travel together");
        }
        (Protocol::JsonRpc, Batching::BareResults) => {
            reading.wrong(
                file.batching.span(),
                "`\"bare-results\"` is for XML-RPC only; for JSON-RPC batches, write `\"on\"`",
            );
        }
        _ => {}
    }
    if let (Some(password), None) = (&file.password, &file.user) {
        reading.wrong(password.span(), "`password` stands without a `user`");
    }
    let ways = transport::TransportOptions {
        connect: file.timeouts.connect.0,
        response: file.timeouts.response.0,
        idle: file.timeouts.idle.0,
        http2: file.http2,
        tls: reading.tls(&file.tls, path),
        headers,
        ..transport::TransportOptions::default()
    };
    if problems.len() > before {
        return None;
    }
    let transport = Transport::new(addresses, ways);
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
    Upstream::new(transport, options).map_err(unsupported).ok()
}

/// Reads what stands elsewhere, and notes what is wrong with it.
struct Reading<'r> {
    folder: &'r Path,
    problems: &'r mut Vec<Problem>,
}

impl Reading<'_> {
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
            (Some(name), None, None) => {
                std::env::var(name).map_err(|_| format!("the environment has no text in `{}`", abridge(name)))
            }
            (None, Some(name), None) => self.read(name).map(|text| text.trim().to_owned()),
            (None, None, Some(text)) => Ok(text.clone()),
            _ => Err("a secret has exactly one of `env`, `file` and `text`".to_owned()),
        };
        read.map_err(|message| self.wrong(secret.span(), message)).ok()
    }

    fn read(&self, name: &str) -> Result<String, String> {
        let path = self.folder.join(name);
        let unread = |error: &dyn std::fmt::Display| format!("`{}` cannot be read: {error}", path.display());
        match fs::metadata(&path) {
            Ok(about) if about.len() > LARGEST => Err(unread(&format_args!("it has more than {LARGEST} bytes"))),
            _ => fs::read_to_string(&path).map_err(|error| unread(&error)),
        }
    }

    fn description(&mut self, named: &Spanned<String>) -> Option<DescriptionSource> {
        let Some(name) = named.get_ref().strip_prefix(FILE) else {
            return Some(DescriptionSource::At(named.get_ref().clone()));
        };
        match self.read(name) {
            Ok(text) => Some(DescriptionSource::Text { name: name.to_owned(), text }),
            Err(message) => {
                self.wrong(named.span(), message);
                None
            }
        }
    }

    fn headers(&mut self, file: &UpstreamFile) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("croupier/", env!("CARGO_PKG_VERSION"))));
        for (name, secret) in &file.headers {
            match name.parse::<HeaderName>() {
                Ok(name) => self.header(&mut headers, name, "", secret),
                Err(_) => self.wrong(secret.span(), format!("`{}` is no name of a header", abridge(name))),
            }
        }
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
            Err(_) => self.wrong(secret.span(), "it has characters that no header can hold"),
        }
    }

    fn tls(&mut self, file: &TlsFile, path: &Spanned<String>) -> Tls {
        let at = |name: &String| self.folder.join(name);
        let roots = file.roots.as_ref().map(at);
        match (&file.certificate, &file.key) {
            (Some(certificate), Some(key)) => Tls { roots, identity: Some((at(certificate), at(key))) },
            (None, None) => Tls { roots, identity: None },
            _ => {
                self.wrong(path.span(), "`tls` has one of `certificate` and `key` without the other");
                Tls::default()
            }
        }
    }
}
