//! Answers of safe methods, kept for equal calls.
//!
//! ```text
//! key.rs      what makes calls equal: method, arguments in no wire form, and what of the caller matters
//! policy.rs   how long an answer is fresh, stale, expired: pure decisions
//! http_rules.rs   which HTTP requests are answered from the cache, and which responses are kept: pure decisions
//! conditions.rs   conditional requests: of clients, and of the cache to the upstream
//! entry.rs    an answer that is kept, and the result made of it
//! shared_call.rs   one call for all who make it at the same time
//! rows.rs, bodies.rs   rows and bodies are collected up to the largest answer that is kept; more of them is passed on
//! store_result.rs  what of a result is kept, and responses that the upstream confirms
//! serve.rs    a call that waits for an answer
//! ```
//!
//! The cache is inside of the rules about callers: what they refuse does not get here, and what is answered from the cache
//! counts for rates and quotas as any call. Such a call has a result at once, so it takes no permit.

mod bodies;
mod conditions;
mod counts;
mod entry;
mod http_rules;
#[cfg(test)]
mod http_tests;
mod key;
mod options;
mod policy;
mod rows;
mod serve;
mod shared_call;
mod store_result;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use arc_swap::ArcSwapOption;
use http::{HeaderName, HeaderValue, Method};
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder};

pub(crate) use counts::Lookup;
pub use options::CacheOptions;

use crate::model::interface::Interface;
use crate::service::layer::GroupLayer;
use crate::service::passthrough::HttpCall;
use crate::service::{Call, CallForm, CallFuture, Context, RpcService};
use counts::LookupCounts;
use entry::{Content, Entry, EntryWeight};
use key::{CallKey, KnownMethods};
use options::Lifetimes;
use policy::{Freshness, Lifetime};
use shared_call::SharedCalls;

/// The header that says how a cache has handled a request (RFC 9211).
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// How many answers are fetched in the background at a time.
const MAX_REFRESHES: usize = 16;
/// The part of the memory that one answer may take.
const MAX_ENTRY_FRACTION: usize = 8;
/// The parts of the memory, each with a lock of its own. One part holds several of the largest answers.
const SHARDS: usize = 2;
/// The size of a usual entry, in bytes.
const USUAL: usize = 1024;

/// The answers of one group, and the calls that fetch them.
pub struct ResponseCache {
    options: CacheOptions,
    lifetimes: Lifetimes,
    entries: Cache<CallKey, Arc<Entry>, EntryWeight>,
    shared_calls: Arc<SharedCalls>,
    known: ArcSwapOption<KnownMethods>,
    counts: LookupCounts,
    refreshes: AtomicUsize,
}

/// What is known of the cache at one moment.
#[derive(Debug)]
pub(crate) struct CacheState {
    /// What calls have found, and how often.
    pub(crate) lookups: Vec<(Lookup, u64)>,
    /// How many answers there are.
    pub(crate) entries: usize,
    /// How much memory they take, in bytes.
    pub(crate) bytes: u64,
    /// How much they may take.
    pub(crate) limit: usize,
}

/// What the cache knows of a call before it is made: its key, and how long its result is kept.
#[derive(Clone)]
struct Slot {
    key: CallKey,
    lifetime: Lifetime,
    is_void: bool,
    /// Whether the call is an HTTP request that is passed on as it is.
    is_http: bool,
    known: Arc<KnownMethods>,
    /// For a HEAD request, the key of the same request with GET: its response has the same head.
    key_of_get: Option<CallKey>,
    /// The response that the upstream is asked to confirm.
    revalidates: Option<Arc<Entry>>,
}

impl ResponseCache {
    /// A cache with these options; `None` if they cache nothing.
    pub fn new(options: CacheOptions) -> Option<ResponseCache> {
        if !options.is_on() {
            return None;
        }
        let size = options.size;
        let layout = OptionsBuilder::new()
            .estimated_items_capacity((size / USUAL).max(64))
            .weight_capacity(size as u64)
            .shards(SHARDS)
            .build()
            .ok()?;
        let entries =
            Cache::with_options(layout, EntryWeight, DefaultHashBuilder::default(), DefaultLifecycle::default());
        Some(ResponseCache {
            lifetimes: options.lifetimes(),
            options,
            entries,
            shared_calls: Arc::default(),
            known: ArcSwapOption::empty(),
            counts: LookupCounts::default(),
            refreshes: AtomicUsize::new(0),
        })
    }

    /// The options.
    pub fn options(&self) -> &CacheOptions {
        &self.options
    }

    /// What is known of the cache now.
    pub(crate) fn state(&self) -> CacheState {
        let lookups = self.counts.all().collect();
        let (entries, bytes) = (self.entries.len(), self.entries.weight());
        CacheState { lookups, entries, bytes, limit: self.options.size }
    }

