//! The arguments of the command line, and its help texts.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand};
use clap_complete::Shell;
use http::{HeaderName, HeaderValue};

use crate::config::LARGEST_FILE;
use crate::files;
use crate::protocol::Protocol;
use crate::server::settings::ListenAddress;

/// A gateway that maps URL paths to groups of services, over XML-RPC, JSON-RPC, REST, SOAP and HTML pages.
#[derive(Debug, Parser)]
#[command(
    name = "croupier",
    version,
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    before_help = FIRST_STEPS,
    after_help = EXIT_CODES
)]
pub(super) struct CliArgs {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) serve: ServeArgs,
}

const FIRST_STEPS: &str = "\
Serve the built-in roulette wheels, and call them from another terminal:
  croupier
  croupier call http://127.0.0.1:8008/ spinList 3

Serve a server that you have, over all protocols:
  croupier add http://127.0.0.1:9001/RPC2 > casino.toml
  croupier check --ask casino.toml
  croupier serve casino.toml";

const EXIT_CODES: &str = "\
Exit codes: 0 for success, 1 for a failure, 2 for an invalid command line. `croupier COMMAND --help` has examples.";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve the groups of a configuration file, or the built-in ones
    #[command(after_help = "\
SIGINT (Ctrl-C) or SIGTERM stops the server: it accepts no further connections, lets running requests finish within the
drain time ([server.timeouts] drain, 10 s by default), and exits with code 0. A second signal ends it at once.

SIGHUP reloads the configuration. If it is valid, new requests go to the new groups and pages, while running calls finish
in the old ones, and groups that have not changed keep what they have in memory. Listeners are opened and closed. If it is
not valid, its errors are written to standard error and nothing changes. Changes of `workers`, `log.access`, `log.format`,
`server.response-memory`, `server.per-client.response-memory`, `admin` and `otlp` take effect at the next start only.

If systemd hands over a listening socket (LISTEN_FDS) of an address in `listen`, the server listens on this socket. It tells
systemd its state (NOTIFY_SOCKET: use Type=notify) and serves its watchdog.")]
    Serve(ServeCommand),
    /// Serve the methods of a group as tools over MCP, on standard input and output, for a client that starts this command
    #[command(after_help = "\
Examples:
  croupier mcp casino.toml --group /wheel/european
  croupier mcp casino.toml --bearer env:CASINO_TOKEN

A message is a line on standard input, its response a line on standard output, and the log is on standard error. No listener
is opened, so it runs beside a server of the same file. It ends with standard input, and at SIGINT (Ctrl-C) and SIGTERM.")]
    Mcp(McpArgs),
    /// Check a configuration file: report every error in it, or list its groups
    #[command(after_help = "\
Examples:
  croupier check casino.toml
  croupier check --env-file /etc/croupier/secrets.env casino.toml
  croupier check --without-secrets casino.toml          as in CI, where the secrets are not
  croupier check --ask casino.toml                      also asks the upstreams for their methods
  generate-config | croupier check -                    checks standard input

The exit code is 0 for a valid file and 1 for one with errors. With --ask it is also 1 if an upstream does not describe
itself, or if a name in the file is none of its methods. Warnings and notes do not change it.")]
    Check {
        #[command(flatten)]
        config: ConfigFile,
        #[command(flatten)]
        values: ValueArgs,
        /// Ask each upstream for its methods, and compare `routes`, `allow`, `deny`, `safe`, `idempotent`, `params`,
        /// aggregates and pages with them. Only requests without side effects are sent
        #[arg(long)]
        ask: bool,
        /// With --ask: how long each upstream may take, such as 500ms or 10s
        #[arg(short, long, default_value = "10s", value_name = "TIME")]
        timeout: Time,
    },
    /// Let a running server read its configuration again, and print the result
    #[command(after_help = "\
The server is asked through its admin listener ([admin] listen). It checks the file itself: if there are errors in it, they
are printed, nothing changes, and the exit code is 1. If the server at that address serves another file, it is not asked to
reload, and the exit code is 1, too.

