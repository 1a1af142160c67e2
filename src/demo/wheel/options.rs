//! The options of a wheel in a configuration, and the table built from them.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::demo::wheel::{Chance, Family, House, HousePocket, WheelTable};
use crate::model::option_error::OptionError;
use crate::model::text::{abridge, nearest};

/// The options of a group with `service = "wheel"`: which wheel it is and how it is spun.
///
/// One of `family` and `pockets` is needed.
///
/// ```
/// # use croupier::demo::wheel::WheelOptions;
/// let options: WheelOptions = toml::from_str(r#"
///     pockets = [
///         { number = "0", color = "GREEN" },
///         { number = "1", color = "RED", weight = 3 },
///     ]
///     seed = 7
/// "#)?;
/// assert_eq!(options.build().unwrap().pockets().weights(), [1, 3]);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WheelOptions {
    /// A wheel that is built in: `american` (0, 00, 1 to 36), `european` (0, 1 to 36), `french` (the European wheel,
    /// whose words are French), `triple-zero` (0, 00, 000, 1 to 36) or `mini` (0, 1 to 12); `house`, or none, with
    /// `pockets`.
    pub family: Option<String>,
    /// The pockets of a wheel of one's own, in the order in which they lie around it; 1,000 at the most.
    pub pockets: Option<Vec<HousePocket>>,
    /// The smallest number of a wheel of one's own that is `HIGH`; without it, all above half of the largest are.
    pub high_from: Option<u64>,
    /// Makes the spins the same whenever the server starts: for tests and for teaching only, never where anything is at
    /// stake. Without it each spin is cryptographically random.
    pub seed: Option<u64>,
    /// The most spins for which one call may ask.
    #[serde(default = "max_spins")]
    #[schemars(range(min = 1))]
    pub max_spins: u64,
}

/// The family name of a wheel with pockets of its own.
const HOUSE: &str = "house";

impl WheelOptions {
    /// Builds the table.
    ///
    /// # Errors
    ///
    /// All errors at once, with keys relative to these options.
    pub fn build(self) -> Result<WheelTable, Vec<OptionError>> {
        let mut errors = self.contradictions();
        let chance = self.seed.map_or(Chance::Entropy, Chance::seeded);
        let table = match (self.family.as_deref().and_then(Family::named), self.pockets) {
            (Some(family), None) => Some(WheelTable::new(family, chance)),
            (_, Some(pockets)) => match House::new(pockets, self.high_from) {
                Ok(house) => Some(WheelTable::new(house, chance)),
                Err(wrong) => {
                    errors.extend(wrong);
                    None
                }
            },
            (None, None) => None,
        };
        match table {
            Some(table) if errors.is_empty() => Ok(table.with_max_spins(self.max_spins)),
            _ => Err(errors),
        }
    }

    /// The errors in combinations of options. Single pockets are checked later.
    fn contradictions(&self) -> Vec<OptionError> {
        let house = self.pockets.is_some();
        let family = match self.family.as_deref() {
            None if house => None,
            None => Some(OptionError::new([], "a wheel needs either `family` or `pockets`").hint(families())),
            Some(HOUSE) if house => None,
            Some(HOUSE) => Some(
                OptionError::new(["family".into()], format!("is `{HOUSE}`, but there are no `pockets`"))
                    .hint("write them as `pockets = [{ number = \"0\", color = \"GREEN\" }]`"),
            ),
            Some(name) if Family::named(name).is_none() => Some(unknown(name)),
            Some(name) if house => Some(
                OptionError::new(
                    ["pockets".into()],
                    format!("cannot be combined with `family = \"{name}\"`, which has its own pockets"),
                )
                .hint("leave one of the two out"),
            ),
            Some(_) => None,
        };
        let needless = || OptionError::new(["high_from".into()], "is only for a wheel with `pockets` of its own");
        let high_from = self.high_from.filter(|_| !house).map(|_| needless());
        let none = || OptionError::new(["max_spins".into()], "is 0, which allows no spins");
        family.into_iter().chain(high_from).chain((self.max_spins == 0).then(none)).collect()
    }
}

