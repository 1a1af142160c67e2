//! The table: a wheel with its source of randomness, which many threads can spin.

use std::{fmt, iter::FusedIterator, sync::Arc};

use crate::demo::wheel::chance::RandomWords;
use crate::demo::wheel::{Chance, Pockets, Wheel};

/// A wheel with its source of randomness.
///
/// ```
/// use croupier::demo::wheel::{Chance, Family, WheelTable};
///
/// let table = WheelTable::new(Family::American, Chance::seeded(7));
/// let pocket = &table.pockets()[table.spin()];
/// assert_eq!(pocket.texts(), ["31", "BLACK", "ODD", "HIGH"]);
/// assert_eq!(table.counts(1_000).iter().sum::<u64>(), 1_000);
/// ```
pub struct WheelTable {
    wheel: Arc<dyn Wheel>,
    pockets: Pockets,
    chance: Chance,
    max_spins: u64,
}

impl WheelTable {
    /// The default for the most spins per call.
    pub const MAX_SPINS: u64 = 10_000_000;

    /// A table with this wheel and this source of randomness.
    pub fn new(wheel: impl Wheel, chance: Chance) -> Self {
        let pockets = wheel.pockets().clone();
        Self { wheel: Arc::new(wheel), pockets, chance, max_spins: Self::MAX_SPINS }
    }

    /// Sets the most spins per call.
    #[must_use]
    pub fn with_max_spins(self, max_spins: u64) -> Self {
        Self { max_spins, ..self }
    }

    /// The wheel on the table.
    pub fn wheel(&self) -> &Arc<dyn Wheel> {
        &self.wheel
    }

    /// The wheel's pockets, in the order of the indices that spins return.
    pub fn pockets(&self) -> &Pockets {
        &self.pockets
    }

    /// The most spins per call. The service enforces it; the table itself does not.
    pub fn max_spins(&self) -> u64 {
        self.max_spins
    }

    /// Spins once, and returns the index of the pocket in which the ball lands.
    pub fn spin(&self) -> usize {
        let mut landed = [0];
        self.chance.words(1).spin(&self.pockets, &mut landed);
        let [index] = landed;
        index
    }

    /// An iterator over `spins` spins, made lazily. It takes a few hundred bytes for any number of spins.
    ///
    /// The spins of a seeded table are reserved at once: later calls get the spins after them, even if the iterator is
    /// dropped before its end.
    pub fn draws(&self, spins: u64) -> Draws {
        let (pockets, words) = (self.pockets.clone(), self.chance.words(spins));
        Draws { pockets, words, left: spins, landed: [0; BATCH], at: BATCH }
    }

    /// Spins `spins` times and counts how often the ball landed in each pocket, in the pockets' order.
    ///
    /// A spin takes a few nanoseconds. Call it with small numbers, or on another thread, if the current thread must not block.
    pub fn counts(&self, spins: u64) -> Vec<u64> {
        let mut counts = vec![0; self.pockets.len()];
        for index in self.draws(spins) {
            if let Some(count) = counts.get_mut(index) {
                *count += 1;
            }
        }
        counts
    }
}

impl fmt::Debug for WheelTable {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = to.debug_struct("WheelTable");
        table.field("wheel", &self.wheel.name()).field("chance", &self.chance).field("max_spins", &self.max_spins);
        table.finish()
    }
}

/// Spins still to come, as an iterator over the indices of the pockets in which the ball lands; from [`WheelTable::draws`].
pub struct Draws {
    pockets: Pockets,
    words: RandomWords,
    left: u64,
    /// Spins made in advance, and the index of the next one to return.
    landed: [usize; BATCH],
    at: usize,
}

/// The spins for which the thread's generator is looked up once.
const BATCH: usize = 64;

impl Draws {
    /// Makes the remaining spins, at most one batch.
    fn refill(&mut self) {
        let wanted = usize::try_from(self.left).unwrap_or(BATCH);
        let (landed, _) = self.landed.split_at_mut(wanted.min(BATCH));
        self.words.spin(&self.pockets, landed);
        self.at = 0;
    }
}

