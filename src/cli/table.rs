//! `croupier check` and `croupier routes`: list the contents of a configuration.

use std::path::{Display, Path};
use std::time::Duration;

use super::args::ValueArgs;
use super::ask;
use super::load::{ReadConfig, STANDARD_INPUT};
use super::{Failure, say};
use crate::config::{Config, Registry, Severity};
use crate::http::routes::RestRoute;
use crate::protocol::xmlrpc::signature;
use crate::server::mount::{GroupMount, PageMount};

/// Lists the groups and pages of a configuration file. With `ask`, asks its upstreams, each for at most this time.
///
/// # Errors
/// All problems of the file.
pub(super) fn check(
    file: &Path,
    values: &ValueArgs,
    ask: Option<Duration>,
    registry: &Registry,
) -> Result<(), Failure> {
    let read = ReadConfig::read(Some(file), values, registry)?;
    let config = &read.config;
    let groups = config.groups.len();
    // A group that needs what is not there is not among them.
    let unchecked = config.remarks.problems().iter().any(|remark| remark.severity == Severity::Note);
    let valid = if unchecked { "is valid as far as it could be checked" } else { "is valid" };
    say(format_args!("{} {valid}: {groups} group{}", name(file), if groups == 1 { "" } else { "s" }));
    let listen: Vec<String> = config.listen.iter().map(ToString::to_string).collect();
    if !listen.is_empty() {
        say(format_args!("listens on {}", listen.join(", ")));
    }
    if let Some(admin) = &config.admin.listen {
        say(format_args!("admin listener at {admin}"));
    }
    say("");
    table(config);
    if !config.pages.is_empty() {
        say("");
        config.pages.iter().for_each(page);
    }
    if let Some(mcp) = &config.mcp {
        let groups: Vec<&str> = mcp.groups.iter().map(|member| member.group.as_str()).collect();
        say("");
        say(format_args!("{} has the tools of {} for clients of MCP", mcp.path, groups.join(", ")));
    }
    remarks(config);
    if let Some(warning) = config.admin.warning() {
        eprintln!("croupier: warning: {warning}");
    }
    match ask {
        Some(limit) => ask::ask(&read, limit, registry),
        None => Ok(()),
    }
}

/// Prints what an operator should know of a configuration.
fn remarks(config: &Config) {
    let remarks = config.remarks.for_terminal();
    if !remarks.is_empty() {
        eprintln!("\n{remarks}");
    }
}

/// How a file is called.
fn name(file: &Path) -> Display<'_> {
    if file == Path::new(STANDARD_INPUT) { Path::new("standard input").display() } else { file.display() }
}

/// Lists the paths of a configuration with the methods and routes at each.
pub(super) fn routes(file: Option<&Path>, values: &ValueArgs, registry: &Registry) -> Result<(), Failure> {
    let config = ReadConfig::read(file, values, registry)?.config;
    remarks(&config);
    for group in &config.groups {
        say(heading(group));
        let interface = group.service.interface();
        for method in &interface.methods {
            say(format_args!("    {}", signature::signature_line(&interface, method)));
            for route in group.protocols.route_table().routes().iter().filter(|route| route.method() == method.name) {
                say(format_args!("        {}", route_line(group, route)));
            }
        }
        if group.upstream.is_some() {
            say("    methods: not asked; `check --ask` asks the upstream");
        }
        // The upstream is not asked for its methods here, so its routes are listed by themselves.
        for route in group.protocols.route_table().routes().iter().filter(|_| group.upstream.is_some()) {
            say(format_args!("    {}  {}", route_line(group, route), route.method()));
        }
    }
    config.pages.iter().for_each(page);
    Ok(())
}

fn route_line(group: &GroupMount, route: &RestRoute) -> String {
    let (verb, path) = (route.template().verb(), route.template().path());
    format!("{verb} {}{path}", group.path.trim_end_matches('/'))
}

fn page(page: &PageMount) {
    say(format_args!("{}  {} (page of `{}` at {})", page.path, page.page.title, page.page.method, page.group));
}

fn heading(group: &GroupMount) -> String {
    let paths = [&group.path].into_iter().chain(&group.aliases).map(String::as_str).collect::<Vec<_>>();
    format!("{}  {} ({})", paths.join(" "), group.service.interface().title, group.kind)
}

fn table(config: &Config) {
    let width = |length: fn(&GroupMount) -> usize, title: &str| {
        config.groups.iter().map(length).max().unwrap_or_default().max(title.len())
    };
    let path = width(|group| group.path.len(), "path");
    let kind = width(|group| group.kind.len(), "service");
    say(format_args!(
        "{:path$}  {:kind$}  {:>7}  {:>9}  {:>8}  aliases",
        "path", "service", "methods", "body", "deadline"
    ));
    for group in &config.groups {
        say(format_args!(
            "{:path$}  {:kind$}  {:>7}  {:>9}  {:>8}  {}",
            group.path,
            group.kind,
            methods(group),
            bytes(group.limits().body),
            format!("{:?}", group.limits().deadline),
            group.aliases.join(" ")
        ));
    }
}

/// How many methods a group has; `-` for an upstream, whose methods are not known here.
fn methods(group: &GroupMount) -> String {
    match group.upstream {
        Some(_) => "-".to_owned(),
        None => group.service.interface().methods.len().to_string(),
    }
}

/// A number of bytes in the largest binary unit that divides it.
fn bytes(count: usize) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units.into_iter().find(|(shift, _)| count > 0 && count.trailing_zeros() >= *shift);
    unit.map_or_else(|| format!("{count} B"), |(shift, name)| format!("{} {name}", count >> shift))
}
