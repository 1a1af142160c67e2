//! The state of a service whose calls cannot succeed at the moment.

use std::time::{Duration, SystemTime};

#[cfg(feature = "server")]
use http::StatusCode;

#[cfg(feature = "server")]
use crate::model::fault::{Fault, Kind};
#[cfg(feature = "server")]
use crate::service::Output;

/// Why the calls of a service cannot succeed, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// The time of the first failure.
    pub since: SystemTime,
    /// The time at which the service is tried again without a call; `None` if it is being tried, or is not tried.
    pub next_attempt: Option<SystemTime>,
    /// What is wrong, in words for callers: without the address of a server.
    pub reason: String,
}

/// Whether a call has failed without the service having said so: it was not reached, not in time, or has too much to do. Then
/// another result can take the place of its own.
#[cfg(feature = "server")]
pub(crate) fn is_outage(fault: &Fault) -> bool {
    matches!(fault.kind, Kind::Unreachable | Kind::Late | Kind::Busy)
}

/// The same for a result: also a response that was passed on as it came, by which a server or a proxy before it says so (RFC 9110,
/// section 15.6).
#[cfg(feature = "server")]
pub(crate) fn is_outage_result(result: &Result<Output, Fault>) -> bool {
    match result {
        Err(fault) => is_outage(fault),
        Ok(Output::Raw(response)) => matches!(
            response.status,
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
        ),
        Ok(Output::One(_) | Output::Many(_)) => false,
    }
}

/// The pause before a further request, if it is not known when the service is tried again.
const PAUSE: Duration = Duration::from_secs(5);

impl Outage {
    /// How long a client should wait before a further request, in whole seconds; at least 1.
    pub fn retry_after(&self, now: SystemTime) -> u64 {
        let next = self.next_attempt.map_or(PAUSE, |next| next.duration_since(now).unwrap_or_default());
        let is_whole = next.subsec_nanos() == 0;
        (next.as_secs() + u64::from(!is_whole)).max(1)
    }

    /// The time of the first failure as a text, such as `2026-11-28 15:50:22 UTC`.
    #[cfg(feature = "server")]
    pub fn since_text(&self) -> String {
        time_text(self.since)
    }
}

/// A time as a text, such as `2026-11-28 15:50:22 UTC`.
#[cfg(feature = "server")]
pub(crate) fn time_text(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string().replace('T', " ").replace('Z', " UTC")
}

#[cfg(all(test, feature = "server"))]
mod tests {
    use super::*;

    #[test]
    fn a_client_waits_until_the_service_is_tried_again() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_881_022);
        let after = |next: Option<Duration>| {
            let next_attempt = next.map(|next| now + next);
            Outage { since: now, next_attempt, reason: String::new() }.retry_after(now)
        };
        assert_eq!(after(None), 5);
        assert_eq!(after(Some(Duration::from_millis(3200))), 4);
        assert_eq!(after(Some(Duration::from_secs(3))), 3);
        assert_eq!(after(Some(Duration::ZERO)), 1);
        let outage = Outage { since: now, next_attempt: Some(SystemTime::UNIX_EPOCH), reason: String::new() };
        assert_eq!((outage.retry_after(now), outage.since_text().as_str()), (1, "2026-11-28 15:50:22 UTC"));
    }
}
