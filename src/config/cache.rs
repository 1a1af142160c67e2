//! The cache of a group: what can be wrong with it.

use toml::Spanned;

use super::problem::Problem;
use crate::model::interface::Interface;
use crate::model::name_patterns::NamePatterns;
use crate::model::text::{abridge, nearest};
use crate::service::cache::CacheOptions;

/// The problem of each name in `cache.methods` that has no effect: the group has no such method, or none that is safe.
pub(super) fn check(path: &Spanned<String>, options: &CacheOptions, interface: &Interface) -> Vec<Problem> {
    let names = || interface.methods.iter().map(|method| method.name.as_str());
    let wrong = options.methods.iter().filter_map(|(pattern, ttl)| {
        let patterns = NamePatterns(vec![pattern.clone()]);
        let mut matching = interface.methods.iter().filter(|method| patterns.has(&method.name)).peekable();
        let name = abridge(pattern);
        if matching.peek().is_none() {
            let message = format!("`cache.methods`: the group has no method `{name}`");
            let problem = Problem::at(path.span(), message);
            return Some(match nearest(pattern, names()) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem,
            });
        }
        if ttl.0.is_zero() || matching.any(|method| method.safe) {
            return None;
        }
        let message = format!("`cache.methods`: `{name}` may change something, so its results are not cached");
        Some(Problem::at(path.span(), message).hint("only safe methods are"))
    });
    wrong.collect()
}
