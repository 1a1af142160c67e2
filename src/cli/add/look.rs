//! A server looked at: what it speaks, what it says of itself, and what is unusual about it.
//!
//! Only what changes nothing is asked: introspection, `rpc.discover`, and GET of `?wsdl`.

use std::time::Duration;

use super::asking::{Asking, Silence};
use super::place::Place;
use super::quirks;
use crate::model::interface::Interface;
use crate::protocol::Protocol;
use crate::protocol::client_codec::{ClientCodec, document};
use crate::protocol::jsonrpc;
use crate::protocol::jsonrpc::openrpc::read as openrpc;
use crate::protocol::soap::wsdl::read as wsdl;
use crate::protocol::xmlrpc;
use crate::protocol::xmlrpc::introspection;
use crate::service::args::ArgValues;

/// The namespaces of addresses of SOAP 1.1 and 1.2 (WSDL 1.1, section 3.8, and its binding for SOAP 1.2).
const SOAP: [&str; 2] = ["http://schemas.xmlsoap.org/wsdl/soap/", "http://schemas.xmlsoap.org/wsdl/soap12/"];
/// How many ports of each are looked at.
const PORTS: usize = 20;

/// What a server turned out to be.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) place: Place,
    pub(super) protocol: Protocol,
    /// What may be called; `None` where the server does not say.
    pub(super) interface: Option<Interface>,
    /// How that was found out, or why it was not.
    pub(super) how: String,
    /// What is unusual, or worth knowing.
    pub(super) notes: Vec<String>,
    /// Whether calls want a secret before their parameters.
    pub(super) token: bool,
    /// How calls can travel to it together, in the word of the configuration, if they can.
    pub(super) batching: Option<&'static str>,
    /// Whether JSON-RPC is to pass parameters by name.
    pub(super) by_name: bool,
    /// Where the WSDL document is, if it is not where one is looked for.
    pub(super) description: Option<String>,
    /// The ports of a WSDL document.
    pub(super) ports: Vec<Port>,
}

impl Found {
    pub(super) fn new(place: &Place, protocol: Protocol) -> Found {
        Found {
            place: place.clone(),
            protocol,
            interface: None,
            how: String::new(),
            notes: Vec::new(),
            token: false,
            batching: None,
            by_name: false,
            description: None,
            ports: Vec::new(),
        }
    }

    /// How much is known: with types and names, with types, or nothing.
    fn rank(&self) -> u8 {
        match (&self.interface, self.protocol) {
            (Some(interface), _) if interface.methods.is_empty() => 1,
            (Some(_), Protocol::Soap) => 3,
            (Some(interface), Protocol::JsonRpc) if !guesses(interface) => 4,
            (Some(_), _) => 2,
            (None, _) => 0,
        }
    }
}

/// Whether the parameters' names are numbers, as they are where introspection has found them.
fn guesses(interface: &Interface) -> bool {
    interface.methods.iter().flat_map(|method| &method.params).any(|param| param.name == "arg1")
}

/// Looks at a server: in all protocols, unless one is wanted. `variable` is where a password may stand in the
/// environment.
///
/// # Errors
/// With a message for the person who asks: it cannot be reached, speaks none of them, or wants a password.
pub(super) async fn look(
    place: &Place,
    wanted: Option<Protocol>,
    limit: Duration,
    variable: &str,
) -> Result<Found, String> {
    let mut refused = Refused::default();
    for place in place.and_usual() {
        let broken = refused.broken;
        if let Some(found) = look_at(&place, wanted, limit, &mut refused).await? {
            return Ok(found);
        }
        if refused.broken - broken < wanted.map_or(Protocol::OF_UPSTREAMS.len(), |_| 1) {
            continue;
        }
        if let Some(place) = place.over_scgi()
            && let Some(mut found) = look_at(&place, wanted, limit, &mut refused).await?
        {
            found.notes.insert(0, "It speaks SCGI, and not HTTP as the URL said.".to_owned());
            return Ok(found);
        }
    }
    Err(refused.message(place, variable))
}

