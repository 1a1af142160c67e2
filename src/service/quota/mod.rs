//! How many calls of a group its callers may make in a day or a month.
//!
//! A [`QuotaLimit`] counts in memory. A [`QuotaStore`] keeps the counts when the process ends; a
//! [`QuotaKeeper`](crate::server::quotas::QuotaKeeper) carries them between the two.

mod counts;
mod options;
mod period;
mod store;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use http::HeaderName;
use ring::digest;

pub(crate) use counts::{QuotaCounts, QuotaState};
pub use options::{CALL_QUOTA, CallQuota, CallQuotaError, QuotaOptions};
pub use period::{PeriodUnit, QuotaPeriod};
pub use store::{CallerId, CountChange, MemoryQuotaStore, QuotaChanges, QuotaStore, StoredCount};

use crate::model::fault::{Fault, Kind};
use crate::service::caller_key::{Caller, Weights};
use crate::service::layer::GroupLayer;
use crate::service::limit_headers::{LimitPolicy, LimitState, seconds};
use crate::service::{Call, CallFuture, Context, RpcService};

/// A layer that lets each caller make a number of calls in a day or a month of UTC.
///
/// Each call of a batch counts. A call above the quota fails as [`Kind::RateLimited`], and takes nothing from what is left.
pub struct QuotaLimit {
    options: QuotaOptions,
    quota: CallQuota,
    weights: Weights,
    counts: Arc<QuotaCounts>,
}

impl QuotaLimit {
    /// A quota with these options for the group at a path; `None` if they set none.
    pub fn new(path: &str, options: QuotaOptions) -> Option<QuotaLimit> {
        let quota = options.calls?;
        let weights = Weights::new(&options.weights);
        let counts = QuotaCounts::new(scope(path, quota, &options), quota.unit(), options.callers);
        Some(QuotaLimit { options, quota, weights, counts: Arc::new(counts) })
    }

    /// The options.
    pub fn options(&self) -> &QuotaOptions {
        &self.options
    }

    /// Where the calls are counted.
    pub(crate) fn counts(&self) -> &Arc<QuotaCounts> {
        &self.counts
    }

    /// The same quota, with the counts of another one if both count the same.
    #[cfg_attr(not(feature = "config"), allow(dead_code, reason = "only configurations are reloaded"))]
    pub(crate) fn counting_on(&self, other: &QuotaLimit) -> QuotaLimit {
        let counts = if self.counts.scope() == other.counts.scope() { &other.counts } else { &self.counts };
        counts.remember(self.options.callers);
        let weights = Weights::new(&self.options.weights);
        QuotaLimit { options: self.options.clone(), quota: self.quota, weights, counts: counts.clone() }
    }

    /// Counts a call of a caller. `None` if calls of this method do not count.
    fn count(&self, method: &str, context: &Context, now: SystemTime) -> Option<QuotaState> {
        let weight = match self.weights.weight(method) {
            0 => return None,
            // No weight is above the quota.
            weight => u64::from(weight).min(self.quota.calls()),
        };
        let period = self.quota.unit().period_at(now);
        Some(self.counts.count(self.caller(method, context), period, weight, self.quota.calls()))
    }

    /// The caller that a call counts for.
    //
    // The id has to be the same after a restart, and in other processes that share a store. A hash without a secret key is
    // that without anything to keep. It is a cryptographic one, of 128 bits, so that nobody can find a name or header by
    // which to be counted as somebody else. The text itself is not stored, because it has no bound, and because a header
    // may be a secret such as an API key.
    fn caller(&self, method: &str, context: &Context) -> CallerId {
        let mut hash = digest::Context::new(&digest::SHA256);
        let mut add = |kind: u8, text: &[u8]| {
            hash.update(&[kind]);
            hash.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(text);
        };
        match self.options.per.caller(context) {
            Caller::Group => add(0, &[]),
            Caller::Client(None) => add(1, &[]),
            Caller::Client(Some(IpAddr::V4(address))) => add(1, &address.octets()),
            Caller::Client(Some(IpAddr::V6(address))) => add(1, &address.octets()),
            Caller::Identity(name) => add(2, name.as_bytes()),
            Caller::Header(value) => add(3, value),
        }
        if self.options.per_method {
            add(4, method.as_bytes());
        }
        let hash = hash.finish();
        CallerId(hash.as_ref().iter().take(16).fold(0, |id, byte| id << 8 | u128::from(*byte)))
    }

