//! From the configuration as written to the configuration as meant.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer, Error, ValueDeserializer};

use super::aggregate;
use super::aggregate::AggregateFile;
use super::check::Check;
use super::file::{File, GroupFile};
use super::page;
use super::page::PageFile;
use super::problem::Problem;
use super::registry::OPTIONS;
use super::routes;
use super::routes::Routes;
use super::schema;
use super::schema::Node;
use super::syntax::Distinct;
use super::upstream;
use super::{Config, Registry};
use crate::model::interface::Interface;
use crate::model::option_error::Key;
use crate::model::text::{abridge, nearest};
use crate::model::units::Size;
use crate::protocol::set::ProtocolSet;
use crate::server::group_router::{GroupRouter, MountError};
use crate::server::mount::{GroupMount, PageMount};
use crate::server::request_body;
use crate::server::settings::{GroupLimits, ListenAddress, ListenerConfig, Settings};
use crate::service::RpcService;
use crate::upstream::Upstream;

/// The configuration that a text means, or all that is wrong with it.
///
/// The names of further files in it are relative to `folder`.
pub(super) fn config(text: &str, folder: &Path, registry: &Registry) -> Result<Config, Vec<Problem>> {
    let distinct = Distinct::read(text);
    let (mut root, mut problems) = distinct.table()?;
    let schema = schema::of::<File>();
    let node = Node::root(&schema);
    if !has_groups(&root) {
        problems.push(no_groups());
    }
    let mut groups = root.remove(GROUP);
    let mut check = Check::default();
    check.table(&mut root, 0..0, node);
    problems.extend(check.problems);
    let mut parsed = Vec::new();
    if let (Some(groups), Some(node)) = (&mut groups, node.property(GROUP)) {
        parsed = read_groups(groups, node, &root, &mut problems);
    }
    let file = File::deserialize(Deserializer::from(Spanned::new(0..0, root)));
    let file = file.unwrap_or_else(|error| {
        problems.push(unread(&error, 0..0));
        File::default()
    });
    let listen = listen(&file, &mut problems);
    let settings = file.server;
    let mut mounted = GroupRouter::default();
    let (mut routes, mut leading, mut resolved) = (Vec::new(), Vec::new(), Vec::new());
    for mut group in parsed {
        let own = Routes::read(text, std::mem::take(&mut group.file.routes), &mut problems);
        leading.extend(own.leading(&group.path));
        routes.push(own);
        resolved.push(group.resolve(registry, folder, &mut mounted, &settings, &mut problems));
    }
    aggregate::resolve(&mut resolved, &mut problems);
    for (group, routes) in resolved.iter_mut().zip(routes) {
        group.protocols.routes = routes.settle(&group.protocols, group.interface().as_deref(), &mut problems);
    }
    let pages = pages(file.page, &resolved, folder, &mut mounted, &mut problems);
    let groups = resolved.into_iter().filter_map(ResolvedGroup::mount).collect();
    problems.extend(leading.into_iter().filter_map(|route| route.taken(&mounted)));
    if !problems.is_empty() {
        return Err(problems);
    }
    let public_url = Arc::new(file.public);
    Ok(Config { listen, workers: file.workers, log: file.log, settings, public_url, groups, pages })
}

/// The key under which the file has its groups.
const GROUP: &str = "group";

/// The keys of which a group has exactly one: what answers its calls.
const ANSWERING: [&str; 3] = [SERVICE, AGGREGATE, UPSTREAM];
const SERVICE: &str = "service";
const AGGREGATE: &str = "aggregate";
const UPSTREAM: &str = "upstream";

/// Whether there are groups, or a table that was meant to hold them.
fn has_groups(root: &DeTable<'_>) -> bool {
    match root.get(GROUP).map(Spanned::get_ref) {
        Some(DeValue::Table(groups)) => !groups.is_empty(),
        Some(_) => true,
        None => root.keys().any(|key| nearest(key.get_ref(), [GROUP]).is_some()),
    }
}

fn no_groups() -> Problem {
    let smallest =
        "the smallest group is\n[group.\"/wheel/american\"]\nservice = \"wheel\"\noptions = { family = \"american\" }";
    Problem::whole("there are no groups, so nothing would be served").hint(smallest)
}

