//! The tools of several groups at one address: the table `mcp` of the file.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use toml::Spanned;

use super::problem::{Problem, count_errors};
use super::resolved::{ResolvedGroup, no_group};
use crate::model::interface::Interface;
use crate::model::name_patterns::NamePatterns;
use crate::model::text::abridge;
use crate::protocol::Protocol;
use crate::protocol::mcp::names::{is_name, prefixed};
use crate::protocol::mcp::server::JoinedGroup;
use crate::server::auth::GroupAuth;
use crate::server::mount::{McpMember, McpMount};

/// One address with the tools of several groups, for clients of MCP. The name of a tool begins with the name of its group. What the
/// table `mcp` of a group says about its tools holds here too, except for `find-tools` and `listed`.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct McpFile {
    /// The path of the address. It is the whole path: clients add nothing to it.
    #[schemars(with = "String")]
    path: Spanned<String>,
    /// The paths of the groups: `["/wheel/european", "/adder"]`. The tools of `/wheel/european` are then named `wheel_european_spin`
    /// and so on. A table gives other names: `{ "/wheel/european" = "roulette" }` for `roulette_spin`. A name has up to 64 letters,
    /// digits, `_` and `-`.
    #[schemars(with = "JoinedGroupsForm")]
    groups: JoinedGroupsFile,
    /// Who may call: the names of tables of `auth`. Each request needs credentials of one of them. If a group has an `auth` too, that
    /// has to include all of them. Without this key, no group may be listed that needs to know who calls.
    #[schemars(with = "Vec<String>")]
    pub(super) auth: Vec<Spanned<String>>,
    /// Whether the list of tools has only `find_tools`, which finds the others by words, and `call_tool`, which calls them.
    find_tools: bool,
    /// The tools that are listed beside these two: names of tools, or patterns. Only with `find-tools`.
    #[schemars(with = "Vec<String>")]
    listed: NamePatterns,
}

impl Default for McpFile {
    fn default() -> Self {
        McpFile {
            path: Spanned::new(0..0, "/mcp".to_owned()),
            groups: JoinedGroupsFile::default(),
            auth: Vec::new(),
            find_tools: false,
            listed: NamePatterns::default(),
        }
    }
}

impl McpFile {
    /// The path. Its span is that of the table if the file does not have the key.
    pub(super) fn path(&self, table: &Range<usize>) -> Spanned<String> {
        match self.path.span() {
            span if span.is_empty() => Spanned::new(table.clone(), self.path.get_ref().clone()),
            _ => self.path.clone(),
        }
    }
}

/// The paths of the groups, each with the prefix that the file gives it.
#[derive(Debug, Default)]
struct JoinedGroupsFile(Vec<(Spanned<String>, Option<Spanned<String>>)>);

/// The forms of `groups` in a file.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "only for the schema")]
enum JoinedGroupsForm {
    /// The paths of the groups.
    Paths(Vec<String>),
    /// The names of the groups by their paths.
    Named(BTreeMap<String, String>),
}

impl<'de> Deserialize<'de> for JoinedGroupsFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(GroupsVisitor)
    }
}

impl Serialize for JoinedGroupsFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(path, _)| path.get_ref()))
    }
}

struct GroupsVisitor;

impl<'de> Visitor<'de> for GroupsVisitor {
    type Value = JoinedGroupsFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of paths, or a table of names by paths")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<JoinedGroupsFile, A::Error> {
        let mut groups = Vec::new();
        while let Some(path) = items.next_element()? {
            groups.push((path, None));
        }
        Ok(JoinedGroupsFile(groups))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<JoinedGroupsFile, A::Error> {
        let mut groups: Vec<(Spanned<String>, _)> = Vec::new();
        while let Some((path, name)) = items.next_entry()? {
            groups.push((path, Some(name)));
        }
        groups.sort_by_key(|(path, _)| path.span().start);
        Ok(JoinedGroupsFile(groups))
    }
}

/// A group whose tools the address has.
struct Joined<'g> {
    group: &'g ResolvedGroup,
    /// The span of its path in `mcp.groups`.
    span: Range<usize>,
    prefix: String,
}

/// Checks the table and connects it to its groups. `path` and `table` are the path and the span of the table, and `auth` is made of its
/// key `auth`. `None` if there are errors.
pub(super) fn resolve(
    file: McpFile,
    path: Spanned<String>,
    table: Range<usize>,
    auth: Option<Arc<GroupAuth>>,
    groups: &[ResolvedGroup],
    problems: &mut Vec<Problem>,
) -> Option<McpMount> {
    let before = count_errors(problems);
    if file.groups.0.is_empty() {
        let problem = Problem::at(table, "`mcp` has no `groups`, so it would have no tools");
        problems.push(problem.hint("such as `groups = [\"/wheel/european\"]`"));
    }
    let mut joined: Vec<Joined<'_>> = Vec::new();
    for (name, prefix) in &file.groups.0 {
        match join(name, prefix.as_ref(), groups, &joined) {
            Ok(one) => {
                problems.extend(check_auth(&one, auth.as_deref(), &file.auth));
                problems.extend(auth.as_deref().and_then(|auth| passes_credentials(&one, auth)));
                joined.push(one);
            }
            Err(problem) => problems.push(problem),
        }
    }
    problems.extend(taken_by_own(&path, groups));
    if count_errors(problems) > before {
        return None;
    }
    let members = joined.into_iter().map(|Joined { group, prefix, .. }| {
        let group = group.path.get_ref().clone();
        McpMember { group, prefix }
    });
    let search = file.find_tools.then_some(file.listed);
    Some(McpMount { path: path.into_inner(), groups: members.collect(), auth, search })
}

