//! Makes a [`Config`] from the text of a file: reads the tables, makes the backend of each group, and mounts everything.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer, Error, ValueDeserializer};

use super::access;
use super::aggregate;
use super::auth::{self, Definitions};
use super::cache;
use super::check::Check;
use super::cors::{CORS, CorsPlaces};
use super::fallback;
use super::fallback::ReadFallbacks;
use super::file::{File, GroupFile};
use super::include;
use super::kept::fingerprint_of_service;
use super::listener_tls;
use super::listener_tls::TlsPlaces;
use super::mcp;
use super::mcp::McpFile;
use super::memory::DefaultMemory;
use super::otlp;
use super::page;
use super::page::PageFile;
use super::problem::Problem;
use super::prompts::PromptPlaces;
use super::quotas;
use super::registry::OPTIONS;
use super::resolved::{Backend, ResolvedGroup};
use super::routes;
use super::routes::Routes;
use super::schema;
use super::schema::SchemaNode;
use super::sources::ConfigSources;
use super::syntax::Distinct;
use super::target;
use super::upstream;
use super::variables::Environment;
use super::{Config, Reading, Remarks};
use crate::http::public_url::PublicUrl;
use crate::model::option_error::Key;
use crate::model::text::{abridge, nearest};
use crate::model::units::Size;
use crate::protocol::mcp::server::{McpOptions, WrongToolName};
use crate::server::auth::GroupAuth;
use crate::server::group_router::{GroupRouter, MountError};
use crate::server::mount::{CallerRules, Fingerprint, LimitedService, McpMount, PageMount};
use crate::server::request_body::reserved_bytes;
use crate::server::settings::{GroupLimits, ListenAddress, ListenerConfig, ServerSettings};
use crate::service::access::AccessRule;
use crate::service::fallback::Fallbacks;
use crate::service::quota::{CallQuota, QuotaOptions};
use crate::service::rate::RateOptions;
use crate::upstream::Upstream;

