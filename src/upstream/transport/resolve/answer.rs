//! What is known of the records of a name, and when it is looked up again.
//!
//! Nothing here waits or reads a clock: times are parameters.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::DnsOptions;

/// How many records of a name are kept.
const MAX_RECORDS: usize = 256;

/// What a lookup has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum LookupResult<R> {
    /// The records, and how long they may be kept.
    Found { records: Vec<R>, ttl: Duration },
    /// There are none, as the DNS servers say, and how long that may be kept if they say it.
    Absent { ttl: Option<Duration> },
    /// The DNS servers have not said it, and why.
    Failed { reason: String },
}

impl<R> LookupResult<R> {
    /// What the lookups of both families of addresses together have found.
    pub(super) fn with(self, other: LookupResult<R>) -> LookupResult<R> {
        match (self, other) {
            (LookupResult::Found { mut records, ttl }, LookupResult::Found { records: others, ttl: other_ttl }) => {
                records.extend(others);
                LookupResult::Found { records, ttl: ttl.min(other_ttl) }
            }
            (found @ LookupResult::Found { .. }, LookupResult::Absent { .. })
            | (LookupResult::Absent { .. }, found @ LookupResult::Found { .. }) => found,
            // Half of the addresses are better than none, but not for long.
            (LookupResult::Found { records, .. }, LookupResult::Failed { .. })
            | (LookupResult::Failed { .. }, LookupResult::Found { records, .. }) => {
                LookupResult::Found { records, ttl: Duration::ZERO }
            }
            (LookupResult::Absent { ttl }, LookupResult::Absent { ttl: other_ttl }) => {
                let ttl = ttl.into_iter().chain(other_ttl).min();
                LookupResult::Absent { ttl }
            }
            (failed @ LookupResult::Failed { .. }, _) | (_, failed @ LookupResult::Failed { .. }) => failed,
        }
    }
}

/// What a request does that needs the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision<R> {
    /// It uses these.
    Use(Arc<[R]>),
    /// The name is looked up. If that takes long, it uses the last good answer.
    LookUp { last: Option<Arc<[R]>> },
    /// It fails, for this reason.
    Refuse(Arc<str>),
}

/// What is known of a name.
#[derive(Debug)]
pub(super) struct KnownAnswer<R> {
    /// The last good answer, or why there is none.
    last: Result<Arc<[R]>, Arc<str>>,
    /// Until when the name is not looked up again.
    until: Option<Instant>,
    /// Says that there are none.
    absent: &'static str,
}

impl<R: Clone + Ord> KnownAnswer<R> {
    /// Nothing is known. `absent` will say that there are no records.
    pub(super) fn new(absent: &'static str) -> KnownAnswer<R> {
        KnownAnswer { last: Err("the name has not been looked up".into()), until: None, absent }
    }

    pub(super) fn decide(&self, now: Instant) -> Decision<R> {
        match (self.until.is_some_and(|until| now < until), &self.last) {
            (true, Ok(records)) => Decision::Use(records.clone()),
            (true, Err(reason)) => Decision::Refuse(reason.clone()),
            (false, last) => Decision::LookUp { last: last.as_ref().ok().cloned() },
        }
    }

    /// For how long the time of the answer has been over.
    pub(super) fn overdue(&self, now: Instant) -> Duration {
        self.until.map_or(Duration::MAX, |until| now.saturating_duration_since(until))
    }

    /// The last good answer, or why there is none.
    pub(super) fn latest(&self) -> Result<Arc<[R]>, Arc<str>> {
        self.last.clone()
    }

