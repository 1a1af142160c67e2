//! The well-known wheel families as data: the order of the numbers and the words of the language.

use std::sync::OnceLock;

use crate::demo::wheel::{Pocket, Pockets, Wheel};

/// A built-in wheel. All its pockets are equally likely.
///
/// ```
/// use croupier::demo::wheel::{Family, Wheel};
/// assert_eq!(Family::named("european"), Some(Family::European));
/// let pockets = Family::European.pockets();
/// assert_eq!(pockets.len(), 37);
/// assert_eq!(pockets[1].texts(), ["32", "RED", "EVEN", "HIGH"]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// `american`: 0, 00 and 1 to 36.
    American,
    /// `european`: 0 and 1 to 36.
    European,
    /// `french`: the European wheel with results in French.
    French,
    /// `triple-zero`: 0, 000, 00, followed by the rest of the European wheel.
    TripleZero,
    /// `mini`: 0 and 1 to 12, high from 7.
    ///
    /// There is no standard order for small wheels. This order is the project's own and resembles the European wheel: red
    /// and black alternate, the reds are high numbers in one half of the wheel and the blacks in the other.
    Mini,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 5] = [Self::American, Self::European, Self::French, Self::TripleZero, Self::Mini];

    /// The family with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.name() == name)
    }

    /// The family's name in a configuration.
    pub fn name(self) -> &'static str {
        self.layout().name
    }

    fn layout(self) -> &'static Layout {
        match self {
            Self::American => &AMERICAN,
            Self::European => &EUROPEAN,
            Self::French => &FRENCH,
            Self::TripleZero => &TRIPLE_ZERO,
            Self::Mini => &MINI,
        }
    }
}

impl Wheel for Family {
    fn name(&self) -> &str {
        self.layout().name
    }

    fn pockets(&self) -> &Pockets {
        self.layout().pockets()
    }
}

struct Layout {
    name: &'static str,
    /// The numbers clockwise from the 0.
    order: &'static str,
    high_from: u8,
    words: &'static Vocabulary,
    pockets: OnceLock<Pockets>,
}

/// The words of one language for the properties of a pocket.
struct Vocabulary {
    red: &'static str,
    black: &'static str,
    green: &'static str,
    even: &'static str,
    odd: &'static str,
    low: &'static str,
    high: &'static str,
    zero: &'static str,
}

static ENGLISH: Vocabulary = Vocabulary {
    red: "RED",
    black: "BLACK",
    green: "GREEN",
    even: "EVEN",
    odd: "ODD",
    low: "LOW",
    high: "HIGH",
    zero: "ZERO",
};

static IN_FRENCH: Vocabulary = Vocabulary {
    red: "ROUGE",
    black: "NOIR",
    green: "VERT",
    even: "PAIR",
    odd: "IMPAIR",
    low: "MANQUE",
    high: "PASSE",
    zero: "ZERO",
};

const REDS: [u8; 18] = [1, 3, 5, 7, 9, 12, 14, 16, 18, 19, 21, 23, 25, 27, 30, 32, 34, 36];

const SINGLE_ZERO: &str = "0 32 15 19 4 21 2 25 17 34 6 27 13 36 11 30 8 23 10 \
                           5 24 16 33 1 20 14 31 9 22 18 29 7 28 12 35 3 26";

static AMERICAN: Layout = Layout::new(
    "american",
    "0 28 9 26 30 11 7 20 32 17 5 22 34 15 3 24 36 13 1 00 27 10 25 29 12 8 19 31 18 6 21 33 16 4 23 35 14 2",
    19,
    &ENGLISH,
);
static EUROPEAN: Layout = Layout::new("european", SINGLE_ZERO, 19, &ENGLISH);
static FRENCH: Layout = Layout::new("french", SINGLE_ZERO, 19, &IN_FRENCH);
static TRIPLE_ZERO: Layout = Layout::new(
    "triple-zero",
    "0 000 00 32 15 19 4 21 2 25 17 34 6 27 13 36 11 30 8 23 10 5 24 16 33 1 20 14 31 9 22 18 29 7 28 12 35 3 26",
    19,
    &ENGLISH,
);
static MINI: Layout = Layout::new("mini", "0 7 4 12 2 9 6 3 10 1 8 5 11", 7, &ENGLISH);

impl Layout {
    const fn new(name: &'static str, order: &'static str, high_from: u8, words: &'static Vocabulary) -> Self {
        Self { name, order, high_from, words, pockets: OnceLock::new() }
    }

    fn pockets(&self) -> &Pockets {
        self.pockets.get_or_init(|| {
            let pockets = self.order.split_ascii_whitespace().map(|number| (self.pocket(number), 1));
            Pockets::new(pockets).expect("a family's own data has no fault")
        })
    }

    fn pocket(&self, number: &'static str) -> Pocket {
        let words = self.words;
        let (color, parity, range) = match number.parse::<u8>().unwrap_or_default() {
            0 => (words.green, words.zero, words.zero),
            value => (
                if REDS.contains(&value) { words.red } else { words.black },
                if value % 2 == 0 { words.even } else { words.odd },
                if value < self.high_from { words.low } else { words.high },
            ),
        };
        Pocket::new(number, color, parity, range)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Family, Pocket, Wheel};