/// Reads a configuration, and finds all problems with it. `None` if its tables cannot be read at all.
///
/// `sources` has the main file, and then also the files that it includes.
pub(super) fn read_config(
    sources: &mut ConfigSources,
    reading: Reading<'_>,
    problems: &mut Vec<Problem>,
) -> Option<Config> {
    let main = Distinct::read(sources.texts.text());
    let mut root = parsed(main.table(), problems)?;
    include::read_files(&root, sources, reading.variables, problems);
    let sources = &*sources;
    let included: Vec<_> =
        sources.texts.files().iter().skip(1).map(|file| Distinct::read(sources.texts.text_of(file))).collect();
    if let Err(invalid) = include::merge(&mut root, &included, sources, problems) {
        problems.extend(invalid);
        return None;
    }
    let environment = Environment::of(&root, reading.variables);
    sources.hide(environment.secrets());
    let schema = schema::root_schema::<File>();
    let node = SchemaNode::root(&schema);
    if !has_groups(&root) {
        problems.push(no_groups());
    }
    let mut groups = root.remove(GROUP);
    let declared = auth::declared(&root);
    let mut check = Check::starting_at([], &environment);
    check.table(&mut root, 0..0, node);
    problems.extend(check.problems);
    let mut parsed = Vec::new();
    if let (Some(groups), Some(node)) = (&mut groups, node.property(GROUP)) {
        parsed = GroupReader { root: &root, environment: &environment, problems }.groups(groups, node);
    }
    let sets = |key| root.get("server").is_some_and(|server| span_of(server.get_ref(), &[key]).is_some());
    let default_memory = DefaultMemory { requests: !sets("memory"), responses: !sets("response-memory") };
    let admin_span = |key| root.get("admin").and_then(|admin| span_of(admin.get_ref(), &[key]));
    let (admin_span, admin_auth_span) = (admin_span("listen"), admin_span("auth").unwrap_or_default());
    let mcp_span = root.get_key_value("mcp").map(|(key, _)| key.span());
    let tls_places = TlsPlaces::of_listeners(&root);
    let admin_tls = TlsPlaces::of_admin(&root);
    let file = File::deserialize(Deserializer::from(Spanned::new(0..0, root)));
    let mut file = file.unwrap_or_else(|error| {
        problems.push(serde_problem(&error, 0..0));
        File::default()
    });
    let listen = listen(&file, &tls_places, (sources, &environment), problems);
    problems.extend(check_admin(&file, admin_span.clone()));
    if let (Some(tls), Some((places, span))) = (&file.admin.tls, admin_tls) {
        let place = (&places, span);
        file.admin.tls = Some(listener_tls::check_admin(tls, &file.admin, place, (sources, &environment), problems));
    }
    #[cfg(feature = "otlp")]
    let otlp = otlp::resolve(&file.otlp, (sources, &environment), problems);
    #[cfg(not(feature = "otlp"))]
    otlp::refuse(&file.otlp, problems);
    let settings = file.server;
    let auth = std::mem::take(&mut file.auth);
    let mut definitions = Definitions::resolve(declared, auth, (sources, &environment), problems);
    let admin_auth = admin_auth(&file, &admin_auth_span, &mut definitions, problems);
    let mut mounted = GroupRouter::default();
    let mut routes = Vec::new();
    let mut prefixes = Vec::new();
    let mut resolved = Vec::new();
    for mut group in parsed {
        let own = Routes::read(sources.texts.text(), std::mem::take(&mut group.file.routes), problems);
        prefixes.extend(own.prefixes(&group.path));
        let rules = group.file.access.clone();
        let everyone = access::allow_anyone(&rules);
        let auth = definitions.group_auth(&group.file.auth, !everyone, problems);
        routes.push((own, rules));
        let group = group.resolve((reading, &environment), sources, &mut mounted, &settings, problems);
        resolved.push(ResolvedGroup { auth, ..group });
    }
    let mcp_auth = definitions.group_auth(&file.mcp.auth, true, problems);
    definitions.report_unused(problems);
    let calls = aggregate::resolve(&mut resolved, reading.kept, problems);
    target::connect(&resolved, &calls, problems);
    finish_groups(&mut resolved, routes, problems);
    let quotas_file = quotas::resolve(&file.quotas, &resolved, sources, problems);
    let mcp = mcp_span.and_then(|table| mcp_mount(file.mcp, table, mcp_auth, (&resolved, &mut mounted), problems));
    let pages = pages(file.page, &resolved, sources, &mut mounted, problems);
    let groups = resolved.into_iter().filter_map(ResolvedGroup::into_mount).collect();
    problems.extend(prefixes.into_iter().filter_map(|prefix| prefix.shadowed(&mounted)));
    let public_url = Arc::new(file.public);
    let (workers, log, watch, admin) = (file.workers, file.log, file.watch, file.admin);
    let (hash, files) = (hash_of(sources), sources.named());
    Some(Config {
        listen,
        workers,
        log,
        watch,
        settings,
        default_memory,
        admin,
        admin_auth,
        #[cfg(feature = "otlp")]
        otlp,
        quotas_file,
        public_url,
        groups,
        mcp,
        pages,
        hash,
        files,
        remarks: Remarks::default(),
    })
}

/// Checks the rules of groups, and makes their routes, when all services are made.
fn finish_groups(
    groups: &mut [ResolvedGroup],
    files: Vec<(Routes, Vec<Spanned<AccessRule>>)>,
    problems: &mut Vec<Problem>,
) {
    for (group, (routes, rules)) in groups.iter_mut().zip(files) {
        let interface = group.interface();
        problems.extend(access::check(&rules, group.auth.is_some(), interface.as_deref()));
        if let (Some(kept), Some(interface)) = (group.rules.cache(), &interface) {
            problems.extend(cache::check(&group.path, kept.options(), interface));
        }
        if let Some(interface) = &interface {
            problems.extend(fallback::check_fixed(&group.fixed, interface));
        }
        problems.extend(interface.as_deref().and_then(|interface| mcp::warn_of_many_tools(group, interface)));
        group.protocols.routes = routes.finish(&group.protocols, interface.as_deref(), problems);
    }
}

/// The table of a file, without the problems in it.
fn parsed<'t>(
    read: Result<(DeTable<'t>, Vec<Problem>), Vec<Problem>>,
    problems: &mut Vec<Problem>,
) -> Option<DeTable<'t>> {
    match read {
        Ok((table, found)) => {
            problems.extend(found);
            Some(table)
        }
        Err(found) => {
            problems.extend(found);
            None
        }
    }
}