If the admin listener needs credentials ([admin] auth), give them with -H or --bearer. Through a unix socket it may know the
user who runs this command: [auth.NAME.unix].")]
    Reload {
        #[command(flatten)]
        config: ConfigFile,
        #[command(flatten)]
        credentials: Credentials,
    },
    /// List the paths of a configuration and the methods at each
    #[command(
        after_help = "Without a file, those of the built-in configuration. Upstreams are not asked: `croupier check --ask` does that."
    )]
    Routes {
        #[command(flatten)]
        config: OptionalConfigFile,
        #[command(flatten)]
        values: ValueArgs,
    },
    /// Print the JSON Schema of the configuration file, by which editors complete and check it
    #[command(after_help = "\
Example:
  croupier schema > croupier.schema.json

Then name the schema in the first line of the configuration file, for editors with Taplo (Even Better TOML):
  #:schema ./croupier.schema.json

It is of draft 2020-12. `croupier check` knows more: what depends on several keys, on files and on services.")]
    Schema,
    /// Call a method of a server over XML-RPC, JSON-RPC, REST or SOAP, and print its result
    #[command(after_help = "\
Examples:
  croupier call http://127.0.0.1:8008/wheel/american spin
  croupier call http://127.0.0.1:8008/wheel/american spinList 3
  croupier call http://127.0.0.1:8008/wheel/american spinList spins=3
  croupier call http://127.0.0.1:8008/diagnostics validator1.easyStructTest '{\"moe\": 1, \"larry\": 2, \"curly\": 3}'
  croupier call --protocol soap 'http://localhost:8000/calculator?wsdl' add a=2 b=3
  croupier call --repeat 10 http://127.0.0.1:8008/ spin

Without --protocol, the server is asked for its methods (system.listMethods), for ?wsdl and for openapi.json until one of
the protocols fits. XML-RPC comes last for arguments by name, because it has arguments by position only. REST is called as croupier serves it: POST of the arguments to METHOD below the URL. Call other REST
servers with an HTTP client such as curl.

Exit codes: 0 for a result, 1 for a fault, which is printed on standard error with its code, 2 for an invalid command line,
3 if the server cannot be reached or its response is unusable.")]
    Call(CallArgs),
    /// List the methods of a server over XML-RPC, JSON-RPC, REST or SOAP, with their parameters and help
    #[command(after_help = "\
Examples:
  croupier describe http://127.0.0.1:8008/wheel/american
  croupier describe --json http://127.0.0.1:8008/wheel/american > openrpc.json
  croupier describe --protocol rest http://127.0.0.1:8008/wheel/american

Without --protocol, the protocol is taken in which the server describes itself best: introspection (XML-RPC), rpc.discover
or introspection (JSON-RPC), ?wsdl (SOAP). REST is tried last: openapi.json below the URL, as croupier serves it.

Exit codes: 0 for a description, 2 for an invalid command line, 3 if there is none.")]
    Describe(DescribeArgs),
    /// Find out how to call an upstream server, and print the configuration of a group for it
    #[command(after_help = "\
Examples:
  croupier add unix:/run/supervisor.sock
  croupier add http://127.0.0.1:6800/jsonrpc --path /downloads
  croupier add 'http://localhost:8000/calculator?wsdl' casino.toml --append

It finds out whether the upstream uses XML-RPC, JSON-RPC or SOAP, which methods it has and which options it needs.
Only requests without side effects are sent: introspection (system.listMethods, methodSignature, methodHelp, getCapabilities, and a
multicall of these), rpc.discover, and GET of ?wsdl. A password in the URL is not printed. A password that is not in the
URL is read from the environment: SUPERVISOR_PASSWORD for a group at /supervisor.

With a configuration file, the path of the group must be free in it, and the file must be valid with the group in it.")]
    Add(Add),
    /// Make an API key for `[auth.NAME.api-key]`
    #[command(subcommand)]
    Key(KeyCommand),
    /// Print a completion script for a shell
    #[command(after_help = "For bash: croupier completions bash > ~/.local/share/bash-completion/completions/croupier")]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// The commands about API keys.
#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Print a new key, and on standard error the line for the file with keys
    #[command(after_help = "\
Example:
  croupier key new --name ada --roles admin,staff 2>> keys.txt

The key has 256 random bits. The server keeps its SHA-256 only, so a key that is lost cannot be found again.")]
    New(NewKeyArgs),
}

