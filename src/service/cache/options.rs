//! The options of a cache.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policy::Lifetime;
use crate::model::name_patterns::NamePatterns;
use crate::model::units::{Period, Size, bytes, duration};

/// Which answers of a group are cached, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CacheOptions {
    /// For how long the answer of a call is returned to equal calls: of the same method, with equal arguments, over any
    /// protocol. Only calls of safe methods are cached, and no faults. Without it, only the methods in `methods` are.
    #[schemars(with = "Option<Period>")]
    pub ttl: Option<Period>,
    /// The same for single methods, by names or patterns: `{ "get*" = "5m", now = "0s" }`. Methods with `"0s"` are not
    /// cached. The first pattern in alphabetical order that matches decides.
    #[schemars(with = "BTreeMap<String, Period>")]
    pub methods: BTreeMap<String, Period>,
    /// For how long after its time an answer is still returned, while a new one is fetched in the background.
    #[serde(with = "duration")]
    #[schemars(with = "Period")]
    pub stale_while_revalidate: Duration,
    /// For how long after its time an answer is returned if no new one can be had: the fault of the call is "unreachable",
    /// "late" or "busy".
    #[serde(with = "duration")]
    #[schemars(with = "Period")]
    pub stale_if_error: Duration,
    /// How much memory all answers and their arguments may take. If it is full, those go that are used seldom. One answer
    /// may take an eighth; a larger one is not cached.
    #[serde(with = "bytes")]
    #[schemars(with = "Size", extend("minimum" = 65536))]
    pub size: usize,
    /// Whether callers do not share answers: those with another identity, and those with another address if the upstream or
    /// a rule takes notice of it. Without it, all callers get the same answers. Headers of a request that reach the upstream
    /// always make a call another one.
    pub per_identity: bool,
}

impl Default for CacheOptions {
    fn default() -> Self {
        CacheOptions {
            ttl: None,
            methods: BTreeMap::new(),
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            size: 16 << 20,
            per_identity: true,
        }
    }
}

impl CacheOptions {
    /// Whether anything is cached.
    pub fn is_on(&self) -> bool {
        let periods = self.ttl.iter().chain(self.methods.values());
        self.size > 0 && periods.into_iter().any(|period| !period.0.is_zero())
    }

    /// The lifetimes of the answers of methods.
    pub(super) fn lifetimes(&self) -> Lifetimes {
        let named = self.methods.iter().map(|(name, period)| (NamePatterns(vec![name.clone()]), period.0));
        let others = self.ttl.map_or(Duration::ZERO, |period| period.0);
        Lifetimes {
            ttls: named.chain([(NamePatterns(vec!["*".to_owned()]), others)]).collect(),
            while_revalidate: self.stale_while_revalidate,
            if_error: self.stale_if_error,
        }
    }
}

/// For how long the answers of methods may be used.
#[derive(Debug)]
pub(super) struct Lifetimes {
    /// By patterns, of which the first that matches decides.
    ttls: Vec<(NamePatterns, Duration)>,
    while_revalidate: Duration,
    if_error: Duration,
}

impl Lifetimes {
    /// The lifetime of answers of a method; `None` if they are not cached.
    pub(super) fn of_method(&self, method: &str) -> Option<Lifetime> {
        let (_, ttl) = self.ttls.iter().find(|(pattern, _)| pattern.has(method))?;
        let Lifetimes { while_revalidate, if_error, .. } = *self;
        (!ttl.is_zero()).then_some(Lifetime { ttl: *ttl, while_revalidate, if_error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pattern_that_matches_decides() {
        let period = |seconds| Period(Duration::from_secs(seconds));
        let methods = [("get*", 300), ("getNow", 5), ("now", 0)].map(|(name, ttl)| (name.to_owned(), period(ttl)));
        let some = CacheOptions { methods: methods.clone().into(), ..CacheOptions::default() };
        let all = CacheOptions { ttl: Some(period(10)), ..some.clone() };
        let ttl = |options: &CacheOptions, method| options.lifetimes().of_method(method).map(|it| it.ttl.as_secs());
        let ttls = |options| ["getName", "getNow", "now", "list"].map(|method| ttl(options, method));
        assert_eq!(ttls(&some), [Some(300), Some(300), None, None]);
        assert_eq!(ttls(&all), [Some(300), Some(300), None, Some(10)]);
        let off = CacheOptions { methods: [("*".to_owned(), period(0))].into(), ..CacheOptions::default() };
        assert!(some.is_on() && all.is_on() && !off.is_on() && !CacheOptions::default().is_on());
    }
}
