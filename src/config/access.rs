//! The access rules of a group: what can be wrong with them.

use toml::Spanned;

use super::problem::Problem;
use crate::model::interface::Interface;
use crate::model::name_patterns::NamePatterns;
use crate::model::text::{abridge, nearest};
use crate::service::access::AccessRule;

/// Whether a caller without an identity may call something.
pub(super) fn allow_anyone(rules: &[Spanned<AccessRule>]) -> bool {
    rules.iter().any(|rule| rule.get_ref().allows_anyone())
}

/// The problem of each rule that can have no effect: it needs an identity that no caller can have, or names a method that the
/// group does not have. `interface` is `None` if the methods are not known yet.
pub(super) fn check(rules: &[Spanned<AccessRule>], has_auth: bool, interface: Option<&Interface>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for rule in rules {
        if rule.get_ref().needs_identity() && !has_auth {
            let message = "no caller matches this rule: the group has no `auth`, so nobody has an identity";
            problems
                .push(Problem::at(rule.span(), message).hint("give the group `auth`, such as `auth = [\"staff\"]`"));
        }
        if let Some(interface) = interface {
            problems.extend(unknown_methods(rule, interface));
        }
    }
    problems
}

fn unknown_methods<'r>(rule: &'r Spanned<AccessRule>, interface: &'r Interface) -> impl Iterator<Item = Problem> {
    let names = || interface.methods.iter().map(|method| method.name.as_str());
    let unknown = rule.get_ref().patterns().filter(move |pattern| {
        let pattern = NamePatterns(vec![(*pattern).to_owned()]);
        !names().any(|name| pattern.has(name)) && pattern.0 != ["*"]
    });
    unknown.map(move |name| {
        let problem = Problem::at(rule.span(), format!("the group has no method `{}`", abridge(name)));
        match nearest(name, names()) {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None => problem,
        }
    })
}
