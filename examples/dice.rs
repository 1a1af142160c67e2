//! A service of one's own, mounted from a configuration file like those that ship with croupier.
//!
//! `cargo run --example dice -- serve examples/dice.toml`, and then
//! `cargo run -- call http://127.0.0.1:8008/dice/d20 roll 3`.

use croupier::Fault;
use croupier::config::Registry;
use croupier::service::local::{Local, RegistrationError, named};
use rand::RngExt as _;
use schemars::JsonSchema;
use serde::Deserialize;

/// The options of a group with `service = "dice"`.
#[derive(Deserialize, JsonSchema)]
pub struct Options {
    /// How many sides each die has.
    #[schemars(range(min = 2))]
    sides: u32,
}

/// Rolls several dice. Returns what each of them shows.
#[derive(Deserialize, JsonSchema)]
struct Roll {
    /// How many dice, 100 at the most.
    #[serde(default = "one")]
    dice: usize,
}

fn one() -> usize {
    1
}

fn roll(options: &Options, roll: Roll) -> Result<Vec<u32>, Fault> {
    if roll.dice > 100 {
        return Err(Fault::bad_params("`dice` is at most 100"));
    }
    Ok((0..roll.dice).map(|_| rand::rng().random_range(1..=options.sides)).collect())
}

/// The service of a group with these options.
pub fn dice(options: Options) -> Result<Local, RegistrationError> {
    Local::new(format!("Dice of {} sides", options.sides), options).method(named("roll").safe(), roll).build()
}

fn main() -> std::process::ExitCode {
    croupier::cli::run(Registry::standard().with("dice", dice))
}
