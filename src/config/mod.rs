//! The configuration: a TOML file becomes a [`Config`], or a list of everything that is wrong with it.
//!
//! 1. `syntax` parses the text, and finds keys that are given twice. `include` does the same with the included files, and
//!    adds their groups and pages to those of the main file (`sources`).
//! 2. `check` compares the parsed tables with the JSON Schema of the types that read them (`schema`), and reports each
//!    unknown key, wrong type and value out of bounds at its place in the file (`problem`, `wording`). Values with
//!    problems are removed, so that one run finds all problems.
//! 3. `resolve` lets each group inherit: it copies keys from the tables of the same name at the top level into the group's
//!    own tables. serde has not read the group yet.
//! 4. serde reads the types: `file::File` and `file::GroupFile`, and within them types of the modules below, such as
//!    [`ServerSettings`] and [`GroupLimits`](crate::server::settings::GroupLimits).
//! 5. `resolve` makes the backend of each group (`resolved`): a service from the [`Registry`], an upstream, or an
//!    aggregate, which comes last because it calls the others. It also checks routes, makes the pages, and checks that the
//!    paths of groups and pages can be mounted together.
//!
//! A group passes through these types: `GroupFile` (the keys as read) -> `ParsedGroup` (with the places of keys in the
//! file, and the unread options of the service) -> `ResolvedGroup` (with the backend) -> [`GroupMount`] (with the service
//! ready, also of an aggregate) -> [`Group`] (with the frontends; made in `server/mount.rs`, again after each change of
//! an upstream).
//!
//! The result is plain data: [`Config::mounts`] is what a [`Runtime`](crate::server::runtime::Runtime) serves. The doc
//! comments of all these types are the text of `docs/configuration.md`, which [`reference()`] writes.

mod access;
mod aggregate;
mod auth;
mod cache;
mod check;
mod cors;
mod fallback;
mod file;
mod forwarding;
mod identity_token;
mod include;
mod json_schema;
mod kept;
mod listener_tls;
mod mcp;
mod memory;
mod otlp;
mod page;
mod problem;
mod prompts;
mod quotas;
mod reference;
mod registry;
mod resolve;
mod resolved;
mod rest_methods;
mod rest_upstream;
mod routes;
mod rule_target;
mod schema;
mod secret_file;
mod secrets;
mod setting_reader;
mod shares;
mod soap_headers;
mod sources;
mod syntax;
mod target;
mod upstream;
mod variables;
mod wording;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;

use crate::files;
use crate::http::public_url::PublicUrl;
use crate::server::AccessLogOptions;
use crate::server::auth::GroupAuth;
use crate::server::gateway::Group;
use crate::server::group_router::GroupRouter;
use crate::server::mount::{GroupMount, McpMount, Mounts, PageMount};
#[cfg(feature = "otlp")]
use crate::server::otlp::OtlpSettings;
use crate::server::settings::{AdminSettings, ListenerConfig, ServerSettings};
use crate::upstream::Upstream;

#[cfg(feature = "cli")]
pub(crate) use include::matching_files;
use kept::Kept;
use memory::DefaultMemory;
use sources::ConfigSources;

pub use crate::model::units::{Period, Size};
pub use json_schema::json_schema;
#[cfg(feature = "cli")]
pub(crate) use problem::in_colour;
pub use problem::{ConfigErrors, Problem, Remarks, Severity};
pub use reference::reference;
pub use registry::{OptionErrors, Registry};
pub use variables::{EnvFileError, Variables};

/// How many bytes a configuration file, or a file with a description or a secret, may have.
pub(crate) const LARGEST_FILE: usize = 16 << 20;

/// The built-in configuration, with every key and its meaning.
pub const DEFAULT: &str = include_str!("../../config/croupier.toml");

