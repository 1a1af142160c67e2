//! What a gateway serves, and the router that is built from it.
//!
//! [`Mounts`] is plain data: a configuration file and [`App`](crate::app::App) both make one. [`Mounts::router`] turns it
//! into the groups that requests are dispatched to. It is called again when an upstream has changed its interface, since
//! the directory, the OpenAPI document and the pages are made from the interfaces.

use std::fmt;
use std::sync::Arc;

use crate::codec::DocumentLimits;
use crate::http::cors::{Cors, CorsOptions, GroupHeaders};
use crate::http::public_url::PublicUrl;
use crate::model::fault::Fault;
use crate::model::interface::Interface;
use crate::model::name_patterns::NamePatterns;
use crate::protocol::Protocol;
use crate::protocol::frontend::Frontend;
use crate::protocol::mcp::server::{JoinedGroup, JoinedGroups, Mcp};
use crate::protocol::page::{GroupSummary, PageSummary, TemplatePage};
use crate::protocol::rest::server::RestGroup;
use crate::protocol::set::{ProtocolSet, ServerInfo, of_root};
use crate::server::auth::GroupAuth;
use crate::server::group::Group;
use crate::server::group_router::{GroupRouter, MountError};
use crate::server::protected_resource::{ProtectedResources, well_known};
use crate::server::settings::GroupLimits;
use crate::service::access::AccessRules;
use crate::service::cache::{CacheOptions, Caching, ResponseCache};
use crate::service::fallback::{Fallback, Fallbacks};
use crate::service::future::MaybeReady;
use crate::service::layer::{GroupLayer, layered, layered_unguarded};
use crate::service::limiter::{Limiter, LimiterState, SetDeadline};
use crate::service::quota::{QuotaCounts, QuotaLimit};
use crate::service::rate::RateLimit;
use crate::service::shadow::Shadow;
use crate::service::split::Split;
use crate::service::{Call, CallFuture, RpcService};
use crate::upstream::Upstream;

/// A group: a service, where it is mounted, and what is decided about its requests and calls.
#[derive(Clone)]
pub struct GroupMount {
    /// The path of the group.
    pub path: String,
    /// Further paths of the same group.
    pub aliases: Vec<String>,
    /// The kind of the service, as messages name it: a word of the configuration's registry, `aggregate` or `upstream`.
    pub kind: String,
    /// The limits on requests and calls, which `service` and `protocols` apply already.
    limits: GroupLimits,
    /// Who may send requests to the group; `None` if anyone may. Pages of the group, and what is joined with it at `/`, have
    /// the same. An aggregate that calls the group has its own.
    pub auth: Option<Arc<GroupAuth>>,
    /// Which pages of other origins may call the group from a browser, and what is joined with it at `/`.
    pub cors: CorsOptions,
    /// The protocols over which the group is reached, and their options.
    pub protocols: ProtocolSet,
    /// The service within the limits on its calls, without the layers. [`GroupMount::with_limits`] makes it anew.
    pub service: Arc<dyn RpcService>,
    /// The service without limits.
    unlimited: Arc<dyn RpcService>,
    /// What `unlimited` and `upstream` were made from; `None` if no configuration says it.
    pub(crate) fingerprint: Option<Fingerprint>,
    /// The permits of the limits in `service`, and where its calls are counted.
    pub(crate) limiter: LimiterState,
    /// The rules about callers in `service`.
    pub(crate) rules: CallerRules,
    /// The layers around the service and its limits, the outermost first: see [`GroupMount::layer`].
    pub layers: Vec<Arc<dyn GroupLayer>>,
    /// The upstream that `service` calls, if there is one: a [`Runtime`](crate::server::runtime::Runtime) keeps what is
    /// known of its methods up to date.
    pub upstream: Option<Upstream>,
}

/// What a backend was made from: a hash, by which a later configuration finds out whether it describes the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint(pub(crate) u64);

/// A service within the limits of its group, and without them.
#[derive(Clone)]
pub(crate) struct LimitedService {
    pub(crate) limited: Arc<dyn RpcService>,
    unlimited: Arc<dyn RpcService>,
    limiter: LimiterState,
    rules: CallerRules,
}

impl LimitedService {
    pub(crate) fn new(unlimited: Arc<dyn RpcService>, limits: &GroupLimits, rules: CallerRules) -> LimitedService {
        LimitedService::within(unlimited, limits.limiter(), rules)
    }

