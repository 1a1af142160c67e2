//! Aggregates: makes the service of each, after the services that it calls.

pub(super) mod file;
pub(super) mod literal;
mod method;

use std::sync::Arc;

use toml::Spanned;

use super::kept::{Kept, fingerprint};
use super::problem::{Problem, count_errors};
use super::resolved::{Backend, ResolvedGroup, no_group};
use crate::model::interface::Interface;
use crate::model::text::abridge;
use crate::server::mount::{Fingerprint, LimitedService};
use crate::service::RpcService;
use crate::service::aggregate::Aggregate;
use file::{AggregateFile, MethodFile};
use method::{Inherited, method};

/// Makes the services of all aggregates, each after those that it calls.
///
/// Returns which aggregate calls which group, by their indices.
pub(super) fn resolve(
    groups: &mut [ResolvedGroup],
    kept: Kept<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<(usize, usize)> {
    let mut resolver = AggregateResolver { groups, kept, in_progress: Vec::new(), calls: Vec::new(), problems };
    for index in 0..resolver.groups.len() {
        resolver.ensure_made(index);
    }
    resolver.calls
}

/// Makes aggregates, each of which may need others first.
pub(super) struct AggregateResolver<'g> {
    groups: &'g mut [ResolvedGroup],
    kept: Kept<'g>,
    /// The indices of the aggregates that are being made, each needed by the one before it.
    in_progress: Vec<usize>,
    /// Which aggregate calls which group.
    calls: Vec<(usize, usize)>,
    problems: &'g mut Vec<Problem>,
}

/// A group that an aggregate calls.
struct CalledGroup {
    path: String,
    service: Arc<dyn RpcService>,
    /// Its interface, if the configuration alone decides it.
    interface: Option<Arc<Interface>>,
}

impl AggregateResolver<'_> {
    /// Makes the service of a group if it is an aggregate that has none yet.
    fn ensure_made(&mut self, index: usize) {
        let Some(group) = self.groups.get_mut(index) else { return };
        if !matches!(group.backend, Backend::Aggregate(_)) {
            return;
        }
        let Backend::Aggregate(file) = std::mem::replace(&mut group.backend, Backend::Broken) else { return };
        let path = group.path.clone();
        let (limits, rules) = (group.limits.clone(), group.rules.clone());
        self.in_progress.push(index);
        let made = self.aggregate(*file, &path);
        self.in_progress.pop();
        if let (Some(group), Some((made, fingerprint))) = (self.groups.get_mut(index), made) {
            let kept = self.kept.backend(group.path.get_ref(), fingerprint, &limits, &rules);
            let made = || Backend::Service(LimitedService::new(Arc::new(made), &limits, rules));
            group.backend = kept.unwrap_or_else(made);
            group.fingerprint = Some(fingerprint);
        }
    }

    /// The service of an aggregate, and what it is made from: its table and the services that it calls. `None` if it has
    /// problems.
    fn aggregate(&mut self, file: AggregateFile, path: &Spanned<String>) -> Option<(Aggregate, Fingerprint)> {
        let before = count_errors(self.problems);
        let table = serde_json::to_string(&file).unwrap_or_default();
        let inherited = Inherited { on_error: file.on_error, deadline: file.deadline.0, memory: file.memory.0 };
        let mut methods: Vec<_> = file.methods.into_iter().collect();
        match (methods.first(), file.calls.first_key_value()) {
            (None, None) => {
                let problem =
                    Problem::at(path.span(), format!("the aggregate `{}` calls nothing", abridge(path.get_ref())));
                let smallest = "such as `calls = { one = { group = \"/wheel/mini\", method = \"spin\" } }`";
                self.problems.push(problem.hint(smallest));
            }
            (Some((name, _)), Some((call, _))) => {
                let problem =
                    Problem::at(call.span(), "`calls` cannot be given with `methods`: put the calls into a method");
                self.problems.push(problem.related(name.span(), "a method"));
            }
            (None, Some(_)) => {
                let only = MethodFile { calls: file.calls, params: file.params, ..MethodFile::default() };
                methods.push((file.method, only));
            }
            (Some(_), None) => {}
        }
        methods.sort_by_key(|(name, _)| name.span().start);
        let made: Vec<_> = methods.into_iter().map(|(name, file)| method(self, &name, file, inherited)).collect();
        let title = file.title.unwrap_or_else(|| path.get_ref().clone());
        if count_errors(self.problems) > before || made.is_empty() {
            return None;
        }
        // What is served holds the services that it calls, so no other can be at the place of one of them.
        let calls = made.iter().flat_map(|method| &method.calls);
        let called: Vec<usize> = calls.map(|part| Arc::as_ptr(&part.service).addr()).collect();
        let fingerprint = fingerprint((table, called));
        Some((Aggregate::new(title, file.doc, made), fingerprint))
    }

    /// A group that is called; `None` if there is none, which is then reported.
    fn called_group(&mut self, group: &Spanned<String>) -> Option<CalledGroup> {
        let name = group.get_ref().as_str();
        let Some(index) = self.groups.iter().position(|other| other.is_at(name)) else {
            self.problems.push(no_group(group, self.groups));
            return None;
        };
        if let Some(begun) = self.in_progress.iter().position(|other| *other == index) {
            self.problems.push(self.cycle(group, begun));
            return None;
        }
        self.calls.extend(self.in_progress.last().map(|own| (*own, index)));
        self.ensure_made(index);
        let other = self.groups.get(index)?;
        let own = self.in_progress.last().and_then(|own| self.groups.get(*own));
        if other.is_closed() && own.is_some_and(|own| own.auth.is_none()) {
            let message = format!("all these calls are refused: `{}` needs to know who calls", abridge(name));
            let hint = "give the aggregate `auth`, with the definitions of that group";
            self.problems.push(Problem::at(group.span(), message).warning().hint(hint));
        }
        Some(CalledGroup {
            path: other.path.get_ref().clone(),
            service: other.service()?,
            interface: other.interface(),
        })
    }

    /// The problem of a call that leads back to its own aggregate.
    fn cycle(&self, group: &Spanned<String>, begun: usize) -> Problem {
        let paths = self.in_progress.iter().skip(begun).filter_map(|index| self.groups.get(*index));
        let paths: Vec<_> = paths.map(|group| abridge(group.path.get_ref())).collect();
        let first = paths.first().cloned().unwrap_or_default();
        match paths.as_slice() {
            [only] => Problem::at(group.span(), format!("the group `{only}` calls itself")),
            paths => {
                let chain = paths.join("` calls `");
                Problem::at(group.span(), format!("the calls form a cycle: `{chain}` calls `{first}`"))
            }
        }
    }
}
