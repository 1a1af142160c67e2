//! Connects the rules of groups with the groups that they call, when all groups have been made.

use toml::Spanned;

use super::problem::Problem;
use super::resolved::{ResolvedGroup, no_group, no_method};
use super::rule_target::RuleTarget;
use crate::model::http_operations::HttpOperation;
use crate::model::interface::Interface;
use crate::model::text::abridge;

/// Connects the rules of all groups with the groups that they call. `calls` has the calls of the aggregates, from group to
/// group.
pub(super) fn connect(groups: &[ResolvedGroup], calls: &[(usize, usize)], problems: &mut Vec<Problem>) {
    let mut edges = calls.to_vec();
    for (own, group) in groups.iter().enumerate() {
        for rule in &group.targets {
            let Some(other) = groups.iter().position(|other| other.is_at(rule.group.get_ref())) else {
                problems.push(no_group(&rule.group, groups));
                continue;
            };
            // A cycle is reported once, at the rule that closes it.
            if let Some(way) = way(&edges, other, own, groups.len()) {
                problems.push(cycle(&rule.group, own, &way, groups));
                continue;
            }
            edges.push((own, other));
            if let Some(found) = groups.get(other) {
                problems.extend(check(rule, group, found));
                if let Some(service) = found.service() {
                    rule.target.connect(service);
                }
            }
        }
    }
}

/// The groups on a way along these edges, if there is one.
fn way(edges: &[(usize, usize)], from: usize, to: usize, count: usize) -> Option<Vec<usize>> {
    let mut before: Vec<Option<usize>> = vec![None; count];
    let (mut seen, mut next) = (vec![from], 0);
    while let Some(group) = seen.get(next).copied() {
        if group == to {
            let mut way = vec![to];
            while let Some(earlier) = way.last().and_then(|last| before.get(*last).copied().flatten()) {
                way.push(earlier);
            }
            way.reverse();
            return Some(way);
        }
        for (_, other) in edges.iter().filter(|(own, _)| *own == group) {
            if !seen.contains(other) {
                seen.push(*other);
                if let Some(place) = before.get_mut(*other) {
                    *place = Some(group);
                }
            }
        }
        next += 1;
    }
    None
}

fn cycle(at: &Spanned<String>, own: usize, way: &[usize], groups: &[ResolvedGroup]) -> Problem {
    let name = |index: &usize| groups.get(*index).map(|group| abridge(group.path.get_ref()).into_owned());
    let names: Vec<String> = [own].iter().chain(way).filter_map(name).collect();
    match names.as_slice() {
        [only, _] => Problem::at(at.span(), format!("the group `{only}` calls itself")),
        names => Problem::at(at.span(), format!("the calls form a cycle: `{}`", names.join("` calls `"))),
    }
}

/// What is wrong with the methods and the callers of a target.
fn check(rule: &RuleTarget, own: &ResolvedGroup, other: &ResolvedGroup) -> Vec<Problem> {
    let mut problems = Vec::new();
    let name = abridge(rule.group.get_ref());
    if other.is_closed() && own.auth.is_none() {
        let message = format!("all these calls are refused: `{name}` needs to know who calls");
        let hint = "give the group `auth`, with the definitions of that group";
        problems.push(Problem::at(rule.group.span(), message).warning().hint(hint));
    }
    let Some(interface) = other.interface() else { return problems };
    problems.extend(own.interface().and_then(|own| missing_path(rule, &own, &interface)));
    match &rule.method {
        Some(method) => match interface.method(method.get_ref()) {
            None => problems.push(no_method(&interface, method, &rule.group)),
            Some(found) if !found.safe => {
                let message = format!("`{}` of `{name}` may change something", abridge(method.get_ref()));
                problems
                    .push(Problem::at(method.span(), message).hint("only a safe method can take the place of another"));
            }
            Some(_) => {}
        },
        None => {
            let own = own.interface();
            let called = own.iter().flat_map(|own| &own.methods).filter(|method| rule.methods.has(&method.name));
            let missing = called.filter(|method| method.safe).find(|method| interface.method(&method.name).is_none());
            problems.extend(missing.map(|method| {
                let message = format!("the group `{name}` has no method `{}`", abridge(&method.name));
                Problem::at(rule.group.span(), message).hint("restrict the rule by its `methods`")
            }));
        }
    }
    problems
}

