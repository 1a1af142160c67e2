//! The pockets of one wheel and their weights, validated on construction.

use std::{collections::HashMap, ops::Deref, sync::Arc};

use crate::demo::wheel::Pocket;
use crate::demo::wheel::odds::Odds;
use crate::model::option_error::{Key, OptionError};
use crate::model::text::abridge;

/// The pockets of one wheel in the order in which they lie around it, and how likely the ball is to land in each.
///
/// There is at least one pocket; no two have the same number. A clone shares the pockets.
#[derive(Clone, Debug)]
pub struct Pockets {
    ring: Arc<[Pocket]>,
    odds: Odds,
}

impl Pockets {
    /// The most pockets that a wheel may have.
    pub const MOST: usize = 1_000;

    /// Creates the pockets of a wheel, each with its weight: the ball lands in a pocket of weight 2 twice as often as in
    /// one of weight 1.
    ///
    /// # Errors
    ///
    /// All errors at once, with keys such as `pockets[3].weight`: no pockets or more than [`Pockets::MOST`], a repeated
    /// number, an empty text or one with a control character, a weight of 0, a sum of weights beyond `u32::MAX`.
    pub fn new(pockets: impl IntoIterator<Item = (Pocket, u32)>) -> Result<Self, Vec<OptionError>> {
        let (ring, weights): (Vec<_>, Vec<_>) = pockets.into_iter().unzip();
        let mut errors = size_errors(ring.len());
        if errors.is_empty() {
            errors = text_errors(&ring);
            errors.extend(repeated_numbers(&ring));
            errors.extend(weight_errors(&weights));
        }
        match Odds::new(weights) {
            Some(odds) if errors.is_empty() => Ok(Self { ring: ring.into(), odds }),
            _ => Err(errors),
        }
    }

    /// The pockets themselves, to be shared.
    pub fn ring(&self) -> &Arc<[Pocket]> {
        &self.ring
    }

    /// The weight of each pocket, in the pockets' order.
    pub fn weights(&self) -> &[u32] {
        self.odds.weights()
    }

    /// The index of the pocket for a uniformly random word, with exact weights. `None` for the few words that would cause a
    /// bias: draw another word.
    #[inline]
    pub fn land(&self, word: u32) -> Option<usize> {
        self.odds.select(word)
    }
}

impl Deref for Pockets {
    type Target = [Pocket];

    fn deref(&self) -> &[Pocket] {
        &self.ring
    }
}

fn size_errors(size: usize) -> Vec<OptionError> {
    let message = match size {
        0 => "is empty: a wheel needs at least one pocket".to_owned(),
        1..=Pockets::MOST => return Vec::new(),
        _ => format!("has {size} pockets, more than {}", Pockets::MOST),
    };
    vec![OptionError::new(["pockets".into()], message)]
}

fn text_errors(ring: &[Pocket]) -> Vec<OptionError> {
    let names = ["number", "color", "parity", "range"];
    let texts = ring
        .iter()
        .enumerate()
        .flat_map(|(at, pocket)| names.into_iter().zip(pocket.texts()).map(move |(name, text)| (key(at, name), text)));
    let wrong = |(key, text): ([Key; 3], &str)| {
        let message = match text {
            blank if blank.trim().is_empty() => "is empty",
            text if text.contains(unspeakable) => "has a character that not every protocol can carry",
            _ => return None,
        };
        Some(OptionError::new(key, message))
    };
    texts.filter_map(wrong).collect()
}

/// Whether XML forbids or normalizes a character.
fn unspeakable(character: char) -> bool {
    character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}')
}

fn repeated_numbers(ring: &[Pocket]) -> Vec<OptionError> {
    let mut seen = HashMap::new();
    let repeated = ring.iter().enumerate().filter_map(|(at, pocket)| {
        let first = *seen.entry(&pocket.number).or_insert(at);
        (first != at).then_some((at, first, pocket))
    });
    let wrong = |(at, first, pocket): (usize, usize, &Pocket)| {
        let message = format!("is `{}`, which pockets[{first}] has already", abridge(&pocket.number));
        OptionError::new(key(at, "number"), message).hint("give the one pocket a greater `weight`")
    };
    repeated.map(wrong).collect()
}

fn weight_errors(weights: &[u32]) -> Vec<OptionError> {
    let zero = |(at, _)| OptionError::new(key(at, "weight"), "is 0: the ball would never land there");
    let mut errors: Vec<_> = weights.iter().enumerate().filter(|(_, weight)| **weight == 0).map(zero).collect();
    let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    if sum > u64::from(u32::MAX) {
        let message = format!("have weights of {sum} together, more than {}", u32::MAX);
        errors.push(OptionError::new(["pockets".into()], message));
    }
    errors
}

fn key(at: usize, name: &str) -> [Key; 3] {
    ["pockets".into(), at.into(), name.into()]
}

#[cfg(test)]
mod tests {
    use super::{Pocket, Pockets};

    fn errors_of(pockets: impl IntoIterator<Item = (Pocket, u32)>) -> Vec<String> {
        Pockets::new(pockets).unwrap_err().iter().map(ToString::to_string).collect()
    }

    fn numbered(count: u32) -> impl Iterator<Item = (Pocket, u32)> {
        (0..count).map(|number| (Pocket::new(number.to_string(), "RED", "ODD", "LOW"), 1))
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let wrong = [
            (Pocket::new("1", "RED", "ODD", "LOW"), u32::MAX),
            (Pocket::new("", " ", "ODD", "LOW"), 1),
            (Pocket::new("1", "RED", "O\u{7}D", "LOW"), 0),
        ];
        assert_eq!(
            errors_of(wrong),
            [
                "pockets[1].number: is empty",
                "pockets[1].color: is empty",
                "pockets[2].parity: has a character that not every protocol can carry",
                "pockets[2].number: is `1`, which pockets[0] has already (give the one pocket a greater `weight`)",
                "pockets[2].weight: is 0: the ball would never land there",
                "pockets: have weights of 4294967296 together, more than 4294967295",
            ]
        );
    }

    #[test]
    fn a_wheel_has_from_one_to_a_thousand_pockets() {
        assert_eq!(errors_of([]), ["pockets: is empty: a wheel needs at least one pocket"]);
        assert_eq!(errors_of(numbered(1001)), ["pockets: has 1001 pockets, more than 1000"]);
        assert_eq!(Pockets::new(numbered(1)).unwrap().len(), 1);
        assert_eq!(Pockets::new(numbered(1000)).unwrap().weights(), [1; 1000]);
    }
}
