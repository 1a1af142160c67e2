//! The command line: `croupier serve`, `mcp`, `check`, `reload`, `routes`, `schema`, `call`, `describe`, `add`, `completions`.
//!
//! [`run`] parses the arguments (`args`) and runs one command, each in its own file. A command returns a `Failure` with the
//! message for standard error. `serve` and `mcp` are the long-running commands: `serve` builds a
//! [`Runtime`](crate::server::runtime::Runtime) from the configuration, maps SIGINT and SIGTERM to the end of the server
//! (`signals`), and SIGHUP to a reload of the runtime (`reload`). A program that uses the
//! library can do all of this itself.

mod add;
mod args;
mod ask;
mod call;
mod describe;
mod descriptors;
mod key;
mod listeners;
mod load;
mod log_format;
mod logging;
mod mcp;
mod memory_limit;
mod openapi;
mod output;
mod pretty;
mod progress;
mod reload;
mod request_reload;
mod serve;
mod signals;
mod systemd;
mod table;
mod target;
mod watch;

use std::fmt::Display;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use crate::config::{Registry, json_schema};
use args::{CliArgs, Command, KeyCommand};

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
    let Some(command) = args.command else { return serve::serve(&args.serve, registry) };
    let result = match command {
        Command::Serve(serve) => return serve::serve(&serve.into(), registry),
        Command::Mcp(args) => return mcp::mcp(&args, &registry),
        Command::Check { config, values, ask, timeout } => {
            table::check(&PathBuf::from(config), &values, ask.then(|| timeout.into()), &registry)
        }
        Command::Reload { config, credentials } => request_reload::reload(&PathBuf::from(config), &credentials),
        Command::Routes { config, values } => table::routes(config.path(), &values, &registry),
        Command::Schema => {
            schema(&registry);
            Ok(())
        }
        Command::Call(call) => call::call(&call),
        Command::Describe(args) => describe::describe(&args),
        Command::Add(args) => add::add(&args, &registry),
        Command::Key(KeyCommand::New(args)) => key::new(&args),
        Command::Completions { shell } => {
            completions(shell);
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { message, code }) => {
            eprintln!("{}", message.trim_end());
            ExitCode::from(code)
        }
    }
}

/// Prints the JSON Schema of the configuration file.
fn schema(registry: &Registry) {
    say(json_schema(registry).trim_end());
}

/// Prints a completion script. It is generated in memory first, because the generator panics if its output is closed.
fn completions(shell: clap_complete::Shell) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut CliArgs::command(), "croupier", &mut script);
    let _ = std::io::stdout().write_all(&script);
}

/// Why a command failed: the message for standard error, and the exit code.
struct Failure {
    message: String,
    code: u8,
}

/// The exit code of a command line that makes no sense.
const USAGE: u8 = 2;

impl Failure {
    /// A failure with the exit code 1.
    fn new(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), code: 1 }
    }

    /// A command line that makes no sense, which the parser of the arguments cannot see.
    fn usage(message: impl Into<String>) -> Failure {
        Failure::new(message).code(USAGE)
    }

    /// The same failure with another exit code.
    fn code(self, code: u8) -> Failure {
        Failure { code, ..self }
    }
}

impl<E: Display> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::new(format!("croupier: {error}"))
    }
}

/// Writes a line to standard output, for commands that end by themselves: a server writes over its `Console`. A closed
/// output, as behind `head`, is not an error.
fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