fn unread(error: &Error, otherwise: Range<usize>) -> Problem {
    Problem::at(error.span().unwrap_or(otherwise), error.message())
}

fn listen(file: &File, problems: &mut Vec<Problem>) -> Vec<ListenerConfig> {
    let mut seen: Vec<(ListenerConfig, Range<usize>)> = Vec::new();
    for place in &file.listen {
        let (place, span) = (place.get_ref().clone(), place.span());
        let same =
            |(other, _): &&(ListenerConfig, Range<usize>)| other.listen == place.listen && !any_port(&place.listen);
        match seen.iter().find(same) {
            Some((_, first)) => {
                let problem = Problem::at(span, format!("duplicate address `{}`", place.listen));
                problems.push(problem.related(first.clone(), "first here"));
            }
            None => seen.push((place, span)),
        }
    }
    seen.into_iter().map(|(place, _)| place).collect()
}

fn any_port(listen: &ListenAddress) -> bool {
    matches!(listen, ListenAddress::Tcp(address) if address.port() == 0)
}

/// The pages, in the order of the file.
fn pages(
    file: BTreeMap<Spanned<String>, PageFile>,
    groups: &[ResolvedGroup],
    folder: &Path,
    mounted: &mut GroupRouter<Range<usize>>,
    problems: &mut Vec<Problem>,
) -> Vec<PageMount> {
    let mut file: Vec<_> = file.into_iter().collect();
    file.sort_by_key(|(path, _)| path.span().start);
    let pages = file.into_iter().filter_map(|(path, file)| {
        problems.extend(mount(mounted, &path, "page"));
        page::resolve(&path, file, groups, folder, problems)
    });
    pages.collect()
}

/// A group as it was parsed, with the defaults it inherits and the places of its keys.
struct ParsedGroup<'t> {
    path: Spanned<String>,
    /// Where the limit on its bodies is written, or else the memory for all of them, or else the path.
    body: Range<usize>,
    file: GroupFile,
    options: Option<Spanned<DeValue<'t>>>,
    /// Which of the keys it has that say what answers.
    answering: Option<&'static str>,
}

/// A group whose keys have been resolved; the backend of an aggregate is made after all others.
pub(super) struct ResolvedGroup {
    pub(super) path: Spanned<String>,
    aliases: Vec<String>,
    kind: String,
    pub(super) limits: GroupLimits,
    protocols: ProtocolSet,
    pub(super) backend: Backend,
}

/// What answers the calls of a group.
pub(super) enum Backend {
    /// A service of this process, within the limits of its group.
    Service(Arc<dyn RpcService>),
    /// An upstream, which has not described itself yet.
    Upstream {
        /// The upstream itself, to be discovered.
        upstream: Upstream,
        /// The same upstream within the limits of its group. Aggregates and pages share it, so they share its permits.
        service: Arc<dyn RpcService>,
    },
    /// Calls to other groups, whose backends have to be made first.
    Aggregate(Box<AggregateFile>),
    /// Nothing: the problems that were found say why.
    Broken,
}

/// Reads the groups one by one, in the order of the file, with the defaults that they inherit from `root`.
fn read_groups<'t>(
    groups: &mut Spanned<DeValue<'t>>,
    node: Node<'_>,
    root: &DeTable<'t>,
    problems: &mut Vec<Problem>,
) -> Vec<ParsedGroup<'t>> {
    let mut check = Check::at([Key::from(GROUP)]);
    let (DeValue::Table(table), Some(node)) = (groups.get_mut(), node.others()) else {
        check.value(groups, node);
        problems.extend(check.problems);
        return Vec::new();
    };
    let mut table: Vec<_> = std::mem::take(table).into_iter().collect();
    table.sort_by_key(|(path, _)| path.span().start);
    let read = table.into_iter().filter_map(|(path, group)| {
        read_group(Spanned::new(path.span(), path.get_ref().to_string()), group, node, root, problems)
    });
    read.collect()
}

