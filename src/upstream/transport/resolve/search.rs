//! The names that a name of the configuration may stand for, by the search domains of the system (resolv.conf(5)).
//!
//! The resolver could look them all up by itself, but would say of a name only what is said of its last candidate: that there is no such
//! name, although the DNS server has failed for the candidate that there is.

use std::time::Duration;

use hickory_resolver::config::{ResolverConfig, ResolverOpts};
use hickory_resolver::proto::rr::Name;

use super::answer::LookupResult;

/// The search domains.
#[derive(Debug)]
pub(super) struct SearchDomains {
    /// A name with at least as many dots is looked up as it is before it is looked up below the domains.
    ndots: usize,
    domains: Vec<Name>,
}

impl SearchDomains {
    pub(super) fn new(config: &ResolverConfig, options: &ResolverOpts) -> SearchDomains {
        let domains = config.domain().into_iter().chain(config.search()).cloned();
        SearchDomains::of(options.ndots, domains.collect())
    }

    pub(super) fn of(ndots: usize, domains: Vec<Name>) -> SearchDomains {
        SearchDomains { ndots, domains }
    }

    /// The names that this one may stand for, in the order in which they are looked up.
    pub(super) fn candidates(&self, name: &Name) -> Vec<Name> {
        let mut absolute = name.clone();
        absolute.set_fqdn(true);
        if name.is_fqdn() {
            return vec![absolute];
        }
        // A name that would be too long is none.
        let below = self.domains.iter().filter_map(|domain| {
            let mut below = name.clone().append_domain(domain).ok()?;
            below.set_fqdn(true);
            Some(below)
        });
        let is_first = usize::from(name.num_labels()) > self.ndots || name.is_localhost();
        let (first, last) = if is_first { (Some(absolute), None) } else { (None, Some(absolute)) };
        let mut candidates = Vec::new();
        for candidate in first.into_iter().chain(below).chain(last) {
            if !candidates.contains(&candidate) {
                candidates.push(candidate);
            }
        }
        candidates
    }
}

/// Looks up names until one of them has records. If none has, and a lookup has failed, it is not known whether there are any.
pub(super) async fn look_up_in_turn<R, F>(candidates: Vec<Name>, look_up: impl Fn(Name) -> F) -> LookupResult<R>
where
    F: Future<Output = LookupResult<R>>,
{
    let mut absent_for: Option<Duration> = None;
    let mut failed = None;
    for candidate in candidates {
        match look_up(candidate).await {
            LookupResult::Found { records, ttl } if !records.is_empty() => return LookupResult::Found { records, ttl },
            LookupResult::Found { ttl, .. } => absent_for = absent_for.into_iter().chain([ttl]).min(),
            LookupResult::Absent { ttl } => absent_for = absent_for.into_iter().chain(ttl).min(),
            failure @ LookupResult::Failed { .. } => drop(failed.get_or_insert(failure)),
        }
    }
    failed.unwrap_or(LookupResult::Absent { ttl: absent_for })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn name(text: &str) -> Name {
        Name::from_utf8(text).unwrap()
    }

    #[test]
    fn short_names_are_looked_up_below_the_domains_first() {
        let domains = vec![name("floor.casino.test."), name("casino.test.")];
        for (ndots, text, expected) in [
            (1, "wheel", vec!["wheel.floor.casino.test.", "wheel.casino.test.", "wheel."]),
            (1, "wheel.floor", vec!["wheel.floor.", "wheel.floor.floor.casino.test.", "wheel.floor.casino.test."]),
            (2, "wheel.floor", vec!["wheel.floor.floor.casino.test.", "wheel.floor.casino.test.", "wheel.floor."]),
            (5, "wheel.floor.", vec!["wheel.floor."]),
            (1, "localhost", vec!["localhost.", "localhost.floor.casino.test.", "localhost.casino.test."]),
        ] {
            let candidates = SearchDomains::of(ndots, domains.clone()).candidates(&name(text));
            assert_eq!(candidates.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{text}, {ndots}");
        }
        let twice = SearchDomains::of(1, vec![name("casino.test."), name("casino.test.")]);
        assert_eq!(twice.candidates(&name("wheel")), [name("wheel.casino.test."), name("wheel.")]);
        let long = SearchDomains::of(1, vec![name(&format!("{0}.{0}.{0}.", "a".repeat(63)))]);
        assert_eq!(long.candidates(&name(&"b".repeat(63))), [name(&format!("{}.", "b".repeat(63)))]);
    }

    #[tokio::test]
    async fn a_name_is_absent_only_if_no_lookup_has_failed() {
        let found = || LookupResult::Found { records: vec![Ipv4Addr::LOCALHOST], ttl: Duration::ZERO };
        let empty = || LookupResult::Found { records: Vec::new(), ttl: Duration::from_secs(5) };
        let absent = |seconds: Option<u64>| LookupResult::Absent { ttl: seconds.map(Duration::from_secs) };
        let failed = || LookupResult::Failed { reason: "SERVFAIL".to_owned() };
        for (said, expected, asked) in [
            (vec![absent(Some(7)), found()], found(), 2),
            (vec![found(), failed()], found(), 1),
            (vec![empty(), found()], found(), 2),
            (vec![absent(Some(7)), empty()], absent(Some(5)), 2),
            (vec![failed(), found()], found(), 2),
            (vec![failed(), absent(Some(7))], failed(), 2),
            (vec![absent(None), failed(), absent(Some(7))], failed(), 3),
            (vec![absent(Some(9)), absent(None), absent(Some(7))], absent(Some(7)), 3),
            (vec![absent(None)], absent(None), 1),
            (vec![], absent(None), 0),
        ] {
            let candidates: Vec<Name> = (0..said.len()).map(|index| name(&format!("{index}."))).collect();
            let lookups = std::cell::Cell::new(0);
            let outcome = look_up_in_turn(candidates, |candidate: Name| {
                lookups.set(lookups.get() + 1);
                let index: usize = candidate.to_string().trim_end_matches('.').parse().unwrap();
                std::future::ready(said[index].clone())
            });
            assert_eq!((outcome.await, lookups.get()), (expected, asked), "{said:?}");
        }
    }
}