    fn within(unlimited: Arc<dyn RpcService>, limiter: Limiter, rules: CallerRules) -> LimitedService {
        let state = limiter.state();
        // The limiter is outside, because it also notes and counts the calls that the rules refuse. It gives no permit to a
        // call that ends at once.
        let limited = layered_unguarded(rules.around(unlimited.clone()), limiter);
        LimitedService { limited, unlimited, limiter: state, rules }
    }
}

/// The rules of a group about its callers: who may call what, how often, and what is answered from a cache.
#[derive(Clone, Default)]
pub(crate) struct CallerRules {
    /// `None` if everyone may call everything.
    access: Option<Arc<AccessRules>>,
    /// `None` if calls may be made as often as the server allows.
    rate: Option<Arc<RateLimit>>,
    /// `None` if any number of calls may be made in a day and a month.
    quota: Option<Arc<QuotaLimit>>,
    /// `None` if no answers are cached.
    cache: Option<Arc<ResponseCache>>,
    /// `None` if no call goes to another group.
    split: Option<Arc<Split>>,
    /// `None` if nothing takes the place of a result.
    fallbacks: Option<Arc<Fallbacks>>,
    /// `None` if no call is also sent to another group.
    shadow: Option<Arc<Shadow>>,
}

impl CallerRules {
    /// The rules of the group at a path.
    pub(crate) fn new(path: &str, access: Option<AccessRules>, limits: &GroupLimits) -> CallerRules {
        CallerRules { access: access.map(Arc::new), ..CallerRules::default() }.within(path, limits)
    }

    /// Whether callers are shown only the methods that they may call.
    fn hide_methods(&self) -> bool {
        self.access.as_ref().is_some_and(|access| access.hide_methods())
    }

    /// The same rules with the numbers of calls of these limits.
    fn within(self, path: &str, limits: &GroupLimits) -> CallerRules {
        let rate = RateLimit::new(limits.rate.clone()).map(Arc::new);
        CallerRules { rate, quota: QuotaLimit::new(path, limits.quota.clone()).map(Arc::new), ..self }
    }

    /// The same rules, with a cache inside of them.
    pub(crate) fn caching(self, options: CacheOptions) -> CallerRules {
        CallerRules { cache: ResponseCache::new(options).map(Arc::new), ..self }
    }

    /// The same rules, with the answers of `served` if its cache is the same. Both are around the same service.
    fn with_answers_of(self, served: &CallerRules) -> CallerRules {
        if self.has_cache_of(served) { CallerRules { cache: served.cache.clone(), ..self } } else { self }
    }

    /// The same rules, with what other groups do for calls.
    pub(crate) fn with_others(
        self,
        split: Option<Split>,
        fallbacks: Option<Fallbacks>,
        shadow: Option<Shadow>,
    ) -> CallerRules {
        let (split, fallbacks, shadow) = (split.map(Arc::new), fallbacks.map(Arc::new), shadow.map(Arc::new));
        CallerRules { split, fallbacks, shadow, ..self }
    }

    /// Whether a rule calls another group, which may be a new one whenever the configuration is read.
    fn call_others(&self) -> bool {
        self.split.is_some() || self.fallbacks.is_some() || self.shadow.is_some()
    }

    /// Which calls go to another group.
    pub(crate) fn split(&self) -> Option<&Arc<Split>> {
        self.split.as_ref()
    }

    /// What takes the place of results.
    pub(crate) fn fallbacks(&self) -> Option<&Arc<Fallbacks>> {
        self.fallbacks.as_ref()
    }

    /// Which calls are also sent to another group.
    pub(crate) fn shadow(&self) -> Option<&Arc<Shadow>> {
        self.shadow.as_ref()
    }

    fn has_cache_of(&self, other: &CallerRules) -> bool {
        self.cache.as_ref().map(|cache| cache.options()) == other.cache.as_ref().map(|cache| cache.options())
    }

    /// The answers that are kept, if there are any.
    pub(crate) fn cache(&self) -> Option<&Arc<ResponseCache>> {
        self.cache.as_ref()
    }

    /// The same rules, with the counts of `served` if its rate is the same, and if its quota counts the same.
    pub(crate) fn counting_on(self, served: &CallerRules) -> CallerRules {
        let goes_on = self.has_rate_of(served);
        let quota = match (self.quota, &served.quota) {
            (Some(quota), Some(served)) if quota.options() == served.options() => Some(served.clone()),
            (Some(quota), Some(served)) => Some(Arc::new(quota.counting_on(served))),
            (quota, _) => quota,
        };
        let split = self.split.map(|split| match &served.split {
            Some(served) => Arc::new(split.counting_on(served)),
            None => split,
        });
        let fallbacks = self.fallbacks.map(|fallbacks| match &served.fallbacks {
            Some(served) => Arc::new(fallbacks.counting_on(served)),
            None => fallbacks,
        });
        let shadow = self.shadow.map(|shadow| match &served.shadow {
            Some(served) => Arc::new(shadow.reporting_on(served)),
            None => shadow,
        });
        let rate = if goes_on { served.rate.clone() } else { self.rate };
        CallerRules { rate, quota, split, fallbacks, shadow, ..self }
    }