    /// The rules of roulette, said in other words than the data's: from 1 to 10 and from 19 to 28 the odd numbers are
    /// red, in all other ranges the even ones are.
    fn by_rule(number: &str, last: u32) -> [&'static str; 3] {
        let value: u32 = number.parse().unwrap();
        let (odd, odd_is_red) = (value % 2 == 1, matches!(value, 1..=10 | 19..=28));
        match value {
            0 => ["GREEN", "ZERO", "ZERO"],
            _ => [
                if odd == odd_is_red { "RED" } else { "BLACK" },
                if odd { "ODD" } else { "EVEN" },
                if 2 * value > last { "HIGH" } else { "LOW" },
            ],
        }
    }

    fn in_english(word: &str) -> &str {
        match word {
            "ROUGE" => "RED",
            "NOIR" => "BLACK",
            "VERT" => "GREEN",
            "PAIR" => "EVEN",
            "IMPAIR" => "ODD",
            "MANQUE" => "LOW",
            "PASSE" => "HIGH",
            "ZERO" => "ZERO",
            other => panic!("{other} is no French word of roulette"),
        }
    }

    fn numbers(pockets: &[Pocket]) -> Vec<&str> {
        pockets.iter().map(|pocket| pocket.number.as_ref()).collect()
    }

    #[test]
    fn every_pocket_of_every_family_obeys_the_rules() {
        for family in Family::ALL {
            let last = if family == Family::Mini { 12 } else { 36 };
            for pocket in family.pockets().iter() {
                let [number, said @ ..] = pocket.texts();
                let english = if family == Family::French { said.map(in_english) } else { said };
                assert_eq!(english, by_rule(number, last), "{} {number}", family.name());
            }
        }
    }

    #[test]
    fn every_family_has_its_numbers_and_no_others() {
        for (family, zeros, last) in [
            (Family::American, ["0", "00"].as_slice(), 36),
            (Family::European, &["0"], 36),
            (Family::French, &["0"], 36),
            (Family::TripleZero, &["0", "00", "000"], 36),
            (Family::Mini, &["0"], 12),
        ] {
            let meant: BTreeSet<_> =
                zeros.iter().map(ToString::to_string).chain((1..=last).map(|n| n.to_string())).collect();
            let laid: BTreeSet<_> = family.pockets().iter().map(|pocket| pocket.number.to_string()).collect();
            assert_eq!(laid, meant, "{}", family.name());
            assert!(family.pockets().weights().iter().all(|weight| *weight == 1));
        }
    }

    #[test]
    fn red_and_black_take_turns_around_every_wheel() {
        for family in Family::ALL {
            let colored: Vec<_> = family.pockets().iter().filter(|pocket| pocket.range != "ZERO").collect();
            for pair in colored.windows(2) {
                let crosses_the_double_zero = family == Family::American && pair[0].number == "1";
                assert_eq!(pair[0].color == pair[1].color, crosses_the_double_zero, "{} {pair:?}", family.name());
            }
        }
    }

    #[test]
    fn on_the_american_wheel_each_number_is_opposite_to_its_neighbour() {
        let pockets = Family::American.pockets();
        let (one_half, other_half) = pockets.split_at(pockets.len() / 2);
        for (here, there) in one_half.iter().zip(other_half).skip(1) {
            let value = |pocket: &Pocket| pocket.number.parse::<u32>().unwrap();
            assert_eq!(value(here).abs_diff(value(there)), 1, "{here:?} is opposite to {there:?}");
            assert_ne!(here.color, there.color);
        }
    }

    #[test]
    fn the_european_wheel_has_the_sectors_on_which_players_bet() {
        let numbers = numbers(Family::European.pockets());
        let sector = |first: &str, length| -> BTreeSet<u32> {
            let from_first = numbers.iter().cycle().skip_while(|number| **number != first);
            from_first.take(length).map(|number| number.parse().unwrap()).collect()
        };
        let neighbours_of_zero = [0, 2, 3, 4, 7, 12, 15, 18, 19, 21, 22, 25, 26, 28, 29, 32, 35];
        assert_eq!(sector("22", 17), BTreeSet::from(neighbours_of_zero));
        assert_eq!(sector("27", 12), BTreeSet::from([5, 8, 10, 11, 13, 16, 23, 24, 27, 30, 33, 36]));
        assert_eq!(sector("12", 7), BTreeSet::from([0, 3, 12, 15, 26, 32, 35]));
        assert_eq!(
            (sector("1", 5), sector("17", 3)),
            (BTreeSet::from([1, 9, 14, 20, 31]), BTreeSet::from([6, 17, 34]))
        );
    }

    #[test]
    fn the_mini_wheel_has_its_high_reds_in_one_half() {
        let numbered = Family::Mini.pockets().iter().skip(1).enumerate();
        for (place, pocket) in numbered {
            assert_eq!((pocket.color == "RED") == (pocket.range == "HIGH"), place < 6, "{pocket:?}");
        }
    }

    #[test]
    fn the_single_zero_wheels_share_one_order() {
        let european = numbers(Family::European.pockets());
        assert_eq!(numbers(Family::French.pockets()), european);
        assert_eq!(numbers(Family::TripleZero.pockets())[3..], european[1..]);
        assert_eq!(numbers(Family::TripleZero.pockets())[..3], ["0", "000", "00"]);
    }

    #[test]
    fn a_name_leads_to_its_family_only() {
        let names = Family::ALL.map(Family::name);
        assert_eq!(names, ["american", "european", "french", "triple-zero", "mini"]);
        assert_eq!(names.map(|name| Family::named(name).unwrap()), Family::ALL);
        assert_eq!(Family::named("American"), None);
    }
}
