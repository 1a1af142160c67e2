//! The command line: `croupier serve`, `check`, `reload`, `routes`, `call`, `describe`, `add`, `completions`.
//!
//! [`run`] parses the arguments (`args`) and runs one command, each in its own file. A command returns a `Failure` with the
//! message for standard error. `serve` is the only long-running command: it builds a
//! [`Runtime`](crate::server::runtime::Runtime) from the configuration, maps SIGINT and SIGTERM to the end of the server
//! (`signals`), and SIGHUP to a reload of the runtime (`reload`). A program that uses the
//! library can do all of this itself.

mod add;
mod args;
mod call;
mod describe;
mod descriptors;
mod listeners;
mod load;
mod log_format;
mod logging;
mod memory_limit;
mod output;
mod reload;
mod request_reload;
mod serve;
mod signals;
mod systemd;
mod table;
mod watch;

use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use crate::config::Registry;
use args::{CliArgs, Command, ConfigFile};

/// Runs the program with the services of a registry. The exit code is 0 for success, 1 for a failure that was written to
/// standard error, and 2 for an invalid command line.
///
/// `croupier serve` logs panics, unless the program has installed a logger of its own, and replaces the panic hook for that.
///
/// A program with its own services:
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
    let args = CliArgs::parse();
    let result = match args.command.unwrap_or(Command::Serve(args.serve)) {
        Command::Serve(serve) => return serve::serve(&serve, registry),
        Command::Check { file } => table::check(&file, &registry),
        Command::Reload { config: ConfigFile { file, config } } => match file.or(config) {
            Some(file) => request_reload::reload(&file),
            // The parser of the arguments asks for one.
            None => Err(Failure("croupier: a configuration file is needed".to_owned())),
        },
        Command::Routes { config } => table::routes(config.as_deref(), &registry),
        Command::Call(call) => call::call(&call),
        Command::Describe { url, timeout } => describe::describe(&url, timeout.into()),
        Command::Add(args) => add::add(&args, &registry),
        Command::Completions { shell } => {
            completions(shell);
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(message)) => {
            eprintln!("{}", message.trim_end());
            ExitCode::FAILURE
        }
    }
}

/// Prints a completion script. It is generated in memory first, because the generator panics if its output is closed.
fn completions(shell: clap_complete::Shell) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut CliArgs::command(), "croupier", &mut script);
    let _ = std::io::stdout().write_all(&script);
}

/// Why a command failed: the message for standard error.
struct Failure(String);

impl<E: Display> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure(format!("croupier: {error}"))
    }
}

/// Writes a line to standard output, for commands that end by themselves: a server writes over its `Console`. A closed
/// output, as behind `head`, is not an error.
fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
