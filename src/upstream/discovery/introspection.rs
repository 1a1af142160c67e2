//! Introspection: `system.listMethods`, `system.methodSignature` and `system.methodHelp`.

use super::client::{DiscoveryClient, DiscoveryError};
use crate::model::fault::Fault;
use crate::model::interface::Interface;
use crate::model::value::Value;
use crate::protocol::client_codec::{CallTarget, ClientCodec};
use crate::protocol::xmlrpc::introspection;
use crate::protocol::xmlrpc::introspection::MethodDescription;
use crate::service::args::ArgValues;

/// How many methods are described by signature and help. Of further ones, only the names are known.
const MAX_DESCRIBED: usize = 2000;
/// How many methods are asked for in one request.
const PER_REQUEST: usize = 100;
/// After this many methods without signature or help, the server is taken to have neither for any method.
const FRUITLESS: usize = 3;
const QUESTIONS: [&str; 2] = ["system.methodSignature", "system.methodHelp"];

/// The names of the server's methods. The inner error is about a result that is not a list of names.
pub(super) async fn list_methods(
    client: &DiscoveryClient<'_>,
    codec: &ClientCodec,
) -> Result<Result<Vec<String>, Fault>, DiscoveryError> {
    let listed = client.call(codec, "system.listMethods", ArgValues::default()).await?;
    Ok(introspection::names(&listed))
}

/// The interface of methods by these names, with what signatures and help say of them.
pub(super) async fn describe_methods(
    client: &DiscoveryClient<'_>,
    codec: &ClientCodec,
    names: Vec<String>,
) -> Result<Interface, DiscoveryError> {
    let mut methods = undescribed(names);
    let described = methods.len().min(MAX_DESCRIBED);
    for chunk in methods.get_mut(..described).unwrap_or_default().chunks_mut(PER_REQUEST) {
        if !describe_chunk(client, codec, chunk).await? {
            break;
        }
    }
    Ok(introspection::interface(&methods))
}

/// The interface of methods of which only the names are known.
pub(super) fn names_only(names: Vec<String>) -> Interface {
    introspection::interface(&undescribed(names))
}

fn undescribed(names: Vec<String>) -> Vec<MethodDescription> {
    names.into_iter().map(|name| MethodDescription { name, signature: None, help: None }).collect()
}

/// Asks in one request if the server supports that, otherwise for one method after the other. Returns whether the server has
/// a signature or a help text of any of the methods: if not, it is useless to ask for more.
async fn describe_chunk(
    client: &DiscoveryClient<'_>,
    codec: &ClientCodec,
    methods: &mut [MethodDescription],
) -> Result<bool, DiscoveryError> {
    let results = match ask_in_batch(client, codec, methods).await? {
        Some(results) => results,
        None => ask_one_by_one(client, codec, methods).await?,
    };
    let mut results = results.into_iter();
    let mut has_details = false;
    for method in methods {
        method.signature = results.next().flatten();
        method.help = results.next().flatten();
        has_details |= method.signature.is_some() || method.help.is_some();
    }
    Ok(has_details)
}

async fn ask_in_batch(
    client: &DiscoveryClient<'_>,
    codec: &ClientCodec,
    methods: &[MethodDescription],
) -> Result<Option<Vec<Option<Value>>>, DiscoveryError> {
    let targets: Vec<CallTarget<'_>> =
        methods.iter().flat_map(|_| QUESTIONS).map(|method| CallTarget::new(method, None)).collect();
    let arguments = methods.iter().flat_map(|method| QUESTIONS.map(|_| by_name(&method.name)));
    let calls = targets.iter().copied().zip(arguments).collect();
    let Some(request) = codec.encode_batch(calls).map_err(DiscoveryError::Fault)? else { return Ok(None) };
    let response = client.exchange(request).await?;
    let results = codec.decode_batch(&targets, &response);
    Ok(results.ok().map(|results| results.into_iter().map(Result::ok).collect()))
}

async fn ask_one_by_one(
    client: &DiscoveryClient<'_>,
    codec: &ClientCodec,
    methods: &[MethodDescription],
) -> Result<Vec<Option<Value>>, DiscoveryError> {
    let mut results = Vec::with_capacity(QUESTIONS.len() * methods.len());
    for (index, method) in methods.iter().enumerate() {
        if index == FRUITLESS && results.iter().all(Option::is_none) {
            break;
        }
        for question in QUESTIONS {
            results.push(match client.call(codec, question, by_name(&method.name)).await {
                Ok(result) => Some(result),
                Err(error @ DiscoveryError::Transport(_)) => return Err(error),
                Err(_) => None,
            });
        }
    }
    Ok(results)
}

fn by_name(method: &str) -> ArgValues {
    ArgValues::ByPosition(vec![Value::Text(method.to_owned())])
}