    /// Where the calls in a day or a month are counted, if there is a quota.
    pub(crate) fn quota_counts(&self) -> Option<&Arc<QuotaCounts>> {
        self.quota.as_ref().map(|quota| quota.counts())
    }

    fn has_rate_of(&self, other: &CallerRules) -> bool {
        self.rate.as_ref().map(|rate| rate.options()) == other.rate.as_ref().map(|rate| rate.options())
    }

    /// Whether other rules decide as these do.
    fn are_those_of(&self, other: &CallerRules) -> bool {
        let quota = |rules: &CallerRules| rules.quota.as_ref().map(Arc::as_ptr);
        self.access == other.access
            && self.has_rate_of(other)
            && quota(self) == quota(other)
            && self.has_cache_of(other)
            && !(self.call_others() || other.call_others())
    }

    /// The service within the rules. A call that may not be made does not count, and one that is answered from the cache
    /// does.
    ///
    /// From the outside: what may be called, how often, where it goes, what takes the place of a result, the cache, and who
    /// else gets the call. So a result of a fallback is not cached, and a call that is answered from the cache has no shadow.
    fn around(&self, service: Arc<dyn RpcService>) -> Arc<dyn RpcService> {
        let service = match &self.shadow {
            Some(shadow) => layered_unguarded(service, shadow.clone()),
            None => service,
        };
        let service = match &self.cache {
            Some(cache) => layered_unguarded(service, Caching(cache.clone())),
            None => service,
        };
        let service = match &self.fallbacks {
            Some(fallbacks) => layered_unguarded(service, fallbacks.clone()),
            None => service,
        };
        let service = match &self.split {
            Some(split) => layered_unguarded(service, split.clone()),
            None => service,
        };
        let service = match &self.quota {
            Some(quota) => layered_unguarded(service, quota.clone()),
            None => service,
        };
        let service = match &self.rate {
            Some(rate) => layered_unguarded(service, rate.clone()),
            None => service,
        };
        match &self.access {
            Some(access) => layered_unguarded(service, access.clone()),
            None => service,
        }
    }
}

/// A page made from a template of the operator's, and its path.
#[derive(Clone)]
pub struct PageMount {
    /// The path of the page.
    pub path: String,
    /// The path of the group whose method the page calls.
    pub group: String,
    /// The service of that group, within its limits and layers: see [`GroupMount::layered_service`].
    pub service: Arc<dyn RpcService>,
    /// The page. [`Mounts::router`] sets its public URL.
    pub page: TemplatePage,
}

/// An MCP endpoint with the tools of several groups.
///
/// Each call goes through the limits, rules and layers of its group. A body may have as many bytes as the smallest limit of these
/// groups allows.
#[derive(Debug, Clone)]
pub struct McpMount {
    /// The path.
    pub path: String,
    /// The groups. Those that do not exist or do not speak MCP are left out; so are those that require an identity, unless `auth`
    /// requires one.
    pub groups: Vec<McpMember>,
    /// Who may send requests; `None` if anyone may.
    pub auth: Option<Arc<GroupAuth>>,
    /// The tools that are listed, if the others are found by words (`find-tools`); `None` if all are listed.
    pub search: Option<NamePatterns>,
}

/// A group whose tools are among those of an [`McpMount`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct McpMember {
    /// The path of the group.
    pub group: String,
    /// The prefix of the names of its tools, which no other group of the endpoint has: letters, digits, `_` and `-`.
    /// [`JoinedGroup::prefix_of`] makes one of a path.
    pub prefix: String,
}

/// Everything that a gateway serves: groups and pages, and the address that documents about them give.
#[derive(Clone, Default)]
pub struct Mounts {
    /// The groups, in the order in which the directory lists them.
    pub groups: Vec<GroupMount>,
    /// The MCP endpoint with the tools of several groups, if there is one.
    pub mcp: Option<McpMount>,
    /// The pages.
    pub pages: Vec<PageMount>,
    /// The address under which clients know the server, and the proxies that are trusted to say so.
    pub public_url: Arc<PublicUrl>,
    /// Who may use the admin listener; `None` if everyone may who reaches it.
    pub admin_auth: Option<Arc<GroupAuth>>,
}

