//! Where the counts of quotas are kept: the table `quotas` of the file.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::problem::Problem;
use super::resolved::ResolvedGroup;
use super::sources::ConfigSources;
use crate::model::text::abridge;

/// Where the counts of `limits.quota` are kept when the server stops.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct QuotasFile {
    /// The file of the counts, such as `"/var/lib/croupier/quotas.redb"`, which the server makes if it is not there. It is
    /// written about once a second if something has changed, and when the server stops. Without this key, counts are in
    /// memory only, and every caller has a full quota after a restart. Each server needs a file of its own.
    #[schemars(with = "Option<String>")]
    pub(super) file: Option<Spanned<String>>,
}

/// The path of the file; `None` if counts are in memory only, of which groups with a quota are warned.
pub(super) fn resolve(
    file: &QuotasFile,
    groups: &[ResolvedGroup],
    sources: &ConfigSources,
    problems: &mut Vec<Problem>,
) -> Option<PathBuf> {
    let Some(name) = &file.file else {
        let mut counted = groups.iter().filter(|group| group.limits.quota.calls.is_some());
        if let Some(first) = counted.next() {
            let others = match counted.count() {
                0 => String::new(),
                1 => " and 1 other group".to_owned(),
                count => format!(" and {count} other groups"),
            };
            let path = abridge(first.path.get_ref());
            let message = format!("the quotas of `{path}`{others} are counted in memory: a restart forgets the counts");
            let problem = Problem::at(first.path.span(), message).warning();
            problems.push(problem.hint("set `file` in `[quotas]`, such as `/var/lib/croupier/quotas.redb`"));
        }
        return None;
    };
    if name.get_ref().is_empty() {
        let problem = Problem::at(name.span(), "`quotas.file` is empty");
        problems.push(problem.hint("name a file, such as `/var/lib/croupier/quotas.redb`, or leave the key out"));
        return None;
    }
    Some(sources.folder_at(&name.span()).join_unwatched(name.get_ref()))
}