impl Iterator for Draws {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let left = self.left.checked_sub(1)?;
        if self.at == BATCH {
            self.refill();
        }
        let index = *self.landed.get(self.at)?;
        (self.at, self.left) = (self.at + 1, left);
        Some(index)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.left).ok();
        (left.unwrap_or(usize::MAX), left)
    }
}

impl FusedIterator for Draws {}

impl fmt::Debug for Draws {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Draws").field("left", &self.left).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::{Chance, WheelTable};
    use crate::demo::wheel::{Family, Pocket, Pockets, Wheel};

    /// Three pockets whose weights leave three of ten words over.
    struct Wasteful(Pockets);

    impl Wasteful {
        fn new() -> Self {
            let pocket = |number, weight| (Pocket::new(number, "RED", "NONE", "NONE"), weight);
            Self(
                Pockets::new([pocket("A", 1_500_000_000), pocket("B", 1_000_000_000), pocket("C", 500_000_000)])
                    .unwrap(),
            )
        }
    }

    impl Wheel for Wasteful {
        fn name(&self) -> &str {
            "wasteful"
        }

        fn pockets(&self) -> &Pockets {
            &self.0
        }
    }

    fn numbers(table: &WheelTable, spins: u64) -> Vec<&str> {
        table.draws(spins).map(|index| table.pockets()[index].number.as_ref()).collect()
    }

    #[test]
    fn seeded_spins_are_the_ones_that_are_documented() {
        let american = WheelTable::new(Family::American, Chance::seeded(7));
        assert_eq!(numbers(&american, 10), ["31", "5", "20", "9", "34", "7", "23", "7", "36", "35"]);
        let wasteful = WheelTable::new(Wasteful::new(), Chance::seeded(7));
        assert_eq!(numbers(&wasteful, 40).concat(), "CAAAAACAAAAACAABAACBAAAAAAAABACABAACCABC");
    }

    #[test]
    fn a_run_of_draws_is_as_many_single_spins() {
        let (one, other) =
            (WheelTable::new(Wasteful::new(), Chance::seeded(3)), WheelTable::new(Wasteful::new(), Chance::seeded(3)));
        let singly: Vec<_> = (0..200).map(|_| one.spin()).collect();
        assert_eq!(other.draws(200).collect::<Vec<_>>(), singly);
        assert_eq!(one.counts(50).iter().sum::<u64>(), 50);
        assert_eq!(one.spin(), other.draws(51).last().unwrap());
    }

    #[test]
    fn draws_keep_the_positions_they_were_made_with() {
        let table = WheelTable::new(Family::Mini, Chance::seeded(11));
        let all: Vec<_> = WheelTable::new(Family::Mini, Chance::seeded(11)).draws(21).collect();
        let (first, alone, second) = (table.draws(10), table.spin(), table.draws(10));
        assert_eq!(second.collect::<Vec<_>>(), all[11..]);
        assert_eq!(first.collect::<Vec<_>>(), all[..10]);
        assert_eq!(alone, all[10]);
    }

    #[test]
    fn threads_together_draw_what_one_draws_alone() {
        let table = WheelTable::new(Family::American, Chance::seeded(5));
        let share = || (0..500).map(|_| table.spin()).chain(table.draws(500)).collect::<Vec<_>>();
        let mut together: Vec<usize> = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(share)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let mut alone: Vec<_> = WheelTable::new(Family::American, Chance::seeded(5)).draws(4_000).collect();
        together.sort_unstable();
        alone.sort_unstable();
        assert_eq!(together, alone);
    }

    #[test]
    fn draws_may_change_threads_between_two_spins() {
        for chance in [Chance::Entropy, Chance::seeded(1)] {
            let mut draws = WheelTable::new(Family::Mini, chance).draws(4);
            assert!(draws.next().is_some_and(|index| index < 13));
            let rest = thread::spawn(move || draws.collect::<Vec<_>>()).join().unwrap();
            assert_eq!(rest.len(), 3);
        }
    }

    #[test]
    fn draws_without_end_cost_nothing_until_they_are_asked_for() {
        let draws = WheelTable::new(Family::European, Chance::Entropy).draws(u64::MAX);
        assert_eq!(draws.take(3).count(), 3);
        let none = WheelTable::new(Family::European, Chance::Entropy).draws(0);
        assert_eq!((none.size_hint(), none.count()), ((0, Some(0)), 0));
    }
}
