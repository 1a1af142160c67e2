//! The options of a limit on how often calls may be made.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use governor::Quota;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::text_form::text_form;
use crate::service::caller_key::CallerKey;

/// How often the calls of a group may be made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RateOptions {
    /// How many calls each caller may make in a time: `"50/s"`, `"600/min"`, `"10000/h"` or `"100000/day"`. Each call of a
    /// batch counts. A call above the rate gets the fault "rate-limited", and HTTP status 429 if it is alone in its request.
    /// Without it, there is no limit.
    #[schemars(with = "Option<CallRate>")]
    pub calls: Option<CallRate>,
    /// How many calls may come at once. Without it, those of one second, and at least one call of the greatest weight.
    #[schemars(range(min = 1))]
    pub burst: Option<NonZeroU32>,
    /// Which calls count together: those of a `"client"` by its address (IPv6 addresses by their network of 64 bits), of an
    /// `"identity"`, with the same value of a header such as `"header:X-Tenant"`, or all calls of the `"group"`. Callers
    /// without an identity or without the header count by their address.
    pub per: CallerKey,
    /// Whether the calls of each method count apart.
    pub per_method: bool,
    /// How many calls one call of a method counts as, by names or patterns: `{ spinList = 10, "get*" = 0 }`. Without it, 1.
    /// The first pattern in alphabetical order that matches decides. None is greater than `burst`.
    #[schemars(extend("additionalProperties" = { "type": "integer", "minimum": 0, "maximum": u32::MAX }))]
    pub weights: BTreeMap<String, u32>,
    /// How many callers are remembered, in about 40 bytes each. With more of them, one that has called seldom is forgotten,
    /// and gets a full burst again.
    #[schemars(range(min = 1000, max = 100_000_000))]
    pub callers: usize,
}

impl Default for RateOptions {
    fn default() -> Self {
        RateOptions {
            calls: None,
            burst: None,
            per: CallerKey::Client,
            per_method: false,
            weights: BTreeMap::new(),
            callers: 100_000,
        }
    }
}

impl RateOptions {
    /// The time after which one further call may be made; `None` without a rate.
    pub(super) fn interval(&self) -> Option<Duration> {
        self.calls.map(CallRate::interval)
    }

    /// How many calls may come at once.
    pub(super) fn burst_size(&self) -> NonZeroU32 {
        self.burst.unwrap_or_else(|| {
            let a_second = self.calls.map_or(1, CallRate::a_second);
            let heaviest = self.weights.values().copied().max().unwrap_or(1);
            NonZeroU32::new(a_second.max(heaviest)).unwrap_or(NonZeroU32::MIN)
        })
    }

    /// The quota; `None` without a rate.
    pub(super) fn quota(&self) -> Option<Quota> {
        Some(Quota::with_period(self.interval()?)?.allow_burst(self.burst_size()))
    }

    /// A method whose calls count as more than may come at once, and as how many. They would use up a whole burst.
    pub fn too_heavy(&self) -> Option<(&str, u32)> {
        let burst = self.burst_size().get();
        let heavy = self.weights.iter().find(|(_, weight)| **weight > burst)?;
        Some((heavy.0, *heavy.1))
    }
}

/// A number of calls in a time: `"50/s"`, `"600/min"`, `"10000/h"` or `"100000/day"`.
///
/// ```
/// use croupier::service::rate::CallRate;
/// assert_eq!("600/min".parse::<CallRate>()?.to_string(), "600/min");
/// assert!("600".parse::<CallRate>().is_err());
/// # Ok::<(), croupier::service::rate::CallRateError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct CallRate {
    calls: NonZeroU32,
    unit: usize,
}

/// The units of time by their names, the first of which is written, with their seconds.
const UNITS: [(&[&str], u64); 4] = [
    (&["s", "sec", "second"], 1),
    (&["min", "m", "minute"], 60),
    (&["h", "hour"], 60 * 60),
    (&["day", "d"], 24 * 60 * 60),
];

/// The text is no [`CallRate`]. The message says how one is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a rate is such as \"50/s\", \"600/min\", \"10000/h\" or \"100000/day\"")]
pub struct CallRateError;

/// The `format` of [`CallRate`] in a JSON Schema.
pub const CALL_RATE: &str = "call-rate";

impl CallRate {
    fn seconds(self) -> u64 {
        UNITS.get(self.unit).map_or(1, |(_, seconds)| *seconds)
    }

    fn interval(self) -> Duration {
        // At most 2^32 calls in a second are a quarter of a nanosecond each, which is counted as one.
        (Duration::from_secs(self.seconds()) / self.calls.get()).max(Duration::from_nanos(1))
    }

    /// How many calls are made in a second, rounded up.
    fn a_second(self) -> u32 {
        u32::try_from(u64::from(self.calls.get()).div_ceil(self.seconds())).unwrap_or(u32::MAX)
    }
}

impl FromStr for CallRate {
    type Err = CallRateError;

    fn from_str(text: &str) -> Result<CallRate, CallRateError> {
        let (calls, unit) = text.split_once('/').ok_or(CallRateError)?;
        let calls = calls.trim().replace('_', "").parse().map_err(|_| CallRateError)?;
        let unit = unit.trim();
        let unit = UNITS.iter().position(|(names, _)| names.contains(&unit)).ok_or(CallRateError)?;
        Ok(CallRate { calls, unit })
    }
}

text_form!(CallRate, CallRateError, CALL_RATE);

impl fmt::Display for CallRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.get(self.unit).and_then(|(names, _)| names.first()).copied().unwrap_or_default();
        write!(f, "{}/{unit}", self.calls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_numbers_of_calls_in_a_time() {
        for (text, shown, interval, a_second) in [
            ("50/s", "50/s", Duration::from_millis(20), 50),
            (" 1_000 / sec", "1000/s", Duration::from_millis(1), 1000),
            ("600/m", "600/min", Duration::from_millis(100), 10),
            ("1/min", "1/min", Duration::from_secs(60), 1),
            ("2/d", "2/day", Duration::from_secs(12 * 60 * 60), 1),
            ("4294967295/s", "4294967295/s", Duration::from_nanos(1), u32::MAX),
        ] {
            let rate: CallRate = text.parse().unwrap();
            assert_eq!((rate.to_string().as_str(), rate.interval(), rate.a_second()), (shown, interval, a_second));
        }
        for text in ["", "50", "0/s", "-1/s", "1.5/s", "50/week", "/s", "4294967296/s"] {
            assert!(text.parse::<CallRate>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_heaviest_call_fits_into_a_burst_unless_one_is_set() {
        let options = RateOptions {
            calls: "5/s".parse().ok(),
            weights: [("spinList".to_owned(), 10)].into(),
            ..RateOptions::default()
        };
        assert_eq!(options.burst_size().get(), 10);
        assert_eq!(options.too_heavy(), None);
        let options = RateOptions { burst: NonZeroU32::new(9), ..options };
        assert_eq!(options.too_heavy(), Some(("spinList", 10)));
    }
}
