//! OpenRPC: the document that `rpc.discover` returns.

use super::client::{DiscoveryClient, DiscoveryError};
use crate::protocol::client_codec::ClientCodec;
use crate::protocol::jsonrpc::client::{JsonRpcCodec, ParamStructure};
use crate::protocol::jsonrpc::openrpc::read as openrpc;
use crate::protocol::jsonrpc::openrpc::read::OpenRpcDescription;
use crate::service::args::ArgValues;

/// Calls `rpc.discover`. The inner error is about a result that is not an OpenRPC document.
pub(super) async fn discover(
    client: &DiscoveryClient<'_>,
    codec: &ClientCodec,
) -> Result<Result<OpenRpcDescription, crate::model::fault::Fault>, DiscoveryError> {
    let document = client.call(codec, "rpc.discover", ArgValues::default()).await?;
    Ok(match serde_json::to_value(document) {
        Ok(document) => openrpc::document(&document),
        Err(error) => Err(super::unusable(&error)),
    })
}

/// The codec for a server some of whose methods take their parameters by name only: all are called so.
pub(super) fn with_param_structure(codec: ClientCodec, description: &OpenRpcDescription) -> ClientCodec {
    match codec {
        ClientCodec::JsonRpc(codec) if !description.by_name.is_empty() => {
            ClientCodec::JsonRpc(JsonRpcCodec { param_structure: ParamStructure::ByName, ..codec })
        }
        codec => codec,
    }
}
