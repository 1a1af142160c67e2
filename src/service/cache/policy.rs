//! For how long an answer may be used: decisions about its age, without a clock.

use std::time::Duration;

/// For how long an answer may be used, from when it was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lifetime {
    /// For how long it is fresh.
    pub(super) ttl: Duration,
    /// For how long after that it is returned while a new one is fetched.
    pub(super) while_revalidate: Duration,
    /// For how long after `ttl` it is returned if no new one can be had.
    pub(super) if_error: Duration,
}

/// What an answer of some age is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    /// It is returned.
    Fresh,
    /// It is returned, and a new one is fetched in the background.
    Revalidate,
    /// A new one is fetched first. If that fails, this one is returned.
    IfError,
    /// Nothing.
    Expired,
}

impl Lifetime {
    /// What an answer of this age is good for.
    pub(super) fn at(&self, age: Duration) -> Freshness {
        let late = match age.checked_sub(self.ttl) {
            Some(late) if !late.is_zero() => late,
            _ if self.ttl.is_zero() => return Freshness::Expired,
            _ => return Freshness::Fresh,
        };
        if late <= self.while_revalidate {
            Freshness::Revalidate
        } else if late <= self.if_error {
            Freshness::IfError
        } else {
            Freshness::Expired
        }
    }

    /// For how many seconds an answer of this age is still fresh, rounded down; below zero, since when it is not.
    pub(super) fn seconds_left(&self, age: Duration) -> i64 {
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        match self.ttl.checked_sub(age) {
            Some(left) => seconds(left),
            None => -seconds(age - self.ttl).max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lifetime(ttl: u64, while_revalidate: u64, if_error: u64) -> Lifetime {
        let seconds = Duration::from_secs;
        Lifetime { ttl: seconds(ttl), while_revalidate: seconds(while_revalidate), if_error: seconds(if_error) }
    }

    #[test]
    fn an_answer_is_fresh_then_stale_then_expired() {
        use Freshness::{Expired, Fresh, IfError, Revalidate};
        for (lifetime, millis, freshness, left) in [
            (lifetime(30, 0, 0), 0, Fresh, 30),
            (lifetime(30, 0, 0), 30_000, Fresh, 0),
            (lifetime(30, 0, 0), 30_001, Expired, -1),
            (lifetime(30, 10, 0), 30_001, Revalidate, -1),
            (lifetime(30, 10, 0), 40_000, Revalidate, -10),
            (lifetime(30, 10, 0), 40_001, Expired, -10),
            (lifetime(30, 10, 60), 40_001, IfError, -10),
            (lifetime(30, 10, 60), 90_000, IfError, -60),
            (lifetime(30, 10, 60), 90_001, Expired, -60),
            (lifetime(30, 60, 10), 89_999, Revalidate, -59),
            (lifetime(0, 10, 10), 0, Expired, 0),
        ] {
            let age = Duration::from_millis(millis);
            assert_eq!((lifetime.at(age), lifetime.seconds_left(age)), (freshness, left), "{lifetime:?} {millis}");
        }
    }
}
