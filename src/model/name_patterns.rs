//! Patterns that match names of methods.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A list of patterns for names of methods. In a pattern, `*` matches any number of characters, including none; every
/// other character matches itself.
///
/// ```
/// use croupier::model::name_patterns::NamePatterns;
/// let names = NamePatterns(vec!["supervisor.get*".into(), "*.reload".into()]);
/// assert!(names.has("supervisor.getState") && names.has("supervisor.reload") && !names.has("supervisor.shutdown"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct NamePatterns(pub Vec<String>);

impl NamePatterns {
    /// Whether at least one pattern matches the whole name.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| matches(pattern, name))
    }

    /// Whether at least one pattern matches the whole name, upper and lower case being the same: an upstream may ignore
    /// case.
    pub(crate) fn has_in_any_case(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.0.iter().any(|pattern| matches(&pattern.to_lowercase(), &name))
    }
}

/// Matches the parts between the stars from left to right. The first occurrence of each part is enough, without
/// backtracking: it leaves the longest rest for the parts that follow.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut unmatched) = name.strip_prefix(first) else { return false };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return unmatched.ends_with(part);
        }
        match unmatched.find(part) {
            Some(index) => unmatched = unmatched.get(index + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_matches_any_characters() {
        for (pattern, name) in [
            ("spin", "spin"),
            ("*", ""),
            ("*", "spin"),
            ("s*n", "spin"),
            ("s*", "spin"),
            ("*n", "spin"),
            ("*p*", "spin"),
            ("s*p*n", "spin"),
            ("a*b*b", "abb"),
            ("**", "x"),
            ("a*", "a"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("spin", "spins"), ("s*n", "spins"), ("*x*", "spin"), ("ab*b", "ab"), ("", "spin"), ("n*", "spin")]
        {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
