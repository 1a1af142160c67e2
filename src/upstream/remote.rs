//! A server elsewhere, called as a service.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tokio::runtime::Handle;

use super::version::{Current, Description};
use super::{Batching, UpstreamOptions};
use crate::codec::xmlrpc::MULTICALL;
use crate::model::fault::{Fault, Kind};
use crate::model::interface::Interface;
use crate::model::value::Value;
use crate::protocol::client_codec::{CallTarget, ClientCodec, ResponseError};
use crate::protocol::jsonrpc;
use crate::protocol::xmlrpc;
use crate::service::args;
use crate::service::args::ArgValues;
use crate::service::future::{MaybeReady, run_blocking};
use crate::service::{Call, CallForm, CallFuture, Output, RpcService};
use crate::upstream::UpstreamProtocol;
use crate::upstream::transport::{Repeat, Transport, TransportError};

/// From this many bytes on an answer is read on a thread beside those that answer small ones.
pub(super) const LARGE: usize = 256 << 10;

/// A server elsewhere, called as a service.
///
/// It has no methods until it has [described itself](Upstream::discover); until then, servers of XML-RPC and JSON-RPC are asked
/// all the same, with what the caller gives. Clones are the same server.
#[derive(Clone)]
pub struct Upstream {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) transport: Transport,
    pub(super) options: UpstreamOptions,
    pub(super) description: Current,
}

impl Upstream {
    /// A server that is reached this way. Nobody is asked before the first call, or before somebody wants to
    /// [learn](Upstream::discover).
    pub fn new(transport: Transport, options: UpstreamOptions) -> Upstream {
        let title = options.title.clone().unwrap_or_else(|| options.name.clone());
        let description = Current::new(Description::unknown(title, first_tongue(&options)));
        Upstream { inner: Arc::new(Inner { transport, options, description }) }
    }

    /// Asks the server what it is, and takes that for its interface from now on. Answers whether that is another than
    /// before.
    ///
    /// # Errors
    /// Where the server cannot be reached or does not say; what was known before is then still so.
    pub async fn discover(&self) -> Result<bool, Fault> {
        Ok(self.inner.description.replace(self.describe_itself().await?))
    }

    /// Takes over what another has learned, if that is the same server, about which the operator says the same: for as long
    /// as this one has learned nothing itself.
    pub fn remember(&self, other: &Upstream) {
        let (own, known) = (&self.inner, other.offer());
        let same = own.options == other.inner.options && self.servers() == other.servers();
        if same && known.is_complete() && !self.offer().is_complete() {
            own.description.replace((*known).clone());
        }
    }

    /// How long after the server has described itself it is asked again.
    pub fn refresh(&self) -> Duration {
        self.inner.options.refresh
    }

    /// Where the server is, for messages; without passwords.
    pub fn servers(&self) -> String {
        self.inner.transport.names().collect::<Vec<_>>().join(" and ")
    }

    /// The current description.
    pub(super) fn offer(&self) -> Arc<Description> {
        self.inner.description.get()
    }

    /// Calls a method as it is, for whoever learns.
    pub(super) async fn ask(
        &self,
        codec: &ClientCodec,
        method: &str,
        arguments: Vec<Value>,
    ) -> Result<Value, ResponseError> {
        let asked = CallTarget { method, known: None };
        let request = codec.encode_call(asked, ArgValues::ByPosition(arguments)).map_err(ResponseError::Fault)?;
        let response = self.exchange(request, Repeat::Harmless).await.map_err(ResponseError::Fault)?;
        codec.decode_response(asked, &response)
    }

    pub(super) async fn exchange(&self, request: Request<Bytes>, repeat: Repeat) -> Result<Response<Bytes>, Fault> {
        let exchanged = self.inner.transport.exchange(request, repeat, self.inner.options.max_response, None).await;
        exchanged.map_err(|error| self.unanswered(&error))
    }

    /// The fault that an error on the way is for the caller.
    pub(super) fn unanswered(&self, error: &TransportError) -> Fault {
        tracing::warn!(%error, server = self.servers(), "a call has no answer");
        unanswered(error)
    }

    /// Whether the request for a call may be sent twice.
    pub(super) fn repeat(&self, method: &str) -> Repeat {
        let options = &self.inner.options;
        let harmless = options.safe.has(method) || options.idempotent.has(method);
        if harmless { Repeat::Harmless } else { Repeat::Unsent }
    }

