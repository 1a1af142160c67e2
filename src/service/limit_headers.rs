//! Headers that tell a caller what its limits leave.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue};

use crate::service::response_headers::ResponseHeaders;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What a limit on the number of calls leaves to a caller.
pub(super) struct LimitState {
    /// The name of the limit. Each limit of a group has its own.
    pub(super) policy: &'static str,
    /// How many calls are allowed.
    pub(super) quota: u64,
    /// In how many seconds.
    pub(super) window: u64,
    /// How many calls are left.
    pub(super) remaining: u64,
    /// If the call is refused: after how many seconds it may be made.
    pub(super) wait: Option<u64>,
}

impl LimitState {
    /// Adds the headers of the draft "RateLimit header fields for HTTP" (draft-ietf-httpapi-ratelimit-headers-10), and
    /// `Retry-After` if the call is refused. The fields are lists, to which each limit adds one item. In a batch the items of
    /// the last call remain.
    pub(super) fn add_to(&self, headers: &ResponseHeaders) {
        let LimitState { policy, quota, window, remaining, wait } = *self;
        // Until one more call may be made, if there is none.
        let reset = wait.map_or(String::new(), |wait| format!(";t={wait}"));
        let fields = [
            (RATE_LIMIT_POLICY, format!("\"{policy}\";q={quota};w={window}")),
            (RATE_LIMIT, format!("\"{policy}\";r={remaining}{reset}")),
        ];
        let is_own = |value: &HeaderValue| {
            let item = value.as_bytes().strip_prefix(b"\"").and_then(|item| item.strip_prefix(policy.as_bytes()));
            item.is_some_and(|rest| rest.starts_with(b"\""))
        };
        for (name, value) in fields {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.replace(name, is_own, value);
            }
        }
        if let Some(wait) = wait {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait));
        }
    }
}

/// The whole seconds after which a call may be made.
pub(super) fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_has_one_item_in_each_field() {
        let headers = ResponseHeaders::default();
        let add = |policy, remaining, wait| {
            LimitState { policy, quota: 9, window: 60, remaining, wait }.add_to(&headers);
        };
        add("default", 8, None);
        add("quota", 5, None);
        add("quota", 4, None);
        add("default", 0, Some(7));
        let headers = headers.take();
        let values = |name| headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!(values(RATE_LIMIT), ["\"quota\";r=4", "\"default\";r=0;t=7"]);
        assert_eq!(values(RATE_LIMIT_POLICY), ["\"quota\";q=9;w=60", "\"default\";q=9;w=60"]);
        assert_eq!(values(RETRY_AFTER), ["7"]);
    }
}