/// A complete and valid configuration.
#[derive(Debug)]
pub struct Config {
    /// The addresses to listen on, and what is served there; at least one.
    pub listen: Vec<ListenerConfig>,
    /// How many worker threads serve requests; `None` for one for each processor.
    pub workers: Option<usize>,
    /// What is logged.
    pub log: Log,
    /// Whether the configuration is read again when one of its files changes.
    pub watch: bool,
    /// The limits on what all clients together may use.
    pub settings: ServerSettings,
    /// Which sizes of memory the file leaves to the defaults.
    pub(crate) default_memory: DefaultMemory,
    /// The listener for operators.
    pub admin: AdminSettings,
    /// Who may use it; `None` if everyone may who reaches it.
    pub admin_auth: Option<Arc<GroupAuth>>,
    /// Where the spans of requests are sent; `None` if they have none.
    #[cfg(feature = "otlp")]
    pub otlp: Option<OtlpSettings>,
    /// The file in which the counts of quotas are kept; `None` if they are in memory only. A program that serves the
    /// configuration gives it to a [`QuotaKeeper`](crate::server::quotas::QuotaKeeper).
    pub quotas_file: Option<PathBuf>,
    /// The address under which clients know this server.
    pub public_url: Arc<PublicUrl>,
    /// The groups, in the order of the file.
    pub groups: Vec<GroupMount>,
    /// The MCP endpoint with the tools of several groups, if there is one.
    pub mcp: Option<McpMount>,
    /// The pages made from templates, in the order of the file.
    pub pages: Vec<PageMount>,
    /// A hash of the text of the file and of those that it includes (FNV-1a), by which two servers can be compared. Other
    /// files that it names are not part of it.
    pub hash: u64,
    /// The files on which it depends.
    pub files: NamedFiles,
    /// What an operator should know about it.
    pub remarks: Remarks,
}

/// How a configuration is read: with these services, and these variables.
#[derive(Clone, Copy)]
struct Reading<'r> {
    registry: &'r Registry,
    kept: Kept<'r>,
    variables: &'r Variables,
    /// The upstreams that have described themselves, by the paths of their groups, if the configuration is to be compared with
    /// what they say.
    described: Option<&'r BTreeMap<String, Upstream>>,
}

impl<'r> Reading<'r> {
    fn new(registry: &'r Registry, kept: Kept<'r>, variables: &'r Variables) -> Reading<'r> {
        Reading { registry, kept, variables, described: None }
    }
}

/// The files on which a configuration depends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedFiles {
    /// The main file, if there is one, and then included files, templates, descriptions, secrets and certificates.
    pub files: Vec<PathBuf>,
    /// The patterns of `include`, with their folders.
    pub patterns: Vec<String>,
    /// The folders in which further files may be included.
    pub folders: Vec<PathBuf>,
}

/// What is written to standard error while the server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Log {
    /// Which lines are logged.
    pub level: Level,
    /// Whether there is a line for each request.
    pub access: bool,
    /// Which requests have a line: with `"errors"` only those that failed, and batches with a call that failed. Without it,
    /// all of them.
    pub only: Option<OnlyRequests>,
    /// Whether there is also a line for each call of a batch, before the line of its request.
    pub calls: bool,
    /// The form of the lines.
    pub format: LogFormat,
}

/// Which lines are logged; each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Nothing.
    Off,
    /// Defects of the server.
    Error,
    /// Also what an operator should look into, such as an upstream that does not respond.
    Warn,
    /// Also what happens, including one line for each request.
    #[default]
    Info,
    /// Also what helps to find a defect.
    Debug,
    /// Everything.
    Trace,
}

/// Which requests have a line in the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnlyRequests {
    /// Those that failed.
    Errors,
}

impl Log {
    /// The lines of the access log; `None` if there is none.
    pub(crate) fn access_options(&self) -> Option<AccessLogOptions> {
        let options = AccessLogOptions { only_errors: self.only == Some(OnlyRequests::Errors), calls: self.calls };
        self.access.then_some(options)
    }
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for programs.
    Json,
    /// `key=value` with spaces between them, for programs and people.
    Logfmt,
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// If the file cannot be read within 3 s, is not a regular file, has more than 16 MiB or is not UTF-8; otherwise all problems with it at once.
    pub fn load(path: &Path, registry: &Registry) -> Result<Config, ConfigErrors> {
        Config::load_with(path, registry, &Variables::new())
    }

