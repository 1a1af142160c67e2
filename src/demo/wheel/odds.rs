//! Exact weighted selection by a uniformly random word, without floating point and without bias.

use std::sync::Arc;

/// The weights of the choices, prepared for selection.
#[derive(Clone, Debug)]
pub(super) struct Odds {
    weights: Arc<[u32]>,
    /// The running sums of the weights; `None` if all weights are equal.
    ends: Option<Arc<[u32]>>,
    /// The sum of the weights: the number of equal shares into which the words are divided.
    shares: u64,
    /// The remainder of 2^32 divided by the number of shares.
    left_over: u64,
}

impl Odds {
    /// `None` if there are no weights, a weight is zero, or the sum exceeds `u32::MAX`.
    pub(super) fn new(weights: Vec<u32>) -> Option<Self> {
        let first = *weights.first()?;
        let even = weights.iter().all(|weight| *weight == first);
        let ends = running_sums(&weights)?;
        let shares = if even { u64::try_from(weights.len()).ok()? } else { u64::from(*ends.last()?) };
        let left_over = (1 << u32::BITS) % shares;
        Some(Self { weights: weights.into(), ends: (!even).then(|| ends.into()), shares, left_over })
    }

    pub(super) fn weights(&self) -> &[u32] {
        &self.weights
    }

    /// The index of the choice for `word`; `None` if the word must be rejected to avoid a bias.
    ///
    /// The word is read as a fraction of 2^32 and multiplied by the number of shares; the integer part is the share. Each
    /// share gets ⌊2^32 / shares⌋ words or one more. The extra word is the one whose fractional part is below the
    /// remainder, and it is rejected.
    #[inline]
    pub(super) fn select(&self, word: u32) -> Option<usize> {
        let product = u64::from(word) * self.shares;
        let (share, remainder) = (product >> u32::BITS, product & u64::from(u32::MAX));
        if remainder < self.left_over {
            return None;
        }
        match &self.ends {
            None => usize::try_from(share).ok(),
            Some(ends) => Some(ends.partition_point(|end| u64::from(*end) <= share)),
        }
    }
}

fn running_sums(weights: &[u32]) -> Option<Vec<u32>> {
    let mut sum = 0_u32;
    let add = |weight: &u32| {
        sum = sum.checked_add(*weight).filter(|_| *weight > 0)?;
        Some(sum)
    };
    weights.iter().map(add).collect()
}

#[cfg(test)]
mod tests {
    use super::Odds;

    const WORDS: u64 = 1 << 32;

    /// How many words fall on shares `from..to`, counted without trying all 2^32 of them: the words of a share are
    /// neighbours, and only the first of them can be left over.
    fn words_of(odds: &Odds, index: usize, from: u64, to: u64) -> u64 {
        (from..to)
            .map(|share| {
                let first = (share * WORDS).div_ceil(odds.shares);
                let next = ((share + 1) * WORDS).div_ceil(odds.shares);
                let word = |at: u64| odds.select(u32::try_from(at).unwrap());
                assert_eq!(word(first).unwrap_or(index), index);
                assert_eq!((word(first + 1), word(next - 1)), (Some(index), Some(index)));
                next - first - u64::from(word(first).is_none())
            })
            .sum()
    }

    #[test]
    fn each_weight_gets_its_exact_part_of_all_words() {
        for weights in [vec![1; 37], vec![5; 38], vec![1], vec![1; 1000], vec![3, 1, 7, 1], (1..=40).collect()] {
            let odds = Odds::new(weights.clone()).unwrap();
            let unit = if odds.ends.is_some() { 1 } else { u64::from(weights[0]) };
            let mut from = 0;
            for (index, weight) in weights.iter().enumerate() {
                let to = from + u64::from(*weight) / unit;
                assert_eq!(
                    words_of(&odds, index, from, to),
                    (to - from) * (WORDS / odds.shares),
                    "{weights:?}[{index}]"
                );
                from = to;
            }
        }
    }

    #[test]
    fn the_unused_words_of_a_sum_are_refused() {
        let odds = Odds::new(vec![3 << 29, 3 << 28, 3 << 28]).unwrap();
        let refused = (0..4096_u32).filter(|word| odds.select(*word).is_none()).count();
        assert_eq!(odds.left_over, 1 << 30);
        assert_eq!(refused, 1024, "a quarter of all words");
    }

    #[test]
    fn what_cannot_be_weighed_is_refused() {
        assert!(Odds::new(vec![]).is_none());
        assert!(Odds::new(vec![1, 0]).is_none());
        assert!(Odds::new(vec![u32::MAX, 1]).is_none());
        assert!(Odds::new(vec![u32::MAX - 1, 1]).is_some());
    }
}