/// Finds a group, and the prefix of the names of its tools.
fn join<'g>(
    name: &Spanned<String>,
    prefix: Option<&Spanned<String>>,
    groups: &'g [ResolvedGroup],
    others: &[Joined<'_>],
) -> Result<Joined<'g>, Problem> {
    let span = name.span();
    let Some(group) = groups.iter().find(|group| group.is_at(name.get_ref())) else {
        return Err(no_group(name, groups));
    };
    let shown = abridge(name.get_ref());
    if let Some(other) = others.iter().find(|other| std::ptr::eq(other.group, group)) {
        return Err(
            Problem::at(span, format!("the group `{shown}` is here twice")).related(other.span.clone(), "first here")
        );
    }
    if !group.protocols.has(Protocol::Mcp) {
        let problem = Problem::at(span, format!("the group `{shown}` has no MCP"));
        return Err(problem.hint("add \"mcp\" to its `protocols`"));
    }
    let chosen = prefix.map_or_else(|| JoinedGroup::prefix_of(group.path.get_ref()), |prefix| prefix.get_ref().clone());
    let place = prefix.map_or(span.clone(), Spanned::span);
    if !is_name(&chosen) {
        let problem = Problem::at(place, format!("`{}` is not a name for the tools of a group", abridge(&chosen)));
        return Err(problem.hint("use letters, digits, `_` and `-`, at most 64, such as `{ \"/adder\" = \"sums\" }`"));
    }
    if let Some(other) = others.iter().find(|other| other.prefix == chosen) {
        let problem = Problem::at(place, format!("the names of the tools of two groups begin with `{chosen}`"));
        let hint = "give one of them another name, such as `{ \"/adder\" = \"sums\" }`";
        return Err(problem.related(other.span.clone(), "the other").hint(hint));
    }
    check_given_names(group, &chosen, &span)?;
    Ok(Joined { group, span, prefix: chosen })
}

/// The problem that the name of a tool in the file is too long with the prefix.
fn check_given_names(group: &ResolvedGroup, prefix: &str, span: &Range<usize>) -> Result<(), Problem> {
    let given = group.protocols.mcp.tools.values().filter_map(|tool| tool.name.as_deref());
    match given.map(|name| prefixed(prefix, name)).find(|name| !is_name(name)) {
        None => Ok(()),
        Some(name) => {
            let message = format!("`{}` is too long for the name of a tool", abridge(&name));
            Err(Problem::at(span.clone(), message).hint("give the group or the tool a shorter name"))
        }
    }
}

/// The problem that a caller would reach a group without credentials that the group itself accepts.
fn check_auth(joined: &Joined<'_>, auth: Option<&GroupAuth>, names: &[Spanned<String>]) -> Option<Problem> {
    let own = joined.group.auth.as_ref()?;
    let path = abridge(joined.group.path.get_ref());
    if auth.is_none() && names.is_empty() {
        let message = format!("`{path}` needs to know who calls, and `mcp` has no `auth`");
        let problem = Problem::at(joined.span.clone(), message);
        return joined.group.is_closed().then(|| problem.hint("give `mcp` an `auth` with definitions of that group"));
    }
    let other = names.iter().find(|name| own.names().all(|own| own != name.get_ref()))?;
    let message = format!("`{}` is not among `auth` of `{path}`", abridge(other.get_ref()));
    let problem = Problem::at(other.span(), message).related(joined.span.clone(), "whose tools are here");
    Some(problem.hint("a caller needs credentials that every group here accepts"))
}

/// The problem that the upstream of a group would get the credentials of callers of `mcp`: the group has no `auth`, so the header belongs
/// to the upstream when the group is called directly.
fn passes_credentials(joined: &Joined<'_>, auth: &GroupAuth) -> Option<Problem> {
    let service = joined.group.service().filter(|_| joined.group.auth.is_none())?;
    let passed = service.interface().request_headers.clone();
    let header = auth.credential_headers().into_iter().find(|header| passed.contains(header))?;
    let path = abridge(joined.group.path.get_ref());
    let message =
        format!("`{path}` passes the header `{header}` on, in which the callers of `mcp` send their credentials");
    let hint = "give the group `auth` if its upstream may have them, or another header to the definition";
    Some(Problem::at(joined.span.clone(), message).hint(hint))
}

/// The problem that the path is the own endpoint of a group.
fn taken_by_own(path: &Spanned<String>, groups: &[ResolvedGroup]) -> Option<Problem> {
    let group = path.get_ref().strip_suffix("/mcp")?;
    let group = if group.is_empty() { "/" } else { group };
    let taken = groups.iter().find(|other| other.is_at(group) && other.protocols.has(Protocol::Mcp))?;
    let message =
        format!("`{}` is the address of the tools of the group `{}`", abridge(path.get_ref()), abridge(group));
    Some(Problem::at(path.span(), message).related(taken.path.span(), "the group").hint("choose another `path`"))
}

/// How many tools the strictest clients accept, of all their servers together.
const MAX_COMMON_TOOLS: usize = 40;

/// The warning that a group has more tools than clients accept.
pub(super) fn warn_of_many_tools(group: &ResolvedGroup, interface: &Interface) -> Option<Problem> {
    let options = &group.protocols.mcp;
    let count = options.count_tools(interface);
    let is_too_long = group.protocols.has(Protocol::Mcp) && !options.find_tools && count > MAX_COMMON_TOOLS;
    is_too_long.then(|| {
        let path = abridge(group.path.get_ref());
        let message = format!(
            "clients of MCP are shown {count} tools of `{path}`, and some take no more than {MAX_COMMON_TOOLS}"
        );
        let hint = "set `mcp.find-tools = true`, or choose tools with `mcp.include`";
        Problem::at(group.path.span(), message).warning().hint(hint)
    })
}
