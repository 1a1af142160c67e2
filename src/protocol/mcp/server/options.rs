//! The options of MCP.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::prompt_options::PromptOptions;
use super::search::RESERVED;
use crate::model::interface::{Interface, Method};
use crate::model::name_patterns::NamePatterns;
use crate::model::units::{Size, bytes};
use crate::protocol::mcp::names::{is_name, is_tool};

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
    /// Whether the list of tools has only `find_tools`, which finds the others by words, and `call_tool`, which calls them.
    pub find_tools: bool,
    /// The tools that are listed beside these two: names of tools, or patterns. Only with `find-tools`.
    #[schemars(with = "Vec<String>")]
    pub listed: NamePatterns,
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
            find_tools: false,
            listed: NamePatterns::default(),
            tools: BTreeMap::new(),
            prompts: BTreeMap::new(),
        }
    }
}

/// What is wrong with the name that the configuration gives a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WrongToolName<'o> {
    /// It is `find_tools` or `call_tool`, and the option `find-tools` is set.
    Reserved {
        /// The method of the tool.
        method: &'o str,
        /// The name.
        name: &'o str,
    },
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

impl McpOptions {
    /// The first name that no tool can have.
    pub fn wrong_tool_name(&self) -> Option<WrongToolName<'_>> {
        let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
        let named = self.tools.iter().filter_map(|(method, tool)| Some((method.as_str(), tool.name.as_deref()?)));
        for (method, name) in named {
            if self.find_tools && RESERVED.contains(&name) {
                return Some(WrongToolName::Reserved { method, name });
            }
            if !is_name(name) {
                return Some(WrongToolName::Invalid { method, name });
            }
            if let Some(other) = taken.insert(name, method) {
                return Some(WrongToolName::Taken { method, other, name });
            }
        }
        None
    }

    /// With `find-tools`, the tools that are listed nevertheless; `None` if all tools are listed.
    pub(super) fn search(&self) -> Option<NamePatterns> {
        self.find_tools.then(|| self.listed.clone())
    }

    /// How many methods of an interface are tools.
    pub(crate) fn count_tools(&self, interface: &Interface) -> usize {
        interface.methods.iter().filter(|method| is_tool(&method.name) && self.has(&method.name)).count()
    }

    /// A method without the parameters whose values are fixed.
    pub(super) fn without_fixed_args<'m>(&self, method: &'m Method) -> Cow<'m, Method> {
        let Some(tool) = self.tools.get(&method.name).filter(|tool| !tool.args.is_empty()) else {
            return Cow::Borrowed(method);
        };
        let params = method.params.iter().filter(|param| !tool.args.contains_key(&param.name));
        Cow::Owned(Method { params: params.cloned().collect(), ..method.clone() })
    }

    /// Whether a method is a tool.
    pub(super) fn has(&self, method: &str) -> bool {
        self.include.has(method) && !self.exclude.has(method)
    }
}