/// The path at which all groups are described together.
const ROOT: &str = "/";

impl Mounts {
    /// Starts to count the calls and requests of all groups. A group that `before` had at the same path goes on with its
    /// counters.
    pub(crate) fn start_counting(&self, before: &Mounts) {
        for group in &self.groups {
            let known = before.groups.iter().find(|known| known.path == group.path);
            group.limiter.meter().start(known.map(|known| known.limiter.meter()));
        }
    }

    /// Where the calls of groups with a quota are counted.
    pub(crate) fn quota_counts(&self) -> Vec<Arc<QuotaCounts>> {
        self.groups.iter().filter_map(|group| group.rules.quota_counts()).cloned().collect()
    }

    /// Finds the counters of the methods that the groups have now.
    pub(crate) fn resolve_counters(&self) {
        for group in &self.groups {
            if let Some(counters) = group.limiter.meter().counters() {
                counters.resolve(&group.service.interface());
            }
        }
    }

    /// Builds the router to the groups and pages.
    ///
    /// At `/` it adds the directory and the description of all groups. These come before a group that is mounted there,
    /// which keeps its calls, its WSDL and its methods, and after a page that is mounted there.
    ///
    /// # Errors
    /// If a path is malformed, or is mounted twice.
    pub fn router(&self) -> Result<GroupRouter<Arc<Group>>, MountError> {
        let with_pages = self.groups.iter().filter(|group| group.protocols.has(Protocol::Page));
        let own =
            self.pages.iter().map(|page| PageSummary { path: page.path.clone(), title: page.page.title.to_string() });
        let info = ServerInfo {
            public_url: self.public_url.clone(),
            listed: with_pages.map(GroupMount::summary).collect(),
            own: own.collect(),
            mcp: self.mcp.as_ref().map(|mcp| mcp.path.as_str().into()),
        };
        let mut router = GroupRouter::default();
        let mut root = None;
        let mut resources = Vec::new();
        for mount in &self.groups {
            let group = Arc::new(mount.group(&info));
            resources.extend(group.protected_resources.clone().map(|own| (mount.paths().collect(), own)));
            for path in mount.paths() {
                place(&mut router, &mut root, path, group.clone())?;
            }
        }
        for mount in &self.pages {
            // The calls of a page are those of its group, and so are its requests.
            let group = self.groups.iter().find(|group| group.is_at(&mount.group));
            let limiter = group.map(|group| group.limiter.clone());
            let auth = group.and_then(|group| group.auth.clone());
            let group = Group { limiter, auth, ..mount.group(&self.public_url) };
            place(&mut router, &mut root, &mount.path, Arc::new(group))?;
        }
        if let Some(mcp) = &self.mcp {
            let group = Arc::new(mcp.group(&self.groups, &self.public_url));
            resources.extend(group.protected_resources.clone().map(|own| (vec![mcp.path.as_str()], own)));
            place(&mut router, &mut root, &mcp.path, group)?;
        }
        if let Some(group) = with_all(root, &self.groups, &info) {
            router.mount(ROOT, group)?;
        }
        for (path, frontend) in well_known(&self.public_url, &resources) {
            if !self.has_path(path) {
                router.mount(path, Arc::new(public_document(path, frontend)))?;
            }
        }
        Ok(router)
    }

    /// Whether something is mounted at a path or at its parent, or a group at `/` has a route there.
    fn has_path(&self, path: &str) -> bool {
        let parent = path.rsplit_once('/').map_or(path, |(parent, _)| parent);
        let pages = self.pages.iter().map(|page| page.path.as_str());
        let mcp = self.mcp.iter().map(|mcp| mcp.path.as_str());
        let mut mounted = self.groups.iter().flat_map(GroupMount::paths).chain(pages).chain(mcp);
        mounted.any(|own| own == path || own == parent)
            || self.groups.iter().any(|group| group.is_at(ROOT) && group.has_route_below(path))
    }
}

/// A group with a document that needs no credentials and that pages of all origins may read.
fn public_document(path: &str, frontend: Arc<dyn Frontend>) -> Group {
    let options = CorsOptions { origins: "*".parse().into_iter().collect(), ..CorsOptions::default() };
    let headers = GroupHeaders { sent: frontend.request_headers(), ..GroupHeaders::default() };
    let cors = Cors::new(&options, headers).map(Arc::new);
    let group = Group::new(path, Arc::new(EmptyService(Arc::default())), vec![frontend], 0);
    Group { cors, is_directory: true, ..group }
}

