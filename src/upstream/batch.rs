//! Calls of one request that travel to an upstream in one request, and their results.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::Response;

use super::call_scope::CallScope;
use super::incoming_rows::CalledMethod;
use super::received::encodable;
use super::version::Description;
use super::{Batching, Upstream, UpstreamOptions};
use crate::model::fault::{Fault, Kind};
use crate::model::value::Value;
use crate::protocol::client_codec::{CallTarget, ClientCodec, ResponseError};
use crate::service::args::ArgValues;
use crate::service::batch::{Batch, BatchCall};
use crate::service::future::MaybeReady;
use crate::service::result_memory::ReservedMemory;
use crate::service::{Call, CallFuture, Encode, reserved};
use crate::upstream::transport::{BalanceKey, Repeat};

type BatchResults = Vec<Result<Box<dyn Encode>, Fault>>;

impl Upstream {
    /// Adds a call to a batch. `None` if the upstream takes no batches, or not this one. A call that cannot be made is
    /// a fault of its own.
    pub(super) fn join(&self, description: &Arc<Description>, call: Call<'_>, batch: &Batch) -> Option<CallFuture> {
        let has_none = |codec: &ClientCodec| matches!(codec, ClientCodec::Soap(_) | ClientCodec::Mcp(_));
        let protocol_has_batches = description.codec.as_ref().is_some_and(|codec| !has_none(codec));
        if self.inner.options.batching == Batching::Off || !protocol_has_batches {
            return None;
        }
        let arguments = match self.prepare(description, &call) {
            Ok((_, arguments)) => arguments,
            Err(fault) => return Some(MaybeReady::now(Err(fault))),
        };
        let upstream = self.clone();
        let description = description.clone();
        // The calls of a batch come from one request, so the scope of the first is that of all who forward the same headers.
        let scope = self.scope(&call, None);
        // A batch belongs to one upstream and one description of it, which lives as long as the batch.
        let mut sender = Arc::as_ptr(&description).addr();
        if let Some(forwarded) = &scope.forwarded {
            let hash = forwarded.hash_headers(&self.inner.hasher);
            sender = sender.wrapping_add(usize::try_from(hash & usize::MAX as u64).unwrap_or_default());
        }
        // Calls with different keys go to different hosts.
        if let Some(BalanceKey(key)) = scope.balance_key {
            sender = sender.wrapping_add(usize::try_from(key & usize::MAX as u64).unwrap_or_default());
        }
        let call = BatchCall { method: call.method.to_owned(), arguments, deadline: call.context.deadline };
        batch.join(sender, call, move |calls| {
            MaybeReady::later(async move { upstream.send(&description, calls, &scope).await })
        })
    }

    /// Sends calls in one request; a call alone, or each alone if one of them cannot be encoded.
    async fn send(&self, description: &Arc<Description>, calls: Vec<BatchCall>, scope: &CallScope) -> BatchResults {
        let is_harmless = |call: &BatchCall| self.repeat(&call.method) == Repeat::Harmless;
        let repeat = if calls.iter().all(is_harmless) { Repeat::Harmless } else { Repeat::Unsent };
        // The request is of use as long as one of its calls is; a call without a deadline waits for ever.
        let deadlines: Option<Vec<Instant>> = calls.iter().map(|call| call.deadline).collect();
        let deadline = deadlines.and_then(|deadlines| deadlines.into_iter().max());
        let scope = &CallScope { deadline, ..scope.clone() };
        let encoded = match &description.codec {
            Some(codec) if calls.len() > 1 => {
                let targets = calls.iter().map(|call| (self.target(description, &call.method), call.arguments.clone()));
                codec.encode_batch(targets.collect()).ok().flatten()
            }
            _ => None,
        };
        let Some(request) = encoded else { return self.send_alone(description, calls, scope).await };
        let methods: Arc<[String]> = calls.into_iter().map(|call| call.method).collect();
        let received = match self.exchange(request, repeat, scope).await {
            Ok(received) => received,
            Err(fault) => return all_failed(&methods, &fault),
        };
        let (upstream, scope, of_calls) = (self.clone(), scope.clone(), methods.clone());
        let encoded_by = description.clone();
        let decode = move |response: &Response<Bytes>| upstream.decode_batch(&of_calls, &encoded_by, response, &scope);
        match received.decode(description.clone(), decode).await {
            Ok((results, memory)) => with_memory(results, memory),
            Err(fault) => all_failed(&methods, &fault),
        }
    }

