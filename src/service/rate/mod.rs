//! How often the calls of a group may be made.

mod options;
mod store;

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::{StateInformationMiddleware, StateSnapshot};
use governor::nanos::Nanos;
use governor::{Quota, RateLimiter};
use http::HeaderName;
use tokio::time::Instant;

pub use options::{CALL_RATE, CallRate, CallRateError, RateOptions};

use crate::model::fault::{Fault, Kind};
use crate::service::caller_key::Weights;
use crate::service::layer::GroupLayer;
use crate::service::limit_headers::{LimitPolicy, LimitState, seconds};
use crate::service::{Call, CallFuture, Context, RpcService};
use store::BoundedStore;

/// A layer that lets each caller make a number of calls in a time, by the generic cell rate algorithm: the calls that a caller
/// may make come back one by one, at equal intervals, up to the size of a burst.
///
/// Each call of a batch counts. A call above the rate fails as [`Kind::RateLimited`], and takes nothing from what is left.
pub struct RateLimit {
    options: RateOptions,
    quota: Quota,
    weights: Weights,
    limiter: RateLimiter<u64, BoundedStore, RuntimeClock, StateInformationMiddleware>,
    hasher: RandomState,
    policy: LimitPolicy,
}

/// The time of the runtime, which tests can pause.
#[derive(Debug, Clone)]
struct RuntimeClock(Instant);

impl Clock for RuntimeClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(self.0.elapsed())
    }
}

/// What one call has left to its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateState {
    /// How many calls are left.
    pub(crate) remaining: u32,
    /// If the call is refused: after which time it may be made.
    pub(crate) wait: Option<Duration>,
}

impl RateLimit {
    /// A limit with these options; `None` if they set no rate.
    pub fn new(options: RateOptions) -> Option<RateLimit> {
        let quota = options.quota()?;
        let weights = Weights::new(&options.weights);
        let clock = RuntimeClock(Instant::now());
        let limiter = RateLimiter::new(quota, BoundedStore::new(options.callers), clock);
        let window = seconds(quota.burst_size_replenished_in());
        let policy = LimitPolicy::new("default", quota.burst_size().get().into(), window);
        Some(RateLimit { options, quota, weights, limiter, hasher: RandomState::new(), policy })
    }

    /// The options.
    pub fn options(&self) -> &RateOptions {
        &self.options
    }

    /// Counts a call of a caller. `None` if calls of this method do not count.
    fn count(&self, method: &str, context: &Context) -> Option<RateState> {
        let weight = NonZeroU32::new(self.weights.weight(method))?;
        let quota = self.quota;
        let weight = weight.min(quota.burst_size());
        let state = |remaining, wait| RateState { remaining, wait };
        Some(match self.limiter.check_key_n(&self.key(method, context), weight) {
            Ok(Ok(snapshot)) => state(StateSnapshot::remaining_burst_capacity(&snapshot), None),
            Ok(Err(until)) => state(0, Some(until.wait_time_from(self.limiter.clock().now()))),
            // No weight is above the burst.
            Err(_) => state(0, Some(quota.burst_size_replenished_in())),
        })
    }

    /// The caller that a call counts for, as a hash: with a key that differs for each process, so that nobody can choose to
    /// be counted as somebody else. A map of hashes has the same size whatever callers send.
    fn key(&self, method: &str, context: &Context) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        self.options.per.caller(context).hash(&mut hasher);
        if self.options.per_method {
            method.hash(&mut hasher);
        }
        hasher.finish()
    }
}

impl GroupLayer for RateLimit {
    fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
        let state = self.count(call.method, call.context);
        if let (Some(state), Some(headers)) = (&state, &call.context.response_headers) {
            let (remaining, wait) = (state.remaining.into(), state.wait.map(seconds));
            headers.set_limit(LimitState { policy: self.policy.clone(), remaining, wait });
        }
        match state {
            Some(RateState { wait: Some(wait), .. }) => too_many(wait).into(),
            _ => next.call(call),
        }
    }

    fn sets_response_headers(&self) -> bool {
        true
    }

    fn request_headers(&self) -> Vec<HeaderName> {
        self.options.per.request_headers()
    }
}

