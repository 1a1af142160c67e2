//! A prompt of the configuration: a template, in which arguments of the client replace placeholders such as `{{name}}`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer::{JsonObject, RpcError};
use crate::model::text::abridge;
use crate::protocol::mcp::names::{is_name, is_name_char};

/// How many bytes the template of a prompt may have.
pub(crate) const MAX_PROMPT_BYTES: usize = 256 << 10;
/// How many bytes a prompt may have with its arguments.
const MAX_FILLED_BYTES: usize = 1 << 20;

/// A text that clients offer to their users, such as a command, and send to the model.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PromptOptions {
    /// Its title for people.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The file with its text, relative to the folder of the configuration file: Markdown in UTF-8, up to 256 KiB. It is read with the
    /// configuration. Exactly one of `file` and `text` is given.
    pub file: Option<String>,
    /// The text. `{{name}}` in it is replaced by the argument of that name.
    pub text: Option<String>,
    /// The arguments, by their names: letters, digits, `_` and `-`.
    pub args: BTreeMap<String, PromptArgument>,
}

/// An argument of a prompt.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PromptArgument {
    /// What it is, for people.
    pub description: Option<String>,
    /// Whether it has to be given. Without it, an argument that is left out is an empty text.
    pub required: bool,
}

/// What is wrong with a prompt of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrongPrompt {
    /// Clients cannot make a command of its name.
    #[error("`{}` is not a valid name of a prompt", abridge(.0))]
    Name(String),
    /// A placeholder cannot have the name of an argument.
    #[error("`{}` is not a valid name of an argument", abridge(.0))]
    ArgumentName(String),
    /// The text is too long.
    #[error("the text has {0} bytes, and a prompt may have {MAX_PROMPT_BYTES}")]
    TooLong(usize),
    /// The text has a placeholder without an argument.
    #[error("the text has `{{{{{}}}}}`, and there is no such argument", abridge(.0))]
    UnknownArgument(String),
    /// The text has no placeholder for an argument.
    #[error("the text does not have `{{{{{}}}}}`", abridge(.0))]
    UnusedArgument(String),
}

/// A part of a template.
#[derive(Debug, PartialEq, Eq)]
enum TemplatePart<'t> {
    Text(&'t str),
    /// The name of an argument.
    Placeholder(&'t str),
}

/// The parts of a template. Braces with anything but a name between them are text.
fn template_parts(text: &str) -> Vec<TemplatePart<'_>> {
    let (mut parts, mut rest, mut from) = (Vec::new(), text, 0);
    while let Some(at) = rest.get(from..).and_then(|rest| rest.find("{{")).map(|at| from + at) {
        match rest.get(at + 2..).and_then(placeholder) {
            Some((name, after)) => {
                parts.extend(rest.get(..at).filter(|before| !before.is_empty()).map(TemplatePart::Text));
                parts.push(TemplatePart::Placeholder(name));
                (rest, from) = (after, 0);
            }
            None => from = at + 1,
        }
    }
    if !rest.is_empty() {
        parts.push(TemplatePart::Text(rest));
    }
    parts
}

/// The name in a placeholder whose two opening braces have been read, and the text after it. Reads no further than to the next brace.
fn placeholder(inside: &str) -> Option<(&str, &str)> {
    let inside = inside.trim_start_matches(' ');
    let (name, after) = inside.split_at_checked(inside.find(|c: char| !is_name_char(c))?)?;
    let after = after.trim_start_matches(' ').strip_prefix("}}")?;
    is_name(name).then_some((name, after))
}

impl PromptOptions {
    /// What is wrong with the prompt of this name. Arguments without a placeholder come last.
    pub fn check(&self, name: &str) -> Vec<WrongPrompt> {
        let mut wrong = Vec::new();
        if !is_name(name) {
            wrong.push(WrongPrompt::Name(name.to_owned()));
        }
        wrong.extend(self.args.keys().filter(|name| !is_name(name)).cloned().map(WrongPrompt::ArgumentName));
        let text = self.text.as_deref().unwrap_or_default();
        if text.len() > MAX_PROMPT_BYTES {
            wrong.push(WrongPrompt::TooLong(text.len()));
            return wrong;
        }
        let named: Vec<&str> = template_parts(text)
            .into_iter()
            .filter_map(|part| if let TemplatePart::Placeholder(name) = part { Some(name) } else { None })
            .collect();
        for name in named.iter().filter(|name| !self.args.contains_key(**name)) {
            let unknown = WrongPrompt::UnknownArgument((*name).to_owned());
            if !wrong.contains(&unknown) {
                wrong.push(unknown);
            }
        }
        let unused = self.args.keys().filter(|name| is_name(name) && !named.contains(&name.as_str()));
        wrong.extend(unused.cloned().map(WrongPrompt::UnusedArgument));
        wrong
    }

