//! Finds out what an unknown server is: which protocol it speaks, what it offers, and what is unusual about it.
//!
//! Only harmless requests are sent: introspection methods, a `system.multicall` of one of them, `rpc.discover`, and GET of
//! the WSDL document and of OpenAPI documents.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::timeout;

use super::client::{DiscoveryClient, DiscoveryError, MAX_DESCRIPTION};
use super::openapi::{FetchedOpenApi, ReadOpenApi};
use super::wsdl::{FetchedWsdl, ReadDescription};
use super::{introspection, mcp, openapi, openrpc, wsdl};
use crate::codec::xmlrpc::MULTICALL;
use crate::model::fault::Fault;
use crate::model::interface::Interface;
use crate::model::value::Value;
use crate::protocol::Protocol;
use crate::protocol::client_codec::ClientCodec;
use crate::protocol::jsonrpc;
use crate::protocol::rest::openapi::read::SecurityDemand;
use crate::protocol::soap::wsdl::read::{SoapPort, WsdlOptions};
use crate::protocol::xmlrpc;
use crate::service::args::ArgValues;
use crate::upstream::Batching;
use crate::upstream::gaps::DescriptionGaps;
use crate::upstream::transport::Transport;

/// The time for a whole description, as a multiple of that for one response.
const DESCRIPTION_TIMEOUTS: u32 = 6;
/// How many methods are asked for their signatures, to see the form of these.
const SAMPLE: usize = 8;

/// What a server is, as seen through one protocol.
#[derive(Debug)]
pub(crate) struct ProbeReport {
    pub(crate) protocol: Protocol,
    /// The methods; `None` if the server does not list them.
    pub(crate) interface: Option<Interface>,
    pub(crate) source: InterfaceSource,
    pub(crate) quirks: Vec<Quirk>,
    /// Whether calls need a secret before their parameters.
    pub(crate) wants_token: bool,
    /// How several calls can be sent in one request, if they can.
    pub(crate) batching: Option<Batching>,
    /// Whether parameters must be passed by name, although the server has no description that says so.
    pub(crate) by_name: bool,
    /// The path of the WSDL or OpenAPI document, if the address is that of the document and not that of the service, or if the
    /// document is not where it is looked for.
    pub(crate) document_path: Option<String>,
    /// Where the service of REST is by its document: a URL, or the path on the server of the document.
    pub(crate) rest_address: Option<String>,
    /// The SOAP ports of the WSDL document.
    pub(crate) ports: Vec<SoapPort>,
    /// The index of the port that is used, if it is one of them.
    pub(crate) port: Option<usize>,
    /// The credentials that the OpenAPI document demands.
    pub(crate) demands: Vec<SecurityDemand>,
    /// What of the WSDL or OpenAPI document cannot be used.
    pub(crate) gaps: DescriptionGaps,
}

/// Where an interface is from, or why there is none.
#[derive(Debug)]
pub(crate) enum InterfaceSource {
    /// `rpc.discover`.
    OpenRpc,
    /// `system.listMethods`.
    Introspection,
    /// A WSDL document.
    Wsdl,
    /// An OpenAPI document.
    OpenApi,
    /// `tools/list`.
    Tools,
    /// `system.listMethods` returned a fault.
    ListMethodsFault(Fault),
    /// The result of `system.listMethods` is not a list of names.
    ListMethodsOther,
}

/// What is unusual about a server, or worth knowing.
#[derive(Debug)]
pub(crate) enum Quirk {
    /// Its OpenRPC document says that parameters are passed by name.
    DescribedByName,
    /// The result of `rpc.discover` is not an OpenRPC document.
    DiscoverNotOpenRpc,
    /// Introspection failed after the names were known.
    NamesOnly(String),
    /// A signature is one list of types, not a list of such lists.
    FlatSignatures,
    /// Signatures have the type `i8`.
    I8InSignatures,
    /// There are no signatures: the result is this text.
    SignaturesText(String),
    /// There are no signatures: the response is this fault.
    SignaturesFault(Fault),
    /// There are no signatures.
    NoSignatures,
    /// The results of `system.multicall` are bare, not each in an array of one.
    BareMulticall,
    /// The result of `system.multicall` is not a list of results.
    MulticallOther,
    /// `system.multicall` returns this fault.
    MulticallFault(Fault),
    /// `system.multicall` cannot be used.
    MulticallUnusable(String),
    /// A response had an `<i8>`.
    SendsI8,
    /// A response was compressed.
    Compresses,
    /// A response was in the form of JSON-RPC 1.0.
    JsonRpc1,
    /// A response in XML had a character that XML forbids.
    ForbiddenCharacters,
    /// Parameters by name are refused with this fault.
    RefusesNamesFault(Fault),
    /// Parameters by name are refused.
    RefusesNames(String),
    /// Parameters by position are refused.
    OnlyNames,
    /// It speaks these protocols as well.
    AlsoSpeaks(Vec<Protocol>),
}