/// Looks at one place in each protocol, and picks the one in which the server says most of itself.
async fn look_at(
    place: &Place,
    wanted: Option<Protocol>,
    limit: Duration,
    refused: &mut Refused,
) -> Result<Option<Found>, String> {
    let asking = match Asking::new(place, limit) {
        Ok(asking) => asking,
        Err(Silence::Gone(message)) => return Err(message),
        Err(_) => return Ok(None),
    };
    let mut heard: Vec<Found> = Vec::new();
    for protocol in
        Protocol::OF_UPSTREAMS.into_iter().filter(|protocol| wanted.is_none_or(|wanted| wanted == *protocol))
    {
        let found = match protocol {
            Protocol::XmlRpc => xml_rpc(&asking).await,
            Protocol::JsonRpc => json_rpc(&asking).await,
            Protocol::Soap => soap(&asking).await,
            Protocol::Rest | Protocol::Page => continue,
        };
        match found {
            Ok(found) => heard.push(found),
            Err(Silence::Gone(message)) if heard.is_empty() => return Err(message),
            Err(silence) => refused.note(place, protocol, silence),
        }
    }
    let best = (0..heard.len()).rev().max_by_key(|at| heard.get(*at).map(Found::rank));
    let Some(best) = best else { return Ok(None) };
    let mut found = heard.remove(best);
    if !heard.is_empty() {
        let others: Vec<&str> = heard.iter().map(|other| other.protocol.title()).collect();
        let others = others.join(" and ");
        found.notes.push(format!("It speaks {others} as well, but says less of itself there."));
    }
    Ok(Some(found))
}

async fn xml_rpc(asking: &Asking<'_>) -> Result<Found, Silence> {
    let codec = ClientCodec::XmlRpc(xmlrpc::client::XmlRpcCodec::default());
    let mut found = Found::new(asking.place, Protocol::XmlRpc);
    introspect(asking, &codec, &mut found).await?;
    quirks::batching(asking, &codec, &mut found).await;
    quirks::capabilities(asking, &codec, &mut found).await;
    Ok(found)
}

async fn json_rpc(asking: &Asking<'_>) -> Result<Found, Silence> {
    let codec = ClientCodec::JsonRpc(jsonrpc::client::JsonRpcCodec::default());
    let mut found = Found::new(asking.place, Protocol::JsonRpc);
    match asking.ask(&codec, "rpc.discover", ArgValues::default()).await {
        Ok(document) => {
            let discovered = serde_json::to_value(document).ok().and_then(|document| openrpc::document(&document).ok());
            if let Some(discovered) = discovered {
                if !discovered.by_name.is_empty() {
                    found.notes.push("It takes parameters by name, as its description says.".to_owned());
                }
                found.how = "as its OpenRPC document says (`rpc.discover`)".to_owned();
                found.interface = Some(discovered.interface);
                return Ok(found);
            }
            found.notes.push("It answers `rpc.discover`, but with no OpenRPC document.".to_owned());
        }
        Err(Silence::Fault(fault)) => quirks::unauthorized(&fault, &mut found),
        Err(other) => return Err(other),
    }
    introspect(asking, &codec, &mut found).await?;
    quirks::param_structure(asking, &codec, &mut found).await;
    Ok(found)
}

/// What introspection tells. A server that has none still speaks the protocol.
async fn introspect(asking: &Asking<'_>, codec: &ClientCodec, found: &mut Found) -> Result<(), Silence> {
    let listed = match asking.ask(codec, "system.listMethods", ArgValues::default()).await {
        Ok(listed) => listed,
        Err(Silence::Fault(fault)) => {
            quirks::unauthorized(&fault, found);
            found.how = format!("`system.listMethods` is answered with the fault {}", quirks::shown(&fault));
            return Ok(());
        }
        Err(other) => return Err(other),
    };
    let Ok(names) = introspection::names(&listed) else {
        found.how = "`system.listMethods` is answered with something else than a list of names".to_owned();
        return Ok(());
    };
    found.how = "as `system.listMethods` says".to_owned();
    quirks::signatures(asking, codec, &names, found).await;
    match asking.discover(found.protocol).await {
        Ok(interface) => found.interface = Some(interface),
        Err(silence) => {
            let bare = names.into_iter().map(|name| introspection::Described { name, signature: None, help: None });
            found.interface = Some(introspection::interface(&bare.collect::<Vec<_>>()));
            found.notes.push(format!("More than the names could not be found out: {}.", silence.reason()));
        }
    }
    Ok(())
}

async fn soap(asking: &Asking<'_>) -> Result<Found, Silence> {
    let mut found = Found::new(asking.place, Protocol::Soap);
    let usual = format!("{}?wsdl", asking.path());
    let text = match wsdl_at(asking, &usual).await {
        Ok(text) => text,
        Err(silence @ (Silence::Gone(_) | Silence::Broke(_) | Silence::Locked(_))) => return Err(silence),
        Err(silence) => {
            // The URL may be that of the document itself.
            let own = asking.path().to_owned();
            let text = wsdl_at(asking, &own).await.map_err(|_| silence)?;
            found.description = Some(own);
            text
        }
    };
    found.how = "as its WSDL document says".to_owned();
    found.ports = ports(&text);
    match asking.learn_at(Protocol::Soap, found.description.clone()).await {
        Ok(interface) => found.interface = Some(interface),
        Err(silence) => {
            let message = format!("its WSDL document cannot be used: {}", silence.reason());
            return Err(Silence::Other(message));
        }
    }
    if found.description.is_some()
        && let Some(address) = found.ports.first().map(|port| port.address.clone())
        && let Some(service) = path_of(&address).and_then(|path| asking.place.at(&path))
    {
        found.notes.push(format!("The URL is that of its WSDL document, which says that the service is at {address}."));
        found.place = service;
    }
    Ok(found)
}

