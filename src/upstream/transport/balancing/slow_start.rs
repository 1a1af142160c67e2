//! The share of requests that a host gets after it has come back: little at first, and all of it after a time.

use std::time::Duration;

/// The share at the beginning.
const FIRST: f64 = 0.1;

/// The part of its usual share that a host gets `since` its return, from 0.1 to 1.
pub(crate) fn share(since: Duration, window: Duration) -> f64 {
    if since >= window {
        return 1.0;
    }
    (since.as_secs_f64() / window.as_secs_f64()).clamp(FIRST, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_grows_with_time() {
        let window = Duration::from_secs(10);
        let share = |millis| share(Duration::from_millis(millis), window);
        assert_eq!([share(0), share(900), share(5_000), share(10_000)], [0.1, 0.1, 0.5, 1.0]);
        assert_eq!(super::share(Duration::ZERO, Duration::ZERO), 1.0, "without a window there is no slow start");
    }
}
