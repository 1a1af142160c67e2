//! The options of MCP.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::prompts::PromptOptions;
use crate::model::name_patterns::NamePatterns;
use crate::model::units::{Size, bytes};

/// Which methods are tools of MCP, and how they are shown.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct McpOptions {
    /// The methods that are tools: names, or patterns in which `*` matches any characters.
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub include: NamePatterns,
    /// The methods of these that are none.
    #[schemars(with = "Vec<String>")]
    pub exclude: NamePatterns,
    /// How long the result of a tool may be, as JSON. Longer arrays are cut and say so; any other result is a fault.
    #[serde(with = "bytes")]
    #[schemars(with = "Size")]
    pub max_result: usize,
    /// Whether callers without an identity may call tools that change something from other machines.
    pub anonymous_effects: bool,
    /// How single tools are shown, by the names of their methods.
    pub tools: BTreeMap<String, ToolOptions>,
    /// Texts that clients offer to their users, such as commands, by their names: letters, digits, `_` and `-`.
    pub prompts: BTreeMap<String, PromptOptions>,
}

/// How a tool is shown.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ToolOptions {
    /// Its name: letters, digits, `_` and `-`, at most 64. Without it, it is made of the name of the method.
    #[schemars(regex(pattern = "^[a-zA-Z0-9_-]{1,64}$"))]
    pub name: Option<String>,
    /// Its title for people. Without it, the words in the name of the method.
    pub title: Option<String>,
    /// What it does, for the model. Without it, the documentation of the method.
    pub description: Option<String>,
    /// Parameters with fixed values, which the tool does not have.
    pub args: Map<String, Value>,
}

impl Default for McpOptions {
    fn default() -> Self {
        McpOptions {
            include: NamePatterns(vec!["*".to_owned()]),
            exclude: NamePatterns::default(),
            max_result: 256 << 10,
            anonymous_effects: false,
            tools: BTreeMap::new(),
            prompts: BTreeMap::new(),
        }
    }
}

/// What is wrong with the name that the configuration gives a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WrongToolName<'o> {
    /// Clients would refuse it.
    Invalid {
        /// The method of the tool.
        method: &'o str,
        /// The name.
        name: &'o str,
    },
    /// Two tools would have it.
    Taken {
        /// The method of one tool.
        method: &'o str,
        /// The method of the other.
        other: &'o str,
        /// The name.
        name: &'o str,
    },
}

/// How many characters the name of a tool may have: what the models of all known clients take.
const LONGEST_NAME: usize = 64;

impl McpOptions {
    /// The first name that no tool can have.
    pub fn wrong_tool_name(&self) -> Option<WrongToolName<'_>> {
        let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
        let named = self.tools.iter().filter_map(|(method, tool)| Some((method.as_str(), tool.name.as_deref()?)));
        for (method, name) in named {
            let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(is_allowed) {
                return Some(WrongToolName::Invalid { method, name });
            }
            if let Some(other) = taken.insert(name, method) {
                return Some(WrongToolName::Taken { method, other, name });
            }
        }
        None
    }

    /// Whether a method is a tool.
    pub(super) fn has(&self, method: &str) -> bool {
        self.include.has(method) && !self.exclude.has(method)
    }
}
