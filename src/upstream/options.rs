//! The options of an upstream, which come from the configuration or from an embedding program.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use http::HeaderName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::balance_key::KeySource;
use super::breaker::BreakerOptions;
use super::forwarding::Forwarding;
use super::health_options::HealthOptions;
use crate::codec::xml::InvalidCharacters;
use crate::codec::xmlrpc::XmlRpcDialect;
use crate::model::fault::Kind;
use crate::model::interface::{Interface, Method, Param};
use crate::model::name_patterns::NamePatterns;
use crate::model::text::{abridge, nearest};
use crate::protocol::Protocol;
use crate::protocol::jsonrpc::client::ParamStructure;
use crate::protocol::rest::methods::RestMethod;
use crate::protocol::soap::blocks::SoapHeaders;

/// A protocol in which upstream servers cannot be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an upstream cannot be called in the protocol \"{0}\"; write one of {names}", names = supported_protocols())]
pub struct UnsupportedProtocol(pub Protocol);

fn supported_protocols() -> String {
    Protocol::OF_UPSTREAMS.map(|protocol| format!("\"{protocol}\"")).join(", ")
}

/// Whether several calls of one client request are sent to the upstream in one request: in XML-RPC as a
/// `system.multicall`, in JSON-RPC as a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Batching {
    /// Each call is sent in a request of its own.
    #[default]
    Off,
    /// They are sent in one request.
    On,
    /// They are sent in one request, and the results of `system.multicall` are not each wrapped in an array of one value.
    /// supervisord writes them this way.
    BareResults,
}

/// Which redirects of requests to a REST upstream are followed. Those of requests that may change something never are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Redirects {
    /// Those of GET and HEAD to the same scheme, host and port, up to five for each call.
    #[default]
    SameOrigin,
    /// None.
    Off,
}

/// Where the description of an upstream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DescriptionSource {
    /// At a path of the server, below its own path, or at a URL. If that is a URL of another server, the description is read
    /// from there, without the headers and tokens for the upstream.
    At(String),
    /// In a text that has already been read, such as that of a file.
    Text {
        /// The name of the text in messages.
        name: String,
        /// An OpenRPC, OpenAPI or WSDL document.
        text: String,
    },
    /// In files that have already been read: a WSDL or OpenAPI document, followed by the documents that it refers to in files.
    Files(Vec<DescriptionFile>),
}

/// A file of a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescriptionFile {
    /// The name. References in the file are relative to it.
    pub name: String,
    /// The text.
    pub text: String,
}

/// A name in the options of an upstream that matches none of its methods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnmatchedName {
    /// The key of the option.
    pub(crate) key: &'static str,
    /// The name or pattern.
    pub(crate) name: String,
    /// The method that was probably meant.
    pub(crate) meant: Option<String>,
}