    /// Sends each call in a request of its own, one after the other.
    async fn send_alone(
        &self,
        description: &Arc<Description>,
        calls: Vec<BatchCall>,
        scope: &CallScope,
    ) -> BatchResults {
        let mut results = BatchResults::with_capacity(calls.len());
        for BatchCall { method, arguments, deadline } in calls {
            let scope = self.scope_alone(&method, CallScope { deadline, ..scope.clone() });
            results.push(self.send_one(description, &method, arguments, &scope).await);
        }
        results
    }

    /// The scope of a call that travels without the others of its batch.
    fn scope_alone(&self, method: &str, scope: CallScope) -> CallScope {
        let UpstreamOptions { forwarding, group, .. } = &self.inner.options;
        let forwarded = match scope.forwarded {
            Some(of_batch) if forwarding.names_method() => {
                Some(Arc::new(forwarding.request(&of_batch.context, group, Some(method))))
            }
            of_batch => of_batch,
        };
        CallScope { method: Some(method.into()), forwarded, ..scope }
    }

    async fn send_one(
        &self,
        description: &Arc<Description>,
        method: &str,
        arguments: ArgValues,
        scope: &CallScope,
    ) -> Result<Box<dyn Encode>, Fault> {
        let codec = description.codec.as_ref().ok_or_else(Fault::internal)?;
        let request = codec.encode_call(self.target(description, method), arguments)?;
        let received = self.exchange(request, self.repeat(method), scope).await?;
        let method = CalledMethod::new(method, description.clone());
        let (upstream, scope) = (self.clone(), scope.clone());
        let decode = move |response: &Response<Bytes>| upstream.decode_response(&method, response, &scope);
        let (value, memory) = received.decode(description.clone(), decode).await?;
        Ok(reserved(value?, memory))
    }

    /// The method as the codec encodes it: a call with a token in front of its arguments is none of those described.
    fn target<'a>(&self, description: &'a Description, method: &'a str) -> CallTarget<'a> {
        let has_token = self.inner.options.token.is_some();
        let known = if has_token { None } else { self.find(description, method).ok().flatten() };
        CallTarget::new(method, known)
    }

    fn decode_batch(
        &self,
        methods: &[String],
        description: &Description,
        response: &Response<Bytes>,
        scope: &CallScope,
    ) -> BatchResults {
        let known = |method| self.find(description, method).ok().flatten();
        let targets: Vec<_> = methods.iter().map(|method| CallTarget::new(method, known(method))).collect();
        let decoded = match &description.codec {
            Some(codec) => codec.decode_batch_results(&targets, response),
            None => Ok(Vec::new()),
        };
        if matches!(decoded, Ok(_) | Err(ResponseError::Fault(_))) {
            self.note_answer(response.status(), response.extensions());
        }
        match decoded {
            Ok(results) => {
                let mut results = results.into_iter();
                methods.iter().map(|method| self.batch_result(method, results.next(), scope)).collect()
            }
            // The methods may all exist, and only the way to call several at once may not.
            Err(ResponseError::Fault(fault)) => all_failed(methods, &no_batches(&fault)),
            Err(error) => all_failed(methods, &self.whole_response_fault("system.multicall", error, response, scope)),
        }
    }

    fn batch_result(
        &self,
        method: &str,
        result: Option<Result<Option<Value>, ResponseError>>,
        scope: &CallScope,
    ) -> Result<Box<dyn Encode>, Fault> {
        match result {
            Some(Ok(value)) => Ok(encodable(value)),
            Some(Err(error)) => Err(self.response_fault(method, error, scope)),
            None => Err(Fault::internal()),
        }
    }
}

/// Divides the memory for all results among them.
fn with_memory(results: BatchResults, mut memory: ReservedMemory) -> BatchResults {
    let each = memory.bytes() / results.len().max(1);
    results.into_iter().map(|result| result.map(|value| reserved(value, memory.split(each)))).collect()
}

fn no_batches(fault: &Fault) -> Fault {
    let reason = &fault.message;
    Fault::new(Kind::Unreachable, format!("the upstream server does not accept several calls in one request: {reason}"))
}

/// The same fault for every call.
fn all_failed(methods: &[String], fault: &Fault) -> BatchResults {
    methods.iter().map(|_| Err(fault.clone())).collect()
}
