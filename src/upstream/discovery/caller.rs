//! What has to be known of a server to call it: its protocol, for SOAP its messages, for REST its requests, and for MCP its tools.

use std::time::Duration;

use tokio::time::timeout;

use super::client::{DiscoveryClient, DiscoveryError, MAX_DESCRIPTION};
use super::{mcp, openapi, wsdl};
use crate::codec::xmlrpc::XmlRpcDialect;
use crate::model::fault::Fault;
use crate::model::shape::Shapes;
use crate::protocol::Protocol;
use crate::protocol::client_codec::{CallTarget, ClientCodec};
use crate::protocol::jsonrpc::client::JsonRpcCodec;
use crate::protocol::mcp::client::McpCodec;
use crate::protocol::rest::client::RestCodec;
use crate::protocol::soap::client::SoapCodec;
use crate::protocol::soap::wsdl::read::WsdlOptions;
use crate::protocol::xmlrpc::client::XmlRpcCodec;
use crate::service::args::{ArgValues, KnownParams};
use crate::upstream::transport::Transport;

/// The codec for the calls to one server.
pub(crate) struct Caller {
    pub(crate) protocol: Protocol,
    pub(crate) codec: ClientCodec,
    /// The path of the calls, if it is not that of the server's address.
    pub(crate) path: Option<String>,
    /// The methods, and whether their parameters are inferred; `None` if the protocol does not need them.
    known: Option<(Shapes, bool)>,
}

/// Why a server cannot be called: what came of each protocol that was tried.
pub(crate) type Failures = Vec<(Protocol, DiscoveryError)>;

impl Caller {
    /// Finds the first of the protocols but REST that a server speaks, or checks `only` this one. `limit` is the time limit for each
    /// response. XML-RPC and JSON-RPC need no request if they are the only protocol. With `by_name`, XML-RPC is tried last: its
    /// arguments have no names.
    pub(crate) async fn find(
        transport: &Transport,
        only: Option<Protocol>,
        by_name: bool,
        dialect: XmlRpcDialect,
        limit: Duration,
    ) -> Result<Caller, Failures> {
        let client = DiscoveryClient::new(transport, Some(limit), MAX_DESCRIPTION);
        let mut failures = Failures::new();
        let mut protocols = Protocol::OF_UPSTREAMS;
        protocols.sort_by_key(|protocol| by_name && *protocol == Protocol::XmlRpc);
        let is_tried = |protocol: &Protocol| only.map_or(*protocol != Protocol::Rest, |only| only == *protocol);
        for protocol in protocols.into_iter().filter(is_tried) {
            let codec = match protocol {
                Protocol::JsonRpc => ClientCodec::JsonRpc(JsonRpcCodec::default()),
                Protocol::Soap => match by_wsdl(&client, limit).await {
                    Ok(caller) => return Ok(caller),
                    Err(error) => {
                        failures.push((protocol, error));
                        continue;
                    }
                },
                Protocol::Rest => match by_openapi(&client, limit).await {
                    Ok(caller) => return Ok(caller),
                    Err(error) => {
                        failures.push((protocol, error));
                        continue;
                    }
                },
                Protocol::Mcp => match by_tools(&client, limit).await {
                    Ok(caller) => return Ok(caller),
                    Err(error) => {
                        failures.push((protocol, error));
                        continue;
                    }
                },
                Protocol::XmlRpc | Protocol::Page => {
                    ClientCodec::XmlRpc(XmlRpcCodec { dialect, ..XmlRpcCodec::default() })
                }
            };
            let speaks = match only {
                Some(_) => Ok(()),
                None => speaks(&client, &codec).await,
            };
            match speaks {
                Ok(()) => return Ok(Caller { protocol, codec, path: None, known: None }),
                Err(error) => {
                    let is_final = error.is_final();
                    failures.push((protocol, error));
                    if is_final {
                        break;
                    }
                }
            }
        }
        Err(failures)
    }

    /// The method with this name, with its parameters if they are known.
    pub(crate) fn target<'c>(&'c self, method: &'c str) -> CallTarget<'c> {
        let known = self.known.as_ref().and_then(|(shapes, inferred)| {
            Some(KnownParams { method: shapes.method(method)?, shapes, inferred: *inferred })
        });
        CallTarget::new(method, known)
    }
}

/// Whether a server speaks the protocol of a codec: it then lists its methods, or returns a fault of the protocol.
async fn speaks(client: &DiscoveryClient<'_>, codec: &ClientCodec) -> Result<(), DiscoveryError> {
    match client.call(codec, "system.listMethods", ArgValues::default()).await {
        Ok(_) | Err(DiscoveryError::Fault(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

async fn by_wsdl(client: &DiscoveryClient<'_>, limit: Duration) -> Result<Caller, DiscoveryError> {
    let fetched = wsdl::fetch_usual(client).await?;
    let is_own_path = fetched.is_own_path;
    let described =
        timeout(limit, wsdl::describe(client, fetched.location, fetched.text, WsdlOptions::default())).await;
    let unusable = |reason: String| DiscoveryError::Malformed(format!("its WSDL document cannot be used: {reason}"));
    let description = match described {
        Ok(described) => described.map_err(|fault: Fault| unusable(fault.message.into_owned()))?.description,
        Err(_) => return Err(unusable(format!("what it imports was not read within {limit:?}"))),
    };
    // Only the path is used: it is this server that is to be called.
    let address = description.binding.address.as_deref().filter(|_| is_own_path);
    let path = address.and_then(wsdl::path_of);
    let known = Some((Shapes::of(&description.interface), description.inferred));
    let codec = ClientCodec::Soap(SoapCodec::new(description.binding.into()));
    Ok(Caller { protocol: Protocol::Soap, codec, path, known })
}

async fn by_tools(client: &DiscoveryClient<'_>, limit: Duration) -> Result<Caller, DiscoveryError> {
    let description = match timeout(limit, mcp::discover(client)).await {
        Ok(described) => described?.map_err(|fault| mcp::unusable(&fault.message))?,
        Err(_) => return Err(mcp::unusable(&format!("it was not read within {limit:?}"))),
    };
    let known = Some((Shapes::of(&description.interface), false));
    let codec = ClientCodec::Mcp(McpCodec::new(description.tools.into()));
    Ok(Caller { protocol: Protocol::Mcp, codec, path: None, known })
}

async fn by_openapi(client: &DiscoveryClient<'_>, limit: Duration) -> Result<Caller, DiscoveryError> {
    let fetched = openapi::fetch_usual(client).await?;
    let is_own_path = fetched.location == client.path();
    let described = timeout(limit, openapi::describe(client, fetched.location, fetched.text)).await;
    let unusable = |reason: String| DiscoveryError::Malformed(format!("its OpenAPI document cannot be used: {reason}"));
    let description = match described {
        Ok(described) => described.map_err(|fault: Fault| unusable(fault.message.into_owned()))?.description,
        Err(_) => return Err(unusable(format!("what it refers to was not read within {limit:?}"))),
    };
    let path = is_own_path.then(|| "/".to_owned());
    let known = Some((Shapes::of(&description.interface), false));
    let codec = ClientCodec::Rest(RestCodec::new(description.binding.into()));
    Ok(Caller { protocol: Protocol::Rest, codec, path, known })
}