fn too_many(wait: Duration) -> Fault {
    let seconds = seconds(wait);
    Fault::new(Kind::RateLimited, format!("too many calls; try again in {seconds} s"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::service::Identity;
    use crate::service::caller_key::CallerKey;

    fn limit(change: impl FnOnce(&mut RateOptions)) -> RateLimit {
        let mut options = RateOptions { calls: Some("50/s".parse().unwrap()), ..RateOptions::default() };
        change(&mut options);
        RateLimit::new(options).unwrap()
    }

    fn from(client: &str) -> Context {
        Context { client: client.parse().ok(), ..Context::default() }
    }

    fn passed(limit: &RateLimit, method: &str, context: &Context, calls: u32) -> u32 {
        (0..calls).map(|_| u32::from(limit.count(method, context).is_none_or(|state| state.wait.is_none()))).sum()
    }

    #[tokio::test(start_paused = true)]
    async fn exactly_the_rate_and_one_burst_pass() {
        let limit = limit(|_| {});
        let caller = from("192.0.2.1");
        let mut sum = 0;
        for _ in 0..100 {
            sum += passed(&limit, "spin", &caller, 100);
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        // A burst of 50, then 50 a second for 9.9 seconds.
        assert_eq!(sum, 50 + 495);
        let state = limit.count("spin", &from("192.0.2.2")).unwrap();
        assert_eq!((state.remaining, state.wait), (49, None));
    }

    #[tokio::test(start_paused = true)]
    async fn callers_count_apart_and_an_ipv6_network_as_one() {
        let per_client = limit(|options| options.burst = NonZeroU32::new(1));
        assert_eq!(passed(&per_client, "spin", &from("192.0.2.1"), 5), 1);
        assert_eq!(passed(&per_client, "spin", &from("192.0.2.2"), 5), 1);
        assert_eq!(passed(&per_client, "spin", &from("::ffff:192.0.2.2"), 5), 0);
        assert_eq!(passed(&per_client, "spin", &from("2001:db8::1"), 5), 1);
        assert_eq!(passed(&per_client, "spin", &from("2001:db8::ffff:1"), 5), 0);
        assert_eq!(passed(&per_client, "spin", &from("2001:db8:0:1::1"), 5), 1);
        assert_eq!(passed(&per_client, "spin", &from("unix"), 5), 1);

        let ada = Context { identity: Some(Arc::new(Identity::new("ada"))), ..from("192.0.2.1") };
        let per_identity = limit(|options| {
            options.per = CallerKey::Identity;
            options.burst = NonZeroU32::new(1);
        });
        assert_eq!(passed(&per_identity, "spin", &ada, 5), 1);
        assert_eq!(passed(&per_identity, "spin", &Context { client: None, ..ada.clone() }, 5), 0);
        assert_eq!(passed(&per_identity, "spin", &from("192.0.2.1"), 5), 1);

        let all = limit(|options| {
            options.per = CallerKey::Group;
            options.burst = NonZeroU32::new(1);
            options.per_method = true;
        });
        assert_eq!(passed(&all, "spin", &ada, 5), 1);
        assert_eq!(passed(&all, "spin", &from("192.0.2.9"), 5), 0);
        assert_eq!(passed(&all, "other", &from("192.0.2.9"), 5), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_count_by_their_weights() {
        let limit = limit(|options| {
            options.weights = [("spin*".to_owned(), 10), ("ping".to_owned(), 0)].into();
        });
        let caller = from("192.0.2.1");
        assert_eq!(passed(&limit, "ping", &caller, 1000), 1000);
        assert_eq!(passed(&limit, "spinList", &caller, 9), 5);
        let wait = limit.count("spinList", &caller).unwrap().wait.unwrap();
        assert_eq!(too_many(wait).message, "too many calls; try again in 1 s");
        tokio::time::advance(Duration::from_millis(20)).await;
        assert_eq!((passed(&limit, "spinList", &caller, 1), passed(&limit, "get", &caller, 2)), (0, 1));
    }
}
