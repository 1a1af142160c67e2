//! What JSON cannot carry, and the choices about it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a group writes JSON where JSON has no form for a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct JsonDialect {
    /// How a double that is no number is written: NaN and the infinities.
    pub non_finite: JsonNonFinite,
}

/// How a double that is no number is written.
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