/// Reads a group. Its options are left to its service.
fn read_group<'t>(
    path: Spanned<String>,
    mut group: Spanned<DeValue<'t>>,
    node: Node<'_>,
    root: &DeTable<'t>,
    problems: &mut Vec<Problem>,
) -> Option<ParsedGroup<'t>> {
    let (mut options, mut answering) = (None, None);
    if let DeValue::Table(table) = group.get_mut() {
        options = table.remove(OPTIONS);
        answering = what_answers(&path, table, problems);
        if let (Some(options), Some(other)) = (&options, answering.filter(|key| *key != SERVICE)) {
            let problem =
                Problem::at(options.span(), format!("`{OPTIONS}` belong to a `{SERVICE}`, not to an `{other}`"));
            problems.push(problem);
        }
    }
    let way = [Key::from(GROUP), Key::from(path.get_ref().as_str())];
    if let DeValue::Table(table) = group.get_mut() {
        routes::check(table, node, &way, problems);
    }
    let mut check = Check::at(way);
    let sound = check.value(&mut group, node);
    problems.extend(check.problems);
    if !sound {
        return None;
    }
    for inherited in ["limits", "xml-rpc", "json", "json-rpc", "rest", "soap"] {
        inherit(root, group.get_mut(), inherited);
    }
    let memory = || root.get("server").and_then(|server| span_of(server.get_ref(), &["memory"]));
    let body = span_of(group.get_ref(), &["limits", "body"]).or_else(memory).unwrap_or(path.span());
    match GroupFile::deserialize(ValueDeserializer::from(group)) {
        Ok(file) => Some(ParsedGroup { path, body, file, options, answering }),
        Err(error) => {
            problems.push(unread(&error, path.span()));
            None
        }
    }
}

/// Where the value at these keys is, one inside the other.
fn span_of(value: &DeValue<'_>, keys: &[&str]) -> Option<Range<usize>> {
    let (DeValue::Table(table), Some((key, rest))) = (value, keys.split_first()) else { return None };
    let inner = table.get(*key)?;
    if rest.is_empty() { Some(inner.span()) } else { span_of(inner.get_ref(), rest) }
}

/// Gives a group's table at `key` what the file's own table there has and it does not.
fn inherit<'t>(root: &DeTable<'t>, group: &mut DeValue<'t>, key: &str) {
    let (Some((name, defaults)), DeValue::Table(group)) = (root.get_key_value(key), group) else { return };
    let DeValue::Table(values) = defaults.get_ref() else { return };
    match group.get_mut(key).map(Spanned::get_mut) {
        Some(DeValue::Table(own)) => {
            for (name, value) in values {
                if !own.contains_key(name) {
                    own.insert(name.clone(), value.clone());
                }
            }
        }
        _ => {
            group.insert(name.clone(), defaults.clone());
        }
    }
}

/// Which of the keys a group has that say what answers; the first, where there are several.
fn what_answers(path: &Spanned<String>, table: &DeTable<'_>, problems: &mut Vec<Problem>) -> Option<&'static str> {
    let mut there: Vec<_> =
        ANSWERING.iter().filter_map(|key| Some((*key, table.get_key_value(*key)?.0.span()))).collect();
    there.sort_by_key(|(_, span)| span.start);
    match there.as_slice() {
        [] => problems.push(no_service(path)),
        [(first, place), others @ ..] => problems.extend(others.iter().map(|(key, span)| {
            let problem =
                Problem::at(span.clone(), format!("`{key}` stands beside `{first}`: a group has only one of them"));
            problem.related(place.clone(), "the other")
        })),
    }
    there.first().map(|(key, _)| *key)
}

impl ParsedGroup<'_> {
    fn resolve(
        self,
        registry: &Registry,
        folder: &Path,
        mounted: &mut GroupRouter<Range<usize>>,
        settings: &Settings,
        problems: &mut Vec<Problem>,
    ) -> ResolvedGroup {
        let paths = [&self.path].into_iter().chain(&self.file.aliases);
        problems.extend(paths.filter_map(|path| mount(mounted, path, "group")));
        let (limits, protocols) = (self.file.limits, self.file.protocol_set());
        problems.extend(too_large(&self.body, &limits, settings));
        let (kind, backend) = match (self.answering, self.file.service) {
            (Some(UPSTREAM), _) => {
                let found = upstream::resolve(&self.path, self.file.upstream, protocols.xml_rpc, folder, problems);
                (UPSTREAM.to_owned(), found.map_or(Backend::Broken, |upstream| Backend::upstream(upstream, &limits)))
            }
            (Some(AGGREGATE), _) => (AGGREGATE.to_owned(), Backend::Aggregate(Box::new(self.file.aggregate))),
            (_, Some(kind)) => match registry.make(&kind, self.options) {
                Ok(service) => (kind.into_inner(), Backend::Service(limits.limit(service))),
                Err(wrong) => {
                    problems.extend(wrong);
                    (kind.into_inner(), Backend::Broken)
                }
            },
            (_, None) => (String::new(), Backend::Broken),
        };
        let aliases = self.file.aliases.into_iter().map(Spanned::into_inner).collect();
        ResolvedGroup { path: self.path, aliases, kind, limits, protocols, backend }
    }
}

