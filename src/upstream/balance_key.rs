//! The key of a call by which a host is chosen: calls with the same key go to the same host.

use http::HeaderName;
use percent_encoding::percent_decode_str;

use super::transport::balancing::key_of;
use crate::codec::rest::PathPart;
use crate::model::shape::Shapes;
use crate::model::value::Value;
use crate::protocol::client_codec::ClientCodec;
use crate::service::args::ArgValues;
use crate::service::passthrough::HttpCall;
use crate::service::{Call, CallForm};

/// What is known of the upstream.
#[derive(Clone, Copy)]
pub(super) struct Described<'d> {
    pub(super) shapes: &'d Shapes,
    pub(super) codec: Option<&'d ClientCodec>,
}

/// What the key of a call is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// The name of the authenticated caller.
    Identity,
    /// The address of the client.
    Client,
    /// A header of the client's request.
    Header(HeaderName),
    /// The parameter of this name, of the methods that have it.
    Param(String),
}

impl KeySource {
    /// The key of a call; `None` if the call does not have what it is made of.
    pub(super) fn key(&self, call: &Call<'_>, described: Described<'_>) -> Option<u64> {
        let context = call.context;
        match self {
            KeySource::Identity => Some(key_of(context.identity.as_ref()?.name.as_bytes())),
            KeySource::Client => Some(key_of(context.client?.to_string().as_bytes())),
            KeySource::Header(name) => Some(key_of(context.headers.as_ref()?.get(name)?.as_bytes())),
            KeySource::Param(name) => match call.form {
                CallForm::Http(http) => param_of_request(name, call.method, http, described),
                _ => param(name, call, described),
            },
        }
    }
}

fn param(name: &str, call: &Call<'_>, described: Described<'_>) -> Option<u64> {
    let value = match call.args.read_values().ok()? {
        ArgValues::ByName(members) => members.into_iter().find(|(member, _)| member == name)?.1,
        ArgValues::ByPosition(values) => {
            let params = &described.shapes.method(call.method)?.params;
            let position = params.iter().position(|field| field.name == name)?;
            values.into_iter().nth(position)?
        }
    };
    Some(match value {
        Value::Text(text) => key_of(text.as_bytes()),
        // As it is written in a URL, so that all protocols have the same key.
        other => key_of(serde_json::to_string(&other).ok()?.as_bytes()),
    })
}

/// The key of a request that is passed on as it is: a variable of its path, or of its query.
fn param_of_request(name: &str, method: &str, http: &HttpCall<'_>, described: Described<'_>) -> Option<u64> {
    let Some(ClientCodec::Rest(codec)) = described.codec else { return None };
    let operation = codec.binding.operation(method)?;
    let variables = operation.path.iter().filter(|part| !matches!(part, PathPart::Literal(_)));
    let params = described.shapes.method(method).map(|shape| shape.params.as_slice()).unwrap_or_default();
    let is_named = |part: &PathPart| match part {
        PathPart::Param(index) => params.get(*index).is_some_and(|field| field.name == name),
        PathPart::Literal(_) => false,
    };
    let in_path = variables.zip(http.path_values).find(|(part, _)| is_named(part)).map(|(_, value)| *value);
    let pairs = || http.query.split('&').filter_map(|pair| pair.split_once('='));
    let text = in_path.or_else(|| pairs().find(|(key, _)| *key == name).map(|(_, value)| value))?;
    Some(key_of(&percent_decode_str(text).collect::<Vec<u8>>()))
}