    /// Notes what a lookup has found. Returns whether the records are others than before; their order does not matter.
    pub(super) fn note(&mut self, outcome: LookupResult<R>, now: Instant, options: &DnsOptions) -> bool {
        let DnsOptions { min_ttl, max_ttl, negative_ttl, .. } = *options;
        let (last, kept) = match outcome {
            LookupResult::Found { records, ttl } if !records.is_empty() => {
                let mut seen = BTreeSet::new();
                let records = records.into_iter();
                let records =
                    records.filter(|record| seen.len() < MAX_RECORDS && seen.insert(record.clone())).collect();
                (Ok(records), ttl.min(max_ttl).max(min_ttl))
            }
            LookupResult::Found { .. } => (Err(self.absent.into()), negative_ttl),
            LookupResult::Absent { ttl } => {
                (Err(self.absent.into()), ttl.unwrap_or(negative_ttl).max(min_ttl).min(negative_ttl))
            }
            // What was known may still be true.
            LookupResult::Failed { reason } => {
                (self.last.clone().map_err(|_| format!("no DNS server has found it: {reason}").into()), min_ttl)
            }
        };
        self.until = now.checked_add(kept);
        let is_changed = match (&self.last, &last) {
            (Ok(before), Ok(after)) => before.iter().collect::<BTreeSet<_>>() != after.iter().collect::<BTreeSet<_>>(),
            (before, after) => before.is_ok() != after.is_ok(),
        };
        if is_changed || last.is_err() {
            self.last = last;
        }
        is_changed
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn address(last: u8) -> IpAddr {
        [127, 0, 0, last].into()
    }

    fn found(last: &[u8], seconds: u64) -> LookupResult<IpAddr> {
        let records = last.iter().map(|last| address(*last)).collect();
        LookupResult::Found { records, ttl: Duration::from_secs(seconds) }
    }

    fn failed() -> LookupResult<IpAddr> {
        LookupResult::Failed { reason: "SERVFAIL".to_owned() }
    }

    fn options() -> DnsOptions {
        DnsOptions {
            servers: Vec::new(),
            min_ttl: Duration::from_secs(2),
            max_ttl: Duration::from_secs(60),
            negative_ttl: Duration::from_secs(10),
            each_address: false,
        }
    }

    #[test]
    fn both_families_make_one_answer() {
        let absent = |ttl: Option<u64>| LookupResult::Absent { ttl: ttl.map(Duration::from_secs) };
        for (first, second, expected) in [
            (found(&[1], 30), found(&[2], 20), found(&[1, 2], 20)),
            (found(&[1], 30), absent(Some(5)), found(&[1], 30)),
            (found(&[1], 30), failed(), found(&[1], 0)),
            (absent(Some(9)), absent(Some(5)), absent(Some(5))),
            (absent(None), absent(Some(5)), absent(Some(5))),
            (absent(None), failed(), failed()),
            (failed(), failed(), failed()),
        ] {
            assert_eq!(first.clone().with(second.clone()), expected);
            let swapped = second.with(first);
            match (&swapped, &expected) {
                (LookupResult::Found { records, ttl }, LookupResult::Found { records: all, ttl: expected }) => {
                    assert_eq!((records.len(), ttl), (all.len(), expected));
                }
                _ => assert_eq!(swapped, expected),
            }
        }
    }

    /// How long an answer is kept, in seconds.
    fn kept(outcome: LookupResult<IpAddr>) -> u64 {
        let (mut known, now) = (KnownAnswer::new("there are none"), Instant::now());
        known.note(outcome, now, &options());
        (known.until.unwrap() - now).as_secs()
    }

    #[test]
    fn answers_are_kept_within_bounds() {
        assert_eq!([0, 30, 1 << 40].map(|ttl| kept(found(&[1], ttl))), [2, 30, 60]);
        let absent = |ttl: Option<u64>| kept(LookupResult::Absent { ttl: ttl.map(Duration::from_secs) });
        assert_eq!([None, Some(0), Some(5), Some(3600)].map(absent), [10, 2, 5, 10]);
        assert_eq!((kept(failed()), kept(found(&[], 30))), (2, 10));
    }

    #[test]
    fn the_order_of_addresses_is_no_change() {
        let (mut known, now) = (KnownAnswer::new("there are none"), Instant::now());
        let changes = [
            found(&[1, 2], 9),
            found(&[2, 1, 2], 9),
            failed(),
            found(&[2], 9),
            LookupResult::Absent { ttl: None },
            failed(),
        ];
        assert_eq!(
            changes.map(|outcome| known.note(outcome, now, &options())),
            [true, false, false, true, true, false]
        );
        let many: Vec<IpAddr> =
            (0..=u16::MAX).map(|last| IpAddr::from([127, 0, last.to_be_bytes()[0], last.to_be_bytes()[1]])).collect();
        known.note(LookupResult::Found { records: many, ttl: Duration::ZERO }, now, &options());
        assert!(matches!(known.decide(now), Decision::Use(addresses) if addresses.len() == MAX_RECORDS));
    }

    /// The name has other addresses from time to time, none at times, and its DNS servers fail at times. Requests come at any time.
    #[test]
    fn simulated_names_are_followed() {
        for seed in 0..2000 {
            simulate(&mut StdRng::seed_from_u64(seed));
        }
    }

    fn simulate(random: &mut StdRng) {
        let options = options();
        let (mut known, mut now) = (KnownAnswer::new("there are none"), Instant::now());
        // What the DNS servers would say, and what they have said last.
        let (mut truth, mut is_failing) = (Some(1), false);
        let mut last_lookup: Option<Instant> = None;
        let mut last_said: Option<Option<IpAddr>> = None;
        for _ in 0..200 {
            now += Duration::from_millis(random.random_range(0..8000));
            match random.random_range(0..10) {
                0 => truth = Some(random.random_range(1..4)),
                1 => truth = None,
                2 => is_failing = !is_failing,
                _ => {}
            }
            let mut decision = known.decide(now);
            if let Decision::LookUp { last } = decision {
                assert_eq!(last.map(|last| last[0]), last_said.flatten(), "what is used if the lookup takes long");
                assert!(last_lookup.is_none_or(|last| now - last >= options.min_ttl));
                last_lookup = Some(now);
                let ttl = Duration::from_secs(random.random_range(0..100));
                let outcome = match (is_failing, truth) {
                    (true, _) => failed(),
                    (false, Some(last)) => LookupResult::Found { records: vec![address(last)], ttl },
                    (false, None) => LookupResult::Absent { ttl: random.random::<bool>().then_some(ttl) },
                };
                let before = last_said;
                if !is_failing {
                    last_said = Some(truth.map(address));
                }
                let is_changed = known.note(outcome, now, &options);
                assert_eq!(is_changed, before.flatten() != last_said.flatten());
                decision = known.decide(now);
            }
            let age = now - last_lookup.unwrap();
            match decision {
                // The last answer counts, however old it is, as long as the DNS servers fail; otherwise it has an end.
                Decision::Use(addresses) => {
                    assert_eq!(Some(addresses[0]), last_said.flatten());
                    assert!(age < options.max_ttl);
                }
                Decision::Refuse(_) => {
                    assert_eq!(last_said.flatten(), None);
                    assert!(age < options.negative_ttl);
                }
                Decision::LookUp { .. } => panic!("it has just been looked up"),
            }
        }
    }
}