/// The arguments of `croupier key new`.
#[derive(Debug, clap::Args)]
pub(super) struct NewKeyArgs {
    /// The name of its holder, for access rules and log lines
    #[arg(long, default_value = "key", value_name = "NAME")]
    pub(super) name: String,
    /// The roles of its holder
    #[arg(long, value_delimiter = ',', value_name = "ROLE")]
    pub(super) roles: Vec<String>,
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

/// The arguments of `croupier serve`.
#[derive(Debug, clap::Args)]
pub(super) struct ServeCommand {
    /// The configuration file; the built-in one if none is given
    #[arg(conflicts_with = "config")]
    file: Option<PathBuf>,
    #[command(flatten)]
    options: ServeArgs,
}

impl From<ServeCommand> for ServeArgs {
    fn from(ServeCommand { file, options }: ServeCommand) -> ServeArgs {
        ServeArgs { config: file.or(options.config), ..options }
    }
}

/// The arguments of `croupier mcp`.
#[derive(Debug, clap::Args)]
pub(super) struct McpArgs {
    /// The configuration file; the built-in one if none is given
    #[command(flatten)]
    pub(super) config: OptionalConfigFile,
    /// The path of the group; without it, `[mcp]` or the only group with MCP
    #[arg(short, long, value_name = "PATH", value_parser = group_path)]
    pub(super) group: Option<String>,
    #[command(flatten)]
    pub(super) credentials: Credentials,
}

/// What a group or the admin listener may need to know its callers.
#[derive(Debug, clap::Args)]
pub(super) struct Credentials {
    /// Send this header with each request, such as 'X-API-Key: crp_…'. Others on this machine can see it
    #[arg(short = 'H', long = "header", value_name = "HEADER", value_parser = header)]
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// Where a token or key for bearer authentication is: env:NAME or file:PATH
    #[arg(long, value_name = "SOURCE")]
    pub(super) bearer: Option<SecretSource>,
}

/// A configuration file, by position or as an option.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct ConfigFile {
    /// The configuration file
    file: Option<PathBuf>,
    /// The same
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl From<ConfigFile> for PathBuf {
    fn from(ConfigFile { file, config }: ConfigFile) -> PathBuf {
        // The parser of the arguments requires one of them.
        file.or(config).unwrap_or_default()
    }
}

/// A configuration file, by position or as an option, or none.
#[derive(Debug, clap::Args)]
#[group(id = "optional-config-file", multiple = false)]
pub(super) struct OptionalConfigFile {
    /// The configuration file
    file: Option<PathBuf>,
    /// The same
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl OptionalConfigFile {
    /// The file, if one is given.
    pub(super) fn path(&self) -> Option<&Path> {
        self.file.as_deref().or(self.config.as_deref())
    }
}

/// Where the values come from that the configuration takes from the environment.
#[derive(Debug, clap::Args)]
pub(super) struct ValueArgs {
    /// Take the variables of `{ env = "NAME" }` from this file first: lines NAME=value, as systemd (EnvironmentFile) and
    /// docker (--env-file) read them
    #[arg(long, value_name = "FILE")]
    pub(super) env_file: Option<PathBuf>,
    /// Accept that environment variables are not set and files with secrets cannot be read. Each is a note
    #[arg(long)]
    pub(super) without_secrets: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct CallArgs {
    /// The server, such as http://127.0.0.1:8008/wheel/american
    pub(super) url: String,
    /// The method, such as spinList
    pub(super) method: String,
    /// The arguments of the method, each as JSON: 3, true, '"text"', '[1, 2]', '{"a": 1}'; all by position, or all by name:
    /// spins=3
    #[arg(value_name = "ARG", allow_negative_numbers = true)]
    pub(super) args: Vec<String>,
    /// How many times to call
    #[arg(short, long, default_value_t = 1, value_name = "N")]
    pub(super) repeat: u64,
    /// Print each result as one line of JSON, also on a terminal, and a fault as JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) server: ServerArgs,
}

/// The arguments of `croupier describe`.
#[derive(Debug, clap::Args)]
pub(super) struct DescribeArgs {
    /// The server, such as http://127.0.0.1:8008/wheel/american
    pub(super) url: String,
    /// Print an OpenRPC document, or for REST the OpenAPI document
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) server: ServerArgs,
}

/// How a server is called.
#[derive(Debug, clap::Args)]
pub(super) struct ServerArgs {
    /// Use this protocol, instead of finding out which the server speaks
    #[arg(long, value_name = "PROTOCOL", value_parser = client_protocol())]
    pub(super) protocol: Option<Protocol>,
    /// Send this header with each request, such as 'X-Tenant: 7'; may be repeated. Others on this machine can see it
    #[arg(short = 'H', long = "header", value_name = "HEADER", value_parser = header)]
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// The user name for basic authentication
    #[arg(short, long, value_name = "NAME")]
    pub(super) user: Option<String>,
    /// Where the password is: env:NAME or file:PATH
    #[arg(long, value_name = "SOURCE", requires = "user")]
    pub(super) password: Option<SecretSource>,
    /// Where a token for bearer authentication is: env:NAME or file:PATH
    #[arg(long, value_name = "SOURCE", conflicts_with = "user")]
    pub(super) bearer: Option<SecretSource>,
    /// A PEM file with the certificates to trust, instead of those of the system
    #[arg(long, value_name = "FILE")]
    pub(super) ca_file: Option<PathBuf>,
    /// A PEM file with the client certificate, for servers that require one
    #[arg(long, value_name = "FILE", requires = "client_key")]
    pub(super) client_cert: Option<PathBuf>,
    /// A PEM file with the private key of the client certificate
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    pub(super) client_key: Option<PathBuf>,
    /// How long to wait for each response, such as 500ms or 10s
    #[arg(short, long, default_value = "10s", value_name = "TIME")]
    pub(super) timeout: Time,
}

/// Where a secret is that does not belong on a command line, which other users can see.
#[derive(Debug, Clone)]
pub(super) enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file.
    File(PathBuf),
}

impl FromStr for SecretSource {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<SecretSource, &'static str> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(SecretSource::Env(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(SecretSource::File(path.into())),
            _ => Err("a secret is not given here, but where it is: env:NAME or file:PATH"),
        }
    }
}

