//! Answers that are kept.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant as Moment};

use bytes::Bytes;
use http::header::AGE;
use http::{HeaderMap, HeaderValue, StatusCode};
use quick_cache::Weighter;
use serde::{Serialize, Serializer};
use tokio::time::Instant;

use super::conditions::has_validator;
use super::http_rules::StorageTerms;
use super::key::CallKey;
use super::policy::{Freshness, Lifetime};
use crate::model::fault::Fault;
use crate::model::value::Value;
use crate::service::Output;
use crate::service::passthrough::{RawBody, RawResponse};
use crate::service::result_memory::{ReservedMemory, ResultMemory, SMALL};

/// What an entry takes besides its key and its content, in bytes.
const OVERHEAD: usize = 256;
/// How many copies of a large value are counted while it is sent: what is written of it.
const COPIES: usize = 2;

/// An answer that is kept.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) content: Content,
    /// How many bytes the content takes.
    pub(super) bytes: usize,
    /// Whether the upstream has said of an earlier entry that it is still the current one, and this is the same.
    pub(super) is_confirmed: bool,
    stored: Instant,
    lifetime: Lifetime,
}

/// What is kept of an answer.
pub(super) enum Content {
    /// The result; `is_void` if it is that of a method that returns nothing.
    Value { value: Value, is_void: bool },
    /// The response of an upstream in its original bytes.
    Raw { status: StatusCode, headers: HeaderMap, body: Bytes },
    /// The response of an upstream to a HTTP request, with status 200 and the age that it had when it came.
    Http { headers: HeaderMap, body: Bytes, age: Duration },
    /// No result, but a marker (hit-for-pass): results of this call are too large or must not be kept, so equal calls are forwarded at
    /// once and do not wait for each other.
    HitForPass,
}

impl fmt::Debug for Content {
    /// Omits what callers have got.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Content::Value { .. } => "Value",
            Content::Raw { .. } => "Raw",
            Content::Http { .. } => "Http",
            Content::HitForPass => "HitForPass",
        })
    }
}

impl Entry {
    pub(super) fn new(content: Content, bytes: usize, lifetime: Lifetime) -> Entry {
        Entry { content, bytes, is_confirmed: false, stored: Instant::now(), lifetime }
    }

    /// A response to an HTTP request. Its headers are copied: otherwise all of the head in which they came would stay in memory.
    pub(super) fn of_response(headers: &HeaderMap, body: Bytes, terms: StorageTerms) -> Entry {
        let mut bytes = body.len();
        let mut kept = HeaderMap::with_capacity(headers.keys_len());
        for (name, value) in headers.iter().filter(|(name, _)| **name != AGE) {
            bytes += name.as_str().len() + value.len();
            if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                kept.append(name.clone(), value);
            }
        }
        Entry::new(Content::Http { headers: kept, body, age: terms.age }, bytes, terms.lifetime)
    }

    /// The same response, which the upstream has confirmed.
    pub(super) fn confirmed(self) -> Entry {
        Entry { is_confirmed: true, ..self }
    }

    /// The headers by which an upstream can be asked whether the response is still the current one; `None` if it cannot.
    pub(super) fn validators(&self) -> Option<&HeaderMap> {
        match &self.content {
            Content::Http { headers, .. } if has_validator(headers) => Some(headers),
            _ => None,
        }
    }

    /// What the entry is good for now.
    pub(super) fn freshness(&self) -> Freshness {
        self.lifetime.at(self.stored.elapsed())
    }

    /// For how many seconds it is still fresh.
    pub(super) fn seconds_left(&self) -> i64 {
        self.lifetime.seconds_left(self.stored.elapsed())
    }

    /// Whether it has no result, and equal calls are forwarded at once.
    pub(super) fn is_hit_for_pass(&self) -> bool {
        matches!(self.content, Content::HitForPass)
    }

    /// Whether sending the answer needs memory to be reserved.
    pub(super) fn is_large(&self) -> bool {
        self.bytes > SMALL
    }

    /// The answer as a result, with the memory that is reserved for it.
    pub(super) fn output(self: &Arc<Entry>, memory: ReservedMemory) -> Output {
        match &self.content {
            Content::Raw { status, headers, body } => {
                Output::Raw(RawResponse::with_headers(*status, headers.clone(), RawBody::Whole(body.clone())))
            }
            Content::Http { headers, body, age } => {
                let mut headers = headers.clone();
                let age = age.saturating_add(self.stored.elapsed());
                headers.insert(AGE, HeaderValue::from(age.as_secs()));
                Output::Raw(RawResponse::with_headers(StatusCode::OK, headers, RawBody::Whole(body.clone())))
            }
            Content::Value { .. } | Content::HitForPass => {
                Output::reserved(Box::new(CachedValue(self.clone())), memory)
            }
        }
    }

    /// The answer as a result that is sent without a reservation.
    pub(super) fn output_without_reservation(self: &Arc<Entry>) -> Output {
        self.output(ReservedMemory::default())
    }

    /// The answer as a result, which takes memory from that of the call.
    ///
    /// # Errors
    /// `Busy` if there is none in time.
    pub(super) async fn output_with_reservation(
        self: &Arc<Entry>,
        memory: Option<&ResultMemory>,
        deadline: Option<Moment>,
    ) -> Result<Output, Fault> {
        let mut reserved = ReservedMemory::of(memory);
        if !matches!(self.content, Content::Raw { .. } | Content::Http { .. }) {
            reserved.extend_to(self.bytes.saturating_mul(COPIES), deadline).await?;
        }
        Ok(self.output(reserved))
    }
}

/// The result in an entry, without a copy of it.
struct CachedValue(Arc<Entry>);

impl Serialize for CachedValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0.content {
            // Protocols write nothing at all in another way than nil.
            Content::Value { value: Value::Nil, is_void: true } => serializer.serialize_unit(),
            Content::Value { value, .. } => value.serialize(serializer),
            Content::Raw { .. } | Content::Http { .. } | Content::HitForPass => serializer.serialize_unit(),
        }
    }
}

/// The weight of an entry: about its memory in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct EntryWeight;

impl Weighter<CallKey, Arc<Entry>> for EntryWeight {
    fn weight(&self, key: &CallKey, entry: &Arc<Entry>) -> u64 {
        // The key is shared by the map and the table of shared calls.
        (key.0.len() + entry.bytes + OVERHEAD) as u64
    }
}