/// The key under which the file has its groups.
const GROUP: &str = "group";

/// The keys of which a group has exactly one: what serves its calls.
const BACKEND_KEYS: [&str; 3] = [SERVICE, AGGREGATE, UPSTREAM];
const SERVICE: &str = "service";
const AGGREGATE: &str = "aggregate";
const UPSTREAM: &str = "upstream";

/// Whether there are groups, or a misspelt table of groups.
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

fn serde_problem(error: &Error, fallback: Range<usize>) -> Problem {
    Problem::at(error.span().unwrap_or(fallback), error.message())
}

fn listen(
    file: &File,
    tls_places: &[TlsPlaces],
    values: (&ConfigSources, &Environment),
    problems: &mut Vec<Problem>,
) -> Vec<ListenerConfig> {
    let mut seen: Vec<(ListenerConfig, Range<usize>)> = Vec::new();
    for (index, listener) in file.listen.iter().enumerate() {
        let span = listener.span();
        let mut listener = listener.get_ref().clone();
        if let Some(places) = tls_places.get(index) {
            listener_tls::resolve(&mut listener, (places, span.clone()), values, problems);
        }
        if matches!(listener.listen, ListenAddress::Tcp(_)) && !listener.access.is_default() {
            let message = "`mode`, `owner` and `group` are those of the file of a unix socket";
            problems.push(
                Problem::at(span.clone(), message).hint("leave them out, or listen on such as `unix:/run/x.sock`"),
            );
        }
        let same = |(other, _): &&(ListenerConfig, Range<usize>)| {
            other.listen == listener.listen && !any_port(&listener.listen)
        };
        match seen.iter().find(same) {
            Some((_, first)) => {
                let problem = Problem::at(span, format!("duplicate address `{}`", listener.listen));
                problems.push(problem.related(first.clone(), "first here"));
            }
            None => {
                problems.extend(without_proxies(&listener, &file.public, span.clone()));
                seen.push((listener, span));
            }
        }
    }
    seen.into_iter().map(|(listener, _)| listener).collect()
}

/// The problem that a listener takes connections of trusted proxies only, and none is trusted.
fn without_proxies(listener: &ListenerConfig, public: &PublicUrl, span: Range<usize>) -> Option<Problem> {
    let (trusts, key) = match listener.listen {
        ListenAddress::Tcp(_) => (!public.trusted_proxies.is_empty(), "trusted-proxies = [\"10.0.0.7\"]"),
        ListenAddress::Unix(_) => (public.trust_unix_sockets, "trust-unix-sockets = true"),
    };
    let refuses_all = listener.options.proxy_protocol && !trusts;
    let message = "with `proxy-protocol` only trusted proxies may connect, and there is none here".to_owned();
    refuses_all.then(|| Problem::at(span, message).hint(format!("set `{key}` in `[public]`")))
}

/// Who may use the admin listener; `None` if everyone may who reaches it.
fn admin_auth(
    file: &File,
    span: &Range<usize>,
    definitions: &mut Definitions,
    problems: &mut Vec<Problem>,
) -> Option<Arc<GroupAuth>> {
    let names: Vec<_> = file.admin.auth.iter().map(|name| Spanned::new(span.clone(), name.clone())).collect();
    definitions.group_auth(&names, true, problems)
}

/// The problem that the admin listener has the address of another.
fn check_admin(file: &File, span: Option<Range<usize>>) -> Option<Problem> {
    let address = file.admin.listen.as_ref().filter(|address| !any_port(address))?;
    let other = file.listen.iter().find(|other| other.get_ref().listen == *address)?;
    let problem = Problem::at(span?, format!("duplicate address `{address}`: the admin listener needs one of its own"));
    Some(problem.related(other.span(), "also here"))
}