    /// A method as the interface has it; `None` where nobody knows. One that stands for other calls is none, whatever the
    /// server has: those could be of methods that may not be called.
    pub(super) fn find<'k>(
        &self,
        offer: &'k Description,
        method: &str,
    ) -> Result<Option<args::KnownParams<'k>>, Fault> {
        if !self.inner.options.allows(method) || method.eq_ignore_ascii_case(MULTICALL) {
            return Err(Fault::no_such_method(method));
        }
        match offer.shapes.method(method) {
            Some(shape) => {
                Ok(Some(args::KnownParams { method: shape, shapes: &offer.shapes, inferred: offer.inferred }))
            }
            None if offer.is_complete() => Err(Fault::no_such_method(method)),
            None => Ok(None),
        }
    }

    /// The request that makes a call, and whether it may be sent twice.
    fn request(&self, offer: &Description, call: &Call<'_>) -> Result<(Request<Bytes>, Repeat), Fault> {
        let (asked, arguments) = self.prepare(offer, call)?;
        let codec = offer.codec.as_ref().ok_or_else(unlearned)?;
        Ok((codec.encode_call(asked, arguments)?, self.repeat(call.method)))
    }

    /// A call as the server is to have it, with its secret if it wants one.
    pub(super) fn prepare<'c>(
        &self,
        offer: &'c Description,
        call: &Call<'c>,
    ) -> Result<(CallTarget<'c>, ArgValues), Fault> {
        let asked = CallTarget { method: call.method, known: self.find(offer, call.method)? };
        let arguments = call.args.read()?;
        let Some(token) = &self.inner.options.token else { return Ok((asked, arguments)) };
        let mut values = match asked.known {
            Some(known) => arguments.by_position(known)?,
            None => positions(arguments)?,
        };
        values.insert(0, Value::Text(token.clone()));
        Ok((CallTarget { known: None, ..asked }, ArgValues::ByPosition(values)))
    }

    /// The answer in a response; `offer` is what was known when it was asked for.
    pub(super) fn decode_response(
        &self,
        method: &str,
        offer: &Description,
        response: &Response<Bytes>,
    ) -> Result<Output, Fault> {
        let codec = offer.codec.as_ref().ok_or_else(unlearned)?;
        let asked = CallTarget { method, known: self.find(offer, method)? };
        match codec.decode_response(asked, response) {
            Ok(value) => Ok(Output::One(Box::new(value))),
            Err(no_answer) => Err(self.fault_of(method, no_answer)),
        }
    }

    /// The fault that a response without an answer is for the caller.
    pub(super) fn fault_of(&self, method: &str, no_answer: ResponseError) -> Fault {
        if !matches!(no_answer, ResponseError::Fault(_)) {
            tracing::warn!(error = %no_answer, server = self.servers(), method, "a call has no answer that can be read");
        }
        no_answer.into_fault()
    }
}

/// The fault that an error on the way is for whoever need not know where the server is.
pub(super) fn unanswered(error: &TransportError) -> Fault {
    let kind = if error.is_late() { Kind::Late } else { Kind::Unreachable };
    Fault::new(kind, format!("the server behind this one does not answer: {}", error.reason()))
}

fn unlearned() -> Fault {
    Fault::new(Kind::Unreachable, "the server behind this one has not yet said how it is asked")
}

fn positions(arguments: ArgValues) -> Result<Vec<Value>, Fault> {
    match arguments {
        ArgValues::ByPosition(values) => Ok(values),
        ArgValues::ByName(none) if none.is_empty() => Ok(Vec::new()),
        ArgValues::ByName(_) => {
            Err(Fault::bad_params("the order of the parameters is not known here: give them by position"))
        }
    }
}

/// How a server is asked before it has said anything.
fn first_tongue(options: &UpstreamOptions) -> Option<ClientCodec> {
    match options.protocol {
        UpstreamProtocol::XmlRpc => {
            let dialect = options.dialect;
            let bare = options.batching == Batching::BareResults;
            Some(ClientCodec::XmlRpc(xmlrpc::client::XmlRpcCodec {
                dialect,
                bare,
                ..xmlrpc::client::XmlRpcCodec::default()
            }))
        }
        UpstreamProtocol::JsonRpc => {
            let param_structure = options.param_structure;
            Some(ClientCodec::JsonRpc(jsonrpc::client::JsonRpcCodec {
                param_structure,
                ..jsonrpc::client::JsonRpcCodec::default()
            }))
        }
        UpstreamProtocol::Soap => None,
    }
}

impl RpcService for Upstream {
    fn interface(&self) -> Arc<Interface> {
        self.offer().interface.clone()
    }

    fn call(&self, call: Call<'_>) -> CallFuture {
        let offer = self.offer();
        let other = match call.form {
            CallForm::Plain => None,
            CallForm::Raw(raw) => self.pass_on(&offer, call, raw),
            CallForm::Batch(batch) => self.join(&offer, call, batch),
        };
        if let Some(other) = other {
            return other;
        }
        let (request, repeat) = match self.request(&offer, &call) {
            Ok(request) => request,
            Err(fault) => return MaybeReady::now(Err(fault)),
        };
        let (remote, method) = (self.clone(), call.method.to_owned());
        MaybeReady::later(async move {
            let response = remote.exchange(request, repeat).await?;
            let large = response.body().len() >= LARGE;
            let decode_response = move || remote.decode_response(&method, &offer, &response);
            if large { run_blocking(&Handle::current(), decode_response).await } else { decode_response() }
        })
    }
}