/// That a request in the form of the own document has no equal in the other group, so that the rule does not hold for it.
fn missing_path(rule: &RuleTarget, own: &Interface, other: &Interface) -> Option<Problem> {
    let takes = |operation: &HttpOperation| {
        let same = other.operations.with_request_of(operation);
        same.is_some_and(|same| rule.method.as_ref().is_none_or(|method| *method.get_ref() == same.method))
    };
    let is_of_rule = |operation: &HttpOperation| {
        let method = own.method(&operation.method).filter(|method| method.safe && rule.methods.has(&method.name));
        method.is_some() && operation.verb.is_safe()
    };
    let mut operations =
        own.operations.all().iter().filter(|operation| rule.needs_same_operations && is_of_rule(operation));
    let missing = operations.find(|operation| !takes(operation))?;
    let (verb, path, name) = (&missing.verb, missing.template(), abridge(rule.group.get_ref()));
    let message = format!("`{verb} {}` has no fallback: the group `{name}` has no such path", abridge(&path));
    let hint = "calls of the method over other protocols have one";
    Some(Problem::at(rule.group.span(), message).warning().hint(hint))
}

#[cfg(test)]
mod tests {
    use http::{Method as Verb, StatusCode};

    use super::*;
    use crate::model::http_operations::{HttpOperations, PathPiece};
    use crate::model::interface::Method;
    use crate::model::name_patterns::NamePatterns;
    use crate::service::target::TargetGroup;

    /// A description with one method and one path.
    fn with_path(name: &str, verb: Verb, literal: &str, variable: &str) -> Interface {
        let method = Method {
            name: name.to_owned(),
            doc: String::new(),
            params: Vec::new(),
            result: schemars::Schema::default(),
            safe: verb.is_safe(),
        };
        let operation = HttpOperation {
            method: name.to_owned(),
            verb,
            path: vec![PathPiece::Literal(literal.to_owned()), PathPiece::Variable(variable.to_owned())],
            params: Vec::new(),
            body: None,
            invalid_status: StatusCode::BAD_REQUEST,
        };
        Interface {
            methods: vec![method],
            operations: HttpOperations::new(vec![operation]).into(),
            ..Interface::default()
        }
    }

    #[test]
    fn a_path_that_the_other_group_does_not_have_is_named() {
        let own = with_path("read", Verb::GET, "/pets/", "number");
        let rule = |method: Option<&str>, needs_same_operations| RuleTarget {
            group: Spanned::new(0..1, "/other".to_owned()),
            method: method.map(|method| Spanned::new(0..1, method.to_owned())),
            methods: NamePatterns(vec!["*".to_owned()]),
            needs_same_operations,
            target: TargetGroup::at("/other"),
        };
        let missing = "`GET /pets/{number}` has no fallback: the group `/other` has no such path";
        for (other, method, expected) in [
            (with_path("read", Verb::GET, "/pets/", "id"), None, None),
            (with_path("fetch", Verb::GET, "/pets/", "id"), None, None),
            (with_path("fetch", Verb::GET, "/pets/", "id"), Some("fetch"), None),
            (with_path("fetch", Verb::GET, "/pets/", "id"), Some("read"), Some(missing)),
            (with_path("read", Verb::GET, "/toys/", "number"), None, Some(missing)),
            (with_path("read", Verb::PUT, "/pets/", "number"), None, Some(missing)),
            (Interface::default(), None, Some(missing)),
        ] {
            let found = missing_path(&rule(method, true), &own, &other);
            assert_eq!(found.map(|problem| problem.message).as_deref(), expected);
            assert!(missing_path(&rule(method, false), &own, &other).is_none());
        }
        let unsafe_only = with_path("write", Verb::PUT, "/pets/", "number");
        assert!(missing_path(&rule(None, true), &unsafe_only, &Interface::default()).is_none());
    }

    #[test]
    fn the_shortest_way_is_found_and_cycles_do_not_hold_up_the_search() {
        let edges = [(0, 1), (1, 2), (2, 1), (2, 3), (0, 4)];
        assert_eq!(way(&edges, 0, 3, 5), Some(vec![0, 1, 2, 3]));
        assert_eq!(way(&edges, 3, 3, 5), Some(vec![3]));
        assert_eq!((way(&edges, 3, 0, 5), way(&edges, 4, 2, 5)), (None, None));
    }
}
