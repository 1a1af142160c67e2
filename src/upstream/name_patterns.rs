//! Names of methods by pattern.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Names of methods, where `*` in a name stands for any characters, or none.
///
/// ```
/// use croupier::upstream::NamePatterns;
/// let names = NamePatterns(vec!["supervisor.get*".into(), "*.reload".into()]);
/// assert!(names.has("supervisor.getState") && names.has("supervisor.reload") && !names.has("supervisor.shutdown"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct NamePatterns(pub Vec<String>);

impl NamePatterns {
    /// Whether one of the patterns is this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| fits(pattern, name))
    }
}

/// Each part between two stars is looked for behind the one before it: the first place is as good as any.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return left.ends_with(part);
        }
        match left.find(part) {
            Some(at) => left = left.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_characters() {
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
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("spin", "spins"), ("s*n", "spins"), ("*x*", "spin"), ("ab*b", "ab"), ("", "spin"), ("n*", "spin")]
        {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }
}
