//! Stores results: values, rows up to the largest entry, and responses, also those that the upstream has confirmed.

use std::time::SystemTime;

use http::{HeaderMap, StatusCode};

use super::bodies::{CollectedBody, collect_body};
use super::conditions::update;
use super::entry::{Content, Entry};
use super::http_rules::StorageTerms;
use super::rows::{Collected, collect};
use super::shared_call::{FinishedCall, SharedResult};
use super::{ResponseCache, Slot};
use crate::model::fault::Fault;
use crate::model::value::SizeBudget;
use crate::service::passthrough::{RawBody, RawResponse};
use crate::service::result_memory::{ReservedMemory, ResultMemory};
use crate::service::{Encode, Output, catch_panic};

impl ResponseCache {
    /// Keeps a result, if it is small enough.
    pub(super) async fn keep(&self, slot: &Slot, output: Output, memory: Option<&ResultMemory>) -> FinishedCall {
        match output {
            Output::One(value) => self.keep_value(slot, value),
            Output::Many(rows) => match collect(rows, self.max_entry_bytes(), ReservedMemory::of(memory)).await {
                Ok(Collected::All(value, bytes, memory)) => {
                    let entry = self.store(slot, Content::Value { value, is_void: false }, bytes);
                    FinishedCall { original: Some(entry.output(memory)), result: SharedResult::Answer(entry) }
                }
                Ok(Collected::Rest(output)) => self.mark_hit_for_pass(slot, output),
                Err(fault) => FinishedCall { result: SharedResult::Fault(Box::new(fault)), original: None },
            },
            Output::Raw(response) if slot.is_http => self.keep_response(slot, response, memory).await,
            Output::Raw(response) => self.keep_raw(slot, response),
        }
    }

    pub(super) fn keep_value(&self, slot: &Slot, mut value: Box<dyn Encode>) -> FinishedCall {
        let most = self.max_entry_bytes();
        let mut room = SizeBudget::new(most);
        match catch_panic(|| Ok(value.value(&mut room)?)) {
            Ok(kept) => {
                let content = Content::Value { value: kept, is_void: slot.is_void };
                let entry = self.store(slot, content, most - room.left());
                let original = entry.output(value.take_memory().unwrap_or_default());
                FinishedCall { result: SharedResult::Answer(entry), original: Some(original) }
            }
            Err(_) => self.mark_hit_for_pass(slot, Output::One(value)),
        }
    }

    /// Keeps a response in its original bytes, if all of it is here and it is a result.
    fn keep_raw(&self, slot: &Slot, response: RawResponse) -> FinishedCall {
        let is_result = response.fault.is_none() && response.status == StatusCode::OK;
        match &response.content {
            RawBody::Whole(body) if is_result && body.len() <= self.max_entry_bytes() => {
                let (body, headers) = (body.clone(), response.headers.clone());
                let bytes = body.len() + headers.iter().map(|(_, value)| value.len()).sum::<usize>();
                let entry = self.store(slot, Content::Raw { status: response.status, headers, body }, bytes);
                FinishedCall { result: SharedResult::Answer(entry), original: Some(Output::Raw(response)) }
            }
            // The fault of a service may be another one at the next call.
            _ if !is_result => FinishedCall { result: SharedResult::NotShared, original: Some(Output::Raw(response)) },
            _ => self.mark_hit_for_pass(slot, Output::Raw(response)),
        }
    }

    /// A result that is too large to be kept, or must not be kept. Equal calls are not held up by each other from now on.
    fn mark_hit_for_pass(&self, slot: &Slot, output: Output) -> FinishedCall {
        self.store(slot, Content::HitForPass, 0);
        FinishedCall { result: SharedResult::NotShared, original: Some(output) }
    }

    /// Keeps the response to an HTTP request, if it may be kept and is small enough.
    async fn keep_response(&self, slot: &Slot, response: RawResponse, memory: Option<&ResultMemory>) -> FinishedCall {
        if let Some(kept) = slot.revalidates.as_ref().filter(|_| response.status == StatusCode::NOT_MODIFIED) {
            return self.confirm(slot, kept, &response.headers);
        }
        if response.status != StatusCode::OK {
            return FinishedCall { result: SharedResult::NotShared, original: Some(Output::Raw(response)) };
        }
        let is_shared = !response.sets_cookies;
        let terms = is_shared.then(|| StorageTerms::of(&response.headers, slot.lifetime, SystemTime::now())).flatten();
        let Some(terms) = terms else { return self.mark_hit_for_pass(slot, Output::Raw(response)) };
        let (headers, content, permit) = response.into_parts();
        match collect_body(content, self.max_entry_bytes(), ReservedMemory::of(memory)).await {
            Ok(CollectedBody::All(body)) => {
                let entry = self.insert(slot, Entry::of_response(&headers, body.clone(), terms));
                let original = RawResponse::with_headers(StatusCode::OK, headers, RawBody::Whole(body));
                FinishedCall { result: SharedResult::Answer(entry), original: Some(Output::Raw(original)) }
            }
            Ok(CollectedBody::Rest(content)) => {
                let response = RawResponse::with_headers(StatusCode::OK, headers, content);
                self.mark_hit_for_pass(
                    slot,
                    Output::Raw(match permit {
                        Some(permit) => response.holding(permit),
                        None => response,
                    }),
                )
            }
            Err(fault) => FinishedCall { result: SharedResult::Fault(Box::new(fault)), original: None },
        }
    }

    /// Keeps a response anew that the upstream has confirmed, with what it says of it now.
    fn confirm(&self, slot: &Slot, kept: &Entry, confirming: &HeaderMap) -> FinishedCall {
        let Content::Http { headers, body, .. } = &kept.content else {
            return FinishedCall { result: SharedResult::Fault(Box::new(Fault::internal())), original: None };
        };
        let headers = update(headers, confirming);
        let Some(terms) = StorageTerms::of(&headers, slot.lifetime, SystemTime::now()) else {
            // It is the response to this request, and is not kept any more.
            self.entries.remove(&slot.key);
            let original = RawResponse::with_headers(StatusCode::OK, headers, RawBody::Whole(body.clone()));
            return FinishedCall { result: SharedResult::NotShared, original: Some(Output::Raw(original)) };
        };
        let entry = self.insert(slot, Entry::of_response(&headers, body.clone(), terms).confirmed());
        FinishedCall { original: Some(entry.output_without_reservation()), result: SharedResult::Answer(entry) }
    }
}
