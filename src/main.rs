//! The `croupier` program: the command line with the services that ship with it.

use std::process::ExitCode;

use croupier::config::Registry;

/// Answers are many small allocations that die together, for which this allocator is made.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    croupier::cli::run(Registry::standard())
}
