//! The options for values that JSON cannot represent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a group writes values that JSON cannot represent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct JsonDialect {
    /// How NaN and the infinities are written.
    pub non_finite: JsonNonFinite,
}

/// How NaN and the infinities are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum JsonNonFinite {
    /// Not at all: the call ends in a fault.
    #[default]
    Refuse,
    /// As `null`.
    Null,
    /// As the texts `"NaN"`, `"Infinity"` and `"-Infinity"`.
    Words,
}