fn unknown(name: &str) -> OptionError {
    let names = Family::ALL.iter().map(|family| family.name()).chain([HOUSE]);
    let hint = nearest(name, names).map_or_else(families, |near| format!("did you mean `{near}`?"));
    OptionError::new(["family".into()], format!("is `{}`, which is no family of wheels", abridge(name))).hint(hint)
}

fn families() -> String {
    let names = Family::ALL.map(|family| format!("`{}`", family.name()));
    format!("the families are {}, and `{HOUSE}` for pockets of one's own", names.join(", "))
}

fn max_spins() -> u64 {
    WheelTable::MAX_SPINS
}

#[cfg(test)]
mod tests {
    use super::{WheelOptions, WheelTable};

    fn build(options: &str) -> Result<WheelTable, Vec<String>> {
        let options: WheelOptions = toml::from_str(options).unwrap();
        options.build().map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    fn errors(options: &str) -> Vec<String> {
        build(options).unwrap_err()
    }

    #[test]
    fn each_family_can_be_asked_for_by_name() {
        for (name, pockets) in [("american", 38), ("european", 37), ("french", 37), ("triple-zero", 39), ("mini", 13)] {
            let table = build(&format!("family = '{name}'")).unwrap();
            assert_eq!((table.wheel().name(), table.pockets().len()), (name, pockets));
            assert_eq!(table.max_spins(), 10_000_000);
        }
    }

    #[test]
    fn a_house_wheel_needs_no_family_but_may_have_one() {
        for family in ["", "family = 'house'"] {
            let options =
                format!("{family}\npockets = [{{ number = '1', color = 'RED' }}]\nhigh_from = 2\nmax_spins = 5");
            let table = build(&options).unwrap();
            assert_eq!((table.wheel().name(), table.max_spins()), ("house", 5));
            assert_eq!(table.pockets()[0].range, "LOW");
        }
    }

    #[test]
    fn the_wheel_must_be_said_and_only_once() {
        let families = "the families are `american`, `european`, `french`, `triple-zero`, `mini`, \
                        and `house` for pockets of one's own";
        assert_eq!(errors(""), [format!("a wheel needs either `family` or `pockets` ({families})")]);
        assert_eq!(
            errors("family = 'house'"),
            ["family: is `house`, but there are no `pockets` \
              (write them as `pockets = [{ number = \"0\", color = \"GREEN\" }]`)"]
        );
        assert_eq!(
            errors("family = 'mini'\npockets = [{ number = '1', color = 'RED' }]"),
            [
                "pockets: cannot be combined with `family = \"mini\"`, which has its own pockets (leave one of the two out)"
            ]
        );
        assert_eq!(
            errors("family = 'fortuna'"),
            [format!("family: is `fortuna`, which is no family of wheels ({families})")]
        );
    }

    #[test]
    fn all_errors_come_at_once() {
        assert_eq!(
            errors("family = 'europaen'\npockets = [{ number = '1', color = '' }]\nmax_spins = 0"),
            [
                "family: is `europaen`, which is no family of wheels (did you mean `european`?)",
                "max_spins: is 0, which allows no spins",
                "pockets[0].color: is empty",
            ]
        );
        assert_eq!(
            errors("family = 'mini'\nhigh_from = 6"),
            ["high_from: is only for a wheel with `pockets` of its own"]
        );
    }

    #[test]
    fn a_key_that_is_not_known_is_refused() {
        for options in ["famly = 'mini'", "pockets = [{ number = '1', colour = 'RED' }]", "seed = -1"] {
            assert!(toml::from_str::<WheelOptions>(options).is_err(), "{options}");
        }
    }

    #[test]
    fn a_seed_makes_the_spins_reproducible() {
        let spins = || build("family = 'mini'\nseed = 1").unwrap().draws(50).collect::<Vec<_>>();
        assert_eq!(spins(), spins());
    }

    #[test]
    fn the_schema_carries_the_defaults_and_the_documentation() {
        let schema = serde_json::to_value(schemars::schema_for!(WheelOptions)).unwrap();
        assert_eq!(schema["properties"]["max_spins"]["default"], 10_000_000);
        assert_eq!(schema["$defs"]["HousePocket"]["properties"]["weight"]["default"], 1);
        assert!(schema["properties"]["seed"]["description"].as_str().unwrap().contains("never where anything is at"));
    }
}