/// Mounts a group; one at `/` is set aside in `root`, because the description of all groups joins it there.
fn place(
    router: &mut GroupRouter<Arc<Group>>,
    root: &mut Option<Arc<Group>>,
    path: &str,
    group: Arc<Group>,
) -> Result<(), MountError> {
    if path != ROOT {
        return router.mount(path, group);
    }
    if root.replace(group).is_some() { Err(MountError::Taken) } else { Ok(()) }
}

impl McpMount {
    /// The groups whose tools the endpoint has, each with the prefix of their names.
    fn joined<'g>(&'g self, groups: &'g [GroupMount]) -> impl Iterator<Item = (&'g GroupMount, &'g str)> {
        let requires_identity = self.auth.as_ref().is_some_and(|auth| auth.is_required());
        self.groups.iter().filter_map(move |member| {
            let group = groups.iter().find(|group| group.is_at(&member.group))?;
            // The endpoint does not check the `auth` of the group, and a group that is mounted in Rust may have no access rules.
            let is_open = requires_identity || !group.is_closed();
            (is_open && group.protocols.has(Protocol::Mcp)).then_some((group, member.prefix.as_str()))
        })
    }

    /// How many bytes a message may have: the smallest limit of its groups.
    pub(crate) fn body_limit(&self, groups: &[GroupMount]) -> usize {
        self.joined(groups).map(|(group, _)| group.limits.body).min().unwrap_or_default()
    }

    fn group(&self, groups: &[GroupMount], public_url: &Arc<PublicUrl>) -> Group {
        let joined = self.joined(groups).map(|(group, prefix)| JoinedGroup {
            path: group.path.clone(),
            prefix: prefix.to_owned(),
            service: group.layered_service(),
            dialect: group.protocols.json,
            options: group.protocols.mcp.clone(),
        });
        let joined: Vec<JoinedGroup> = joined.collect();
        let limits = self.joined(groups).map(|(group, _)| group.protocols.limits);
        let smallest =
            limits.reduce(|a, b| DocumentLimits { depth: a.depth.min(b.depth), elements: a.elements.min(b.elements) });
        let documents = self.joined(groups).map(|(group, _)| group.protocols.documents(&group.path, public_url));
        let frontend = Mcp::joining(joined.clone(), smallest.unwrap_or_default(), self.search.clone());
        let frontend = frontend.with_documents(public_url.clone(), documents);
        let frontends: Vec<Arc<dyn Frontend>> = vec![Arc::new(frontend)];
        let service: Arc<dyn RpcService> = Arc::new(JoinedGroups::new(joined));
        let protected_resources = ProtectedResources::new(&frontends, self.auth.as_deref(), None, service.clone());
        let upstream = |group: &GroupMount| Some((group.upstream.clone()?, group.limits.deadline));
        let group = Group::new(self.path.clone(), service, frontends, self.body_limit(groups));
        Group {
            protected_resources: protected_resources.map(Arc::new),
            auth: self.auth.clone(),
            varies_by_caller: self.joined(groups).any(|(group, _)| group.rules.hide_methods()),
            joined_upstreams: self.joined(groups).filter_map(|(group, _)| upstream(group)).collect(),
            ..group
        }
    }
}

impl PageMount {
    fn group(&self, public_url: &Arc<PublicUrl>) -> Group {
        let page = TemplatePage { public_url: public_url.clone(), ..self.page.clone() };
        // A page is asked for with GET, so its requests have no body.
        Group::new(self.path.clone(), self.service.clone(), vec![Arc::new(page)], 0)
    }
}

impl GroupMount {
    /// A group at `path` with the default limits, over every protocol.
    pub fn new(path: impl Into<String>, service: impl RpcService) -> GroupMount {
        let limits = GroupLimits::default();
        GroupMount::within(path.into(), LimitedService::new(Arc::new(service), &limits, CallerRules::default()), limits)
    }

    /// A group over every protocol, whose service has these limits already.
    pub(crate) fn within(path: String, service: LimitedService, limits: GroupLimits) -> GroupMount {
        let LimitedService { limited: service, unlimited, limiter, rules } = service;
        GroupMount {
            path,
            aliases: Vec::new(),
            kind: "service".to_owned(),
            limits,
            auth: None,
            cors: CorsOptions::default(),
            protocols: ProtocolSet::default(),
            service,
            unlimited,
            fingerprint: None,
            limiter,
            rules,
            layers: Vec::new(),
            upstream: None,
        }
    }

