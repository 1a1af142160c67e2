//! The shares of the calls of a group that another group gets: reading the tables `shadow` and `split`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::problem::Problem;
use super::rule_target::RuleTarget;
use crate::model::name_patterns::NamePatterns;
use crate::service::caller_key::CallerKey;
use crate::service::shadow::{Shadow, ShadowOptions};
use crate::service::split::{Split, SplitOptions};
use crate::service::target::TargetGroup;

/// A share of the calls of safe methods that is also sent to another group, in the background. Callers get the results of this
/// group.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ShadowFile {
    /// The path of the other group. Without it, nothing is sent.
    #[schemars(with = "Option<String>")]
    to: Option<Spanned<String>>,
    /// How many of a hundred calls are sent, by chance.
    #[schemars(range(min = 0, max = 100))]
    percent: f64,
    /// The methods whose calls are sent: names, or patterns in which `*` matches any characters. Only safe ones are.
    #[schemars(length(min = 1))]
    methods: Vec<String>,
    /// Whether the results are compared: metrics count those that are equal and those that differ, and the status of the admin
    /// listener has the first differences.
    compare: bool,
    /// How many of these calls may run at a time. Further ones are left out.
    #[schemars(range(min = 1, max = 10000))]
    concurrent: usize,
}

/// A share of the calls that goes to another group instead of this one.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct SplitFile {
    /// The path of the other group. Without it, all calls stay.
    #[schemars(with = "Option<String>")]
    to: Option<Spanned<String>>,
    /// How many of a hundred calls go there.
    #[schemars(range(min = 0, max = 100))]
    percent: f64,
    /// The methods whose calls go there: names, or patterns in which `*` matches any characters.
    #[schemars(length(min = 1))]
    methods: Vec<String>,
    /// Whose calls all go to the same group: those of a `"client"` address, of an `"identity"`, or with the same value of a
    /// header such as `"header:X-Tenant"`. With a greater `percent`, those that have gone still go. Without it, chance decides
    /// about each call.
    #[schemars(with = "Option<CallerKey>")]
    sticky: Option<CallerKey>,
}

impl Default for ShadowFile {
    fn default() -> Self {
        ShadowFile { to: None, percent: 100.0, methods: vec!["*".to_owned()], compare: true, concurrent: 16 }
    }
}

impl Default for SplitFile {
    fn default() -> Self {
        SplitFile { to: None, percent: 0.0, methods: vec!["*".to_owned()], sticky: None }
    }
}

impl ShadowFile {
    /// The shadow, and the group that it calls; `None` if there is none.
    pub(super) fn read(&self) -> Option<(Shadow, RuleTarget)> {
        let (target, rule) = target(self.to.as_ref()?, &self.methods);
        let options = ShadowOptions {
            to: target,
            percent: self.percent,
            methods: rule.methods.clone(),
            compare: self.compare,
            concurrent: self.concurrent,
        };
        Some((Shadow::new(options), rule))
    }
}

impl SplitFile {
    /// The split of the group at a path, and the group that it calls; `None` if there is none.
    pub(super) fn read(&self, path: &str, problems: &mut Vec<Problem>) -> Option<(Split, RuleTarget)> {
        let to = self.to.as_ref()?;
        if self.sticky == Some(CallerKey::Group) {
            let message =
                "`sticky` is \"client\", \"identity\" or a header: all calls of the group would go to one side";
            problems.push(Problem::at(to.span(), message));
        }
        let (target, rule) = target(to, &self.methods);
        let options = SplitOptions {
            group: path.to_owned(),
            to: target,
            percent: self.percent,
            methods: rule.methods.clone(),
            sticky: self.sticky.clone(),
        };
        Some((Split::new(options), rule))
    }
}

fn target(to: &Spanned<String>, methods: &[String]) -> (TargetGroup, RuleTarget) {
    let target = TargetGroup::at(to.get_ref().as_str());
    let methods = NamePatterns(methods.to_vec());
    let rule =
        RuleTarget { group: to.clone(), method: None, methods, needs_same_operations: false, target: target.clone() };
    (target, rule)
}