/// The hash FNV-1a of the texts, which is the same on every machine.
fn hash_of(sources: &ConfigSources) -> u64 {
    sources
        .texts
        .text()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn any_port(listen: &ListenAddress) -> bool {
    matches!(listen, ListenAddress::Tcp(address) if address.port() == 0)
}

/// The MCP endpoint of the table `[mcp]`, whose place is `table`.
fn mcp_mount(
    file: McpFile,
    table: Range<usize>,
    auth: Option<Arc<GroupAuth>>,
    (groups, mounted): (&[ResolvedGroup], &mut GroupRouter<Range<usize>>),
    problems: &mut Vec<Problem>,
) -> Option<McpMount> {
    let path = file.path(&table);
    problems.extend(mount_path(mounted, &path, "group"));
    mcp::resolve(file, path, table, auth, groups, problems)
}

/// The pages, in the order of the file.
fn pages(
    file: BTreeMap<Spanned<String>, PageFile>,
    groups: &[ResolvedGroup],
    sources: &ConfigSources,
    mounted: &mut GroupRouter<Range<usize>>,
    problems: &mut Vec<Problem>,
) -> Vec<PageMount> {
    let mut file: Vec<_> = file.into_iter().collect();
    file.sort_by_key(|(path, _)| path.span().start);
    let pages = file.into_iter().filter_map(|(path, file)| {
        problems.extend(mount_path(mounted, &path, "page"));
        page::resolve(&path, file, groups, sources.folder_at(&path.span()), problems)
    });
    pages.collect()
}

/// A group as parsed, with the defaults that it inherits and the spans of its keys.
struct ParsedGroup<'t> {
    path: Spanned<String>,
    /// The span of its `limits.body`, or else of `server.memory`, or else of the path.
    body_span: Range<usize>,
    file: GroupFile,
    options: Option<Spanned<DeValue<'t>>>,
    /// The first of the [`BACKEND_KEYS`] that it has.
    backend_key: Option<&'static str>,
    prompts: PromptPlaces,
}

/// Reads the tables of groups, with the defaults that they inherit from `root`.
struct GroupReader<'r, 't> {
    root: &'r DeTable<'t>,
    environment: &'t Environment,
    problems: &'r mut Vec<Problem>,
}

impl<'t> GroupReader<'_, 't> {
    /// Reads the groups one by one, in the order of the file.
    fn groups(&mut self, groups: &mut Spanned<DeValue<'t>>, node: SchemaNode<'_>) -> Vec<ParsedGroup<'t>> {
        let mut check = Check::starting_at([Key::from(GROUP)], self.environment);
        let (DeValue::Table(table), Some(node)) = (groups.get_mut(), node.others()) else {
            check.value(groups, node);
            self.problems.extend(check.problems);
            return Vec::new();
        };
        let mut table: Vec<_> = std::mem::take(table).into_iter().collect();
        table.sort_by_key(|(path, _)| path.span().start);
        let read = table
            .into_iter()
            .filter_map(|(path, group)| self.group(Spanned::new(path.span(), path.get_ref().to_string()), group, node));
        read.collect()
    }

    /// Reads a group, except the options of its service.
    fn group(
        &mut self,
        path: Spanned<String>,
        mut group: Spanned<DeValue<'t>>,
        node: SchemaNode<'_>,
    ) -> Option<ParsedGroup<'t>> {
        let mut options = None;
        let mut backend_key = None;
        if let DeValue::Table(table) = group.get_mut() {
            options = table.remove(OPTIONS);
            backend_key = find_backend_key(&path, table, self.problems);
            if let (Some(options), Some(other)) = (&options, backend_key.filter(|key| *key != SERVICE)) {
                let problem =
                    Problem::at(options.span(), format!("`{OPTIONS}` belong to a `{SERVICE}`, not to an `{other}`"));
                self.problems.push(problem);
            }
        }
        let path_of_keys = [Key::from(GROUP), Key::from(path.get_ref().as_str())];
        if let DeValue::Table(table) = group.get_mut() {
            routes::check(table, node, (&path_of_keys, self.environment), self.problems);
        }
        let mut check = Check::starting_at(path_of_keys, self.environment);
        let readable = check.value(&mut group, node);
        let is_sound = check.problems.is_empty();
        self.problems.extend(check.problems);
        if !readable {
            return None;
        }
        // A key with a mistake is removed.
        let own_cors = span_of(group.get_ref(), &[CORS]).filter(|_| is_sound);
        for inherited in ["limits", "xml-rpc", "json", "json-rpc", "soap", CORS] {
            inherit(self.root, group.get_mut(), inherited);
        }
        let memory = || self.root.get("server").and_then(|server| span_of(server.get_ref(), &["memory"]));
        let body_span = span_of(group.get_ref(), &["limits", "body"]).or_else(memory).unwrap_or(path.span());
        let place = |key| span_of(group.get_ref(), &[CORS, key]);
        let prompts = PromptPlaces::of_group(group.get_ref());
        let cors = CorsPlaces { own: own_cors, origins: place("origins"), credentials: place("allow-credentials") };
        match GroupFile::deserialize(ValueDeserializer::from(group)) {
            Ok(file) => {
                // Several groups may inherit the same mistake.
                let wrong = cors.check(&file.cors);
                self.problems.extend(wrong.filter(|wrong| !self.problems.iter().any(|other| other.span == wrong.span)));
                Some(ParsedGroup { path, body_span, file, options, backend_key, prompts })
            }
            Err(error) => {
                self.problems.push(serde_problem(&error, path.span()));
                None
            }
        }
    }
}

