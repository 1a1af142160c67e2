//! The `croupier` program: the command line with the services that ship with it.

use std::process::ExitCode;

use croupier::config::Registry;

/// Large requests are read on one thread and answered from another. The system's allocator keeps what they leave
/// behind: it was seen to hold five times what was in use.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    croupier::cli::run(Registry::standard())
}