/// The protocol that fits best, if any, and why others do not fit.
#[derive(Debug)]
pub(crate) struct ProbeOutcome {
    pub(crate) best: Option<ProbeReport>,
    pub(crate) failures: Vec<(Protocol, DiscoveryError)>,
}

/// Tries each protocol, or `only` this one, and picks the one in which the server describes itself best. `limit` is the time
/// limit for each response. If `document` is the path of a WSDL document of the server, that is fetched, and nothing else is
/// tried; so is an OpenAPI document, unless what is there is none. REST is tried only if it is the only protocol.
///
/// # Errors
/// If the server cannot be reached or does not respond.
pub(crate) async fn probe(
    transport: &Transport,
    only: Option<Protocol>,
    limit: Duration,
    document: Option<&str>,
) -> Result<ProbeOutcome, DiscoveryError> {
    let client = DiscoveryClient::new(transport, Some(limit), MAX_DESCRIPTION);
    let prober = Prober { client, limit };
    let mut failures = Vec::new();
    if let Some(path) = document {
        let is_wsdl = wsdl::is_document(path);
        let report = if is_wsdl { prober.wsdl(path).await } else { prober.openapi(path).await };
        match report {
            Ok(report) => return Ok(ProbeOutcome { best: Some(report), failures }),
            Err(error) if error.is_final() => return Err(error),
            Err(error) => failures.push((if is_wsdl { Protocol::Soap } else { Protocol::Rest }, error)),
        }
        if is_wsdl || only == Some(Protocol::Rest) {
            return Ok(ProbeOutcome { best: None, failures });
        }
    }
    let mut reports: Vec<ProbeReport> = Vec::new();
    for protocol in Protocol::OF_UPSTREAMS.into_iter().filter(|protocol| only.is_none_or(|only| only == *protocol)) {
        let report = match protocol {
            Protocol::Rest if only.is_none() => continue,
            Protocol::Rest => prober.rest().await,
            // A server that has described itself in another protocol is not asked for tools.
            Protocol::Mcp if reports.iter().any(|report| report.interface.is_some()) => continue,
            Protocol::Mcp => prober.mcp().await,
            Protocol::XmlRpc | Protocol::Page => prober.xml_rpc().await,
            Protocol::JsonRpc => prober.json_rpc().await,
            Protocol::Soap => prober.soap().await,
        };
        match report {
            Ok(mut report) => {
                prober.note_forms(&mut report);
                reports.push(report);
            }
            Err(error) if error.is_final() && reports.is_empty() => return Err(error),
            Err(error) => failures.push((protocol, error)),
        }
    }
    // Of reports of the same rank, the first protocol wins: `max_by_key` returns the last maximum.
    let best = (0..reports.len()).rev().max_by_key(|index| reports.get(*index).map(ProbeReport::rank));
    let Some(best) = best else { return Ok(ProbeOutcome { best: None, failures }) };
    let mut best = reports.remove(best);
    if !reports.is_empty() {
        best.quirks.push(Quirk::AlsoSpeaks(reports.iter().map(|other| other.protocol).collect()));
    }
    Ok(ProbeOutcome { best: Some(best), failures })
}

impl ProbeReport {
    /// A report of which nothing but the protocol is known.
    pub(crate) fn new(protocol: Protocol) -> ProbeReport {
        ProbeReport {
            protocol,
            interface: None,
            source: InterfaceSource::ListMethodsOther,
            quirks: Vec::new(),
            wants_token: false,
            batching: None,
            by_name: false,
            document_path: None,
            rest_address: None,
            ports: Vec::new(),
            port: None,
            demands: Vec::new(),
            gaps: DescriptionGaps::default(),
        }
    }

    /// The report on a server with this WSDL description.
    pub(crate) fn of_wsdl(read: ReadDescription, document_path: Option<String>) -> ProbeReport {
        let ReadDescription { description, unread } = read;
        ProbeReport {
            source: InterfaceSource::Wsdl,
            document_path,
            interface: Some(description.interface),
            ports: description.ports,
            port: description.port,
            gaps: DescriptionGaps { left_out: description.left_out, unread, ..DescriptionGaps::default() },
            ..ProbeReport::new(Protocol::Soap)
        }
    }