/// The span of the value at these nested keys.
fn span_of(value: &DeValue<'_>, keys: &[&str]) -> Option<Range<usize>> {
    let (DeValue::Table(table), Some((key, rest))) = (value, keys.split_first()) else { return None };
    let inner = table.get(*key)?;
    if rest.is_empty() { Some(inner.span()) } else { span_of(inner.get_ref(), rest) }
}

/// Adds to a group's table at `key` the keys that only the table of the same name at the top level has.
fn inherit<'t>(root: &DeTable<'t>, group: &mut DeValue<'t>, key: &str) {
    let (Some((name, defaults)), DeValue::Table(group)) = (root.get_key_value(key), group) else { return };
    let DeValue::Table(values) = defaults.get_ref() else { return };
    match group.get_mut(key).map(Spanned::get_mut) {
        Some(DeValue::Table(own)) => add_missing(own, values, &TABLES_WITH_OWN_KEYS),
        _ => {
            group.insert(name.clone(), defaults.clone());
        }
    }
}

/// The tables inside of `limits`, of which a group overrides single keys too. Other tables are values as a whole.
const TABLES_WITH_OWN_KEYS: [&str; 2] = ["rate", "quota"];

/// Adds the keys that only `defaults` has, and those of the tables in it that are `nested`.
fn add_missing<'t>(own: &mut DeTable<'t>, defaults: &DeTable<'t>, nested: &[&str]) {
    for (name, value) in defaults {
        if !own.contains_key(name) {
            own.insert(name.clone(), value.clone());
        } else if nested.contains(&name.get_ref().as_ref())
            && let (Some(DeValue::Table(own)), DeValue::Table(defaults)) =
                (own.get_mut(name).map(Spanned::get_mut), value.get_ref())
        {
            add_missing(own, defaults, &[]);
        }
    }
}