    fn fault(&self, state: QuotaState) -> Fault {
        let (calls, unit) = (self.quota.calls(), self.quota.unit().word());
        let used = match state.remaining {
            0 => "is used up".to_owned(),
            left => format!("has {left} left, which is less than this call counts"),
        };
        let next = state.period.next();
        Fault::new(Kind::RateLimited, format!("the quota of {calls} calls a {unit} {used}; it starts again at {next}"))
    }

    fn headers(&self, state: QuotaState, now: SystemTime) -> LimitState {
        let begin = state.period.next().begin();
        let wait = state.is_refused.then(|| seconds(begin.duration_since(now).unwrap_or_default()));
        let (quota, window) = (self.quota.calls(), state.period.seconds());
        LimitState { policy: LimitPolicy::new("quota", quota, window), remaining: state.remaining, wait }
    }
}

/// A text by which the counts of a quota are found again. It has everything that decides what is counted for whom. The number
/// of calls and the weights are not part of it: what has been used stays used when they change.
fn scope(path: &str, quota: CallQuota, options: &QuotaOptions) -> String {
    let methods = if options.per_method { " method" } else { "" };
    format!("{path} {} {}{methods}", quota.unit().word(), options.per)
}

impl GroupLayer for QuotaLimit {
    fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
        let now = SystemTime::now();
        let Some(state) = self.count(call.method, call.context, now) else { return next.call(call) };
        if let Some(headers) = &call.context.response_headers {
            headers.set_limit(self.headers(state, now));
        }
        if state.is_refused { self.fault(state).into() } else { next.call(call) }
    }

    fn sets_response_headers(&self) -> bool {
        true
    }

    fn request_headers(&self) -> Vec<HeaderName> {
        self.options.per.request_headers()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::service::Identity;
    use crate::service::caller_key::CallerKey;

    /// 2026-02-27T23:59:59.5Z.
    fn evening() -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(1_772_236_799_500)
    }

    fn limit(calls: &str, change: impl FnOnce(&mut QuotaOptions)) -> QuotaLimit {
        let mut options = QuotaOptions { calls: Some(calls.parse().unwrap()), ..QuotaOptions::default() };
        change(&mut options);
        QuotaLimit::new("/x", options).unwrap()
    }

    fn from(client: &str) -> Context {
        Context { client: client.parse().ok(), ..Context::default() }
    }

    fn passed(limit: &QuotaLimit, method: &str, context: &Context, calls: u32, now: SystemTime) -> u32 {
        (0..calls).map(|_| u32::from(limit.count(method, context, now).is_none_or(|state| !state.is_refused))).sum()
    }

    #[test]
    fn a_new_day_and_a_new_month_give_a_new_quota() {
        let (daily, monthly, caller) = (limit("50/day", |_| {}), limit("50/month", |_| {}), from("192.0.2.1"));
        let day = Duration::from_secs(24 * 60 * 60);
        for (days, of_day, of_month) in [(0, 50, 50), (1, 50, 0), (2, 50, 50), (3, 50, 0)] {
            let now = evening() + day * days;
            assert_eq!(passed(&daily, "spin", &caller, 80, now), of_day, "after {days} days");
            assert_eq!(passed(&monthly, "spin", &caller, 80, now), of_month, "after {days} days");
        }
    }

    #[test]
    fn a_call_above_the_quota_says_when_it_starts_again() {
        let (limit, caller) = (limit("1/month", |_| {}), from("192.0.2.1"));
        let first = limit.count("spin", &caller, evening()).unwrap();
        let mut headers = http::HeaderMap::new();
        limit.headers(first, evening()).add_to(&mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"quota\";q=1;w=2419200");
        assert_eq!(headers["ratelimit"], "\"quota\";r=0");
        let second = limit.count("spin", &caller, evening()).unwrap();
        let fault = limit.fault(second);
        assert_eq!(fault.kind, Kind::RateLimited);
        assert_eq!(fault.message, "the quota of 1 calls a month is used up; it starts again at 2026-03-01T00:00:00Z");
        // Half a second before the last day of the month.
        assert_eq!(limit.headers(second, evening()).wait, Some(24 * 60 * 60 + 1));
    }

    #[test]
    fn callers_count_apart_and_by_their_weights() {
        let now = evening();
        let per_identity = limit("10/day", |options| {
            options.per = CallerKey::Identity;
            options.per_method = true;
            options.weights = [("spin*".to_owned(), 4), ("ping".to_owned(), 0)].into();
        });
        let ada = Context { identity: Some(Arc::new(Identity::new("ada"))), ..from("192.0.2.1") };
        assert_eq!(passed(&per_identity, "ping", &ada, 100, now), 100);
        assert_eq!(passed(&per_identity, "spinList", &ada, 9, now), 2);
        let refused = per_identity.count("spinList", &ada, now).unwrap();
        assert_eq!(refused.remaining, 2);
        assert!(per_identity.fault(refused).message.contains("has 2 left"));
        assert_eq!(passed(&per_identity, "get", &ada, 20, now), 10);
        assert_eq!(passed(&per_identity, "get", &from("192.0.2.1"), 20, now), 10);
        assert_eq!(passed(&per_identity, "get", &from("192.0.2.2"), 20, now), 10);
        // A name is not an address with the same bytes.
        let named = Context { identity: Some(Arc::new(Identity::new("1234"))), ..Context::default() };
        assert_eq!(passed(&per_identity, "get", &named, 20, now), 10);
        assert_eq!(passed(&per_identity, "get", &from("49.50.51.52"), 20, now), 10);

        let all = limit("10/day", |options| options.per = CallerKey::Group);
        assert_eq!(passed(&all, "get", &ada, 9, now) + passed(&all, "put", &from("192.0.2.9"), 9, now), 10);
    }

    #[test]
    fn a_caller_has_the_same_id_in_every_process() {
        let caller = |per: &str, context: &Context| {
            limit("1/day", |options| options.per = per.parse().unwrap()).caller("get", context).0
        };
        let ada = Context { identity: Some(Arc::new(Identity::new("ada"))), ..from("192.0.2.1") };
        // The starts of SHA-256 of 02 0300000000000000 "ada", and of 01 0400000000000000 C0000201.
        assert_eq!(caller("identity", &ada), 0xa00d_fe60_ae9b_4d18_b680_9f07_f0a7_5dac);
        assert_eq!(caller("client", &ada), 0xd421_54e0_42eb_3e3e_1e48_8dd5_89e4_987b);
    }

    #[test]
    fn another_number_of_calls_goes_on_counting_and_another_kind_of_caller_does_not() {
        let (caller, now) = (from("192.0.2.1"), evening());
        let before = limit("10/day", |_| {});
        assert_eq!(passed(&before, "get", &caller, 20, now), 10);
        let after = |calls: &str, change: &dyn Fn(&mut QuotaOptions)| {
            passed(&limit(calls, change).counting_on(&before), "get", &caller, 3, now)
        };
        assert_eq!(after("10/day", &|_| {}), 0);
        assert_eq!(after("12/day", &|options| options.callers = 5000), 2);
        assert_eq!(after("5/day", &|_| {}), 0);
        assert_eq!(after("10/month", &|_| {}), 3);
        assert_eq!(after("10/day", &|options| options.per_method = true), 3);
        assert_eq!(after("10/day", &|options| options.per = CallerKey::Group), 3);
    }
}
