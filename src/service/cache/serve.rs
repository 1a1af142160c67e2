//! A call that is answered from the cache, or waits for an answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::conditions::{Conditions, call_for};
use super::counts::Lookup;
use super::entry::Entry;
use super::http_rules::may_be_cached;
use super::policy::Freshness;

use super::shared_call::{FinishedCall, SharedCall, SharedCallFuture, SharedResult, Waiting};
use super::{Caching, ResponseCache, Slot};
use crate::model::fault::{Fault, Kind};
use crate::service::args::Args;
use crate::service::future::{MaybeReady, catch_panic_of, time_before_substitute, with_deadline};
use crate::service::outage::{is_outage, is_outage_result};
use crate::service::result_memory::ResultMemory;
use crate::service::{Call, CallForm, CallFuture, Context, Output, RpcService};

/// Whether a call says more than its arguments do, so that it has to be passed on as it came.
pub(super) fn has_to_be_passed_on(call: &Call<'_>) -> bool {
    match call.form {
        CallForm::Http(http) => !may_be_cached(http),
        CallForm::Raw(raw) => raw.has_further,
        CallForm::Plain | CallForm::Batch(_) => false,
    }
}

/// The context of a call that ends before its deadline, so that there is time for another answer.
fn ending_early(context: &Context) -> Option<Context> {
    let now = Instant::now();
    let left = context.deadline?.saturating_duration_since(now);
    let deadline = now.checked_add(time_before_substitute(left).max(Duration::from_millis(1)))?;
    Some(Context { deadline: Some(deadline), ..context.clone() })
}

/// Whether a fault concerns only the caller whose call failed: its time, or its share of memory.
fn concerns_caller_only(fault: &Fault) -> bool {
    matches!(fault.kind, Kind::Late | Kind::Busy | Kind::Limit | Kind::RateLimited)
}

impl Caching {
    /// The result of a call that has a place in the cache.
    pub(super) fn serve(&self, slot: Slot, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
        let CallForm::Http(http) = call.form else { return self.serve_call(slot, call, next) };
        let conditions = Conditions::of(http);
        self.serve_call(slot, call, next).map(move |result| match result {
            Ok(Output::Raw(response)) => Ok(Output::Raw(conditions.apply(response))),
            other => other,
        })
    }

    fn serve_call(&self, mut slot: Slot, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
        let is_single_call = !matches!(call.form, CallForm::Batch(_));
        let kept = self.0.find(&slot);
        let old = kept.as_ref().filter(|(freshness, _)| *freshness != Freshness::Fresh).map(|(_, entry)| entry);
        slot.revalidates = old.filter(|entry| entry.validators().is_some()).cloned();
        let stale = match kept {
            Some((Freshness::Fresh, entry)) if entry.is_hit_for_pass() => {
                self.0.note((Lookup::Passed, None), call.context, is_single_call, || "croupier; fwd=bypass".to_owned());
                return next.call(call);
            }
            Some((Freshness::Fresh, entry)) => return self.hit(Lookup::Hit, &entry, call.context, is_single_call),
            Some((Freshness::Revalidate, entry)) if !entry.is_hit_for_pass() => {
                self.refresh(&slot, &call, next);
                return self.hit(Lookup::Stale, &entry, call.context, is_single_call);
            }
            Some((Freshness::IfError, entry)) if !entry.is_hit_for_pass() => Some(entry),
            // One that the upstream can confirm stays as long as there is memory for it.
            Some((Freshness::Expired, entry)) if entry.validators().is_none() => {
                // It would only take memory. Another may have come in its place.
                self.0.entries.remove_if(&slot.key, |entry| entry.freshness() == Freshness::Expired);
                None
            }
            _ => None,
        };
        let early = stale.as_ref().and_then(|_| ending_early(call.context));
        let call = Call { context: early.as_ref().unwrap_or(call.context), ..call };
        self.fetch(slot, call, next, (stale, is_single_call))
    }

