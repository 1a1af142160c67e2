//! What an operator says of a server elsewhere.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::NamePatterns;
use crate::codec::xmlrpc::XmlRpcDialect;
use crate::model::interface::Interface;
use crate::model::text::abridge;
use crate::protocol::jsonrpc::client::ParamStructure;

/// The protocol in which a server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UpstreamProtocol {
    /// XML-RPC, written as the `xml-rpc` of the group says.
    XmlRpc,
    /// JSON-RPC 2.0.
    JsonRpc,
    /// SOAP 1.1 or 1.2, as its WSDL document says.
    Soap,
}

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

/// Where the description of a server is.
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

/// What an operator says of a server elsewhere, beside how it is reached.
#[derive(Debug, Clone, PartialEq)]
pub struct UpstreamOptions {
    /// The protocol in which it is asked.
    pub protocol: UpstreamProtocol,
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
    /// What the group is called, whatever the server says.
    pub title: Option<String>,
    /// What it is called where nobody says it, such as its path.
    pub name: String,
    /// How long after the server has described itself it is asked again (5 min by default).
    pub refresh: Duration,
}

impl UpstreamOptions {
    /// The defaults for a server that is asked in this protocol.
    pub fn new(protocol: UpstreamProtocol) -> UpstreamOptions {
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
            name: String::new(),
            refresh: Duration::from_secs(300),
        }
    }

    /// The names that are said of methods, and fit none of these.
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
    fn names_that_fit_no_method_are_told() {
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
            ..UpstreamOptions::new(UpstreamProtocol::XmlRpc)
        };
        assert_eq!(options.unmatched(&interface), ["`wheel.stpo` in `deny`", "`get*` in `safe`", "`spun` in `params`"]);
    }
}
