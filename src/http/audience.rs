//! Which kinds of request a listener serves.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is answered at a place where not everything is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Audience {
    /// Pages for people: those of groups, and those that are made of a template. They have no forms here, since what
    /// these would call is not found.
    Pages,
    /// Calls and documents for programs, and no pages.
    Api,
}
