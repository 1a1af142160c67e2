//! An aggregate as it is written in a file.
//!
//! The documentation of each key here is what the reference and an operator's editor show.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::model::units::{Period, Size};
use crate::service::aggregate::OnError;

/// A service made of calls to other groups; it stands in the place of `service`.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::config) struct AggregateFile {
    /// A short name for people; without it, the group's path.
    pub(super) title: Option<String>,
    /// What the group is for, in a sentence or a few.
    pub(super) doc: String,
    /// The methods by their names. Where there is only one, its `calls` and `params` may stand here instead.
    #[schemars(with = "BTreeMap<String, MethodFile>")]
    pub(super) methods: BTreeMap<Spanned<String>, MethodFile>,
    /// The name of the only method, if it is not one of `methods`.
    #[schemars(with = "String")]
    pub(super) method: Spanned<String>,
    /// The calls of the only method, by their names in the answer.
    #[schemars(with = "BTreeMap<String, CallFile>")]
    pub(super) calls: BTreeMap<Spanned<String>, CallFile>,
    /// The parameters of the only method, by their names.
    #[schemars(with = "BTreeMap<String, ParamFile>")]
    pub(super) params: BTreeMap<Spanned<String>, ParamFile>,
    /// What becomes of an answer where a call fails.
    pub(super) on_error: OnErrorFile,
    /// How long each call may take; one that takes longer has failed.
    #[schemars(extend("minimum" = 1, "maximum" = LONGEST))]
    pub(super) deadline: Period,
    /// How many bytes of memory the answer of each call may take; one that would take more has failed.
    #[schemars(extend("minimum" = 1 << 10))]
    pub(super) memory: Size,
}

/// A method made of calls, which are made at the same time. It answers a record of what they answer.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::config) struct MethodFile {
    /// What the method does, for the person who calls it.
    pub(super) doc: String,
    /// The calls by their names in the answer, which have letters, digits, `_` and `-`; at least one, at most 64.
    #[schemars(with = "BTreeMap<String, CallFile>")]
    pub(super) calls: BTreeMap<Spanned<String>, CallFile>,
    /// What is to be said of the method's own parameters, by their names. It has those that its calls pass on: first
    /// what stands here, in this order, then the others as they come.
    #[schemars(with = "BTreeMap<String, ParamFile>")]
    pub(super) params: BTreeMap<Spanned<String>, ParamFile>,
    /// What becomes of the answer where a call fails; without it, what the aggregate says.
    pub(super) on_error: Option<OnErrorFile>,
    /// How long each call may take; without it, what the aggregate says.
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
    /// The method's name.
    #[schemars(with = "String")]
    pub(super) method: Spanned<String>,
    /// The arguments by the names of the method's parameters. A text such as `"$spins"` passes on the own parameter
    /// `spins`; every other value is passed on as it stands, a text that begins with `$` being written with two of them.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub(super) args: BTreeMap<Spanned<String>, Spanned<toml::Value>>,
    /// How long the call may take; without it, what the method says.
    #[serde(default)]
    #[schemars(extend("minimum" = 1, "maximum" = LONGEST))]
    pub(super) deadline: Option<Period>,
}

/// What is said of a parameter beside its type, which is that of the parameter for which it is passed on.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::config) struct ParamFile {
    /// What the parameter means; without it, what is said of the one for which it is passed on.
    pub(super) doc: String,
    /// What is passed on where it is not given; without it nothing is, and what is called has its own default.
    #[schemars(with = "Option<serde_json::Value>")]
    pub(super) default: Option<Spanned<toml::Value>>,
}

/// What becomes of an answer where a call fails.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum OnErrorFile {
    /// There is none: the method fails as the call has, and the other calls are given up.
    #[default]
    Fail,
    /// It has what the other calls answer, and says in its member `errors` what has failed.
    Partial,
}

/// The longest time that can be asked for, in milliseconds: 30 days.
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
