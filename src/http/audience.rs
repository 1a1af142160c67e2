//! Which kinds of request a listener serves.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a listener serves if it does not serve everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Audience {
    /// Pages: those of groups and those made from templates. They have no forms, because the listener serves no calls.
    Pages,
    /// Calls, and descriptions such as OpenAPI documents; no pages.
    Api,
}