    /// The report on a server with this OpenAPI description.
    pub(crate) fn of_openapi(read: ReadOpenApi, document_path: Option<String>) -> ProbeReport {
        let ReadOpenApi { description, unread } = read;
        let base = Some(description.binding.base).filter(|base| !base.is_empty());
        ProbeReport {
            source: InterfaceSource::OpenApi,
            document_path,
            rest_address: description.server.or(base),
            interface: Some(description.interface),
            demands: description.demands,
            gaps: DescriptionGaps { left_out: description.left_out, unread, ..DescriptionGaps::default() },
            ..ProbeReport::new(Protocol::Rest)
        }
    }

    /// Where the service is by its WSDL or OpenAPI document.
    pub(crate) fn stated_address(&self) -> Option<String> {
        let of_port = self.soap_port().map(|port| port.address.trim().to_owned());
        of_port.or_else(|| self.rest_address.clone())
    }

    /// The port that is used.
    pub(crate) fn soap_port(&self) -> Option<&SoapPort> {
        self.port.and_then(|port| self.ports.get(port))
    }

    /// How much is known: names and types of parameters, types only, the names of methods only, or nothing.
    fn rank(&self) -> u8 {
        match (&self.interface, self.protocol) {
            (Some(interface), _) if interface.methods.is_empty() => 1,
            (Some(_), Protocol::Soap | Protocol::Rest | Protocol::Mcp) => 3,
            (Some(interface), Protocol::JsonRpc) if !has_numbered_params(interface) => 4,
            (Some(_), _) => 2,
            (None, _) => 0,
        }
    }

    /// Notes a fault that says that a secret is missing. aria2 returns it even for methods that it does not have.
    fn note_unauthorized(&mut self, fault: &Fault) {
        self.wants_token |= fault.message.to_ascii_lowercase().contains("unauthorized");
    }
}

/// Whether parameters have the names that introspection gives them: it knows their types only.
fn has_numbered_params(interface: &Interface) -> bool {
    interface.methods.iter().flat_map(|method| &method.params).any(|param| param.name == "arg1")
}

struct Prober<'t> {
    client: DiscoveryClient<'t>,
    limit: Duration,
}