    fn hit(&self, lookup: Lookup, entry: &Arc<Entry>, context: &Context, is_single_call: bool) -> CallFuture {
        let status = || format!("croupier; hit; ttl={}", entry.seconds_left());
        self.0.note((lookup, Some(entry)), context, is_single_call, status);
        deliver(entry.clone(), context)
    }

    /// Makes the call, or waits for an equal one.
    fn fetch(
        &self,
        slot: Slot,
        call: Call<'_>,
        next: &dyn RpcService,
        (stale, is_single_call): (Option<Arc<Entry>>, bool),
    ) -> CallFuture {
        let known = self.0.shared_calls.find(&slot.key);
        // One who waits for another may have to make the call after all. It is begun here, because its arguments are only
        // here, and nothing of it has been sent before it is polled.
        let call = if known.is_some() { alone(call) } else { readable(call) };
        let pending = match call_for(&slot, call, next) {
            MaybeReady::Now(result) => {
                let result = result.unwrap_or_else(|| Err(Fault::internal()));
                return self.settle_now(&slot, result, &call, stale.as_ref(), is_single_call);
            }
            later => later,
        };
        let cache = &self.0;
        let joined = match known {
            Some(shared) => JoinedCall::other(shared, pending),
            // From here on, equal calls wait for this one: also those of the same batch, which begin before it is polled.
            None => cache.join_or_begin(&slot, pending, call.context.result_memory.as_ref()),
        };
        let waiter = Waiter { cache: cache.clone(), slot, context: call.context.clone(), is_single_call, stale };
        MaybeReady::later(with_early_end(call.context.deadline, waiter, joined))
    }

    /// The result of a call that has ended at once.
    fn settle_now(
        &self,
        slot: &Slot,
        result: Result<Output, Fault>,
        call: &Call<'_>,
        stale: Option<&Arc<Entry>>,
        is_single_call: bool,
    ) -> CallFuture {
        let (cache, context) = (&self.0, call.context);
        match result {
            Err(fault) => match stale.filter(|_| is_outage(&fault)) {
                Some(stale) => {
                    cache.note((Lookup::Stale, Some(stale)), context, is_single_call, || stale_status(stale));
                    deliver(stale.clone(), context)
                }
                None => {
                    cache.note((Lookup::Miss, None), context, is_single_call, || fetched_status(slot, false, None));
                    fault.into()
                }
            },
            Ok(Output::One(value)) => {
                let end = cache.keep_value(slot, value);
                let entry = end.result.answer();
                cache.note((Lookup::Miss, entry), context, is_single_call, || fetched_status(slot, false, entry));
                MaybeReady::now(end.original.ok_or_else(Fault::internal))
            }
            Ok(output) => {
                // Rows may have to be waited for.
                let (cache, slot, context) = (cache.clone(), slot.clone(), context.clone());
                MaybeReady::later(async move {
                    let end = cache.keep(&slot, output, context.result_memory.as_ref()).await;
                    let entry = end.result.answer();
                    let lookup = lookup_of(true, entry);
                    cache.note((lookup, entry), &context, is_single_call, || fetched_status(&slot, false, entry));
                    match (end.original, end.result) {
                        (Some(original), _) => Ok(original),
                        (None, SharedResult::Fault(fault)) => Err(*fault),
                        (None, _) => Err(Fault::internal()),
                    }
                })
            }
        }
    }

    /// Fetches a new answer in the background, unless that is done already.
    fn refresh(&self, slot: &Slot, call: &Call<'_>, next: &dyn RpcService) {
        if self.0.shared_calls.find(&slot.key).is_some() {
            return;
        }
        let (Ok(runtime), Some(permit)) = (Handle::try_current(), self.0.begin_refresh()) else { return };
        let context = Context { record: None, response_headers: None, ..call.context.clone() };
        let pending = call_for(slot, alone(Call { context: &context, ..*call }), next);
        let JoinedCall { shared, spare_call: None } =
            self.0.join_or_begin(slot, pending, context.result_memory.as_ref())
        else {
            return;
        };
        let deadline = context.deadline;
        drop(runtime.spawn(async move {
            let _permit = permit;
            with_deadline(deadline, Waiting(shared)).await;
        }));
    }
}

