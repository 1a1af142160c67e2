//! The `croupier` program: the command line with the services that ship with it.

use std::process::ExitCode;

use croupier::config::Registry;

fn main() -> ExitCode {
    croupier::cli::run(Registry::standard())
}