impl fmt::Display for UnmatchedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` in `{}`", abridge(&self.name), self.key)
    }
}

/// The options of an upstream, except for its addresses and connections, which are those of its
/// [`Transport`](super::transport::Transport).
#[derive(Debug, Clone, PartialEq)]
pub struct UpstreamOptions {
    /// The protocol in which the upstream is called.
    pub protocol: Protocol,
    /// The upstream's WSDL, OpenAPI or OpenRPC document, or the result of its `tools/list`. If `None`, the upstream is asked for its
    /// description: by XML-RPC introspection, by `rpc.discover`, by GET of its address with `?wsdl`, by GET of `openapi.json` and other
    /// usual paths, or by `tools/list`.
    pub description: Option<DescriptionSource>,
    /// The name of the port to use, if the WSDL document has several. If `None`, the first one for SOAP 1.1.
    pub wsdl_port: Option<String>,
    /// The methods of a REST upstream that are not in its document, or that take the place of those there. If there are any and
    /// `description` is `None`, there is no document.
    pub methods: Vec<RestMethod>,
    /// The methods that may be called (all by default).
    pub allow: NamePatterns,
    /// The methods that may not be called. This takes precedence over `allow`.
    pub deny: NamePatterns,
    /// The methods that change nothing, so that HTTP GET may call them.
    pub safe: NamePatterns,
    /// The methods whose calls may be sent twice if a connection breaks. Safe methods always are.
    pub idempotent: NamePatterns,
    /// The names of parameters in positional order, by method, for upstreams that do not name them.
    pub params: BTreeMap<String, Vec<String>>,
    /// A secret that is sent as the first parameter of every call.
    pub token: Option<String>,
    /// Whether calls in the protocol of the upstream are sent in their original bytes, and responses passed on in theirs (`true`
    /// by default).
    pub passthrough: bool,
    /// JSON bodies of at most this many bytes are checked against the document of a REST upstream before they are passed on in their
    /// original bytes (0 by default: none is).
    pub check_bodies: usize,
    /// Whether JSON-RPC calls pass parameters by position or by name.
    pub param_structure: ParamStructure,
    /// Whether several calls are sent in one request.
    pub batching: Batching,
    /// How characters that XML forbids, and bytes that are not valid in their encoding, are read in XML-RPC responses (kept
    /// by default).
    pub invalid_characters: InvalidCharacters,
    /// How XML-RPC is written and read where its specification leaves a choice (the default dialect).
    pub dialect: XmlRpcDialect,
    /// The header blocks of every SOAP call (none by default).
    pub soap_headers: SoapHeaders,
    /// Whether methods of SOAP upstreams return the header blocks of responses too (no by default).
    pub soap_response_headers: bool,
    /// What of a client's request reaches the upstream, and what of its response comes back (nothing but the call and its
    /// result by default).
    pub forwarding: Forwarding,
    /// Whether callers get the beginning of the body of every response with an error status, not only the first line of a plain
    /// text (`false` by default).
    pub return_error_text: bool,
    /// Which redirects of GET and HEAD requests to a REST upstream are followed (those within the same server by default).
    pub redirects: Redirects,
    /// The header in which each call of a REST upstream has a random key, if its verb does not say that it may be sent twice. With
    /// the key, it may. If `None`, there is no such header.
    pub idempotency_key: Option<HeaderName>,
    /// The kinds of faults for error statuses of a REST upstream, in place of a service's own fault with the status as its code.
    pub fault_kinds: BTreeMap<u16, Kind>,
    /// The largest response that is read into memory, in bytes (64 MiB by default).
    pub max_response: usize,
    /// The title of the group. If `None`, the title in the upstream's description.
    pub title: Option<String>,
    /// The path of the group. It is in each log line about the upstream, and is the title if neither `title` nor the
    /// server gives one.
    pub group: String,
    /// The time between two discoveries (5 min by default).
    pub refresh: Duration,
    /// When calls are refused because too many have failed (never by default).
    pub breaker: Option<BreakerOptions>,
    /// How the hosts are probed, if there are several (not by default).
    pub health: Option<HealthOptions>,
    /// What the key of a call is made of, for [`Balance::Hash`](super::transport::Balance::Hash).
    pub balance_key: Option<KeySource>,
}

impl UpstreamOptions {
    /// The default options for an upstream that is called in this protocol.
    pub fn new(protocol: Protocol) -> UpstreamOptions {
        UpstreamOptions {
            protocol,
            description: None,
            wsdl_port: None,
            methods: Vec::new(),
            allow: NamePatterns(vec!["*".to_owned()]),
            deny: NamePatterns::default(),
            safe: NamePatterns::default(),
            idempotent: NamePatterns::default(),
            params: BTreeMap::new(),
            token: None,
            passthrough: true,
            check_bodies: 0,
            param_structure: ParamStructure::default(),
            batching: Batching::default(),
            invalid_characters: InvalidCharacters::default(),
            dialect: XmlRpcDialect::default(),
            soap_headers: SoapHeaders::default(),
            soap_response_headers: false,
            forwarding: Forwarding::default(),
            return_error_text: false,
            redirects: Redirects::default(),
            idempotency_key: None,
            fault_kinds: BTreeMap::new(),
            max_response: 64 << 20,
            title: None,
            group: String::new(),
            refresh: Duration::from_secs(300),
            breaker: None,
            health: None,
            balance_key: None,
        }
    }

    /// The names in the options that match no method of the interface.
    pub(super) fn unmatched(&self, interface: &Interface) -> Vec<UnmatchedName> {
        let lists =
            [("allow", &self.allow), ("deny", &self.deny), ("safe", &self.safe), ("idempotent", &self.idempotent)];
        let listed = lists.into_iter().flat_map(|(key, NamePatterns(names))| names.iter().map(move |name| (key, name)));
        let named = listed.chain(self.params.keys().map(|name| ("params", name)));
        let matches_any = |name: &str| {
            let pattern = NamePatterns(vec![name.to_owned()]);
            name == "*" || interface.methods.iter().any(|method| pattern.has(&method.name))
        };
        let methods = || interface.methods.iter().map(|method| method.name.as_str());
        named
            .filter(|(_, name)| !matches_any(name))
            .map(|(key, name)| UnmatchedName {
                key,
                name: name.clone(),
                meant: nearest(name, methods()).map(str::to_owned),
            })
            .collect()
    }

    /// Declares what is needed of each request and its response.
    pub(super) fn declare_in(&self, interface: &mut Interface) {
        self.forwarding.declare_in(interface);
        if let Some(KeySource::Header(name)) = &self.balance_key
            && !interface.request_headers.contains(name)
        {
            interface.request_headers.push(name.clone());
        }
    }

    /// Whether the options allow calls of a method. `deny` ignores case, because the upstream may do so too.
    pub fn allows(&self, method: &str) -> bool {
        self.allow.has(method) && (self.deny.0.is_empty() || !self.deny.has_in_any_case(method))
    }

    /// Whether the server is never asked for its description, because the options have all of it.
    pub(super) fn has_whole_description(&self) -> bool {
        match &self.description {
            Some(DescriptionSource::Text { .. } | DescriptionSource::Files(_)) => true,
            Some(DescriptionSource::At(_)) => false,
            None => !self.methods.is_empty(),
        }
    }

    /// The methods whose parameters the options name, for a server that does not describe itself.
    pub(super) fn named_methods(&self) -> impl Iterator<Item = Method> {
        self.params.iter().map(|(name, params)| {
            let params = params.iter().map(|name| Param {
                name: name.clone(),
                doc: String::new(),
                schema: schemars::Schema::default(),
                required: false,
            });
            Method { params: params.collect(), ..Method::undescribed(name) }
        })
    }

    /// Whether `allow` or `params` has this very name, so that it may be called although the upstream does not list it.
    pub(super) fn names(&self, method: &str) -> bool {
        self.allow.0.iter().any(|name| name == method) || self.params.contains_key(method)
    }

    /// Whether the options allow calls of a method of which it is not known whether the upstream has it. The upstream
    /// may read an unusual name as another one: it may remove blanks and control characters, or convert full-width
    /// letters. Such a name is not allowed. If every method is allowed, letters and digits of any script and all visible
    /// ASCII characters are; otherwise ASCII letters and digits, and `.`, `_`, `-`, `:`, `$` and `/` between them.
    pub(super) fn allows_unknown(&self, method: &str) -> bool {
        let restricted = !self.deny.0.is_empty() || self.allow.0.iter().all(|pattern| pattern != "*");
        let is_usual = |c: char| match restricted {
            true => c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '$' | '/'),
            false => c.is_ascii_graphic() || c.is_alphanumeric(),
        };
        let has_slash_at_end = restricted && (method.starts_with('/') || method.ends_with('/'));
        !method.is_empty() && !has_slash_at_end && method.chars().all(is_usual) && self.allows(method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denied_method_is_denied_in_every_spelling() {
        let deny = |name: &str| UpstreamOptions {
            deny: NamePatterns(vec![name.to_owned()]),
            ..UpstreamOptions::new(Protocol::XmlRpc)
        };
        let options = deny("a.Kill*");
        for name in ["a.Kill", "A.KILL", "a.killAll"] {
            assert!(!options.allows(name) && !options.allows_unknown(name), "{name}");
        }
        assert!(options.allows("a.get") && options.allows_unknown("a.get"));
        for name in
            ["", " a.get", "a.get\t", "a.get\u{a0}", "a.get\u{200b}", "\u{ff41}.get", "a.get\0", "a.get;x", "a.get/"]
        {
            assert!(!options.allows_unknown(name), "{name:?}");
        }
        let open = UpstreamOptions::new(Protocol::XmlRpc);
        assert!(open.allows_unknown("größe.lesen") && !open.allows_unknown("größe lesen"));
    }

    #[test]
    fn names_that_match_no_method_are_listed() {
        let method = |name: &str| Method {
            name: name.to_owned(),
            doc: String::new(),
            params: Vec::new(),
            result: schemars::Schema::default(),
            safe: false,
        };
        let interface = Interface { methods: vec![method("spin"), method("wheel.stop")], ..Interface::default() };
        let names = |names: &[&str]| NamePatterns(names.iter().map(|name| (*name).to_owned()).collect());
        let options = UpstreamOptions {
            deny: names(&["wheel.stpo", "wheel.*"]),
            safe: names(&["spin", "get*"]),
            params: BTreeMap::from([("spun".to_owned(), Vec::new()), ("spin".to_owned(), Vec::new())]),
            ..UpstreamOptions::new(Protocol::XmlRpc)
        };
        let unmatched = options.unmatched(&interface);
        let texts: Vec<String> = unmatched.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["`wheel.stpo` in `deny`", "`get*` in `safe`", "`spun` in `params`"]);
        let meant: Vec<Option<&str>> = unmatched.iter().map(|name| name.meant.as_deref()).collect();
        assert_eq!(meant, [Some("wheel.stop"), None, Some("spin")]);
    }
}
