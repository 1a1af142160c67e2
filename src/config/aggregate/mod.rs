//! Aggregates: from calls as they are written to services that make them, once all that they call is there.

pub(super) mod file;
mod literal;
mod method;

use std::sync::Arc;

use toml::Spanned;

use super::problem::Problem;
use super::resolved::{Backend, ResolvedGroup, no_group};
use crate::model::text::abridge;
use crate::service::RpcService;
use crate::service::aggregate::Aggregate;
use file::{AggregateFile, MethodFile};
use method::{Inherited, composed};

/// Makes the services of all aggregates, each after those that it calls.
pub(super) fn resolve(groups: &mut [ResolvedGroup], problems: &mut Vec<Problem>) {
    let mut order = AggregateResolver { groups, on_the_way: Vec::new(), problems };
    for at in 0..order.groups.len() {
        order.settle(at);
    }
}

/// Making aggregates, each of which may need others first.
pub(super) struct AggregateResolver<'g> {
    groups: &'g mut [ResolvedGroup],
    /// The aggregates that are being made, each needed by the one before it.
    on_the_way: Vec<usize>,
    problems: &'g mut Vec<Problem>,
}

impl AggregateResolver<'_> {
    /// Sees to it that a group has its service, if it can have one.
    fn settle(&mut self, at: usize) {
        let Some(group) = self.groups.get_mut(at) else { return };
        if !matches!(group.backend, Backend::Aggregate(_)) {
            return;
        }
        let Backend::Aggregate(file) = std::mem::replace(&mut group.backend, Backend::Broken) else { return };
        let (path, limits) = (group.path.clone(), group.limits);
        self.on_the_way.push(at);
        let made = self.aggregate(*file, &path);
        self.on_the_way.pop();
        if let (Some(group), Some(made)) = (self.groups.get_mut(at), made) {
            group.backend = Backend::Service(limits.limit(Arc::new(made)));
        }
    }

    /// The service of an aggregate; `None` where something is wrong with it.
    fn aggregate(&mut self, file: AggregateFile, path: &Spanned<String>) -> Option<Aggregate> {
        let told = self.problems.len();
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
                let problem = Problem::at(call.span(), "`calls` beside `methods` belong to none of them");
                self.problems.push(problem.related(name.span(), "a method"));
            }
            (None, Some(_)) => {
                let only = MethodFile { calls: file.calls, params: file.params, ..MethodFile::default() };
                methods.push((file.method, only));
            }
            (Some(_), None) => {}
        }
        methods.sort_by_key(|(name, _)| name.span().start);
        let made: Vec<_> = methods.into_iter().map(|(name, file)| composed(self, &name, file, inherited)).collect();
        let title = file.title.unwrap_or_else(|| path.get_ref().clone());
        (self.problems.len() == told && !made.is_empty()).then(|| Aggregate::new(title, file.doc, made))
    }

    /// The service of a group that is called, and the group's own path; `None` where there is none, which has been told.
    fn called(&mut self, group: &Spanned<String>) -> Option<(String, Arc<dyn RpcService>)> {
        let name = group.get_ref().as_str();
        let Some(at) = self.groups.iter().position(|other| other.is_at(name)) else {
            self.problems.push(no_group(group, self.groups));
            return None;
        };
        if let Some(begun) = self.on_the_way.iter().position(|other| *other == at) {
            self.problems.push(self.circle(group, begun));
            return None;
        }
        self.settle(at);
        let other = self.groups.get(at)?;
        Some((other.path.get_ref().clone(), other.service()?))
    }

    /// A call that leads back to where it came from.
    fn circle(&self, group: &Spanned<String>, begun: usize) -> Problem {
        let paths = self.on_the_way.iter().skip(begun).filter_map(|at| self.groups.get(*at));
        let paths: Vec<_> = paths.map(|group| abridge(group.path.get_ref())).collect();
        let first = paths.first().cloned().unwrap_or_default();
        match paths.as_slice() {
            [only] => Problem::at(group.span(), format!("the group `{only}` calls itself")),
            paths => {
                let way = paths.join("` calls `");
                Problem::at(group.span(), format!("calls go round in a circle: `{way}` calls `{first}`"))
            }
        }
    }
}
