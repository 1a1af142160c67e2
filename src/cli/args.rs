//! The command line's grammar and its help.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand};
use clap_complete::Shell;

use crate::protocol::Protocol;
use crate::server::settings::ListenAddress;

/// A gateway to service groups by URL path, over XML-RPC, JSON-RPC, REST, SOAP and a page for people.
///
/// Without a command, croupier serves the built-in configuration: roulette wheels at
/// http://127.0.0.1:8008/wheel/american, /wheel/european and others.
#[derive(Debug, Parser)]
#[command(name = "croupier", version, max_term_width = 100, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) serve: Serve,
}

const EXAMPLES: &str = "\
Examples:
  croupier                                              serve the built-in wheels on port 8008
  croupier serve --config casino.toml                   serve what casino.toml says
  croupier check casino.toml                            is casino.toml sound? what does it amount to?
  croupier describe http://127.0.0.1:8008/wheel/mini    what can be called there?
  croupier call http://127.0.0.1:8008/ spinList 3       call it
  croupier add unix:/run/supervisor.sock                what would it take to put croupier before it?";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve the groups of a configuration file, or the built-in ones
    #[command(after_help = "\
SIGINT (Ctrl-C) or SIGTERM stops it: nothing new is accepted, what runs may finish with_timeout the drain time
([server.deadlines] drain, 10 s by default), and the exit code is 0. A second signal ends it at once.

SIGHUP has it read the configuration anew. If that is sound, new requests go to its groups and pages, whose services are
made anew, while calls that run finish where they began; if not, all stays as it was, and the errors are told. Where it
listens, `workers`, `log` and `server` stay what they were at the start.")]
    Serve(Serve),
    /// Look through a configuration file: every error in it, or the groups it amounts to
    #[command(after_help = "The exit code is 0 for a sound file and 1 for one with errors.")]
    Check {
        /// The configuration file
        file: PathBuf,
    },
    /// List the paths of a configuration and what is called there
    Routes {
        /// The configuration file; the built-in one if none is given
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Call a method of any XML-RPC server and print its result as JSON
    #[command(after_help = "\
Examples:
  croupier call http://127.0.0.1:8008/wheel/american spin
  croupier call http://127.0.0.1:8008/wheel/american spinList 3
  croupier call http://127.0.0.1:8008/diagnostics validator1.easyStructTest '{\"moe\": 1, \"larry\": 2, \"curly\": 3}'
  croupier call --repeat 10 http://127.0.0.1:8008/ spin

A fault is printed with its code on standard error, and the exit code is 1.")]
    Call(Call),
    /// List the methods of any XML-RPC server, with their signatures and help
    Describe {
        /// The server, such as http://127.0.0.1:8008/wheel/american
        url: String,
        /// How long to wait for an answer, such as 500ms or 10s
        #[arg(short, long, default_value = "10s", value_name = "TIME")]
        timeout: Time,
    },
    /// Look at a server elsewhere, and print the configuration of a group for it
    #[command(after_help = "\
Examples:
  croupier add unix:/run/supervisor.sock
  croupier add http://127.0.0.1:6800/jsonrpc --path /downloads
  croupier add 'http://localhost:8000/calculator?wsdl' --config casino.toml --append

It finds out whether the upstream speaks XML-RPC, JSON-RPC or SOAP, what it offers and what is unusual about it. Nothing
is called but introspection (system.listMethods, methodSignature, methodHelp, getCapabilities, and a multicall of
these), rpc.discover, and GET of ?wsdl. A password in the URL is not printed. Where a user has none in the URL, it is
read from the environment: SUPERVISOR_PASSWORD for a group at /supervisor.")]
    Add(Add),
    /// Print a completion script for a shell
    #[command(after_help = "For bash: croupier completions bash > ~/.local/share/bash-completion/completions/croupier")]
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Serve {
    /// The configuration file; the built-in one if none is given
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Where to listen instead of where the configuration says, such as 0.0.0.0:80 or unix:/run/croupier.sock
    #[arg(short, long, value_name = "ADDR")]
    pub(super) listen: Vec<ListenAddress>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Call {
    /// The server, such as http://127.0.0.1:8008/wheel/american
    pub(super) url: String,
    /// The method, such as spinList
    pub(super) method: String,
    /// Its arguments, each a JSON text: 3, true, '"text"', '[1, 2]', '{"a": 1}'
    #[arg(value_name = "ARG", allow_negative_numbers = true)]
    pub(super) args: Vec<String>,
    /// Call so many times, one line of JSON for each result
    #[arg(short, long, default_value_t = 1, value_name = "N")]
    pub(super) repeat: u64,
    /// How long to wait for an answer, such as 500ms or 10s
    #[arg(short, long, default_value = "10s", value_name = "TIME")]
    pub(super) timeout: Time,
}

#[derive(Debug, clap::Args)]
pub(super) struct Add {
    /// The server: http://…, https://…, unix:/path/of.sock:/path, scgi://host:port/path or scgi:/path/of.sock
    pub(super) url: String,
    /// The path of the group; without it, one is made of the server's name
    #[arg(short, long, value_name = "PATH", value_parser = group_path)]
    pub(super) path: Option<String>,
    /// The configuration file that the group is meant for: it must load with the group in it
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Write the group to the end of that file instead of printing it
    #[arg(short, long, requires = "config")]
    pub(super) append: bool,
    /// The name for basic authentication
    #[arg(short, long, value_name = "NAME")]
    pub(super) user: Option<String>,
    /// Look for this protocol alone
    #[arg(long, value_name = "PROTOCOL", value_parser = upstream_protocol())]
    pub(super) protocol: Option<Protocol>,
    /// How long to wait for an answer, such as 500ms or 10s
    #[arg(short, long, default_value = "10s", value_name = "TIME")]
    pub(super) timeout: Time,
}

/// Reads one of the protocols in which upstream servers can be called.
fn upstream_protocol() -> impl TypedValueParser<Value = Protocol> {
    PossibleValuesParser::new(Protocol::OF_UPSTREAMS.map(Protocol::name)).try_map(|name| name.parse::<Protocol>())
}

fn group_path(text: &str) -> Result<String, &'static str> {
    match text.starts_with('/') {
        true => Ok(text.to_owned()),
        false => Err("a path begins with a slash, such as /supervisor"),
    }
}

/// A length of time on the command line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time(Duration);

impl FromStr for Time {
    type Err = humantime::DurationError;

    fn from_str(text: &str) -> Result<Time, humantime::DurationError> {
        humantime::parse_duration(text).map(Time)
    }
}

impl From<Time> for Duration {
    fn from(time: Time) -> Duration {
        time.0
    }
}
