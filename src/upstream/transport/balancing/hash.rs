//! Rendezvous hashing: a key goes to the host with the highest score for it.
//!
//! If a host leaves, only its own keys move, and each of them to the host with the next highest score. A table as in Maglev
//! finds a host in constant time, but moves a few keys of other hosts too; scores cost some nanoseconds for each host.

use crate::service::random::{fraction, mix};

/// The score of a host for a key. The shares of keys are as the weights (weighted rendezvous hashing).
pub(crate) fn score(key: u64, host: u64, weight: u32) -> f64 {
    // Above 0, whose logarithm is not finite.
    let uniform = fraction(mix(key ^ mix(host))).max(f64::MIN_POSITIVE);
    -f64::from(weight) / uniform.ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::random::key_of;

    fn host_of(key: u64, hosts: &[(u64, u32)]) -> u64 {
        let best = hosts.iter().max_by(|a, b| score(key, a.0, a.1).total_cmp(&score(key, b.0, b.1)));
        best.unwrap().0
    }

    #[test]
    fn keys_of_like_texts_differ() {
        let keys: std::collections::BTreeSet<u64> = (0..1000).map(|n| key_of(format!("user-{n}").as_bytes())).collect();
        assert_eq!(keys.len(), 1000);
        assert_eq!(key_of(b"user-7"), key_of(b"user-7"));
    }

    #[test]
    fn shares_are_as_the_weights_and_only_the_keys_of_a_host_move() {
        let hosts = [(11, 1), (12, 1), (13, 2)];
        let keys = (0..40_000).map(mix);
        let mut counts = [0_u32; 3];
        for key in keys {
            let host = host_of(key, &hosts);
            counts[usize::try_from(host - 11).unwrap()] += 1;
            if host != 12 {
                assert_eq!(host_of(key, &[hosts[0], hosts[2]]), host);
            }
        }
        for (count, expected) in counts.into_iter().zip([10_000_u32, 10_000, 20_000]) {
            assert!(count.abs_diff(expected) < 500, "{counts:?}");
        }
    }
}
