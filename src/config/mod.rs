//! The configuration: from the text of a TOML file to groups that are ready to answer, or to all that is wrong.

mod aggregate;
mod check;
mod file;
mod page;
mod problem;
mod reference;
mod registry;
mod resolve;
mod routes;
mod schema;
mod syntax;
mod units;
mod upstream;
mod web;
mod wording;

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;

use crate::codec::Limits;
use crate::http::public_url::PublicUrl;
use crate::protocol::page::TemplatePage;
use crate::protocol::set::ProtocolSet;
use crate::server::gateway::Group;
use crate::server::group_router::GroupRouter;
use crate::server::mount;
use crate::server::mount::{GroupMount, PageMount};
use crate::server::settings::{ListenerConfig, Settings};
use crate::service::RpcService;
use crate::upstream::Upstream;

pub use problem::{ConfigErrors, Problem};
pub use reference::reference;
pub use registry::{OptionErrors, Registry};
pub use units::{Address, Period, Size, UnitError};

/// The configuration that is built in, with every key and its meaning.
pub const DEFAULT: &str = include_str!("../../config/croupier.toml");

/// A configuration as it is meant: complete, and nothing in it contradicts anything else.
#[derive(Debug)]
pub struct Config {
    /// Where to listen, and for what; at least one place.
    pub listen: Vec<ListenerConfig>,
    /// How many threads answer requests; `None` for one for each processor.
    pub workers: Option<usize>,
    /// What is logged.
    pub log: Log,
    /// What all clients together may take.
    pub settings: Settings,
    /// Under which address clients know this server.
    pub public_url: Arc<PublicUrl>,
    /// The groups, in the order of the file.
    pub groups: Vec<ConfiguredGroup>,
    /// The pages of the operator's own, in the order of the file.
    pub pages: Vec<ConfiguredPage>,
}

/// One URL path with a page made of a template and of what a method answers.
pub struct ConfiguredPage {
    /// The path.
    pub path: String,
    /// The path of the group whose method is called.
    pub group: String,
    /// What answers it, within the limits of its group.
    pub service: Arc<dyn RpcService>,
    /// The page; under which address people know the server it is told when it is mounted.
    pub page: TemplatePage,
}

/// One URL path, and its aliases, with a service and what is decided about its calls.
pub struct ConfiguredGroup {
    /// The path under which the group is known.
    pub path: String,
    /// Further paths of the same group.
    pub aliases: Vec<String>,
    /// The kind of the service, as the registry knows it.
    pub kind: String,
    /// What a request and a call may take.
    pub limits: GroupLimits,
    /// The faces the group has, and how they read and write.
    pub protocols: ProtocolSet,
    /// What answers, within the limits.
    pub service: Arc<dyn RpcService>,
    /// The server elsewhere that answers, if it is one: what it offers is still to be [learned](Upstream::discover).
    pub remote: Option<Upstream>,
}

/// What a request to a group and a call of it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupLimits {
    /// Bytes of a request's body, as sent and as unpacked (4 MiB by default).
    pub body: usize,
    /// How deep values may lie inside each other (64 by default).
    pub depth: usize,
    /// How many elements a document may have (250,000 by default).
    pub elements: usize,
    /// How many calls one `system.multicall` or JSON-RPC batch may hold (1,000 by default).
    pub batch: usize,
    /// How many calls run at a time (1,024 by default).
    pub concurrent: usize,
    /// How long a call may take, the wait for its turn included (60 s by default).
    pub deadline: Duration,
}

/// What is written to standard error while the server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Log {
    /// How much is told.
    pub level: Level,
    /// Whether there is a line for each request.
    pub access: bool,
    /// The form of the lines.
    pub format: LogFormat,
}

/// How much is told; each level tells what the ones before it do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Nothing.
    Off,
    /// What failed and should not have.
    Error,
    /// What an operator may want to look into.
    Warn,
    /// What happens, requests among it.
    #[default]
    Info,
    /// What helps to find a fault.
    Debug,
    /// Everything.
    Trace,
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
}