/// The text of a WSDL document.
async fn wsdl_at(asking: &Asking<'_>, path: &str) -> Result<String, Silence> {
    let response = asking.get(path).await?;
    let none = || Silence::Other("the answer is no WSDL document".to_owned());
    let text = document(&response).map_err(|_| none())?;
    match wsdl::imports(wsdl::Document { location: path, text: &text }) {
        Ok(_) => Ok(text),
        Err(_) => Err(none()),
    }
}

/// A port of a WSDL document that speaks SOAP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) name: String,
    address: String,
}

/// The ports for SOAP, first those for 1.1, as they are preferred. The document has been read before, so nothing in it is
/// without bound.
fn ports(text: &str) -> Vec<Port> {
    let Ok(tree) = roxmltree::Document::parse(text) else { return Vec::new() };
    let of = |namespace: &str| -> Vec<Port> {
        let elements = tree.descendants().filter(|node| node.has_tag_name((namespace, "address")));
        let ports = elements.filter_map(|element| {
            let name = element.parent_element()?.attribute("name")?.to_owned();
            Some(Port { name, address: element.attribute("location").unwrap_or_default().to_owned() })
        });
        ports.take(PORTS).collect()
    };
    SOAP.iter().flat_map(|namespace| of(namespace)).collect()
}

/// The path in an address; only that, since it is this server that is asked.
fn path_of(address: &str) -> Option<String> {
    let uri: http::Uri = address.trim().parse().ok()?;
    uri.path_and_query().map(|path| path.as_str().to_owned())
}

/// What was tried in vain.
#[derive(Debug, Default)]
struct Refused {
    lines: Vec<String>,
    /// How often the connection broke.
    broken: usize,
    locked: Option<String>,
}

impl Refused {
    fn note(&mut self, place: &Place, protocol: Protocol, silence: Silence) {
        match &silence {
            Silence::Broke(_) => self.broken += 1,
            Silence::Locked(how) if self.locked.is_none() => self.locked = Some(how.clone()),
            _ => {}
        }
        let what = match protocol {
            Protocol::XmlRpc => "XML-RPC, system.listMethods",
            Protocol::JsonRpc => "JSON-RPC, rpc.discover",
            Protocol::Soap => "SOAP, GET ?wsdl",
            Protocol::Rest | Protocol::Page => protocol.title(),
        };
        self.lines.push(format!("  {} ({what}): {}", place.url, silence.reason()));
    }

    fn message(self, place: &Place, variable: &str) -> String {
        let url = &place.url;
        match (self.locked, &place.user) {
            (Some(how), None) => {
                let how = if how.is_empty() { how } else { format!(" ({how})") };
                format!(
                    "{url} wants to know who asks: HTTP 401{how}\ngive the user's name with --user, and the password in \
                     the variable {variable} of the environment"
                )
            }
            (Some(_), Some(user)) => format!("{url} refuses the user `{user}` with this password: HTTP 401"),
            (None, _) => {
                format!("{url} speaks none of the protocols that were tried\n{}", self.lines.join("\n"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_for_soap_are_read_from_a_wsdl_document() {
        let text = format!(
            "<d xmlns:t='{}' xmlns:s='{}'><service><port name='A'><x location='http://x/'/></port>\
             <port name='B'><t:address location='http://b/'/></port>\
             <port name='C'><s:address location='http://c/d?e'/></port></service></d>",
            SOAP[1], SOAP[0]
        );
        let ports = ports(&text);
        assert_eq!(ports.iter().map(|port| port.name.as_str()).collect::<Vec<_>>(), ["C", "B"]);
        assert_eq!(path_of(&ports[0].address).as_deref(), Some("/d?e"));
        assert_eq!(path_of("nowhere at all"), None);
    }

    #[test]
    fn more_known_ranks_higher() {
        let mut found = Found::new(&Place::of("http://a").unwrap(), Protocol::JsonRpc);
        let nothing = found.rank();
        found.interface = Some(Interface::default());
        assert!(nothing < found.rank());
    }
}