    /// The limits on requests and calls.
    pub fn limits(&self) -> &GroupLimits {
        &self.limits
    }

    /// Sets the limits on requests and calls, in place of those that the group has. This also sets the limits on documents
    /// and batches in `protocols`, so call it after `protocols` has been replaced.
    ///
    /// An aggregate or a page with the service of this group has to be made after this: one that was made before keeps the
    /// old limits.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use croupier::server::mount::GroupMount;
    /// use croupier::server::settings::GroupLimits;
    /// # use croupier::service::local::Local;
    ///
    /// # let service = Local::new("Nothing", ()).build()?;
    /// let limits = GroupLimits { concurrent: 16, deadline: Duration::from_secs(5), ..GroupLimits::default() };
    /// let group = GroupMount::new("/slow", service).with_limits(limits);
    /// # Ok::<(), croupier::service::local::RegistrationError>(())
    /// ```
    #[must_use]
    pub fn with_limits(self, limits: GroupLimits) -> GroupMount {
        let rules = self.rules.clone().within(&self.path, &limits);
        let LimitedService { limited: service, limiter, .. } =
            LimitedService::new(self.unlimited.clone(), &limits, rules.clone());
        let documents = DocumentLimits { depth: limits.depth, elements: limits.elements };
        let protocols = ProtocolSet { limits: documents, batch: limits.batch, ..self.protocols };
        GroupMount { limits, service, limiter, rules, protocols, ..self }
    }

