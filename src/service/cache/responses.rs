//! Responses to HTTP requests that are passed on as they are: which of them are kept, and those that the upstream confirms.

use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderMap, StatusCode};

use super::bodies::{CollectedBody, collect_body};
use super::conditions::{ask_again, update};
use super::entry::{Content, Entry};
use super::http_rules::StorageTerms;
use super::shared_call::{FinishedCall, SharedResult};
use super::{ResponseCache, Slot};
use crate::model::fault::Fault;
use crate::service::passthrough::{HttpCall, RawBody, RawResponse};
use crate::service::result_memory::{ReservedMemory, ResultMemory};
use crate::service::{Call, CallForm, CallFuture, Context, Output, RpcService};

/// Makes a call for a place in the cache. Of an HTTP request the conditions are those of the cache and not those of the client,
/// because others may get the response, too.
pub(super) fn call_for(slot: &Slot, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
    let CallForm::Http(http) = call.form else { return next.call(call) };
    let kept = slot.confirms.as_deref().and_then(Entry::validators);
    let headers = ask_again(http.headers, kept);
    // These replace those of the request.
    let passed = call.context.headers.as_ref().map(|headers| Arc::new(ask_again(headers, None)));
    let context = Context { headers: passed, ..call.context.clone() };
    let http = HttpCall { headers: &headers, ..*http };
    next.call(Call { context: &context, form: CallForm::Http(&http), ..call })
}

impl ResponseCache {
    /// Keeps the response to an HTTP request, if it may be kept and is small enough.
    pub(super) async fn keep_response(
        &self,
        slot: &Slot,
        response: RawResponse,
        memory: Option<&ResultMemory>,
    ) -> FinishedCall {
        if let Some(kept) = slot.confirms.as_ref().filter(|_| response.status == StatusCode::NOT_MODIFIED) {
            return self.confirm(slot, kept, &response.headers);
        }
        if response.status != StatusCode::OK {
            return FinishedCall { result: SharedResult::NotShared, own: Some(Output::Raw(response)) };
        }
        let is_shared = !response.sets_cookies;
        let terms = is_shared.then(|| StorageTerms::of(&response.headers, slot.lifetime, SystemTime::now())).flatten();
        let Some(terms) = terms else { return self.pass(slot, Output::Raw(response)) };
        let (headers, content, permit) = response.into_parts();
        match collect_body(content, self.most(), ReservedMemory::of(memory)).await {
            Ok(CollectedBody::All(body)) => {
                let entry = self.insert(slot, Entry::of_response(&headers, body.clone(), terms));
                let own = RawResponse::with_headers(StatusCode::OK, headers, RawBody::Whole(body));
                FinishedCall { result: SharedResult::Answer(entry), own: Some(Output::Raw(own)) }
            }
            Ok(CollectedBody::Rest(content)) => {
                let response = RawResponse::with_headers(StatusCode::OK, headers, content);
                self.pass(
                    slot,
                    Output::Raw(match permit {
                        Some(permit) => response.holding(permit),
                        None => response,
                    }),
                )
            }
            Err(fault) => FinishedCall { result: SharedResult::Fault(Box::new(fault)), own: None },
        }
    }

    /// Keeps a response anew that the upstream has confirmed, with what it says of it now.
    fn confirm(&self, slot: &Slot, kept: &Entry, confirming: &HeaderMap) -> FinishedCall {
        let Content::Http { headers, body, .. } = &kept.content else {
            return FinishedCall { result: SharedResult::Fault(Box::new(Fault::internal())), own: None };
        };
        let headers = update(headers, confirming);
        let Some(terms) = StorageTerms::of(&headers, slot.lifetime, SystemTime::now()) else {
            // It is the response to this request, and is not kept any more.
            self.entries.remove(&slot.key);
            let own = RawResponse::with_headers(StatusCode::OK, headers, RawBody::Whole(body.clone()));
            return FinishedCall { result: SharedResult::NotShared, own: Some(Output::Raw(own)) };
        };
        let entry = self.insert(slot, Entry::of_response(&headers, body.clone(), terms).confirmed());
        FinishedCall { own: Some(entry.small_output()), result: SharedResult::Answer(entry) }
    }
}