impl Config {
    /// The configuration in a file.
    ///
    /// # Errors
    /// All that is wrong with it at once; that the file cannot be read, or is not UTF-8.
    pub fn load(path: &Path, registry: &Registry) -> Result<Config, ConfigErrors> {
        let name = path.display().to_string();
        let whole = |problem| ConfigErrors::new(&name, "", vec![problem]);
        let bytes =
            fs::read(path).map_err(|error| whole(Problem::whole(format!("`{name}` cannot be read: {error}"))))?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => Config::parse_at(path, text, registry),
            Err(error) => Err(whole(not_text(&bytes, error.valid_up_to()))),
        }
    }

    /// The configuration that a file would be with this text in it.
    ///
    /// # Errors
    /// All that is wrong with it at once.
    pub fn parse_at(path: &Path, text: &str, registry: &Registry) -> Result<Config, ConfigErrors> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let name = path.display().to_string();
        resolve::config(text, folder, registry).map_err(|problems| ConfigErrors::new(&name, text, problems))
    }

    /// The configuration in a text; messages call it by `name`. The names of further files in it are relative to the
    /// folder in which the program runs.
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
    /// All that is wrong with it at once.
    pub fn parse(name: &str, text: &str, registry: &Registry) -> Result<Config, ConfigErrors> {
        resolve::config(text, Path::new(""), registry).map_err(|problems| ConfigErrors::new(name, text, problems))
    }

    /// The groups, each with its faces, at their paths and aliases.
    ///
    /// # Panics
    /// Where paths were changed by hand so that they cannot be mounted; those in a file were looked at.
    pub fn router(&self) -> GroupRouter<Arc<Group>> {
        let mounted: Vec<GroupMount> = self.groups.iter().map(ConfiguredGroup::mounted).collect();
        let pages: Vec<PageMount> = self.pages.iter().map(|page| page.mounted(&self.public_url)).collect();
        mount::with_pages(&mounted, &pages, self.public_url.clone())
            .expect("the paths of a configuration can be mounted beside each other")
    }
}

impl ConfiguredPage {
    fn mounted(&self, public_url: &Arc<PublicUrl>) -> PageMount {
        let page = TemplatePage { public_url: public_url.clone(), ..self.page.clone() };
        PageMount { path: self.path.clone(), service: self.service.clone(), page }
    }
}

impl ConfiguredGroup {
    fn mounted(&self) -> GroupMount {
        GroupMount {
            path: self.path.clone(),
            aliases: self.aliases.clone(),
            service: self.service.clone(),
            protocols: self.protocols.clone(),
            body_limit: self.limits.body,
        }
    }
}

fn not_text(bytes: &[u8], offset: usize) -> Problem {
    let byte = bytes.get(offset).copied().unwrap_or_default();
    let line = 1 + bytes.iter().take(offset).filter(|byte| **byte == b'\n').count();
    let message = format!(
        "the file is not UTF-8: the byte 0x{byte:02X} at offset {offset}, in line {line}, is part of no character"
    );
    Problem::whole(message).hint("save it as UTF-8")
}

impl fmt::Debug for ConfiguredGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfiguredGroup")
            .field("path", &self.path)
            .field("aliases", &self.aliases)
            .field("kind", &self.kind)
            .field("limits", &self.limits)
            .field("protocols", &self.protocols)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ConfiguredPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfiguredPage")
            .field("path", &self.path)
            .field("group", &self.group)
            .field("page", &self.page)
            .finish_non_exhaustive()
    }
}

impl Default for GroupLimits {
    fn default() -> Self {
        let ProtocolSet { limits: Limits { depth, elements }, multicall: batch, .. } = ProtocolSet::default();
        GroupLimits { body: 4 << 20, depth, elements, batch, concurrent: 1024, deadline: Duration::from_secs(60) }
    }
}

impl Default for Log {
    fn default() -> Self {
        Log { level: Level::default(), access: true, format: LogFormat::default() }
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
