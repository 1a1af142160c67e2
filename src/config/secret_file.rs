//! The table of a text that may be a secret.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A text that may be a secret. Exactly one of these keys is given.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct SecretFile {
    /// The name of the environment variable with the text.
    pub(super) env: Option<String>,
    /// The file with the text, relative to the folder of the configuration file. White space at both ends is removed.
    pub(super) file: Option<String>,
    /// The text itself, if it is not a secret.
    pub(super) text: Option<String>,
}
