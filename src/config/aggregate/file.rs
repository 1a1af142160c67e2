//! The tables of an aggregate in the configuration file.
//!
//! The doc comment of each field is the text about its key in `docs/configuration.md`.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::model::units::{Period, Size};
use crate::service::aggregate::OnError;

/// A service made of calls to other groups, instead of `service`.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::config) struct AggregateFile {
    /// The title of the group. Without it, its path.
    pub(super) title: Option<String>,
    /// What the group is for, in one or a few sentences.
    pub(super) doc: String,
    /// The methods by their names. An aggregate with one method may have `calls` and `params` instead.
    #[schemars(with = "BTreeMap<String, MethodFile>")]
    pub(super) methods: BTreeMap<Spanned<String>, MethodFile>,
    /// The name of the only method, if there are no `methods`.
    #[schemars(with = "String")]
    pub(super) method: Spanned<String>,
    /// The calls of the only method, by their names in the result.
    #[schemars(with = "BTreeMap<String, CallFile>")]
    pub(super) calls: BTreeMap<Spanned<String>, CallFile>,
    /// The parameters of the only method, by their names.
    #[schemars(with = "BTreeMap<String, ParamFile>")]
    pub(super) params: BTreeMap<Spanned<String>, ParamFile>,
    /// What a method returns if one of its calls fails.
    pub(super) on_error: OnErrorFile,
    /// How long each call may take. A call that takes longer fails.
    #[schemars(extend("minimum" = 1, "maximum" = LONGEST))]
    pub(super) deadline: Period,
    /// How many bytes of memory the result of each call may use. A call whose result needs more fails.
    #[schemars(extend("minimum" = 1 << 10))]
    pub(super) memory: Size,
}

/// A method made of calls, which run at the same time. It returns a record of their results.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::config) struct MethodFile {
    /// What the method does.
    pub(super) doc: String,
    /// The calls by their names in the result, from 1 to 64. A name has letters, digits, `_` and `-`.
    #[schemars(with = "BTreeMap<String, CallFile>")]
    pub(super) calls: BTreeMap<Spanned<String>, CallFile>,
    /// The documentation and defaults of the method's own parameters, by their names. The method has every parameter that
    /// its calls use: first those given here, in this order, then the others in the order of their use.
    #[schemars(with = "BTreeMap<String, ParamFile>")]
    pub(super) params: BTreeMap<Spanned<String>, ParamFile>,
    /// What the method returns if one of its calls fails. Without it, the `on-error` of the aggregate.
    pub(super) on_error: Option<OnErrorFile>,
    /// How long each call may take. Without it, the `deadline` of the aggregate.
    #[schemars(extend("minimum" = 1, "maximum" = LONGEST))]
    pub(super) deadline: Option<Period>,
}

/// A call of a method of another group.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::config) struct CallFile {
    /// The path of the group.
    #[schemars(with = "String")]
    pub(super) group: Spanned<String>,
    /// The name of the method.
    #[schemars(with = "String")]
    pub(super) method: Spanned<String>,
    /// The arguments by the names of the called method's parameters. `"$spins"` passes the value of the own parameter
    /// `spins`; any other value is passed literally. Write `$$` for a text that begins with `$`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub(super) args: BTreeMap<Spanned<String>, Spanned<toml::Value>>,
    /// How long the call may take. Without it, the `deadline` of the method.
    #[serde(default)]
    #[schemars(extend("minimum" = 1, "maximum" = LONGEST))]
    pub(super) deadline: Option<Period>,
}

/// The documentation and default of a parameter. Its type is that of the called parameter to which it is passed.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::config) struct ParamFile {
    /// What the parameter means. Without it, the documentation of the called parameter.
    pub(super) doc: String,
    /// The value to pass if the caller gives none. Without it none is passed, and the called method uses its own default.
    #[schemars(with = "Option<serde_json::Value>")]
    pub(super) default: Option<Spanned<toml::Value>>,
}

/// What a method returns if one of its calls fails.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum OnErrorFile {
    /// The fault of that call. The other calls are cancelled.
    #[default]
    Fail,
    /// The results of the other calls, and a member `errors` with the faults.
    Partial,
}

/// The longest configurable time, in milliseconds: 30 days.
const LONGEST: u64 = 30 * 24 * 60 * 60 * 1000;

impl Default for AggregateFile {
    fn default() -> Self {
        AggregateFile {
            title: None,
            doc: String::new(),
            methods: BTreeMap::new(),
            method: Spanned::new(0..0, "all".to_owned()),
            calls: BTreeMap::new(),
            params: BTreeMap::new(),
            on_error: OnErrorFile::default(),
            deadline: Period(Duration::from_secs(10)),
            memory: Size(4 << 20),
        }
    }
}

impl From<OnErrorFile> for OnError {
    fn from(file: OnErrorFile) -> OnError {
        match file {
            OnErrorFile::Fail => OnError::Fail,
            OnErrorFile::Partial => OnError::Partial,
        }
    }
}
