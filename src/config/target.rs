//! Connects the rules of groups with the groups that they call, when all groups have been made.

use toml::Spanned;

use super::problem::Problem;
use super::resolved::{ResolvedGroup, no_group, no_method};
use super::rule_target::RuleTarget;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_way_is_found_and_cycles_do_not_hold_up_the_search() {
        let edges = [(0, 1), (1, 2), (2, 1), (2, 3), (0, 4)];
        assert_eq!(way(&edges, 0, 3, 5), Some(vec![0, 1, 2, 3]));
        assert_eq!(way(&edges, 3, 3, 5), Some(vec![3]));
        assert_eq!((way(&edges, 3, 0, 5), way(&edges, 4, 2, 5)), (None, None));
    }
}