    /// Reads a configuration file, with the values of environment variables from `variables`.
    ///
    /// # Errors
    /// Those of [`Config::load`].
    pub fn load_with(path: &Path, registry: &Registry, variables: &Variables) -> Result<Config, ConfigErrors> {
        Config::load_within(path, Reading::new(registry, Kept(None), variables))
    }

    /// Reads a configuration file for a server that serves these mounts already, to be given to
    /// [`Runtime::reload`](crate::server::runtime::Runtime::reload).
    ///
    /// A group that has the same path as one of the mounts keeps its backend if that is described in the same way: its kind
    /// and options are the same, or its `upstream` with the contents of the files and variables that it names. So a service
    /// keeps what it has in memory, and an upstream its connections and its description. The permits of its limits are kept
    /// too, if `concurrent`, `waiting` and `deadline` are the same. An aggregate is kept as long as the groups are that it
    /// calls. The registry has to be the same.
    ///
    /// # Errors
    /// Those of [`Config::load`].
    pub fn load_keeping(path: &Path, registry: &Registry, served: &Mounts) -> Result<Config, ConfigErrors> {
        Config::load_within(path, Reading::new(registry, Kept(Some(served)), &Variables::new()))
    }

    fn load_within(path: &Path, reading: Reading<'_>) -> Result<Config, ConfigErrors> {
        let name = path.display().to_string();
        let whole =
            |problem| ConfigErrors::new(ConfigSources::main(&name, Path::new(""), "").texts, vec![problem], &[]);
        let bytes = files::read(path, LARGEST_FILE)
            .map_err(|error| whole(Problem::whole(format!("`{name}` cannot be read: {error}"))))?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => Config::parse_within(path, text, reading).map(|mut config| {
                config.files.files.insert(0, path.to_owned());
                config
            }),
            Err(error) => Err(whole(not_text(&bytes, error.valid_up_to()))),
        }
    }

    /// Reads this text as if it were the content of a file, with the values of environment variables from `variables`.
    ///
    /// # Errors
    /// All problems with it at once.
    pub fn parse_at(
        path: &Path,
        text: &str,
        registry: &Registry,
        variables: &Variables,
    ) -> Result<Config, ConfigErrors> {
        Config::parse_within(path, text, Reading::new(registry, Kept(None), variables))
    }

    /// Reads the text of a file and compares it with what its upstreams say: names in their options, routes, and what
    /// aggregates and pages call.
    #[cfg(feature = "cli")]
    pub(crate) fn compare_at(
        path: &Path,
        text: &str,
        (registry, variables): (&Registry, &Variables),
        described: &BTreeMap<String, Upstream>,
    ) -> Result<Config, ConfigErrors> {
        let reading = Reading::new(registry, Kept(None), variables);
        Config::parse_within(path, text, Reading { described: Some(described), ..reading })
    }

    fn parse_within(path: &Path, text: &str, reading: Reading<'_>) -> Result<Config, ConfigErrors> {
        let folder = path.parent().unwrap_or(Path::new(""));
        Config::read(ConfigSources::main(&path.display().to_string(), folder, text), reading)
    }

    fn read(mut sources: ConfigSources, reading: Reading<'_>) -> Result<Config, ConfigErrors> {
        let mut problems = Vec::new();
        let read = resolve::read_config(&mut sources, reading, &mut problems);
        let (texts, hidden) = sources.into_texts();
        match read {
            Some(config) if problem::count_errors(&problems) == 0 => {
                Ok(Config { remarks: Remarks::new(texts, problems, &hidden), ..config })
            }
            _ => Err(ConfigErrors::new(texts, problems, &hidden)),
        }
    }

    /// Reads a configuration from a text, which messages call `name`. The names of further files in it are relative to the
    /// current folder.
    ///
    /// ```
    /// use croupier::config::{Config, Registry};
    ///
    /// let text = r#"
    ///     [group."/wheel/european"]
    ///     service = "wheel"
    ///     options = { family = "european" }
    /// "#;
    /// let config = Config::parse("croupier.toml", text, &Registry::standard())?;
    /// assert_eq!(config.groups[0].path, "/wheel/european");
    /// # Ok::<(), croupier::config::ConfigErrors>(())
    /// ```
    ///
    /// # Errors
    /// All problems with it at once.
    pub fn parse(name: &str, text: &str, registry: &Registry) -> Result<Config, ConfigErrors> {
        Config::parse_keeping(name, text, registry, &Mounts::default())
    }

    /// Reads a configuration from a text for a server that serves these mounts already: see [`Config::load_keeping`].
    ///
    /// # Errors
    /// All problems with it at once.
    pub fn parse_keeping(name: &str, text: &str, registry: &Registry, served: &Mounts) -> Result<Config, ConfigErrors> {
        let variables = Variables::new();
        let reading = Reading::new(registry, Kept(Some(served)), &variables);
        Config::read(ConfigSources::main(name, Path::new(""), text), reading)
    }

    /// What the gateway serves: the groups and pages, and the address in the documents about them.
    pub fn mounts(&self) -> Mounts {
        Mounts {
            groups: self.groups.clone(),
            mcp: self.mcp.clone(),
            pages: self.pages.clone(),
            public_url: self.public_url.clone(),
            admin_auth: self.admin_auth.clone(),
        }
    }

    /// A router to the groups and pages, for a [`Gateway`](crate::server::gateway::Gateway) whose groups never change.
    ///
    /// # Panics
    /// If a path was changed after the configuration was read and can no longer be mounted.
    pub fn router(&self) -> GroupRouter<Arc<Group>> {
        self.mounts().router().expect("reading the configuration checked that its paths can be mounted together")
    }

    /// The keys in which `new` differs and that a running server does not follow: they apply at the next start. The others are
    /// for [`Runtime::reload`](crate::server::runtime::Runtime::reload) and
    /// [`ServerControl`](crate::server::ServerControl).
    pub fn needs_restart(&self, new: &Config) -> Vec<&'static str> {
        let share = |config: &Config| config.settings.per_client.response_memory;
        let changed = [
            ("workers", self.workers != new.workers),
            ("log.access", self.log.access != new.log.access),
            ("log.format", self.log.format != new.log.format),
            ("server.response-memory", self.settings.response_memory != new.settings.response_memory),
            ("server.per-client.response-memory", share(self) != share(new)),
            ("admin", self.admin.listen != new.admin.listen),
            #[cfg(feature = "otlp")]
            ("otlp", self.otlp != new.otlp),
            ("quotas.file", self.quotas_file != new.quotas_file),
        ];
        changed.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect()
    }
}

fn not_text(bytes: &[u8], offset: usize) -> Problem {
    let byte = bytes.get(offset).copied().unwrap_or_default();
    let line = 1 + bytes.iter().take(offset).filter(|byte| **byte == b'\n').count();
    let message = format!(
        "the file is not UTF-8: the byte 0x{byte:02X} at offset {offset}, in line {line}, is not part of a character"
    );
    Problem::whole(message).hint("save it as UTF-8")
}

impl Default for Log {
    fn default() -> Self {
        Log { level: Level::default(), access: true, only: None, calls: false, format: LogFormat::default() }
    }
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> LevelFilter {
        match level {
            Level::Off => LevelFilter::OFF,
            Level::Error => LevelFilter::ERROR,
            Level::Warn => LevelFilter::WARN,
            Level::Info => LevelFilter::INFO,
            Level::Debug => LevelFilter::DEBUG,
            Level::Trace => LevelFilter::TRACE,
        }
    }
}
