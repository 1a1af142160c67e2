//! Headers that tell a caller what its limits leave.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, HeaderValue};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// A limit on the number of calls, as its callers read it.
#[derive(Debug, Clone)]
pub(super) struct LimitPolicy {
    name: &'static str,
    /// The item of `RateLimit-Policy`.
    header: Option<HeaderValue>,
}

impl LimitPolicy {
    /// A limit of this many calls in so many seconds. Each limit of a group has a name of its own.
    pub(super) fn new(name: &'static str, quota: u64, window: u64) -> LimitPolicy {
        LimitPolicy { name, header: HeaderValue::try_from(format!("\"{name}\";q={quota};w={window}")).ok() }
    }
}

/// What a limit on the number of calls leaves to a caller.
#[derive(Debug)]
pub(super) struct LimitState {
    /// The limit.
    pub(super) policy: LimitPolicy,
    /// How many calls are left.
    pub(super) remaining: u64,
    /// If the call is refused: after how many seconds it may be made.
    pub(super) wait: Option<u64>,
}

impl LimitState {
    /// Whether this is the state of the same limit.
    pub(super) fn is_of_limit(&self, other: &LimitState) -> bool {
        self.policy.name == other.policy.name
    }

    /// Adds the headers of the draft "RateLimit header fields for HTTP" (draft-ietf-httpapi-ratelimit-headers-10), and
    /// `Retry-After` if the call is refused. The fields are lists, to which each limit adds one item.
    pub(super) fn add_to(self, headers: &mut HeaderMap) {
        let LimitState { policy: LimitPolicy { name, header }, remaining, wait } = self;
        let mut state = String::with_capacity(64);
        let mut digits = itoa::Buffer::new();
        for part in ["\"", name, "\";r=", digits.format(remaining)] {
            state.push_str(part);
        }
        // Until one more call may be made, if there is none.
        if let Some(wait) = wait {
            state.push_str(";t=");
            state.push_str(digits.format(wait));
            headers.insert(RETRY_AFTER, HeaderValue::from(wait));
        }
        if let Some(header) = header {
            headers.append(RATE_LIMIT_POLICY, header);
        }
        if let Ok(state) = HeaderValue::from_str(&state) {
            headers.append(RATE_LIMIT, state);
        }
    }
}

/// The whole seconds after which a call may be made.
pub(super) fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