    /// Caches the answers of safe methods, in place of the cache that the group has. An aggregate or a page with the service
    /// of this group has to be made after this.
    ///
    /// Calls count as equal whatever they have in [`Context::extensions`](crate::service::Context::extensions). A handler or
    /// a layer whose results depend on these belongs to a method that is not cached.
    ///
    /// ```
    /// use croupier::model::units::Period;
    /// use croupier::server::mount::GroupMount;
    /// use croupier::service::cache::CacheOptions;
    /// use croupier::service::local::{Local, named};
    ///
    /// let service = Local::new("Greeter", ()).method(named("hello").safe(), |_: &(), (): ()| "world").build()?;
    /// let ttl = Some("30s".parse::<Period>()?);
    /// let group = GroupMount::new("/hello", service).with_cache(CacheOptions { ttl, ..CacheOptions::default() });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_cache(self, options: CacheOptions) -> GroupMount {
        self.with_rules(|rules| rules.caching(options))
    }

    /// Sets what takes the place of results that cannot be had, in place of what the group has. An aggregate or a page with the
    /// service of this group has to be made after this.
    #[must_use]
    pub fn with_fallbacks(self, fallbacks: Vec<Fallback>) -> GroupMount {
        let fallbacks = Fallbacks::new(fallbacks).map(Arc::new);
        self.with_rules(|rules| CallerRules { fallbacks, ..rules })
    }

    /// Also sends a share of the calls to another group, in place of the shadow that the group has. An aggregate or a page with
    /// the service of this group has to be made after this.
    #[must_use]
    pub fn with_shadow(self, shadow: Shadow) -> GroupMount {
        self.with_rules(|rules| CallerRules { shadow: Some(Arc::new(shadow)), ..rules })
    }

    /// Sends a share of the calls to another group, in place of the split that the group has. An aggregate or a page with the
    /// service of this group has to be made after this.
    #[must_use]
    pub fn with_split(self, split: Split) -> GroupMount {
        self.with_rules(|rules| CallerRules { split: Some(Arc::new(split)), ..rules })
    }

    /// The same group with other rules around its service.
    fn with_rules(self, change: impl FnOnce(CallerRules) -> CallerRules) -> GroupMount {
        let rules = change(self.rules.clone());
        let LimitedService { limited: service, limiter, .. } =
            LimitedService::new(self.unlimited.clone(), &self.limits, rules.clone());
        GroupMount { service, limiter, rules, ..self }
    }

    /// Adds a layer inside those that the group has. A call goes through the layer that was added first, then through the
    /// others in their order, then through the limits of the group, to the service.
    ///
    /// A layer sees every call of the group, also one that the limits refuse or end, and its result. What a layer itself
    /// waits for does not count as a running call. [`Context::deadline`](crate::service::Context::deadline) has the
    /// group's deadline already; a layer that waits has to end by it (see
    /// [`with_deadline`](crate::service::future::with_deadline)).
    ///
    /// ```
    /// use croupier::Fault;
    /// use croupier::server::mount::GroupMount;
    /// use croupier::service::layer::GroupLayer;
    /// use croupier::service::local::Local;
    /// use croupier::service::{Call, CallFuture, RpcService};
    ///
    /// /// Refuses calls that have no identity.
    /// struct Known;
    ///
    /// impl GroupLayer for Known {
    ///     fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
    ///         match call.context.identity {
    ///             Some(_) => next.call(call),
    ///             // 401 is the code of the fault in XML-RPC, JSON-RPC and SOAP. REST has status 422 for each fault of a
    ///             // service.
    ///             None => Fault::service(401, "the caller is not known").into(),
    ///         }
    ///     }
    /// }
    /// # struct Authenticate;
    /// # impl GroupLayer for Authenticate {
    /// #     fn call(&self, call: Call<'_>, next: &dyn RpcService) -> CallFuture {
    /// #         next.call(call)
    /// #     }
    /// # }
    ///
    /// let service = Local::new("Nothing", ()).build()?;
    /// let group = GroupMount::new("/private", service)
    ///     .layer(Authenticate) // finds out who calls
    ///     .layer(Known); // needs to know
    /// # Ok::<(), croupier::service::local::RegistrationError>(())
    /// ```
    pub fn layer(mut self, layer: impl GroupLayer) -> GroupMount {
        self.layers.push(Arc::new(layer));
        self
    }

    /// The service within the limits and the layers: what every call of the group goes through. To call the group from an
    /// aggregate or a page of one's own, use this one.
    pub fn layered_service(&self) -> Arc<dyn RpcService> {
        if self.layers.is_empty() {
            return self.service.clone();
        }
        let inner = self.layers.iter().rev().cloned().fold(self.service.clone(), layered);
        layered_unguarded(inner, SetDeadline(self.limits.deadline))
    }

    /// A group at `path` whose calls go to an upstream, with the default limits, over every protocol.
    pub fn upstream(path: impl Into<String>, upstream: Upstream) -> GroupMount {
        let group = GroupMount::new(path, upstream.clone());
        GroupMount { kind: "upstream".to_owned(), upstream: Some(upstream), ..group }
    }

    /// The service and the upstream, if they were made from this, within these limits and rules: the same permits, if these
    /// limits allow as many calls as those of the group.
    pub(crate) fn backend_of(
        &self,
        fingerprint: Fingerprint,
        limits: &GroupLimits,
        rules: &CallerRules,
    ) -> Option<(LimitedService, Option<Upstream>)> {
        if self.fingerprint != Some(fingerprint) {
            return None;
        }
        let unlimited = self.unlimited.clone();
        let rules = &rules.clone().with_answers_of(&self.rules);
        let service = if !self.limits.limit_calls_as(limits) {
            LimitedService::new(unlimited, limits, rules.clone())
        } else if rules.are_those_of(&self.rules) {
            let (limited, limiter, rules) = (self.service.clone(), self.limiter.clone(), self.rules.clone());
            LimitedService { limited, unlimited, limiter, rules }
        } else {
            LimitedService::within(unlimited, self.limiter.limiter(limits.deadline), rules.clone())
        };
        Some((service, self.upstream.clone()))
    }

    /// The path of the group and its aliases.
    fn paths(&self) -> impl Iterator<Item = &str> {
        [&self.path].into_iter().chain(&self.aliases).map(String::as_str)
    }

    /// Whether the group is reached at a path.
    fn is_at(&self, path: &str) -> bool {
        self.paths().any(|own| own == path)
    }

    /// Whether the operator or an upstream has a REST route at a path or below it.
    fn has_route_below(&self, path: &str) -> bool {
        let is_below =
            |route: &str| route.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let interface = self.service.interface();
        self.protocols.has(Protocol::Rest)
            && (self.protocols.routes.iter().any(|route| is_below(route.template().path()))
                || interface.operations.all().iter().any(|operation| is_below(&operation.template())))
    }

    /// Whether each request needs an identity. What is said of all groups then says of this one no more than that it is there.
    pub(super) fn is_closed(&self) -> bool {
        self.auth.as_ref().is_some_and(|auth| auth.is_required())
    }

    fn summary(&self) -> GroupSummary {
        if self.is_closed() {
            let interface = Interface { title: self.service.interface().title.clone(), ..Interface::default() };
            return GroupSummary::new(&self.path, Vec::new(), &interface);
        }
        let summary = GroupSummary::new(&self.path, self.aliases.clone(), &self.service.interface());
        let summary = summary.with_state_of(self.service.clone());
        if self.rules.hide_methods() { summary.varying_by_caller() } else { summary }
    }

    fn described(&self) -> RestGroup {
        let (path, service) = (self.path.clone(), self.layered_service());
        RestGroup { path, service, routes: Arc::new(self.protocols.route_table()) }
    }

    fn group(&self, info: &ServerInfo) -> Group {
        let frontends = self.protocols.of_group(&self.path, info);
        let access = self.rules.access.clone();
        let protected_resources =
            ProtectedResources::new(&frontends, self.auth.as_deref(), access.as_deref(), self.service.clone());
        let cors = self.cors(&frontends).map(Arc::new);
        let group = Group::new(self.path.clone(), self.layered_service(), frontends, self.limits.body);
        Group {
            auth: self.auth.clone(),
            protected_resources: protected_resources.map(Arc::new),
            access,
            cors,
            varies_by_caller: self.rules.hide_methods(),
            deadline: Some(self.limits.deadline),
            limiter: Some(self.limiter.clone()),
            upstream: self.upstream.clone(),
            ..group
        }
    }

    /// The rules for pages of other origins, with the headers and verbs that the group itself needs.
    fn cors(&self, frontends: &[Arc<dyn Frontend>]) -> Option<Cors> {
        let routes = self.protocols.routes.iter().map(|route| route.template().verb());
        let interface = self.service.interface();
        let verbs = routes.chain(interface.operations.all().iter().map(|operation| &operation.verb));
        let verbs = if self.protocols.has(Protocol::Rest) { verbs.cloned().collect() } else { Vec::new() };
        let credentials = self.auth.iter().flat_map(|auth| auth.headers());
        let sent = credentials.chain(frontends.iter().flat_map(|frontend| frontend.request_headers())).collect();
        let of_upstream = self.upstream.iter().flat_map(|upstream| upstream.return_headers()).cloned();
        let of_protocols = frontends.iter().flat_map(|frontend| frontend.response_headers());
        let returned = of_protocols.chain(of_upstream).collect();
        Cors::new(&self.cors, GroupHeaders { verbs, sent, returned })
    }
}

