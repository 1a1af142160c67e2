//! The `croupier` program: the command line with the services that ship with it.

use std::process::ExitCode;

use croupier::config::Registry;

/// The system's allocator keeps what large requests leave behind: it was seen to hold ten times what was in use.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    croupier::cli::run(Registry::standard())
}