/// The call without its original bytes, unless nothing else is known of it.
fn readable(call: Call<'_>) -> Call<'_> {
    match (call.form, call.args) {
        (CallForm::Raw(_), Args::Unread) | (CallForm::Batch(_) | CallForm::Http(_), _) => call,
        _ => Call { form: CallForm::Plain, ..call },
    }
}

/// The same for a call that does not travel with others.
fn alone(call: Call<'_>) -> Call<'_> {
    match call.form {
        CallForm::Batch(_) => Call { form: CallForm::Plain, ..call },
        _ => readable(call),
    }
}

/// The answer in an entry.
fn deliver(entry: Arc<Entry>, context: &Context) -> CallFuture {
    if !entry.is_large() {
        return MaybeReady::now(Ok(entry.output_without_reservation()));
    }
    let (memory, deadline) = (context.result_memory.clone(), context.deadline);
    MaybeReady::later(async move { entry.output_with_reservation(memory.as_ref(), deadline).await })
}

/// What a call has found that was made, or has waited for an equal one.
fn lookup_of(is_leader: bool, entry: Option<&Arc<Entry>>) -> Lookup {
    match (is_leader, entry) {
        (false, _) => Lookup::Collapsed,
        (true, Some(entry)) if entry.is_confirmed => Lookup::Revalidated,
        (true, _) => Lookup::Miss,
    }
}

/// The status of a call that was made, or has waited for an equal one, with the entry that has come of it.
fn fetched_status(slot: &Slot, is_collapsed: bool, entry: Option<&Arc<Entry>>) -> String {
    let reason = if slot.revalidates.is_some() { "stale" } else { "miss" };
    let confirmed = if entry.is_some_and(|entry| entry.is_confirmed) { "; fwd-status=304" } else { "" };
    let collapsed = if is_collapsed { "; collapsed" } else { "" };
    let stored = if entry.is_some() { "; stored" } else { "" };
    format!("croupier; fwd={reason}{confirmed}{collapsed}{stored}")
}

fn stale_status(entry: &Entry) -> String {
    format!("croupier; hit; ttl={}; detail=upstream-failed", entry.seconds_left())
}

/// One who waits for an answer.
struct Waiter {
    cache: Arc<ResponseCache>,
    slot: Slot,
    context: Context,
    is_single_call: bool,
    /// What is returned if no answer can be had.
    stale: Option<Arc<Entry>>,
}

/// The shared call that a caller waits for.
struct JoinedCall {
    shared: Arc<SharedCall>,
    /// The call that this caller makes itself if the shared call of another fails or cannot be shared.
    spare_call: Option<CallFuture>,
}

impl JoinedCall {
    fn other(shared: Arc<SharedCall>, spare_call: CallFuture) -> JoinedCall {
        JoinedCall { shared, spare_call: Some(spare_call) }
    }
}

/// Waits for an answer. With a stale one in its place the wait ends by the deadline, which leaves some time.
async fn with_early_end(deadline: Option<Instant>, waiter: Waiter, joined: JoinedCall) -> Result<Output, Fault> {
    if waiter.stale.is_none() {
        return waiter.wait(joined).await;
    }
    let Waiter { cache, context, is_single_call, stale, .. } = &waiter;
    let (cache, context, is_single_call, stale) = (cache.clone(), context.clone(), *is_single_call, stale.clone());
    match (with_deadline(deadline, waiter.wait(joined)).await, stale) {
        (None, Some(stale)) => {
            cache.note((Lookup::Stale, Some(&stale)), &context, is_single_call, || stale_status(&stale));
            stale.output_with_reservation(context.result_memory.as_ref(), None).await
        }
        (result, _) => result.unwrap_or_else(|| Err(Fault::internal())),
    }
}

impl Waiter {
    /// Waits for the shared call of an equal call, or makes the call. The deadline of another ends only its own wait: if the call
    /// fails because of it, this one makes the call itself, again for all who wait.
    async fn wait(self, mut joined: JoinedCall) -> Result<Output, Fault> {
        let Waiter { cache, slot, context, is_single_call, stale } = self;
        loop {
            let JoinedCall { shared, spare_call } = joined;
            let is_leader = spare_call.is_none();
            let FinishedCall { result, original } = Waiting(shared).await;
            match result {
                SharedResult::Fault(fault) if !is_leader && concerns_caller_only(&fault) => {
                    let Some(call) = spare_call else { return Err(*fault) };
                    joined = cache.join_or_begin(&slot, call, context.result_memory.as_ref());
                }
                SharedResult::Fault(fault) => {
                    return match stale.filter(|_| is_outage(&fault)) {
                        Some(stale) => {
                            cache
                                .note((Lookup::Stale, Some(&stale)), &context, is_single_call, || stale_status(&stale));
                            stale.output_with_reservation(context.result_memory.as_ref(), context.deadline).await
                        }
                        None => {
                            let status = || fetched_status(&slot, !is_leader, None);
                            cache.note((lookup_of(is_leader, None), None), &context, is_single_call, status);
                            Err(*fault)
                        }
                    };
                }
                SharedResult::Answer(entry) => {
                    let status = || fetched_status(&slot, !is_leader, Some(&entry));
                    cache.note((lookup_of(is_leader, Some(&entry)), Some(&entry)), &context, is_single_call, status);
                    return match original {
                        Some(original) => Ok(original),
                        None => entry.output_with_reservation(context.result_memory.as_ref(), context.deadline).await,
                    };
                }
                SharedResult::NotShared => {
                    let result = match (original, spare_call) {
                        (Some(original), _) => Ok(original),
                        (None, Some(call)) => cache.result_of(&slot, call, &context).await,
                        // Another has taken the result of this one's call while this one was not polled.
                        (None, None) => Err(Fault::new(Kind::Busy, "an equal call has taken the result; try again")),
                    };
                    return match stale.filter(|_| is_outage_result(&result)) {
                        Some(stale) => {
                            cache
                                .note((Lookup::Stale, Some(&stale)), &context, is_single_call, || stale_status(&stale));
                            stale.output_with_reservation(context.result_memory.as_ref(), context.deadline).await
                        }
                        None => {
                            cache.note((Lookup::Miss, None), &context, is_single_call, || {
                                fetched_status(&slot, false, None)
                            });
                            result
                        }
                    };
                }
            }
        }
    }
}

impl ResponseCache {
    /// Begins a shared call with a call, unless there is one of an equal call.
    fn join_or_begin(
        self: &Arc<ResponseCache>,
        slot: &Slot,
        pending: CallFuture,
        memory: Option<&ResultMemory>,
    ) -> JoinedCall {
        let begin = |pending: CallFuture| -> SharedCallFuture {
            let (cache, slot, memory) = (self.clone(), slot.clone(), memory.cloned());
            Box::pin(async move {
                match catch_panic_of(pending).await {
                    Ok(Ok(output)) => cache.keep(&slot, output, memory.as_ref()).await,
                    Ok(Err(fault)) | Err(fault) => {
                        FinishedCall { result: SharedResult::Fault(Box::new(fault)), original: None }
                    }
                }
            })
        };
        match self.shared_calls.begin(&slot.key, pending, begin) {
            Ok(shared) => JoinedCall { shared, spare_call: None },
            Err((shared, pending)) => JoinedCall::other(shared, pending),
        }
    }

    /// The result of a call that shares none. A confirmation becomes the response that it confirms.
    async fn result_of(&self, slot: &Slot, call: CallFuture, context: &Context) -> Result<Output, Fault> {
        let output = call.await?;
        if slot.revalidates.is_none() {
            return Ok(output);
        }
        match self.keep(slot, output, context.result_memory.as_ref()).await {
            FinishedCall { original: Some(original), .. } => Ok(original),
            FinishedCall { result: SharedResult::Fault(fault), .. } => Err(*fault),
            FinishedCall { .. } => Err(Fault::internal()),
        }
    }
}
