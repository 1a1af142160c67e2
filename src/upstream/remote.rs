//! A server elsewhere, called as a service.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tokio::runtime::Handle;

use super::version::{Description, Versions};
use super::{Batching, UpstreamOptions, fault};
use crate::codec::xmlrpc::MULTICALL;
use crate::model::fault::{Fault, Kind};
use crate::model::interface::Interface;
use crate::model::shape::Shapes;
use crate::model::value::Value;
use crate::protocol::client_codec::{CallTarget, ClientCodec, ResponseError};
use crate::protocol::jsonrpc;
use crate::protocol::xmlrpc;
use crate::service::args;
use crate::service::args::ArgValues;
use crate::service::future::{MaybeReady, run_blocking};
use crate::service::passthrough::{RawCall, RawFormat};
use crate::service::{BatchFuture, Call, CallFuture, Output, RawFuture, RpcService};
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
    pub(super) versions: Versions,
}

impl Upstream {
    /// A server that is reached this way. Nobody is asked before the first call, or before somebody wants to
    /// [learn](Upstream::discover).
    pub fn new(transport: Transport, options: UpstreamOptions) -> Upstream {
        let interface =
            Interface { title: options.title.clone().unwrap_or_else(|| options.name.clone()), ..Interface::default() };
        let none = Description {
            shapes: Shapes::of(&interface),
            interface,
            inferred: true,
            complete: false,
            unmatched: Vec::new(),
            codec: first_tongue(&options),
        };
        Upstream { inner: Arc::new(Inner { transport, options, versions: Versions::new(none) }) }
    }

    /// Asks the server what it is, and takes that for its interface from now on. Answers whether that is another than
    /// before.
    ///
    /// # Errors
    /// Where the server cannot be reached or does not say; what was known before is then still so.
    pub async fn discover(&self) -> Result<bool, Fault> {
        let offer = self.describe_itself().await?;
        let before = self.inner.versions.last();
        if before.complete == offer.complete && before.interface == offer.interface && before.codec.is_some() {
            return Ok(false);
        }
        if !self.inner.versions.add(offer) {
            return Err(Fault::new(Kind::Internal, "the server has described itself in too many ways"));
        }
        Ok(true)
    }

    /// Takes over what another has learned, if that is the same server, about which the operator says the same: for as long
    /// as this one has learned nothing itself.
    pub fn remember(&self, other: &Upstream) {
        let (own, known) = (&self.inner, other.offer());
        let same = own.options == other.inner.options && self.servers() == other.servers();
        if same && known.complete && own.versions.count() == 0 {
            own.versions.add(known.clone());
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

    pub(super) fn offer(&self) -> &Description {
        self.inner.versions.last()
    }

    pub(super) async fn exchange(&self, request: Request<Bytes>, repeat: Repeat) -> Result<Response<Bytes>, Fault> {
        let exchanged = self.inner.transport.exchange(request, repeat, self.inner.options.max_response, None).await;
        exchanged.map_err(|error| self.unanswered(&error))
    }

    /// The fault that an error on the way is for the caller.
    pub(super) fn unanswered(&self, error: &TransportError) -> Fault {
        tracing::warn!(%error, server = self.servers(), "a call has no answer");
        fault::from_transport(error)
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
            None if offer.complete => Err(Fault::no_such_method(method)),
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
        fault::from_response(no_answer, self.inner.options.protocol)
    }
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
    fn interface(&self) -> &Interface {
        &self.offer().interface
    }

    fn has_undescribed_methods(&self) -> bool {
        !self.offer().complete
    }

    fn supports_batching(&self) -> bool {
        self.inner.options.batching != Batching::Off
    }

    fn call_batch(&self, calls: &[Call<'_>]) -> Option<BatchFuture> {
        self.send_together(calls)
    }

    fn method_of_raw(&self, wire: RawFormat<'_>) -> Option<&str> {
        match &self.offer().codec {
            Some(ClientCodec::Soap(codec)) => codec.method_of_raw(wire),
            _ => None,
        }
    }

    fn call_raw(&self, call: Call<'_>, written: RawCall<'_>) -> Option<RawFuture> {
        self.pass_on(call, written)
    }

    fn call(&self, call: Call<'_>) -> CallFuture {
        let version = self.inner.versions.count();
        let (request, repeat) = match self.request(self.inner.versions.at(version), &call) {
            Ok(request) => request,
            Err(fault) => return MaybeReady::now(Err(fault)),
        };
        let (remote, method) = (self.clone(), call.method.to_owned());
        MaybeReady::later(async move {
            let response = remote.exchange(request, repeat).await?;
            let large = response.body().len() >= LARGE;
            let decode_response = move || remote.decode_response(&method, remote.inner.versions.at(version), &response);
            if large { run_blocking(&Handle::current(), decode_response).await } else { decode_response() }
        })
    }
}
