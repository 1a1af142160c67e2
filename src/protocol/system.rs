//! The methods that croupier has in every group over XML-RPC and JSON-RPC: `system.*`.
//!
//! All but `system.multicall` are answered here, from the interface that the caller may see. The frontends take
//! `system.multicall` apart, because each of its calls has to be judged by itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(super) use crate::codec::xmlrpc::MULTICALL;
use crate::model::fault::{Fault, Kind};
use crate::model::interface::Interface;
use crate::protocol::Protocol;
use crate::protocol::frontend::undescribed;
use crate::protocol::xmlrpc::signature::signatures;
use crate::service::Output;
use crate::service::args::Args;

/// The name, the signature and the help text of each method.
const METHODS: [(&str, &[&str], &str); 5] = [
    (
        "system.getCapabilities",
        &["struct"],
        "The supported specifications and extensions, each with the address and version of its specification.",
    ),
    ("system.listMethods", &["array"], "The names of all methods of this service."),
    ("system.methodHelp", &["string", "string"], "The documentation of a method, by its name."),
    (
        "system.methodSignature",
        &["array", "string"],
        "The signatures of a method, by its name: arrays of type names, of which the first is that of the result.",
    ),
    (
        MULTICALL,
        &["array", "array"],
        "Makes several calls, each a struct of `methodName` and `params`. Returns for each call an array with its result, or a struct that says why it failed.",
    ),
];

/// Whether croupier has this method in every group. Some servers write `system.multiCall`, which is the same method.
pub(super) fn is_builtin(method: &str) -> bool {
    method.starts_with("system.")
        && (METHODS.iter().any(|(name, ..)| *name == method) || method.eq_ignore_ascii_case(MULTICALL))
}

/// The fault of a `system.multicall` within another.
pub(super) fn nested_multicall() -> Fault {
    Fault::new(Kind::Structure, "`system.multicall` cannot be nested")
}

/// The fault of a `system.multicall` with other parameters than a list of calls.
pub(super) fn no_calls() -> Fault {
    Fault::bad_params("`system.multicall` takes one parameter, an array of calls")
}

/// The parameter of the methods that describe a method.
#[derive(Deserialize)]
struct MethodNameParam {
    method: String,
}

/// The result of a call of `system.*` over this protocol; `None` for all other methods and for `system.multicall`.
pub(super) fn call(
    interface: &Interface,
    method: &str,
    args: Args<'_>,
    protocol: Protocol,
) -> Option<Result<Output, Fault>> {
    let result = match method {
        "system.listMethods" => args.read_record::<()>().and_then(|()| match undescribed(interface) {
            Some(fault) => Err(fault),
            None => Ok(one(names(interface))),
        }),
        "system.methodSignature" => {
            args.read_record::<MethodNameParam>().and_then(|param| signature_result(interface, &param.method))
        }
        "system.methodHelp" => {
            args.read_record::<MethodNameParam>().and_then(|param| Ok(one(help_of(interface, &param.method)?)))
        }
        "system.getCapabilities" => args.read_record::<()>().map(|()| one(capabilities(protocol))),
        _ => return None,
    };
    Some(result)
}

fn one<T: Serialize + Send + 'static>(value: T) -> Output {
    Output::One(Box::new(value))
}

fn names(interface: &Interface) -> Vec<String> {
    let own = interface.methods.iter().map(|method| method.name.clone());
    let mut names: Vec<_> = own.chain(METHODS.iter().map(|(name, ..)| (*name).to_owned())).collect();
    names.sort_unstable();
    names
}

/// The signatures of a method. If nothing is known of its parameters, the text that other servers return then.
fn signature_result(interface: &Interface, name: &str) -> Result<Output, Fault> {
    let signatures = signatures_of(interface, name)?;
    Ok(if signatures.is_empty() { one("undef") } else { one(signatures) })
}

fn signatures_of(interface: &Interface, name: &str) -> Result<Vec<Vec<&'static str>>, Fault> {
    if let Some((_, signature, _)) = METHODS.iter().find(|(known, ..)| *known == name) {
        return Ok(vec![signature.to_vec()]);
    }
    interface.method(name).map(|method| signatures(interface, method)).ok_or_else(|| unknown_method(interface, name))
}

fn help_of(interface: &Interface, name: &str) -> Result<String, Fault> {
    if let Some((.., help)) = METHODS.iter().find(|(known, ..)| *known == name) {
        return Ok((*help).to_owned());
    }
    interface.method(name).map(|method| method.doc.clone()).ok_or_else(|| unknown_method(interface, name))
}

fn unknown_method(interface: &Interface, name: &str) -> Fault {
    undescribed(interface).unwrap_or_else(|| Fault::bad_params(Fault::no_such_method(name).message))
}

/// A specification or extension, as `system.getCapabilities` names it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Capability {
    spec_url: &'static str,
    spec_version: i32,
}

fn capabilities(protocol: Protocol) -> BTreeMap<&'static str, Capability> {
    let capability = |spec_url, spec_version| Capability { spec_url, spec_version };
    let mut all = BTreeMap::from([
        ("faults_interop", capability("http://xmlrpc-epi.sourceforge.net/specs/rfc.fault_codes.php", 20_010_516)),
        ("introspection", capability("http://phpxmlrpc.sourceforge.net/doc-2/ch10.html", 2)),
        (MULTICALL, capability("http://www.xmlrpc.com/discuss/msgReader$1208", 1)),
    ]);
    if protocol == Protocol::JsonRpc {
        all.insert("json-rpc", capability("https://www.jsonrpc.org/specification", 2));
    } else {
        all.insert("xmlrpc", capability("http://www.xmlrpc.com/spec", 1));
        all.insert("nil", capability("http://www.ontosys.com/xml-rpc/extensions.php", 1));
    }
    all
}
