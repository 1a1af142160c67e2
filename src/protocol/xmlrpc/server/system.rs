//! The introspection methods of every group: `system.*`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::multicall;
use crate::model::fault::Fault;
use crate::model::interface::Interface;
use crate::protocol::frontend::undescribed;
use crate::protocol::xmlrpc::signature::signatures;
use crate::service::Output;
use crate::service::args::Args;

/// The name, the signature and the help text of each method.
const METHODS: [(&str, &[&str], &str); 5] = [
    (
        "system.getCapabilities",
        &["struct"],
        "The supported extensions of XML-RPC, each with the address and version of its specification.",
    ),
    ("system.listMethods", &["array"], "The names of all methods of this service."),
    ("system.methodHelp", &["string", "string"], "The documentation of a method, by its name."),
    (
        "system.methodSignature",
        &["array", "string"],
        "The signatures of a method, by its name: arrays of type names, of which the first is that of the result.",
    ),
    (
        multicall::NAME,
        &["array", "array"],
        "Makes several calls, each a struct of `methodName` and `params`. Returns for each call an array with its result, or a struct of `faultCode` and `faultString`.",
    ),
];

/// Whether a method belongs to the protocol itself.
pub(super) fn is_builtin(method: &str) -> bool {
    METHODS.iter().any(|(name, ..)| *name == method)
}

/// The parameter of the methods that describe a method.
#[derive(Deserialize)]
struct MethodNameParam {
    method: String,
}

/// The result of a call of `system.*`; `None` for all other methods and for `system.multicall`.
pub(super) fn call(interface: &Interface, method: &str, args: Args<'_>) -> Option<Result<Output, Fault>> {
    if !method.starts_with("system.") {
        return None;
    }
    let result = match method {
        "system.listMethods" => args.read_record::<()>().and_then(|()| match undescribed(interface) {
            Some(fault) => Err(fault),
            None => Ok(one(names(interface))),
        }),
        "system.methodSignature" => {
            args.read_record::<MethodNameParam>().and_then(|param| Ok(one(signatures_of(interface, &param.method)?)))
        }
        "system.methodHelp" => {
            args.read_record::<MethodNameParam>().and_then(|param| Ok(one(help_of(interface, &param.method)?)))
        }
        "system.getCapabilities" => args.read_record::<()>().map(|()| one(capabilities())),
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

/// An extension of XML-RPC, as `system.getCapabilities` names it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Capability {
    spec_url: &'static str,
    spec_version: i32,
}

fn capabilities() -> BTreeMap<&'static str, Capability> {
    let capability = |spec_url, spec_version| Capability { spec_url, spec_version };
    BTreeMap::from([
        ("xmlrpc", capability("http://www.xmlrpc.com/spec", 1)),
        ("faults_interop", capability("http://xmlrpc-epi.sourceforge.net/specs/rfc.fault_codes.php", 20_010_516)),
        ("introspection", capability("http://phpxmlrpc.sourceforge.net/doc-2/ch10.html", 2)),
        ("nil", capability("http://www.ontosys.com/xml-rpc/extensions.php", 1)),
        (multicall::NAME, capability("http://www.xmlrpc.com/discuss/msgReader$1208", 1)),
    ])
}
