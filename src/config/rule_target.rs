//! Groups that a rule of another group calls: a fallback, a shadow, the other side of a split.

use toml::Spanned;

use crate::model::name_patterns::NamePatterns;
use crate::service::target::TargetGroup;

/// A group that a rule calls.
pub(super) struct RuleTarget {
    /// Its path.
    pub(super) group: Spanned<String>,
    /// The method that is called; `None` if it is the one that the caller has called.
    pub(super) method: Option<Spanned<String>>,
    /// The methods to which the rule applies.
    pub(super) methods: NamePatterns,
    /// Whether the other group has to take requests at the paths of a REST server's own document, too.
    pub(super) needs_same_operations: bool,
    /// Where the service is set.
    pub(super) target: TargetGroup,
}
