//! The arguments of the command line, and its help texts.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand};
use clap_complete::Shell;

use crate::protocol::Protocol;
use crate::server::settings::ListenAddress;

/// A gateway that maps URL paths to groups of services, over XML-RPC, JSON-RPC, REST, SOAP and HTML pages.
///
/// Without a command, croupier serves the built-in configuration: roulette wheels at
/// http://127.0.0.1:8008/wheel/american, /wheel/european and others.
#[derive(Debug, Parser)]
#[command(name = "croupier", version, max_term_width = 100, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub(super) struct CliArgs {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) serve: ServeArgs,
}

const EXAMPLES: &str = "\
Examples:
  croupier                                              serve the built-in wheels on port 8008
  croupier serve --config casino.toml                   serve the groups of casino.toml
  croupier check casino.toml                            report every error in casino.toml, or list its groups
  croupier reload casino.toml                           let the server of casino.toml read it again
  croupier describe http://127.0.0.1:8008/wheel/mini    list the methods of a server
  croupier call http://127.0.0.1:8008/ spinList 3       call a method
  croupier add unix:/run/supervisor.sock                print the configuration of a group for a server";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve the groups of a configuration file, or the built-in ones
    #[command(after_help = "\
SIGINT (Ctrl-C) or SIGTERM stops the server: it accepts no further connections, lets running requests finish within the
drain time ([server.timeouts] drain, 10 s by default), and exits with code 0. A second signal ends it at once.

SIGHUP reloads the configuration. If it is valid, new requests go to the new groups and pages, while running calls finish
in the old ones, and groups that have not changed keep what they have in memory. Listeners are opened and closed. If it is
not valid, its errors are written to standard error and nothing changes. Changes of `workers`, `log.access`, `log.format`,
`response-memory` and `admin` take effect at the next start only.

If systemd hands over a listening socket (LISTEN_FDS) of an address in `listen`, the server listens on this socket. It tells
systemd its state (NOTIFY_SOCKET: use Type=notify-reload) and serves its watchdog.")]
    Serve(ServeArgs),
    /// Check a configuration file: report every error in it, or list its groups
    #[command(after_help = "The exit code is 0 for a valid file and 1 for one with errors.")]
    Check {
        /// The configuration file
        file: PathBuf,
    },
    /// Let a running server read its configuration again, and print the result
    #[command(after_help = "\
The server is asked through its admin listener ([admin] listen). It checks the file itself: if there are errors in it, they
are printed, nothing changes, and the exit code is 1.")]
    Reload {
        #[command(flatten)]
        config: ConfigFile,
    },
    /// List the paths of a configuration and the methods at each
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
    Call(CallArgs),
    /// List the methods of any XML-RPC server, with their signatures and help
    Describe {
        /// The server, such as http://127.0.0.1:8008/wheel/american
        url: String,
        /// How long to wait for a response, such as 500ms or 10s
        #[arg(short, long, default_value = "10s", value_name = "TIME")]
        timeout: Time,
    },
    /// Find out how to call an upstream server, and print the configuration of a group for it
    #[command(after_help = "\
Examples:
  croupier add unix:/run/supervisor.sock
  croupier add http://127.0.0.1:6800/jsonrpc --path /downloads
  croupier add 'http://localhost:8000/calculator?wsdl' --config casino.toml --append

It finds out whether the upstream uses XML-RPC, JSON-RPC or SOAP, which methods it has and which options it needs.
Only requests without side effects are sent: introspection (system.listMethods, methodSignature, methodHelp, getCapabilities, and a
multicall of these), rpc.discover, and GET of ?wsdl. A password in the URL is not printed. A password that is not in the
URL is read from the environment: SUPERVISOR_PASSWORD for a group at /supervisor.")]
    Add(Add),
    /// Print a completion script for a shell
    #[command(after_help = "For bash: croupier completions bash > ~/.local/share/bash-completion/completions/croupier")]
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Clone, clap::Args)]
pub(super) struct ServeArgs {
    /// The configuration file; the built-in one if none is given
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Listen here instead of at the addresses of the configuration, such as 0.0.0.0:80 or unix:/run/croupier.sock
    #[arg(short, long, value_name = "ADDR")]
    pub(super) listen: Vec<ListenAddress>,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct ConfigFile {
    /// The configuration file
    pub(super) file: Option<PathBuf>,
    /// The same
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct CallArgs {
    /// The server, such as http://127.0.0.1:8008/wheel/american
    pub(super) url: String,
    /// The method, such as spinList
    pub(super) method: String,
    /// The arguments of the method, each as JSON: 3, true, '"text"', '[1, 2]', '{"a": 1}'
    #[arg(value_name = "ARG", allow_negative_numbers = true)]
    pub(super) args: Vec<String>,
    /// How many times to call; each result is one line of JSON
    #[arg(short, long, default_value_t = 1, value_name = "N")]
    pub(super) repeat: u64,
    /// How long to wait for a response, such as 500ms or 10s
    #[arg(short, long, default_value = "10s", value_name = "TIME")]
    pub(super) timeout: Time,
}

#[derive(Debug, clap::Args)]
pub(super) struct Add {
    /// The server: http://…, https://…, unix:/path/of.sock:/path, scgi://host:port/path or scgi:/path/of.sock
    pub(super) url: String,
    /// The path of the group; without it, one is made from the server's name
    #[arg(short, long, value_name = "PATH", value_parser = group_path)]
    pub(super) path: Option<String>,
    /// The configuration file for the group; it must be valid with the group in it
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Append the group to the configuration file instead of printing it
    #[arg(short, long, requires = "config")]
    pub(super) append: bool,
    /// The user name for basic authentication
    #[arg(short, long, value_name = "NAME")]
    pub(super) user: Option<String>,
    /// Try this protocol only
    #[arg(long, value_name = "PROTOCOL", value_parser = upstream_protocol())]
    pub(super) protocol: Option<Protocol>,
    /// How long to wait for a response, such as 500ms or 10s
    #[arg(short, long, default_value = "10s", value_name = "TIME")]
    pub(super) timeout: Time,
}

/// Parses one of the protocols in which upstreams can be called.
fn upstream_protocol() -> impl TypedValueParser<Value = Protocol> {
    PossibleValuesParser::new(Protocol::OF_UPSTREAMS.map(Protocol::name)).try_map(|name| name.parse::<Protocol>())
}

fn group_path(text: &str) -> Result<String, &'static str> {
    if text.starts_with('/') { Ok(text.to_owned()) } else { Err("a path begins with a slash, such as /supervisor") }
}

/// A duration on the command line, such as `500ms` or `10s`.
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
