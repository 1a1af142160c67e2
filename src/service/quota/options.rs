//! The options of a quota.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::period::PeriodUnit;
use crate::model::text_form::text_form;
use crate::service::caller_key::CallerKey;

/// How many calls of a group may be made in a day or a month.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct QuotaOptions {
    /// How many calls each caller may make in a day or a month of UTC: `"10000/day"` or `"100000/month"`. Each call of a batch
    /// counts. A call above the quota gets the fault "rate-limited", and HTTP status 429 if it is alone in its request. Without
    /// it, there is no quota.
    #[schemars(with = "Option<CallQuota>")]
    pub calls: Option<CallQuota>,
    /// Which calls count together: those of a `"client"` by its address (IPv6 addresses by their network of 64 bits), of an
    /// `"identity"`, with the same value of a header such as `"header:X-Tenant"`, or all calls of the `"group"`. Callers
    /// without an identity or without the header count by their address.
    pub per: CallerKey,
    /// Whether the calls of each method count apart.
    pub per_method: bool,
    /// How many calls one call of a method counts as, by names or patterns: `{ spinList = 10, "get*" = 0 }`. Without it, 1.
    /// The first pattern in alphabetical order that matches decides. None is greater than the number in `calls`.
    #[schemars(extend("additionalProperties" = { "type": "integer", "minimum": 0, "maximum": u32::MAX }))]
    pub weights: BTreeMap<String, u32>,
    /// How many callers are remembered, in about 100 bytes each. With more of them, those that have made the fewest calls are
    /// forgotten, and get a full quota again; the log and the metrics say so.
    #[schemars(range(min = 1000, max = 100_000_000))]
    pub callers: usize,
}

impl Default for QuotaOptions {
    fn default() -> Self {
        QuotaOptions {
            calls: None,
            per: CallerKey::Client,
            per_method: false,
            weights: BTreeMap::new(),
            callers: 100_000,
        }
    }
}

impl QuotaOptions {
    /// A method of which one call counts as more than the whole quota, and as how many. It could never be called.
    pub fn too_heavy(&self) -> Option<(&str, u32)> {
        let calls = self.calls?.calls();
        let heavy = self.weights.iter().find(|(_, weight)| u64::from(**weight) > calls)?;
        Some((heavy.0, *heavy.1))
    }
}

/// A number of calls in a day or a month: `"10000/day"` or `"100000/month"`.
///
/// ```
/// use croupier::service::quota::CallQuota;
/// assert_eq!("10_000/day".parse::<CallQuota>()?.to_string(), "10000/day");
/// assert!("50/s".parse::<CallQuota>().is_err());
/// # Ok::<(), croupier::service::quota::CallQuotaError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct CallQuota {
    calls: NonZeroU64,
    unit: PeriodUnit,
}

/// The text is no [`CallQuota`]. The message says how one is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a quota is such as \"10000/day\" or \"100000/month\"; for shorter times there is `limits.rate`")]
pub struct CallQuotaError;

/// The `format` of [`CallQuota`] in a JSON Schema.
pub const CALL_QUOTA: &str = "call-quota";

/// The largest integer of a structured header field (RFC 9651, section 3.3.1), such as `RateLimit`.
const MOST_CALLS: u64 = 999_999_999_999_999;

impl CallQuota {
    /// How many calls may be made.
    pub fn calls(self) -> u64 {
        self.calls.get()
    }

    /// In which time.
    pub fn unit(self) -> PeriodUnit {
        self.unit
    }
}

impl FromStr for CallQuota {
    type Err = CallQuotaError;

    fn from_str(text: &str) -> Result<CallQuota, CallQuotaError> {
        let (calls, unit) = text.split_once('/').ok_or(CallQuotaError)?;
        let calls: NonZeroU64 = calls.trim().replace('_', "").parse().map_err(|_| CallQuotaError)?;
        if calls.get() > MOST_CALLS {
            return Err(CallQuotaError);
        }
        let unit = match unit.trim() {
            "day" | "d" => PeriodUnit::Day,
            "month" => PeriodUnit::Month,
            _ => return Err(CallQuotaError),
        };
        Ok(CallQuota { calls, unit })
    }
}

text_form!(CallQuota, CallQuotaError, CALL_QUOTA);

impl fmt::Display for CallQuota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.calls, self.unit.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_numbers_of_calls_in_a_day_or_a_month() {
        for (text, shown) in [
            ("10000/day", "10000/day"),
            (" 1_000 / d", "1000/day"),
            ("1/month", "1/month"),
            ("999999999999999/month", "999999999999999/month"),
        ] {
            assert_eq!(text.parse::<CallQuota>().unwrap().to_string(), shown);
        }
        for text in ["", "50", "0/day", "-1/day", "1.5/day", "50/m", "50/h", "/day", "1000000000000000/day"] {
            assert!(text.parse::<CallQuota>().is_err(), "{text}");
        }
    }

    #[test]
    fn no_call_counts_as_more_than_the_quota() {
        let options = |calls: &str| QuotaOptions {
            calls: calls.parse().ok(),
            weights: [("spinList".to_owned(), 10)].into(),
            ..QuotaOptions::default()
        };
        assert_eq!(options("10/day").too_heavy(), None);
        assert_eq!(options("9/day").too_heavy(), Some(("spinList", 10)));
        assert_eq!(options("").too_heavy(), None);
    }
}