/// Finds which of the [`BACKEND_KEYS`] a group has; the first if it has several.
fn find_backend_key(path: &Spanned<String>, table: &DeTable<'_>, problems: &mut Vec<Problem>) -> Option<&'static str> {
    let mut present: Vec<_> =
        BACKEND_KEYS.iter().filter_map(|key| Some((*key, table.get_key_value(*key)?.0.span()))).collect();
    present.sort_by_key(|(_, span)| span.start);
    match present.as_slice() {
        [] => problems.push(no_service(path)),
        [(first, place), others @ ..] => problems.extend(others.iter().map(|(key, span)| {
            let problem = Problem::at(
                span.clone(),
                format!("`{key}` cannot be given with `{first}`: a group has only one of them"),
            );
            problem.related(place.clone(), "the other")
        })),
    }
    present.first().map(|(key, _)| *key)
}

impl<'t> ParsedGroup<'t> {
    fn resolve(
        mut self,
        (reading, environment): (Reading<'_>, &'t Environment),
        sources: &ConfigSources,
        mounted: &mut GroupRouter<Range<usize>>,
        settings: &ServerSettings,
        problems: &mut Vec<Problem>,
    ) -> ResolvedGroup {
        let paths = [&self.path].into_iter().chain(&self.file.aliases);
        problems.extend(paths.filter_map(|path| mount_path(mounted, path, "group")));
        let (limits, kept) = (self.file.limits.clone(), reading.kept);
        self.prompts.resolve(&mut self.file.mcp.prompts, sources, problems);
        let protocols = self.file.protocol_set(self.backend_key == Some(UPSTREAM));
        let ReadFallbacks { fallbacks, mut targets, fixed } = fallback::read(&self.file.fallback, problems);
        let (shadow, shadowed) = self.file.shadow.read().unzip();
        let (split, other) = self.file.split.read(self.path.get_ref(), problems).unzip();
        targets.extend(shadowed.into_iter().chain(other));
        let rules = self.file.caller_rules(self.path.get_ref()).with_others(split, Fallbacks::new(fallbacks), shadow);
        let rules = kept.counting_on(self.path.get_ref(), rules);
        // Bodies that are passed on while they arrive take no memory. Those that are read have a smaller limit then.
        if !(self.backend_key == Some(UPSTREAM) && self.file.upstream.streams_bodies()) {
            problems.extend(check_body_fits_memory(&self.body_span, &limits, settings));
        }
        problems.extend(check_weights(&self.path, &limits.rate));
        problems.extend(check_quota_weights(&self.path, &limits.quota));
        problems.extend(check_tools(&self.path, &protocols.mcp));
        let mut interface = None;
        let (kind, backend, fingerprint) = match (self.backend_key, self.file.service) {
            (Some(UPSTREAM), _) => {
                let options = (protocols.xml_rpc, &limits, &rules);
                let described = reading.described.and_then(|described| described.get(self.path.get_ref()));
                interface = described.map(Upstream::checked_interface);
                let from = upstream::resolve::Origin { sources, environment, kept, described };
                let made = upstream::resolve::resolve(&self.path, self.file.upstream, options, from, problems);
                let (backend, fingerprint) =
                    made.map_or((Backend::Broken, None), |(made, fingerprint)| (made, Some(fingerprint)));
                (UPSTREAM.to_owned(), backend, fingerprint)
            }
            (Some(AGGREGATE), _) => (AGGREGATE.to_owned(), Backend::Aggregate(Box::new(self.file.aggregate)), None),
            (_, Some(kind)) => {
                let (backend, fingerprint) = make_service(
                    &kind,
                    self.options,
                    (self.path.get_ref(), &limits, &rules),
                    (reading, environment),
                    problems,
                );
                (kind.into_inner(), backend, fingerprint)
            }
            (_, None) => (String::new(), Backend::Broken, None),
        };
        let aliases = self.file.aliases.into_iter().map(Spanned::into_inner).collect();
        let cors = self.file.cors;
        ResolvedGroup {
            path: self.path,
            aliases,
            kind,
            limits,
            protocols,
            auth: None,
            cors,
            rules,
            targets,
            fixed,
            backend,
            fingerprint,
            described: interface,
        }
    }
}

/// Makes the service of the group at a path, or takes it from what is served.
fn make_service<'t>(
    kind: &Spanned<String>,
    options: Option<Spanned<DeValue<'t>>>,
    (path, limits, rules): (&str, &GroupLimits, &CallerRules),
    (reading, environment): (Reading<'_>, &'t Environment),
    problems: &mut Vec<Problem>,
) -> (Backend, Option<Fingerprint>) {
    let checked = match reading.registry.check(kind, options, environment) {
        Ok(checked) => checked,
        Err(wrong) => {
            problems.extend(wrong);
            return (Backend::Broken, None);
        }
    };
    let fingerprint = fingerprint_of_service(kind.get_ref(), &checked.options);
    if let Some(served) = fingerprint.and_then(|fingerprint| reading.kept.backend(path, fingerprint, limits, rules)) {
        return (served, fingerprint);
    }
    match checked.make(kind) {
        Ok(service) => (Backend::Service(LimitedService::new(service, limits, rules.clone())), fingerprint),
        Err(wrong) => {
            problems.extend(wrong);
            (Backend::Broken, fingerprint)
        }
    }
}

fn no_service(path: &Spanned<String>) -> Problem {
    Problem::at(path.span(), format!("the group `{}` has no service", abridge(path.get_ref())))
        .hint("such as `service = \"wheel\"`")
}