impl ResolvedGroup {
    /// Whether the group is reached at a path.
    pub(super) fn is_at(&self, path: &str) -> bool {
        self.path.get_ref() == path || self.aliases.iter().any(|alias| alias == path)
    }

    /// The service within the limits of the group; `None` if it could not be made, or not yet.
    pub(super) fn service(&self) -> Option<Arc<dyn RpcService>> {
        match &self.backend {
            Backend::Service(service) | Backend::Upstream { service, .. } => Some(service.clone()),
            Backend::Aggregate(_) | Backend::Broken => None,
        }
    }

    /// What may be called, if that is known.
    fn interface(&self) -> Option<Arc<Interface>> {
        match &self.backend {
            Backend::Service(service) => Some(service.interface()),
            _ => None,
        }
    }

    /// The group, if nothing is wrong with what answers.
    fn mount(self) -> Option<GroupMount> {
        let ResolvedGroup { path, aliases, kind, limits, protocols, backend } = self;
        let (service, upstream) = match backend {
            Backend::Service(service) => (service, None),
            Backend::Upstream { upstream, service } => (service, Some(upstream)),
            Backend::Aggregate(_) | Backend::Broken => return None,
        };
        let (path, layers) = (path.into_inner(), Vec::new());
        Some(GroupMount { path, aliases, kind, limits, protocols, service, layers, upstream })
    }
}

impl Backend {
    fn upstream(upstream: Upstream, limits: &GroupLimits) -> Backend {
        let service = limits.limit(Arc::new(upstream.clone()));
        Backend::Upstream { upstream, service }
    }
}

fn no_service(path: &Spanned<String>) -> Problem {
    Problem::at(path.span(), format!("the group `{}` has no service", abridge(path.get_ref())))
        .hint("such as `service = \"wheel\"`")
}

/// A body that counts more than all bodies together may would be refused whenever it came.
fn too_large(body: &Range<usize>, limits: &GroupLimits, settings: &Settings) -> Option<Problem> {
    let counted = Size(request_body::counted(limits.body));
    let (limit, memory) = (Size(limits.body), Size(settings.memory));
    (counted > memory).then(|| {
        let message =
            format!("a body of {limit} could never be read: it counts {counted}, and `server.memory` is {memory}");
        Problem::at(body.clone(), message).hint("give `limits.body` less or `server.memory` more")
    })
}

/// Notes that a path is a group's or a page's, or says why it cannot be.
fn mount(mounted: &mut GroupRouter<Range<usize>>, path: &Spanned<String>, whose: &str) -> Option<Problem> {
    let text = path.get_ref().as_str();
    match mounted.mount(text, path.span()) {
        Ok(()) => None,
        Err(MountError::Taken) => {
            let first = mounted.find(text).ok().flatten().map_or(path.span(), |(first, _)| first.clone());
            Some(Problem::taken(text, path.span(), first))
        }
        Err(error) => {
            let name = if text.is_empty() { "an empty text".to_owned() } else { format!("`{}`", abridge(text)) };
            let hint = match nearest_path(text) {
                Some(path) => format!("did you mean `{path}`?"),
                None => "a segment has no white space, no backslash and no `%`, `?` or `#`".to_owned(),
            };
            Some(Problem::at(path.span(), format!("{name} is no path of a {whose}: {error}")).hint(hint))
        }
    }
}

/// A path that can be mounted, made from one that cannot by leaving out empty segments and dots.
fn nearest_path(text: &str) -> Option<String> {
    let segments: Vec<&str> = text.trim().split('/').filter(|segment| !matches!(*segment, "" | "." | "..")).collect();
    let path = format!("/{}", segments.join("/"));
    GroupRouter::default().mount(&path, ()).is_ok().then_some(path)
}
