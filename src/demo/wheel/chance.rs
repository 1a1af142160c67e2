//! The source of randomness: the operating system, or a seed for reproducible spins.

use std::sync::atomic::{AtomicU64, Ordering};

use rand::{Rng, SeedableRng, rngs::ChaCha20Rng};

use crate::demo::wheel::Pockets;

/// The source of the random words that decide where the ball lands.
#[derive(Debug, Default)]
pub enum Chance {
    /// A cryptographic generator for each thread, seeded and reseeded by the operating system. Spins take no lock, and are
    /// unpredictable.
    #[default]
    Entropy,
    /// The same sequence of spins after every start. For tests and teaching only: with the seed, every spin can be
    /// predicted.
    Seeded(Seeded),
}

/// A reproducible sequence of random words, one for each spin.
///
/// Word number `p` (from 0) is the 32-bit little-endian word `p` of the ChaCha20 key stream whose key is the seed as 8
/// little-endian bytes followed by 24 zero bytes, and whose nonce is zero. Programs in other languages can reproduce it. If
/// the wheel rejects a word, spin `p` continues with the words of nonce `p + 1`, from the first one, so that no spin
/// depends on another.
///
/// Threads reserve positions with one atomic counter and never wait for each other. Each spin is made once.
#[derive(Debug)]
pub struct Seeded {
    seed: u64,
    /// The position of the next spin.
    next: AtomicU64,
}

/// The random words of consecutive spins. It may move to another thread between two batches.
#[derive(Clone, Debug)]
pub(super) enum RandomWords {
    Entropy,
    /// Reproducible words; the next spin uses the word at this position.
    Seeded {
        seed: u64,
        position: u64,
    },
}

impl Chance {
    /// The reproducible sequence of this seed, from the start.
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(Seeded { seed, next: AtomicU64::new(0) })
    }

    /// Reserves the words for the next `spins` spins.
    pub(super) fn words(&self, spins: u64) -> RandomWords {
        match self {
            Self::Entropy => RandomWords::Entropy,
            Self::Seeded(Seeded { seed, next }) => {
                RandomWords::Seeded { seed: *seed, position: next.fetch_add(spins, Ordering::Relaxed) }
            }
        }
    }
}

impl RandomWords {
    /// Spins once for each item of `landed`, and stores the pockets' indices in it.
    pub(super) fn spin(&mut self, pockets: &Pockets, landed: &mut [usize]) {
        match self {
            Self::Entropy => {
                let words = &mut rand::rng();
                landed.iter_mut().for_each(|index| *index = land(pockets, words));
            }
            Self::Seeded { seed, position } => {
                let mut words = stream(*seed, 0, *position);
                for index in landed {
                    let land_again = || land(pockets, &mut stream(*seed, position.wrapping_add(1), 0));
                    *index = pockets.land(words.next_u32()).unwrap_or_else(land_again);
                    *position = position.wrapping_add(1);
                }
            }
        }
    }
}

fn land(pockets: &Pockets, words: &mut impl Rng) -> usize {
    loop {
        if let Some(index) = pockets.land(words.next_u32()) {
            return index;
        }
    }
}

/// The key stream of a seed and a nonce, starting with the word at `position`.
fn stream(seed: u64, nonce: u64, position: u64) -> ChaCha20Rng {
    let mut key = [0; 32];
    for (byte, of_seed) in key.iter_mut().zip(seed.to_le_bytes()) {
        *byte = of_seed;
    }
    let mut words = ChaCha20Rng::from_seed(key);
    words.set_stream(nonce);
    words.set_word_pos(position.into());
    words
}
