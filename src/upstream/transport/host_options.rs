//! The options for several hosts of an upstream, and for requests that are sent again.

use std::time::Duration;

use http::StatusCode;

/// When requests are sent again.
///
/// A request of which nothing was sent goes to another host at once, whatever these options say. One that may have been received
/// is sent again only if that is harmless ([`Repeat::Harmless`](super::Repeat::Harmless)).
#[derive(Debug, Clone, PartialEq)]
pub struct RetryOptions {
    /// How often a request is sent at most. If `None`, twice if there are several hosts, and otherwise once: in both cases once
    /// more if a pooled connection breaks.
    pub attempts: Option<u32>,
    /// The part of the requests of the last ten seconds that may be sent again (0.2 by default).
    pub budget: f64,
    /// How many requests may be sent again each second, however few there are (10 by default).
    pub floor: u32,
    /// The longest wait before the first retry, which doubles for each further one (25 ms by default). The wait is random.
    pub backoff: Duration,
    /// The longest wait before any retry (250 ms by default).
    pub max_backoff: Duration,
    /// The statuses of responses after which a request is sent again (503 by default). An upstream also sends a call again after an error
    /// page: a response with status 500, 502, 503 or 504 that cannot be a fault of the protocol by its media type.
    pub statuses: Vec<StatusCode>,
}

impl Default for RetryOptions {
    fn default() -> Self {
        RetryOptions {
            attempts: None,
            budget: 0.2,
            floor: 10,
            backoff: Duration::from_millis(25),
            max_backoff: Duration::from_millis(250),
            statuses: vec![StatusCode::SERVICE_UNAVAILABLE],
        }
    }
}

impl RetryOptions {
    /// How often a request is sent at most, to one host or to several.
    pub(super) fn attempts_among(&self, several: bool) -> u32 {
        self.attempts.unwrap_or(if several { 2 } else { 1 }).max(1)
    }
}

/// When a request that is harmless to repeat is sent to a second host, although the first may still respond.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Hedge {
    /// After this time.
    After(Duration),
    /// After the time that this part of the requests of the last minute did not exceed, such as 0.95.
    Quantile(f64),
}

/// How much a host gets at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostLimits {
    /// How many requests may run on each host (no limit by default).
    pub requests: Option<u32>,
    /// How many requests may wait for each host (100 by default). Without `requests` and `adaptive`, none waits.
    pub waiting: u32,
    /// How many connections there may be to each host (no limit by default). Unless HTTP/2 is used without TLS, at most as many
    /// requests run.
    pub connections: Option<u32>,
    /// Whether the limit on requests follows the latency of the host; `requests` is then the largest limit.
    pub adaptive: bool,
}

impl Default for HostLimits {
    fn default() -> Self {
        HostLimits { requests: None, waiting: 100, connections: None, adaptive: false }
    }
}

/// The key of a request by which a host is chosen, as an extension of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "server"), allow(dead_code, reason = "a client alone has no callers"))]
pub(crate) struct BalanceKey(pub(crate) u64);
