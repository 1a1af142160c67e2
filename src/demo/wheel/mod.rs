//! Roulette wheels: wheel families behind one trait, and two sources of randomness.
//!
//! A [`Wheel`] has [`Pockets`], which map a random word to the pocket where the ball lands; a [`Chance`] is the source of
//! these words; a [`WheelTable`] combines the two, and a service spins it. The wheels themselves are data: each built-in
//! [`Family`], and the [`House`] wheel with pockets from the configuration. [`WheelOptions`] build either.

mod chance;
mod drawing;
#[cfg(test)]
mod fairness;
mod family;
mod house;
mod odds;
mod options;
mod pocket;
mod pockets;
mod service;
mod table;

pub use chance::{Chance, Seeded};
pub use family::Family;
pub use house::{House, HousePocket};
pub use options::WheelOptions;
pub use pocket::{Pocket, Spin};
pub use pockets::Pockets;
pub use table::{Draws, WheelTable};

/// A roulette wheel: a name, and pockets around it, in one of which the ball lands.
///
/// A wheel of one's own is its pockets:
///
/// ```
/// use croupier::demo::wheel::{Chance, Pocket, Pockets, WheelTable, Wheel};
///
/// struct Coin(Pockets);
///
/// impl Wheel for Coin {
///     fn name(&self) -> &str {
///         "coin"
///     }
///     fn pockets(&self) -> &Pockets {
///         &self.0
///     }
/// }
///
/// let sides = [(Pocket::new("1", "HEADS", "ODD", "LOW"), 1), (Pocket::new("2", "TAILS", "EVEN", "HIGH"), 1)];
/// let table = WheelTable::new(Coin(Pockets::new(sides).unwrap()), Chance::Entropy);
/// assert!(table.spin() < 2);
/// ```
pub trait Wheel: Send + Sync + 'static {
    /// What people call the wheel, such as `european`.
    fn name(&self) -> &str;

    /// The pockets in the order in which they lie around the wheel.
    fn pockets(&self) -> &Pockets;
}
