//! What a person types: `croupier serve`, `check`, `routes`, `call`, `describe`, `add`, `completions`.

mod add;
mod args;
mod call;
mod describe;
mod load;
mod logging;
mod reload;
mod serve;
mod signals;
mod table;

use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use crate::config::Registry;
use args::{Args, Command};

/// Runs the program with the services of a registry, and says how it ended: 0 for success, 1 for a failure that was
/// told on standard error, 2 for a command line that cannot be understood.
///
/// A program with services of its own is this and no more:
///
/// ```no_run
/// use croupier::config::Registry;
/// use croupier::service::local::{Local, RegistrationError};
///
/// fn hello((): ()) -> Result<Local, RegistrationError> {
///     Local::new("Hello", ()).method("hello", |_: &(), (): ()| "world").build()
/// }
///
/// fn main() -> std::process::ExitCode {
///     croupier::cli::run(Registry::standard().with("hello", hello))
/// }
/// ```
pub fn run(registry: Registry) -> ExitCode {
    let args = Args::parse();
    let done = match args.command.unwrap_or(Command::Serve(args.serve)) {
        Command::Serve(serve) => serve::serve(&serve, &registry),
        Command::Check { file } => table::check(&file, &registry),
        Command::Routes { config } => table::routes(config.as_deref(), &registry),
        Command::Call(call) => call::call(&call),
        Command::Describe { url, timeout } => describe::describe(&url, timeout.into()),
        Command::Add(args) => add::add(&args, &registry),
        Command::Completions { shell } => {
            completions(shell);
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(message)) => {
            eprintln!("{}", message.trim_end());
            ExitCode::FAILURE
        }
    }
}

/// Prints a completion script, made in memory first: the generator panics at a reader that has gone away.
fn completions(shell: clap_complete::Shell) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "croupier", &mut script);
    let _ = std::io::stdout().write_all(&script);
}

/// Why a command failed, as it is told to the person who gave it.
struct Failure(String);

impl<E: Display> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure(format!("croupier: {error}"))
    }
}

/// Writes a line to standard output; a reader that has gone away, as `head` does, is no failure.
fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
