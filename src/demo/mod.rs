//! The services that ship with the program: roulette wheels and diagnostics.
//!
//! They are ordinary users of the library. No other module depends on them: the configuration receives them through its
//! registry of service kinds, and a program that embeds the library can leave them out.
//!
//! - [`wheel`]: `service = "wheel"`, a roulette wheel with fair or reproducible spins. It shows typed parameters, streamed
//!   rows, options in TOML and errors that point at the wrong key.
//! - [`diagnostics`]: `service = "diagnostics"`, two public XML-RPC test suites, and two methods for load tests.

pub mod diagnostics;
pub mod wheel;