impl Prober<'_> {
    async fn xml_rpc(&self) -> Result<ProbeReport, DiscoveryError> {
        let codec = ClientCodec::XmlRpc(xmlrpc::client::XmlRpcCodec::default());
        let mut report = ProbeReport::new(Protocol::XmlRpc);
        self.introspect(&codec, &mut report).await?;
        if report.interface.is_some() {
            self.multicall(&codec, &mut report).await;
        }
        self.capabilities(&codec, &mut report).await;
        Ok(report)
    }

    async fn json_rpc(&self) -> Result<ProbeReport, DiscoveryError> {
        let codec = ClientCodec::JsonRpc(jsonrpc::client::JsonRpcCodec::default());
        let mut report = ProbeReport::new(Protocol::JsonRpc);
        match openrpc::discover(&self.client, &codec).await {
            Ok(Ok(description)) => {
                if !description.by_name.is_empty() {
                    report.quirks.push(Quirk::DescribedByName);
                }
                report.source = InterfaceSource::OpenRpc;
                report.interface = Some(description.interface);
                return Ok(report);
            }
            Ok(Err(_)) => report.quirks.push(Quirk::DiscoverNotOpenRpc),
            Err(DiscoveryError::Fault(fault)) => report.note_unauthorized(&fault),
            Err(other) => return Err(other),
        }
        self.introspect(&codec, &mut report).await?;
        self.param_structure(&codec, &mut report).await;
        Ok(report)
    }

    async fn soap(&self) -> Result<ProbeReport, DiscoveryError> {
        let FetchedWsdl { location, text, is_own_path } = wsdl::fetch_usual(&self.client).await?;
        let read = self.describe(location.clone(), text).await?;
        let path = self.client.path().split('?').next().unwrap_or("/");
        let service = read.description.binding.address.as_deref().and_then(wsdl::path_of);
        // A server of files ignores the query: the address is then that of the document all the same.
        let is_file = !is_own_path
            && service.is_some_and(|service| service != path)
            && wsdl::fetch(&self.client, path).await.is_ok();
        let document_path = match (is_own_path, is_file) {
            (true, _) => Some(location),
            (false, true) => Some(path.to_owned()),
            (false, false) => None,
        };
        Ok(ProbeReport::of_wsdl(read, document_path))
    }

    async fn mcp(&self) -> Result<ProbeReport, DiscoveryError> {
        let described = timeout(self.limit * DESCRIPTION_TIMEOUTS, mcp::discover(&self.client)).await;
        let description = match described {
            Ok(described) => described?.map_err(|fault| mcp::unusable(&fault.message))?,
            Err(_) => return Err(mcp::unusable(&self.late())),
        };
        Ok(ProbeReport {
            source: InterfaceSource::Tools,
            interface: Some(description.interface),
            gaps: DescriptionGaps { left_out: description.left_out, ..DescriptionGaps::default() },
            ..ProbeReport::new(Protocol::Mcp)
        })
    }

    async fn rest(&self) -> Result<ProbeReport, DiscoveryError> {
        let fetched = openapi::fetch_usual(&self.client).await?;
        let is_own_path = fetched.location == self.client.path();
        let path = is_own_path.then(|| fetched.location.clone());
        Ok(ProbeReport::of_openapi(self.describe_rest(fetched).await?, path))
    }

    async fn openapi(&self, path: &str) -> Result<ProbeReport, DiscoveryError> {
        let fetched = openapi::fetch(&self.client, path).await?;
        Ok(ProbeReport::of_openapi(self.describe_rest(fetched).await?, Some(path.to_owned())))
    }

    async fn describe_rest(&self, fetched: FetchedOpenApi) -> Result<ReadOpenApi, DiscoveryError> {
        let FetchedOpenApi { location, text } = fetched;
        let described = timeout(self.limit * DESCRIPTION_TIMEOUTS, openapi::describe(&self.client, location, text));
        let unusable =
            |reason: &str| DiscoveryError::Malformed(format!("its OpenAPI document cannot be used: {reason}"));
        match described.await {
            Ok(Ok(read)) => Ok(read),
            Ok(Err(fault)) => Err(unusable(&fault.message)),
            Err(_) => Err(unusable(&self.late())),
        }
    }

    async fn wsdl(&self, path: &str) -> Result<ProbeReport, DiscoveryError> {
        let text = wsdl::fetch(&self.client, path).await?;
        let read = self.describe(path.to_owned(), text).await?;
        Ok(ProbeReport::of_wsdl(read, Some(path.to_owned())))
    }

    async fn describe(&self, location: String, text: String) -> Result<ReadDescription, DiscoveryError> {
        let described = timeout(
            self.limit * DESCRIPTION_TIMEOUTS,
            wsdl::describe(&self.client, location, text, WsdlOptions::default()),
        );
        match described.await {
            Ok(Ok(read)) => Ok(read),
            Ok(Err(fault)) => Err(unusable_wsdl(&fault.message)),
            Err(_) => Err(unusable_wsdl(&self.late())),
        }
    }

    /// Asks for the methods. A server without introspection speaks the protocol all the same.
    async fn introspect(&self, codec: &ClientCodec, report: &mut ProbeReport) -> Result<(), DiscoveryError> {
        let names = match introspection::list_methods(&self.client, codec).await {
            Ok(Ok(names)) => names,
            Ok(Err(_)) => {
                report.source = InterfaceSource::ListMethodsOther;
                return Ok(());
            }
            Err(DiscoveryError::Fault(fault)) => {
                report.note_unauthorized(&fault);
                report.source = InterfaceSource::ListMethodsFault(fault);
                return Ok(());
            }
            Err(other) => return Err(other),
        };
        report.source = InterfaceSource::Introspection;
        self.signatures(codec, &names, report).await;
        let described = introspection::describe_methods(&self.client, codec, names.clone());
        let reason = match timeout(self.limit * DESCRIPTION_TIMEOUTS, described).await {
            Ok(Ok(interface)) => {
                report.interface = Some(interface);
                return Ok(());
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => self.late(),
        };
        report.interface = Some(introspection::names_only(names));
        report.quirks.push(Quirk::NamesOnly(reason));
        Ok(())
    }

    fn late(&self) -> String {
        format!("no description within {:?}", self.limit * DESCRIPTION_TIMEOUTS)
    }

    /// The form of signatures, by a sample of methods.
    async fn signatures(&self, codec: &ClientCodec, names: &[String], report: &mut ProbeReport) {
        let step = names.len().div_ceil(SAMPLE).max(1);
        let mut nested = 0;
        let mut flat = 0;
        let mut has_i8 = false;
        let mut absent = Quirk::NoSignatures;
        for name in names.iter().step_by(step) {
            let arguments = ArgValues::ByPosition(vec![Value::Text(name.clone())]);
            match self.client.call(codec, "system.methodSignature", arguments).await {
                Ok(Value::Array(items)) => {
                    has_i8 |= items.iter().any(names_i8);
                    match items.first() {
                        Some(Value::Array(_)) => nested += 1,
                        Some(Value::Text(_)) => flat += 1,
                        _ => {}
                    }
                }
                Ok(Value::Text(text)) => absent = Quirk::SignaturesText(text),
                Err(DiscoveryError::Fault(fault)) => {
                    report.note_unauthorized(&fault);
                    if !matches!(absent, Quirk::SignaturesText(_)) {
                        absent = Quirk::SignaturesFault(fault);
                    }
                }
                // Signatures are optional: no failure here ends the probe.
                Ok(_) | Err(_) => {}
            }
        }
        if flat > 0 {
            report.quirks.push(Quirk::FlatSignatures);
        }
        if has_i8 {
            report.quirks.push(Quirk::I8InSignatures);
        }
        if nested + flat == 0 && !names.is_empty() {
            report.quirks.push(absent);
        }
    }

    /// The form of the results of `system.multicall`, by one of `system.listMethods`.
    async fn multicall(&self, codec: &ClientCodec, report: &mut ProbeReport) {
        let call = Value::Struct(vec![
            ("methodName".to_owned(), Value::Text("system.listMethods".to_owned())),
            ("params".to_owned(), Value::Array(Vec::new())),
        ]);
        let calls = ArgValues::ByPosition(vec![Value::Array(vec![call])]);
        let quirk = match self.client.call(codec, MULTICALL, calls).await {
            Ok(Value::Array(results)) => match results.as_slice() {
                [Value::Array(one)] if matches!(one.as_slice(), [Value::Array(_)]) => {
                    report.batching = Some(Batching::On);
                    return;
                }
                [Value::Array(_)] => {
                    report.batching = Some(Batching::BareResults);
                    Quirk::BareMulticall
                }
                _ => Quirk::MulticallOther,
            },
            Ok(_) => Quirk::MulticallOther,
            Err(DiscoveryError::Fault(fault)) => {
                report.note_unauthorized(&fault);
                Quirk::MulticallFault(fault)
            }
            Err(error) => Quirk::MulticallUnusable(error.to_string()),
        };
        report.quirks.push(quirk);
    }

    /// Asks for the capabilities. Only the integers in them, or a fault that asks for a secret, matter.
    async fn capabilities(&self, codec: &ClientCodec, report: &mut ProbeReport) {
        let capabilities = self.client.call(codec, "system.getCapabilities", ArgValues::default()).await;
        if let Err(DiscoveryError::Fault(fault)) = capabilities {
            report.note_unauthorized(&fault);
        }
    }

    /// Notes what was in the responses: of those of all protocols so far, what this protocol can have.
    fn note_forms(&self, report: &mut ProbeReport) {
        let seen = self.client.seen();
        let forms = [
            (&seen.i8, Protocol::XmlRpc, Quirk::SendsI8),
            (&seen.json_rpc_1, Protocol::JsonRpc, Quirk::JsonRpc1),
            (&seen.forbidden_characters, Protocol::XmlRpc, Quirk::ForbiddenCharacters),
            (&seen.compressed, report.protocol, Quirk::Compresses),
        ];
        for (was_seen, protocol, quirk) in forms {
            if protocol == report.protocol && was_seen.load(Relaxed) {
                report.quirks.push(quirk);
            }
        }
    }

    /// Whether JSON-RPC parameters are taken by position, by name, or both.
    async fn param_structure(&self, codec: &ClientCodec, report: &mut ProbeReport) {
        let by_name = self.client.call(codec, "system.listMethods", ArgValues::ByName(Vec::new())).await;
        match (&report.interface, by_name) {
            (Some(_), Err(DiscoveryError::Fault(fault))) => report.quirks.push(Quirk::RefusesNamesFault(fault)),
            (Some(_), Err(error)) => report.quirks.push(Quirk::RefusesNames(error.to_string())),
            (None, Ok(_)) => {
                report.by_name = true;
                report.quirks.push(Quirk::OnlyNames);
            }
            _ => {}
        }
    }
}

fn unusable_wsdl(reason: &str) -> DiscoveryError {
    DiscoveryError::Malformed(format!("its WSDL document cannot be used: {reason}"))
}

fn names_i8(value: &Value) -> bool {
    match value {
        Value::Text(word) => word == "i8",
        Value::Array(words) => words.iter().any(|word| matches!(word, Value::Text(word) if word == "i8")),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_known_ranks_higher() {
        let mut report = ProbeReport::new(Protocol::JsonRpc);
        let nothing = report.rank();
        report.interface = Some(Interface::default());
        assert!(nothing < report.rank());
    }
}