/// The problem that a body of the allowed size would need more memory than all bodies together may use, so that it
/// would always be refused.
fn check_body_fits_memory(body: &Range<usize>, limits: &GroupLimits, settings: &ServerSettings) -> Option<Problem> {
    let reserved = Size(reserved_bytes(limits.body));
    let limit = Size(limits.body);
    let memory = Size(settings.memory);
    (reserved > memory).then(|| {
        let message =
            format!("a body of {limit} could never be read: it counts {reserved}, and `server.memory` is {memory}");
        Problem::at(body.clone(), message).hint("give `limits.body` less or `server.memory` more")
    })
}

/// The problem that a call of a method counts as more calls than may ever be made at once.
fn check_weights(path: &Spanned<String>, rate: &RateOptions) -> Option<Problem> {
    let (method, weight) = rate.too_heavy()?;
    let message = format!(
        "in `limits.rate` of `{}` a call of `{}` counts as {weight} calls, and `burst` allows only {} at once",
        abridge(path.get_ref()),
        abridge(method),
        rate.burst.map_or(0, std::num::NonZeroU32::get),
    );
    Some(Problem::at(path.span(), message).hint(format!("set `burst` to {weight} or more")))
}

/// The problem that a tool has a name that clients refuse, or that two tools have the same.
fn check_tools(path: &Spanned<String>, options: &McpOptions) -> Option<Problem> {
    let path_text = abridge(path.get_ref());
    match options.wrong_tool_name()? {
        WrongToolName::Invalid { method, name } => {
            let (method, name) = (abridge(method), abridge(name));
            let message = format!("in `mcp.tools` of `{path_text}`, `{name}` for `{method}` is not a name of a tool");
            Some(Problem::at(path.span(), message).hint("use letters, digits, `_` and `-`, at most 64"))
        }
        WrongToolName::Reserved { method, name } => {
            let (method, name) = (abridge(method), abridge(name));
            let message = format!("in `mcp.tools` of `{path_text}`, `{name}` for `{method}` is a tool of `find-tools`");
            Some(Problem::at(path.span(), message).hint("give it another `name`"))
        }
        WrongToolName::Taken { method, other, name } => {
            let (method, other, name) = (abridge(method), abridge(other), abridge(name));
            let message =
                format!("in `mcp.tools` of `{path_text}`, `{method}` and `{other}` have the same name, `{name}`");
            Some(Problem::at(path.span(), message).hint("give one of them another `name`"))
        }
    }
}

/// The problem that one call of a method counts as more than a whole quota.
fn check_quota_weights(path: &Spanned<String>, quota: &QuotaOptions) -> Option<Problem> {
    let (method, weight) = quota.too_heavy()?;
    let message = format!(
        "in `limits.quota` of `{}` a call of `{}` counts as {weight} calls, and `calls` allows only {}",
        abridge(path.get_ref()),
        abridge(method),
        quota.calls.map_or(0, CallQuota::calls),
    );
    Some(Problem::at(path.span(), message).hint(format!("let `calls` allow {weight} or more")))
}

/// Mounts a path of a group or page, or returns the problem with it.
fn mount_path(mounted: &mut GroupRouter<Range<usize>>, path: &Spanned<String>, owner: &str) -> Option<Problem> {
    let text = path.get_ref().as_str();
    match mounted.mount(text, path.span()) {
        Ok(()) => None,
        Err(MountError::Taken) => {
            let first = mounted.find(text).ok().flatten().map_or(path.span(), |(first, _)| first.clone());
            Some(Problem::duplicate_path(text, path.span(), first))
        }
        Err(error) => {
            let name = if text.is_empty() { "an empty text".to_owned() } else { format!("`{}`", abridge(text)) };
            let hint = match nearest_path(text) {
                Some(path) => format!("did you mean `{path}`?"),
                None => "a segment has no white space, no backslash and no `%`, `?` or `#`".to_owned(),
            };
            Some(Problem::at(path.span(), format!("{name} is not a valid path of a {owner}: {error}")).hint(hint))
        }
    }
}

/// A valid path made from an invalid one by removing empty segments and dots.
fn nearest_path(text: &str) -> Option<String> {
    let segments: Vec<&str> = text.trim().split('/').filter(|segment| !matches!(*segment, "" | "." | "..")).collect();
    let path = format!("/{}", segments.join("/"));
    GroupRouter::default().mount(&path, ()).is_ok().then_some(path)
}
