//! What the operator says of an upstream.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::NamePatterns;
use crate::codec::xmlrpc::XmlRpcDialect;
use crate::model::interface::Interface;
use crate::model::text::abridge;
use crate::protocol::Protocol;
use crate::protocol::jsonrpc::client::ParamStructure;

/// A protocol in which upstream servers cannot be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsupportedProtocol(pub Protocol);

impl fmt::Display for UnsupportedProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Protocol::OF_UPSTREAMS.map(|protocol| format!("\"{protocol}\"")).join(", ");
        write!(f, "an upstream cannot be called in the protocol \"{}\"; write one of {names}", self.0)
    }
}

impl std::error::Error for UnsupportedProtocol {}

/// Whether the calls of one request may travel to a server together: in XML-RPC as a `system.multicall`, in JSON-RPC as a
/// batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Batching {
    /// They travel one by one.
    #[default]
    Off,
    /// They travel together.
    On,
    /// They travel together, and the results of `system.multicall` stand there as they are, as supervisord writes them, and
    /// not each in an array of one.
    BareResults,
}

/// Where the description of an upstream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DescriptionSource {
    /// At a URL of the server, or below its own path.
    At(String),
    /// In a text that is there already, such as a file's, with its name for messages.
    Text {
        /// Its name.
        name: String,
        /// The text itself.
        text: String,
    },
}

/// What the operator says of an upstream, apart from how it is reached.
#[derive(Debug, Clone, PartialEq)]
pub struct UpstreamOptions {
    /// The protocol in which it is asked.
    pub protocol: Protocol,
    /// Its WSDL or OpenRPC document; without it, the server is asked: by introspection, by `rpc.discover`, or for its
    /// own address with `?wsdl`.
    pub description: Option<DescriptionSource>,
    /// Which port of a WSDL document is meant, if it has several.
    pub wsdl_port: Option<String>,
    /// The methods that may be called (all by default).
    pub allow: NamePatterns,
    /// The methods that may not, although they are allowed.
    pub deny: NamePatterns,
    /// The methods that change nothing, so that HTTP GET may ask for them.
    pub safe: NamePatterns,
    /// The methods that may be carried out twice without harm; those that are safe always may.
    pub idempotent: NamePatterns,
    /// The names of methods' parameters, in their order, where the server does not say them.
    pub params: BTreeMap<String, Vec<String>>,
    /// A secret that every call has before its parameters.
    pub token: Option<String>,
    /// How JSON-RPC passes parameters.
    pub param_structure: ParamStructure,
    /// Whether the calls of one request may travel together.
    pub batching: Batching,
    /// How what XML-RPC leaves open is written to it, and read (the default dialect).
    pub dialect: XmlRpcDialect,
    /// How many bytes an answer may have (64 MiB by default).
    pub max_response: usize,
    /// The title of the group; without it, the server's own.
    pub title: Option<String>,
    /// The path of the group. It is in each log line about the upstream, and is the title if neither `title` nor the
    /// server gives one.
    pub group: String,
    /// How long after the server has described itself it is asked again (5 min by default).
    pub refresh: Duration,
}

impl UpstreamOptions {
    /// The defaults for a server that is asked in this protocol.
    pub fn new(protocol: Protocol) -> UpstreamOptions {
        UpstreamOptions {
            protocol,
            description: None,
            wsdl_port: None,
            allow: NamePatterns(vec!["*".to_owned()]),
            deny: NamePatterns::default(),
            safe: NamePatterns::default(),
            idempotent: NamePatterns::default(),
            params: BTreeMap::new(),
            token: None,
            param_structure: ParamStructure::default(),
            batching: Batching::default(),
            dialect: XmlRpcDialect::default(),
            max_response: 64 << 20,
            title: None,
            group: String::new(),
            refresh: Duration::from_secs(300),
        }
    }

    /// The names in the options that match no method of the interface, with their keys.
    pub(super) fn unmatched(&self, interface: &Interface) -> Vec<String> {
        let lists =
            [("allow", &self.allow), ("deny", &self.deny), ("safe", &self.safe), ("idempotent", &self.idempotent)];
        let listed = lists.into_iter().flat_map(|(key, NamePatterns(names))| names.iter().map(move |name| (key, name)));
        let named = listed.chain(self.params.keys().map(|name| ("params", name)));
        let fits = |name: &str| {
            let pattern = NamePatterns(vec![name.to_owned()]);
            name == "*" || interface.methods.iter().any(|method| pattern.has(&method.name))
        };
        named.filter(|(_, name)| !fits(name)).map(|(key, name)| format!("`{}` in `{key}`", abridge(name))).collect()
    }

    /// Whether a method may be called at all.
    pub fn allows(&self, method: &str) -> bool {
        self.allow.has(method) && !self.deny.has(method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::interface::Method;

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
        assert_eq!(options.unmatched(&interface), ["`wheel.stpo` in `deny`", "`get*` in `safe`", "`spun` in `params`"]);
    }
}
