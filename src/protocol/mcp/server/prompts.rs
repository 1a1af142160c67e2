//! The prompts of an endpoint: those of its groups, with the prefix of the group if there are several.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::answer::{Members, ResultFrame, RpcError};
use super::members::Member;
use super::message::Message;
use super::prompt_options::PromptOptions;
use super::{CACHE_SCOPE, KEPT, Mcp};
use crate::model::text::abridge;

/// The prompts of a member, with the names that they have at the endpoint.
fn named(member: &Member) -> impl Iterator<Item = (Cow<'_, str>, &PromptOptions)> {
    member.options.prompts.iter().map(|(name, prompt)| {
        let name = match member.prefix.as_str() {
            "" => Cow::Borrowed(name.as_str()),
            prefix => Cow::Owned(format!("{prefix}_{name}")),
        };
        (name, prompt)
    })
}

impl Mcp {
    /// Whether the endpoint has prompts.
    pub(super) fn has_prompts(&self) -> bool {
        self.members.iter().any(|member| !member.options.prompts.is_empty())
    }

    /// The result of a method about prompts.
    pub(super) fn answer_prompts(&self, message: &Message<'_>, frame: &ResultFrame) -> Result<Members, RpcError> {
        let params = message.params.as_ref();
        match &*message.method {
            "prompts/list" if self.has_prompts() => {
                // The list is a whole, so no cursor has been given to any client.
                if params.is_some_and(|params| params.cursor.is_some()) {
                    return Err(RpcError::invalid_params("the cursor is not valid"));
                }
                let prompts = self.members.iter().flat_map(named).map(|(name, prompt)| prompt.item(&name));
                let mut members = Members::new();
                members.insert("prompts".to_owned(), Value::Array(prompts.collect()));
                if frame.is_stateless {
                    members.insert("ttlMs".to_owned(), KEPT.into());
                    members.insert("cacheScope".to_owned(), CACHE_SCOPE.into());
                }
                Ok(members)
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
                let text = prompt.filled(&arguments)?;
                let mut members = Members::new();
                let description = prompt.description.as_deref().map(|text| ("description".to_owned(), text.into()));
                members.extend(description);
                let message = json!({ "role": "user", "content": { "type": "text", "text": text } });
                members.insert("messages".to_owned(), json!([message]));
                Ok(members)
            }
            method => Err(RpcError::no_such_method(abridge(method).as_ref(), frame.is_stateless)),
        }
    }
}