    /// The text with arguments in place of the placeholders. Placeholders within an argument are text.
    pub(super) fn fill(&self, arguments: &BTreeMap<Cow<'_, str>, Cow<'_, str>>) -> Result<String, RpcError> {
        if let Some(unknown) = arguments.keys().find(|name| !self.args.contains_key(name.as_ref())) {
            return Err(RpcError::invalid_params(format!("the prompt has no argument `{}`", abridge(unknown))));
        }
        let is_missing = |(name, argument): &(&String, &PromptArgument)| {
            argument.required && arguments.get(name.as_str()).is_none_or(|value| value.is_empty())
        };
        if let Some((name, _)) = self.args.iter().find(is_missing) {
            return Err(RpcError::invalid_params(format!("the argument `{}` is missing", abridge(name))));
        }
        let parts = template_parts(self.text.as_deref().unwrap_or_default());
        let texts = || {
            parts.iter().map(|part| match part {
                TemplatePart::Text(text) => *text,
                TemplatePart::Placeholder(name) => arguments.get(*name).map_or("", |value| value.as_ref()),
            })
        };
        if texts().map(str::len).sum::<usize>() > MAX_FILLED_BYTES {
            let message = format!("with these arguments, the prompt has more than {MAX_FILLED_BYTES} bytes");
            return Err(RpcError::invalid_params(message));
        }
        Ok(texts().collect())
    }

    /// The prompt as an item of `prompts/list`.
    pub(super) fn list_item(&self, name: &str) -> Value {
        let mut item = JsonObject::new();
        item.insert("name".to_owned(), name.into());
        for (member, text) in [("title", &self.title), ("description", &self.description)] {
            item.extend(text.as_deref().map(|text| (member.to_owned(), text.into())));
        }
        let arguments = self.args.iter().map(|(name, argument)| {
            let mut item = json!({ "name": name, "required": argument.required });
            if let (Some(members), Some(text)) = (item.as_object_mut(), &argument.description) {
                members.insert("description".to_owned(), text.as_str().into());
            }
            item
        });
        let arguments: Vec<Value> = arguments.collect();
        if !arguments.is_empty() {
            item.insert("arguments".to_owned(), arguments.into());
        }
        Value::Object(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_names_in_braces_and_everything_else_is_text() {
        use TemplatePart::{Placeholder, Text};
        for (text, expected) in [
            ("", vec![]),
            ("plain } {", vec![Text("plain } {")]),
            ("{{a}}{{b-c}}", vec![Placeholder("a"), Placeholder("b-c")]),
            ("x {{ a }} y", vec![Text("x "), Placeholder("a"), Text(" y")]),
            ("{{\"a\": {}}} {{", vec![Text("{{\"a\": {}}} {{")]),
            ("{{{a}}}", vec![Text("{"), Placeholder("a"), Text("}")]),
            ("{{}} {{a b}} {{#if}} {{ä}}", vec![Text("{{}} {{a b}} {{#if}} {{ä}}")]),
            ("{{x {{a}}", vec![Text("{{x "), Placeholder("a")]),
        ] {
            assert_eq!(template_parts(text), expected, "{text}");
        }
    }

    fn prompt(text: &str, args: &[(&str, bool)]) -> PromptOptions {
        let args = args.iter().map(|(name, required)| {
            ((*name).to_owned(), PromptArgument { required: *required, ..PromptArgument::default() })
        });
        PromptOptions { text: Some(text.to_owned()), args: args.collect(), ..PromptOptions::default() }
    }

    #[test]
    fn a_prompt_and_its_text_have_the_same_arguments() {
        let wrong = |name: &str, prompt: &PromptOptions| {
            prompt.check(name).iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(wrong("spin-it", &prompt("{{a}} {{a}}", &[("a", true)])), "");
        assert_eq!(wrong("s", &prompt("{{b}} {{b}}", &[])), "the text has `{{b}}`, and there is no such argument");
        assert_eq!(wrong("s", &prompt("x", &[("a", false)])), "the text does not have `{{a}}`");
        assert_eq!(
            wrong("a b", &prompt("x", &[("ä", false)])),
            "`a b` is not a valid name of a prompt; `ä` is not a valid name of an argument"
        );
        let long = prompt(&"{{a}}".repeat(60_000), &[]);
        assert_eq!(wrong("s", &long), "the text has 300000 bytes, and a prompt may have 262144");
    }

    #[test]
    fn arguments_are_filled_in_once_and_within_bounds() {
        let prompt = prompt("{{a}}: {{b}}, {{a}}", &[("a", true), ("b", false)]);
        let filled = |arguments: &[(&'static str, String)]| {
            let arguments = arguments.iter().map(|(name, value)| ((*name).into(), value.clone().into())).collect();
            prompt.fill(&arguments).map_err(|error| (error.code, error.message.into_owned()))
        };
        assert_eq!(filled(&[("a", "{{b}}".to_owned())]).unwrap(), "{{b}}: , {{b}}");
        let missing = Err((-32602, "the argument `a` is missing".to_owned()));
        assert_eq!(filled(&[("b", "x".to_owned())]), missing);
        assert_eq!(filled(&[("a", String::new())]), missing);
        let unknown = Err((-32602, "the prompt has no argument `c`".to_owned()));
        assert_eq!(filled(&[("a", "x".to_owned()), ("c", "x".to_owned())]), unknown);
        assert_eq!(filled(&[("a", "x".repeat(500 << 10))]).unwrap().len(), (1000 << 10) + 4);
        assert_eq!(filled(&[("a", "x".repeat(513 << 10))]).unwrap_err().0, -32602);
    }
}