impl fmt::Debug for GroupMount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupMount")
            .field("path", &self.path)
            .field("aliases", &self.aliases)
            .field("kind", &self.kind)
            .field("limits", &self.limits)
            .field("auth", &self.auth)
            .field("cors", &self.cors)
            .field("protocols", &self.protocols)
            .field("layers", &self.layers.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PageMount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageMount")
            .field("path", &self.path)
            .field("group", &self.group)
            .field("page", &self.page)
            .finish_non_exhaustive()
    }
}

/// The group at `/`: the frontends that describe all groups, joined with what is mounted there; `None` if neither exists.
fn with_all(root: Option<Arc<Group>>, groups: &[GroupMount], info: &ServerInfo) -> Option<Arc<Group>> {
    // The document is the same for all readers.
    let described = groups.iter().filter(|group| group.protocols.has(Protocol::Rest) && !group.is_closed());
    let mut frontends = of_root(info, described.map(GroupMount::described).collect());
    let varies_by_caller = groups.iter().any(|group| group.rules.hide_methods());
    match root {
        Some(group) if frontends.is_empty() => Some(group),
        Some(group) => {
            // A page that an operator mounts at `/` replaces the directory; a group there does not.
            let position = if group.frontends.iter().all(|frontend| frontend.is_page()) { 0 } else { frontends.len() };
            frontends.splice(position..position, group.frontends.iter().cloned());
            let joined = Group::new(group.path.clone(), group.service.clone(), frontends, group.body_limit);
            let (limiter, upstream) = (group.limiter.clone(), group.upstream.clone());
            let (auth, cors) = (group.auth.clone(), group.cors.clone());
            let (protected_resources, access) = (group.protected_resources.clone(), group.access.clone());
            let joined_upstreams = group.joined_upstreams.clone();
            Some(Arc::new(Group {
                auth,
                protected_resources,
                access,
                cors,
                varies_by_caller,
                deadline: group.deadline,
                limiter,
                upstream,
                joined_upstreams,
                ..joined
            }))
        }
        None if frontends.is_empty() => None,
        None => {
            let service = Arc::new(EmptyService(Arc::default()));
            Some(Arc::new(Group { is_directory: true, varies_by_caller, ..Group::new(ROOT, service, frontends, 0) }))
        }
    }
}

/// The service of a path at which nothing is mounted.
struct EmptyService(Arc<Interface>);

impl RpcService for EmptyService {
    fn interface(&self) -> Arc<Interface> {
        self.0.clone()
    }

    fn call(&self, call: Call<'_>) -> CallFuture {
        MaybeReady::now(Err(Fault::no_such_method(call.method)))
    }
}
