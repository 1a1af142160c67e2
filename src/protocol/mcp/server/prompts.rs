//! The prompts of an endpoint: those of its groups, with the prefix of the group if there are several.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::answer::{JsonObject, ResultFrame, RpcError};
use super::members::Member;
use super::message::Message;
use super::prompt_options::PromptOptions;
use super::{CACHE_SCOPE, Mcp, TTL_MS};
use crate::model::text::abridge;
use crate::protocol::mcp::names::prefixed;

/// The prompts of a member, with the names that they have at the endpoint.
fn named(member: &Member) -> impl Iterator<Item = (Cow<'_, str>, &PromptOptions)> {
    member.options.prompts.iter().map(|(name, prompt)| (prefixed(&member.prefix, name), prompt))
}

impl Mcp {
    /// Whether the endpoint has prompts.
    pub(super) fn has_prompts(&self) -> bool {
        self.members.iter().any(|member| !member.options.prompts.is_empty())
    }

    /// The result of `prompts/list` or `prompts/get`.
    pub(super) fn answer_prompts(&self, message: &Message<'_>, frame: &ResultFrame) -> Result<JsonObject, RpcError> {
        let params = message.params.as_ref();
        match &*message.method {
            "prompts/list" if self.has_prompts() => {
                // The list has one page, so no cursor is valid.
                if params.is_some_and(|params| params.cursor.is_some()) {
                    return Err(RpcError::invalid_params("the cursor is not valid"));
                }
                let prompts = self.members.iter().flat_map(named).map(|(name, prompt)| prompt.list_item(&name));
                let mut result = JsonObject::new();
                result.insert("prompts".to_owned(), Value::Array(prompts.collect()));
                if frame.is_stateless {
                    result.insert("ttlMs".to_owned(), TTL_MS.into());
                    result.insert("cacheScope".to_owned(), CACHE_SCOPE.into());
                }
                Ok(result)
            }
            "prompts/get" if self.has_prompts() => {
                let name = params.and_then(|params| params.name());
                let name = name.ok_or_else(|| RpcError::invalid_params("`params.name` is not the name of a prompt"))?;
                let found = self.members.iter().flat_map(named).find(|(own, _)| own == name);
                let (_, prompt) =
                    found.ok_or_else(|| RpcError::invalid_params(format!("there is no prompt `{}`", abridge(name))))?;
                let arguments = params.and_then(|params| params.arguments).map_or("{}", |arguments| arguments.get());
                let arguments = serde_json::from_str(arguments).map_err(|error| {
                    RpcError::invalid_params(format!("`params.arguments` is not an object of texts: {error}"))
                })?;
                let text = prompt.fill(&arguments)?;
                let mut result = JsonObject::new();
                let description = prompt.description.as_deref().map(|text| ("description".to_owned(), text.into()));
                result.extend(description);
                let message = json!({ "role": "user", "content": { "type": "text", "text": text } });
                result.insert("messages".to_owned(), json!([message]));
                Ok(result)
            }
            method => Err(RpcError::no_such_method(abridge(method).as_ref(), frame.is_stateless)),
        }
    }
}