impl SecretSource {
    /// Reads the secret.
    ///
    /// # Errors
    /// With a message if it is not there.
    pub(super) fn read(&self) -> Result<String, String> {
        match self {
            SecretSource::Env(name) => {
                let value = std::env::var(name);
                let value =
                    value.map_err(|_| format!("the environment variable {name} is not set, or is not UTF-8"))?;
                Ok(value.trim().to_owned())
            }
            SecretSource::File(path) => match files::read_text(path, LARGEST_FILE) {
                Ok(text) => Ok(text.trim().to_owned()),
                Err(error) => Err(format!("`{}` cannot be read: {error}", path.display())),
            },
        }
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Add {
    /// The server: http://…, https://…, unix:/path/of.sock:/path, scgi://host:port/path or scgi:/path/of.sock
    pub(super) url: String,
    /// The path of the group; without it, one is made from the server's name
    #[arg(short, long, value_name = "PATH", value_parser = group_path)]
    pub(super) path: Option<String>,
    /// The configuration file for the group; it must be valid with the group in it
    #[command(flatten)]
    pub(super) config: OptionalConfigFile,
    /// Append the group to the configuration file instead of printing it
    #[arg(short, long, requires = "optional-config-file")]
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

/// Parses one of the protocols in which calls are made.
fn client_protocol() -> impl TypedValueParser<Value = Protocol> {
    let callable = Protocol::ALL.into_iter().filter(|protocol| Protocol::OF_UPSTREAMS.contains(protocol));
    PossibleValuesParser::new(callable.map(Protocol::name)).try_map(|name| name.parse::<Protocol>())
}

/// Parses a header such as `X-Tenant: 7`. The message does not repeat it.
fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("a header is such as 'X-Tenant: 7'")?;
    let parsed = name.trim().parse::<HeaderName>().map_err(|error| error.to_string())?;
    let mut value = HeaderValue::from_str(value.trim()).map_err(|error| error.to_string())?;
    value.set_sensitive(true);
    Ok((parsed, value))
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
