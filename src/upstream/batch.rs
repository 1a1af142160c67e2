//! Calls of one request that travel to an upstream in one request, and their results.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use tokio::runtime::Handle;

use super::remote::LARGE;
use super::version::Description;
use super::{Batching, Upstream};
use crate::model::fault::{Fault, Kind};
use crate::model::value::Value;
use crate::protocol::client_codec::{CallTarget, ClientCodec, ResponseError};
use crate::service::args::ArgValues;
use crate::service::batch::{Batch, BatchCall};
use crate::service::future::{MaybeReady, run_blocking};
use crate::service::{Call, CallFuture, Encode};
use crate::upstream::transport::Repeat;

type Answers = Vec<Result<Box<dyn Encode>, Fault>>;

impl Upstream {
    /// Adds a call to a batch. `None` if the upstream takes no batches, or not this one. A call that cannot be made is
    /// a fault of its own.
    pub(super) fn join(&self, offer: &Arc<Description>, call: Call<'_>, batch: &Batch) -> Option<CallFuture> {
        let protocol_has_batches = offer.codec.as_ref().is_some_and(|codec| !matches!(codec, ClientCodec::Soap(_)));
        if self.inner.options.batching == Batching::Off || !protocol_has_batches {
            return None;
        }
        let arguments = match self.prepare(offer, &call) {
            Ok((_, arguments)) => arguments,
            Err(fault) => return Some(MaybeReady::now(Err(fault))),
        };
        let (remote, offer) = (self.clone(), offer.clone());
        // A batch belongs to one upstream and one description of it, which lives as long as the batch.
        let sender = Arc::as_ptr(&offer).addr();
        let call = BatchCall { method: call.method.to_owned(), arguments };
        batch.join(sender, call, move |calls| MaybeReady::later(async move { remote.send(&offer, calls).await }))
    }

    /// Sends calls in one request; a call alone, or each alone if one of them cannot be encoded.
    async fn send(&self, offer: &Arc<Description>, calls: Vec<BatchCall>) -> Answers {
        let is_harmless = |call: &BatchCall| self.repeat(&call.method) == Repeat::Harmless;
        let repeat = if calls.iter().all(is_harmless) { Repeat::Harmless } else { Repeat::Unsent };
        let encoded = match &offer.codec {
            Some(codec) if calls.len() > 1 => {
                let targets = calls.iter().map(|call| (self.target(offer, &call.method), call.arguments.clone()));
                codec.encode_batch(targets.collect()).ok().flatten()
            }
            _ => None,
        };
        let Some(request) = encoded else { return self.send_alone(offer, calls).await };
        let methods: Vec<String> = calls.into_iter().map(|call| call.method).collect();
        let response = match self.exchange(request, repeat).await {
            Ok(response) => response,
            Err(fault) => return all_failed(&methods, &fault),
        };
        let large = response.body().len() >= LARGE;
        let (remote, offer) = (self.clone(), offer.clone());
        let decode = move || remote.decode_batch(&methods, &offer, &response);
        if large { run_blocking(&Handle::current(), decode).await } else { decode() }
    }

    /// Sends each call in a request of its own, one after the other.
    async fn send_alone(&self, offer: &Description, calls: Vec<BatchCall>) -> Answers {
        let mut results = Answers::with_capacity(calls.len());
        for BatchCall { method, arguments } in calls {
            let result = self.send_one(offer, &method, arguments).await;
            results.push(result.map(|value| Box::new(value) as Box<dyn Encode>));
        }
        results
    }

    async fn send_one(&self, offer: &Description, method: &str, arguments: ArgValues) -> Result<Value, Fault> {
        let codec = offer.codec.as_ref().ok_or_else(Fault::internal)?;
        let request = codec.encode_call(self.target(offer, method), arguments)?;
        let response = self.exchange(request, self.repeat(method)).await?;
        let target = CallTarget { method, known: self.find(offer, method)? };
        codec.decode_response(target, &response).map_err(|error| self.fault_of(method, error))
    }

    /// The method as the codec encodes it: a call with a token in front of its arguments is none of those described.
    fn target<'a>(&self, offer: &'a Description, method: &'a str) -> CallTarget<'a> {
        let has_token = self.inner.options.token.is_some();
        let known = if has_token { None } else { self.find(offer, method).ok().flatten() };
        CallTarget { method, known }
    }

    fn decode_batch(&self, methods: &[String], offer: &Description, response: &Response<Bytes>) -> Answers {
        let known = |method| self.find(offer, method).ok().flatten();
        let targets: Vec<_> = methods.iter().map(|method| CallTarget { method, known: known(method) }).collect();
        let decoded = match &offer.codec {
            Some(codec) => codec.decode_batch(&targets, response),
            None => Ok(Vec::new()),
        };
        match decoded {
            Ok(results) => {
                let mut results = results.into_iter();
                methods.iter().map(|method| self.heard_of(method, results.next())).collect()
            }
            // The methods may all exist, and only the way to call several at once may not.
            Err(ResponseError::Fault(fault)) => all_failed(methods, &several(&fault)),
            Err(no_answer) => all_failed(methods, &self.fault_of("system.multicall", no_answer)),
        }
    }

    fn heard_of(&self, method: &str, answer: Option<Result<Value, ResponseError>>) -> Result<Box<dyn Encode>, Fault> {
        match answer {
            Some(Ok(value)) => Ok(Box::new(value)),
            Some(Err(no_answer)) => Err(self.fault_of(method, no_answer)),
            None => Err(Fault::internal()),
        }
    }
}

fn several(fault: &Fault) -> Fault {
    let reason = &fault.message;
    Fault::new(Kind::Unreachable, format!("the server behind this one does not take several calls at once: {reason}"))
}

/// The same fault for every call.
fn all_failed(methods: &[String], fault: &Fault) -> Answers {
    methods.iter().map(|_| Err(fault.clone())).collect()
}
