//! A group between the file and its mount: its keys are resolved, but an aggregate may still lack its service.

use std::sync::Arc;

use toml::Spanned;

use super::aggregate::file::AggregateFile;
use super::fallback::FixedResult;
use super::problem::Problem;
use super::rule_target::RuleTarget;
use crate::http::cors::CorsOptions;
use crate::model::interface::Interface;
use crate::model::text::{abridge, nearest};
use crate::protocol::set::ProtocolSet;
use crate::server::auth::GroupAuth;
use crate::server::mount::{CallerRules, Fingerprint, GroupMount, LimitedService};
use crate::server::settings::GroupLimits;
use crate::service::RpcService;
use crate::upstream::Upstream;

/// A group whose keys are resolved. The backend of an aggregate is made after all others.
pub(super) struct ResolvedGroup {
    pub(super) path: Spanned<String>,
    pub(super) aliases: Vec<String>,
    pub(super) kind: String,
    pub(super) limits: GroupLimits,
    pub(super) protocols: ProtocolSet,
    /// Who may call; `None` if everyone may.
    pub(super) auth: Option<Arc<GroupAuth>>,
    /// Which pages of other origins may call.
    pub(super) cors: CorsOptions,
    /// Who may call what, and how often.
    pub(super) rules: CallerRules,
    /// The groups that the rules call.
    pub(super) targets: Vec<RuleTarget>,
    /// The results that are fixed.
    pub(super) fixed: Vec<FixedResult>,
    pub(super) backend: Backend,
    /// What the backend is made from; `None` if that is not known.
    pub(super) fingerprint: Option<Fingerprint>,
    /// What the upstream has said, if the configuration is to be compared with that.
    pub(super) described: Option<Arc<Interface>>,
}

/// What serves the calls of a group.
pub(super) enum Backend {
    /// A service of this process, within the limits of its group.
    Service(LimitedService),
    /// An upstream, which has not described itself yet.
    Upstream {
        /// The upstream itself, to be discovered.
        upstream: Upstream,
        /// The same upstream within the limits of its group. Aggregates and pages share it, so they share its permits.
        service: LimitedService,
    },
    /// Calls to other groups, whose backends have to be made first.
    Aggregate(Box<AggregateFile>),
    /// Nothing, because of problems that have been reported.
    Broken,
}

impl ResolvedGroup {
    /// Whether the group is reached at a path.
    pub(super) fn is_at(&self, path: &str) -> bool {
        self.path.get_ref() == path || self.aliases.iter().any(|alias| alias == path)
    }

    /// Whether each call of the group needs an identity.
    pub(super) fn is_closed(&self) -> bool {
        self.auth.as_ref().is_some_and(|auth| auth.is_required())
    }

    /// The service within the limits of the group; `None` if it is broken or not made yet.
    pub(super) fn service(&self) -> Option<Arc<dyn RpcService>> {
        match &self.backend {
            Backend::Service(service) | Backend::Upstream { service, .. } => Some(service.limited.clone()),
            Backend::Aggregate(_) | Backend::Broken => None,
        }
    }

    /// The interface of the group, if the configuration alone decides it. What an upstream has described is left out, also
    /// if a running server knows it: a file that is valid at the start of a server has to be valid when it is reloaded. Only
    /// `check --ask` compares the configuration with that.
    pub(super) fn interface(&self) -> Option<Arc<Interface>> {
        match &self.backend {
            Backend::Service(service) => Some(service.limited.interface()),
            _ => self.described.clone(),
        }
    }

    /// The mount of the group; `None` if its backend is broken.
    pub(super) fn into_mount(self) -> Option<GroupMount> {
        let ResolvedGroup {
            path,
            aliases,
            kind,
            limits,
            protocols,
            auth,
            cors,
            backend,
            fingerprint,
            rules: _,
            targets: _,
            fixed: _,
            described: _,
        } = self;
        let (service, upstream) = match backend {
            Backend::Service(service) => (service, None),
            Backend::Upstream { upstream, service } => (service, Some(upstream)),
            Backend::Aggregate(_) | Backend::Broken => return None,
        };
        let mut group = GroupMount::within(path.into_inner(), service, limits);
        group.aliases = aliases;
        group.kind = kind;
        group.protocols = protocols;
        group.auth = auth;
        group.cors = cors;
        group.upstream = upstream;
        group.fingerprint = fingerprint;
        Some(group)
    }
}

impl Backend {
    pub(super) fn upstream(upstream: Upstream, limits: &GroupLimits, rules: CallerRules) -> Backend {
        let service = LimitedService::new(Arc::new(upstream.clone()), limits, rules);
        Backend::Upstream { upstream, service }
    }
}

/// The problem that there is no group of this name.
pub(super) fn no_group(name: &Spanned<String>, groups: &[ResolvedGroup]) -> Problem {
    let problem = Problem::at(name.span(), format!("there is no group `{}`", abridge(name.get_ref())));
    match nearest(name.get_ref(), groups.iter().map(|other| other.path.get_ref().as_str())) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem,
    }
}

/// The problem that a group has no method of this name.
pub(super) fn no_method(interface: &Interface, method: &Spanned<String>, group: &Spanned<String>) -> Problem {
    let (name, path) = (abridge(method.get_ref()), abridge(group.get_ref()));
    let problem = Problem::at(method.span(), format!("the group `{path}` has no method `{name}`"));
    let names = || interface.methods.iter().map(|method| method.name.as_str());
    match nearest(method.get_ref(), names()) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem.hint(format!("it has `{}`", names().take(12).collect::<Vec<_>>().join("`, `"))),
    }
}
