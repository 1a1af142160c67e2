//! The house wheel: a wheel with pockets from the configuration.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::demo::wheel::{Pocket, Pockets, Wheel};
use crate::model::option_error::OptionError;

/// A wheel with custom pockets.
#[derive(Clone, Debug)]
pub struct House {
    pockets: Pockets,
}

/// One pocket of a house wheel, as written in a configuration:
/// `{ number = "7", color = "RED", weight = 2 }`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HousePocket {
    /// The number in the pocket, unique in the wheel: `"0"`, `"00"`, `"36"`, `"JOKER"`.
    pub number: String,
    /// The colour, in any language: `"RED"`.
    pub color: String,
    /// How likely the ball is to land here, beside the weights of the other pockets; at least 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub weight: u32,
    /// `EVEN`, `ODD` or `ZERO` by the number, unless another word is given; `NONE` for what is no whole number.
    pub parity: Option<String>,
    /// `LOW`, `HIGH` or `ZERO` by the number, unless another word is given; `NONE` for what is no whole number.
    pub range: Option<String>,
}

impl House {
    /// Lays the pockets around a wheel in the order in which they are given.
    ///
    /// Numbers from `high_from` on are `HIGH`; without it, those above half of the largest number are.
    ///
    /// # Errors
    ///
    /// Everything for which [`Pockets::new`] refuses them.
    pub fn new(pockets: Vec<HousePocket>, high_from: Option<u64>) -> Result<Self, Vec<OptionError>> {
        let largest = pockets.iter().filter_map(|pocket| value_of(&pocket.number)).max().unwrap_or_default();
        let high_from = high_from.unwrap_or(largest / 2 + 1);
        let pockets = Pockets::new(pockets.into_iter().map(|pocket| pocket.complete(high_from)))?;
        Ok(Self { pockets })
    }
}

impl Wheel for House {
    fn name(&self) -> &str {
        "house"
    }

    fn pockets(&self) -> &Pockets {
        &self.pockets
    }
}

impl HousePocket {
    /// The pocket with its weight, and with the words that were left out.
    fn complete(self, high_from: u64) -> (Pocket, u32) {
        let (parity, range) = match value_of(&self.number) {
            None => ("NONE", "NONE"),
            Some(0) => ("ZERO", "ZERO"),
            Some(value) => {
                (if value % 2 == 0 { "EVEN" } else { "ODD" }, if value < high_from { "LOW" } else { "HIGH" })
            }
        };
        let parity = self.parity.unwrap_or_else(|| parity.to_owned());
        let range = self.range.unwrap_or_else(|| range.to_owned());
        (Pocket::new(self.number, self.color, parity, range), self.weight)
    }
}

/// The value of a number that is written in digits only.
fn value_of(number: &str) -> Option<u64> {
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse().ok().filter(|_| digits)
}

fn one() -> u32 {
    1
}

#[cfg(test)]
mod tests {
    use super::{House, HousePocket, Wheel};

    fn pocket(number: &str) -> HousePocket {
        HousePocket { number: number.to_owned(), color: "RED".to_owned(), weight: 1, parity: None, range: None }
    }

    fn qualities(numbers: &[&str], high_from: Option<u64>) -> Vec<String> {
        let house = House::new(numbers.iter().map(|number| pocket(number)).collect(), high_from).unwrap();
        house.pockets().iter().map(|pocket| format!("{} {}", pocket.parity, pocket.range)).collect()
    }

    #[test]
    fn parity_and_range_come_from_the_number() {
        assert_eq!(qualities(&["0", "000"], None), ["ZERO ZERO"; 2]);
        assert_eq!(qualities(&["1", "2", "3", "04"], None), ["ODD LOW", "EVEN LOW", "ODD HIGH", "EVEN HIGH"]);
        assert_eq!(qualities(&["1", "2", "3"], None), ["ODD LOW", "EVEN HIGH", "ODD HIGH"]);
        assert_eq!(qualities(&["JOKER", "-6", "+6", "6.0", "99999999999999999999"], None), ["NONE NONE"; 5]);
    }

    #[test]
    fn the_boundary_of_high_can_be_moved() {
        assert_eq!(qualities(&["0", "1", "2", "3"], Some(3)), ["ZERO ZERO", "ODD LOW", "EVEN LOW", "ODD HIGH"]);
    }

    #[test]
    fn given_words_are_kept() {
        let given = HousePocket { parity: Some("PAIR".into()), range: Some("PASSE".into()), ..pocket("1") };
        let house = House::new(vec![given], None).unwrap();
        assert_eq!(house.pockets()[0].texts(), ["1", "RED", "PAIR", "PASSE"]);
    }
}
