//! What was found out about a server, in words.

use super::search::{AddressNote, FoundServer};
use crate::model::fault::Fault;
use crate::model::text::abridge;
use crate::protocol::Protocol;
use crate::upstream::credentials::{GivenCredentials, lacking};
use crate::upstream::discovery::probe::{InterfaceSource, Quirk};

/// How many parts of a description that are not used are listed.
const MAX_GAPS: usize = 100;

/// The methods of the server, and how they were found out.
pub(super) fn summary(found: &FoundServer) -> String {
    let source = match &found.report.source {
        InterfaceSource::OpenRpc => "as its OpenRPC document says (`rpc.discover`)".to_owned(),
        InterfaceSource::Introspection => "as `system.listMethods` says".to_owned(),
        InterfaceSource::Wsdl => "as its WSDL document says".to_owned(),
        InterfaceSource::OpenApi => "as its OpenAPI document says".to_owned(),
        InterfaceSource::Tools => "as its list of tools says".to_owned(),
        InterfaceSource::ListMethodsFault(fault) => format!("`system.listMethods` returns the fault {}", shown(fault)),
        InterfaceSource::ListMethodsOther => "the result of `system.listMethods` is not a list of names".to_owned(),
    };
    match &found.report.interface {
        Some(interface) => {
            let count = interface.methods.len();
            let methods = if count == 1 { "method" } else { "methods" };
            format!("It offers {count} {methods}, {source}.")
        }
        None => format!("It does not list its methods: {source}. Calls are sent on with the arguments they come with."),
    }
}

/// What is unusual about the server, a sentence or two each.
pub(super) fn notes(found: &FoundServer) -> Vec<String> {
    let mut notes = Vec::new();
    if found.scgi_instead {
        notes.push("It speaks SCGI, not HTTP as the URL said.".to_owned());
    }
    notes.extend(found.report.quirks.iter().map(note));
    let document = if found.report.protocol == Protocol::Rest { "OpenAPI" } else { "WSDL" };
    notes.extend(match &found.address {
        AddressNote::None => None,
        AddressNote::Stated(address) => Some(format!(
            "`urls` is the address in the {document} document, {address}. Change it if croupier reaches the service at another one."
        )),
        AddressNote::Missing => {
            Some(format!("Its {document} document does not say where the service is. Write its URL into `urls`."))
        }
        AddressNote::Different(address) => Some(format!(
            "Its {document} document says that the service is at {address}. If calls fail, try that in `urls`."
        )),
    });
    let given = GivenCredentials::of_user(found.location.user.is_some());
    notes.extend(lacking(&found.report.demands, &given, |_| true).iter().map(|demand| sentence(demand)));
    notes.extend(found.report.gaps.sentences(MAX_GAPS).into_iter().map(|gap| sentence(&gap)));
    notes
}

/// A text as a sentence.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
}

fn note(quirk: &Quirk) -> String {
    let no_signatures = |why: &str| format!("It has no signatures{why}. `params` can name the parameters of methods.");
    match quirk {
        Quirk::DescribedByName => "It takes parameters by name, as its description says.".to_owned(),
        Quirk::DiscoverNotOpenRpc => "The result of its `rpc.discover` is not an OpenRPC document.".to_owned(),
        Quirk::NamesOnly(why) => format!("More than the names of its methods could not be found out: {why}."),
        Quirk::FlatSignatures => {
            "Its signatures are flat: one list of types for each method, not a list of such lists.".to_owned()
        }
        Quirk::I8InSignatures => "Its signatures have integers of 64 bits (`i8`).".to_owned(),
        Quirk::SignaturesText(text) => no_signatures(&format!(": the result is \"{}\"", abridge(text))),
        Quirk::SignaturesFault(fault) => no_signatures(&format!(": it returns the fault {}", shown(fault))),
        Quirk::NoSignatures => no_signatures(""),
        Quirk::BareMulticall => {
            "The results of its `system.multicall` are bare, not each in an array of one.".to_owned()
        }
        Quirk::MulticallOther => "The result of its `system.multicall` is not a list of results.".to_owned(),
        Quirk::MulticallFault(fault) => {
            format!("It has no `system.multicall`: it returns the fault {}.", shown(fault))
        }
        Quirk::MulticallUnusable(why) => format!("Its `system.multicall` cannot be used: {why}."),
        Quirk::SendsI8 => "It sends integers of 64 bits (`<i8>`).".to_owned(),
        Quirk::Compresses => "It compresses its responses. They are unpacked.".to_owned(),
        Quirk::JsonRpc1 => {
            "Its responses are in the form of JSON-RPC 1.0, without `jsonrpc`. They are accepted.".to_owned()
        }
        Quirk::ForbiddenCharacters => {
            "Its texts have characters that XML forbids, such as colours. Clients of JSON-RPC and REST \
             get them; `xml-rpc.control-characters = \"strip\"` of the group takes them out for clients of XML-RPC."
                .to_owned()
        }
        Quirk::RefusesNamesFault(fault) => {
            format!("It refuses parameters by name: it returns the fault {}.", shown(fault))
        }
        Quirk::RefusesNames(why) => format!("It refuses parameters by name: {why}."),
        Quirk::OnlyNames => "It takes parameters by name, and refuses them by position.".to_owned(),
        Quirk::AlsoSpeaks(others) => {
            let others: Vec<&str> = others.iter().map(|protocol| protocol.title()).collect();
            format!("It speaks {} as well, but describes itself in less detail there.", others.join(" and "))
        }
    }
}

/// The code and text of a fault.
fn shown(fault: &Fault) -> String {
    format!("{} ({})", fault.kind.xmlrpc_code(), abridge(&fault.message))
}