    /// How many bytes one answer may take.
    fn max_entry_bytes(&self) -> usize {
        self.options.size / MAX_ENTRY_FRACTION
    }

    /// The methods of a service with this description. If it is another than before, the answers are forgotten: they may be
    /// those of other methods.
    fn known(&self, interface: Arc<Interface>) -> Arc<KnownMethods> {
        let before = self.known.load_full();
        if let Some(known) = before.as_ref().filter(|known| Arc::ptr_eq(&known.interface, &interface)) {
            return known.clone();
        }
        let is_same = before.as_ref().is_some_and(|known| known.interface == interface);
        let known = Arc::new(KnownMethods::new(interface));
        self.known.store(Some(known.clone()));
        if !is_same {
            self.entries.clear();
        }
        known
    }

    /// The place for the answer of a call; `None` if it is not cached.
    fn slot(&self, call: &Call<'_>, interface: impl FnOnce() -> Arc<Interface>) -> Option<Slot> {
        let lifetime = self.lifetimes.of_method(call.method)?;
        if serve::has_to_be_passed_on(call) {
            return None;
        }
        let known = self.known(interface());
        if !known.is_safe(call.method) {
            return None;
        }
        let key = known.key(call, self.options.per_identity)?;
        let is_void = known.is_void(call.method);
        let key_of_get = key_as_get(call, |call| known.key(call, self.options.per_identity));
        let is_http = matches!(call.form, CallForm::Http(_));
        Some(Slot { key, lifetime, is_void, is_http, known, key_of_get, revalidates: None })
    }

    /// Keeps an answer, unless the service has another description meanwhile.
    fn store(&self, slot: &Slot, content: Content, bytes: usize) -> Arc<Entry> {
        self.insert(slot, Entry::new(content, bytes, slot.lifetime))
    }

    fn insert(&self, slot: &Slot, entry: Entry) -> Arc<Entry> {
        let entry = Arc::new(entry);
        let is_current = self.known.load().as_ref().is_some_and(|known| known.interface == slot.known.interface);
        if is_current {
            self.entries.insert(slot.key.clone(), entry.clone());
        }
        entry
    }

    /// What is kept for a call. A HEAD request finds the response to the same request with GET as long as that is fresh.
    fn find(&self, slot: &Slot) -> Option<(Freshness, Arc<Entry>)> {
        let known = |key| self.entries.get(key).map(|entry: Arc<Entry>| (entry.freshness(), entry));
        let key_of_get = slot.key_of_get.as_ref().and_then(known);
        let key_of_get =
            key_of_get.filter(|(freshness, entry)| *freshness == Freshness::Fresh && !entry.is_hit_for_pass());
        key_of_get.or_else(|| known(&slot.key))
    }

    /// Notes what a call has found, with the entry that its result comes from or has become: in the counts, in the access log, and, if
    /// it is alone, in the response.
    fn note(
        &self,
        (lookup, entry): (Lookup, Option<&Arc<Entry>>),
        context: &Context,
        is_single_call: bool,
        status: impl FnOnce() -> String,
    ) {
        self.counts.count(lookup);
        if let Some(record) = &context.record {
            record.note_lookup(lookup);
        }
        let headers = context.response_headers.as_ref().filter(|_| is_single_call);
        let Some(headers) = headers else { return };
        if let Ok(value) = HeaderValue::try_from(status()) {
            headers.append(CACHE_STATUS, value);
        }
        if entry.is_some() {
            headers.note_kept_result();
        }
    }

    /// The right to fetch an answer in the background; `None` if that is done for many already.
    fn begin_refresh(self: &Arc<ResponseCache>) -> Option<Refresh> {
        let refresh = Refresh(self.clone());
        (self.refreshes.fetch_add(1, Relaxed) < MAX_REFRESHES).then_some(refresh)
    }
}

/// The key of a HEAD request, as if it were one with GET.
fn key_as_get(call: &Call<'_>, key: impl FnOnce(&Call<'_>) -> Option<CallKey>) -> Option<CallKey> {
    let CallForm::Http(http) = call.form else { return None };
    if *http.verb != Method::HEAD {
        return None;
    }
    let http = HttpCall { verb: &Method::GET, ..*http };
    key(&Call { form: CallForm::Http(&http), ..*call })
}

/// An answer is being fetched in the background.
struct Refresh(Arc<ResponseCache>);

impl Drop for Refresh {
    fn drop(&mut self) {
        self.0.refreshes.fetch_sub(1, Relaxed);
    }
}

/// A layer that answers calls from a cache.
pub(crate) struct Caching(pub(crate) Arc<ResponseCache>);

impl GroupLayer for Caching {
    fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
        match self.0.slot(&call, || next.interface()) {
            Some(slot) => self.serve(slot, call, next),
            None => next.call(call),
        }
    }

    fn sets_response_headers(&self) -> bool {
        true
    }
}
