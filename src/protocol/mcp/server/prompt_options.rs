//! A prompt of the configuration: a text, in which a client puts its arguments in the place of `{{name}}`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer::{Members, RpcError};
use crate::model::text::abridge;

/// How many bytes the text of a prompt may have.
pub(crate) const LONGEST_PROMPT: usize = 256 << 10;
/// How many bytes a prompt may have with its arguments.
const LONGEST_RESULT: usize = 1 << 20;
/// How many bytes the name of a prompt or an argument may have.
const LONGEST_NAME: usize = 64;

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
    /// Its text, in which `{{name}}` stands for the argument of that name.
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
    /// Whether it has to be given. One that may be left out is an empty text then.
    pub required: bool,
}

/// What is wrong with a prompt of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrongPrompt {
    /// Clients cannot make a command of its name.
    #[error("`{}` is not a valid name of a prompt", abridge(.0))]
    Name(String),
    /// The name of an argument cannot stand in a text.
    #[error("`{}` is not a valid name of an argument", abridge(.0))]
    ArgumentName(String),
    /// The text is too long.
    #[error("the text has {0} bytes, and a prompt may have {LONGEST_PROMPT}")]
    TooLong(usize),
    /// The text names an argument that there is not.
    #[error("the text has `{{{{{}}}}}`, and there is no such argument", abridge(.0))]
    UnknownArgument(String),
    /// The text does not name an argument.
    #[error("the text does not have `{{{{{}}}}}`", abridge(.0))]
    UnusedArgument(String),
}

/// A part of the text of a prompt.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'t> {
    Text(&'t str),
    /// The name of an argument.
    Argument(&'t str),
}

/// The parts of a text. Braces with anything but a name between them are text.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let (mut pieces, mut rest, mut from) = (Vec::new(), text, 0);
    while let Some(at) = rest.get(from..).and_then(|rest| rest.find("{{")).map(|at| from + at) {
        match rest.get(at + 2..).and_then(argument) {
            Some((name, after)) => {
                pieces.extend(rest.get(..at).filter(|before| !before.is_empty()).map(Piece::Text));
                pieces.push(Piece::Argument(name));
                (rest, from) = (after, 0);
            }
            None => from = at + 1,
        }
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

/// The name of an argument that follows two braces, and the text after it. This reads no further than to the next brace.
fn argument(inside: &str) -> Option<(&str, &str)> {
    let inside = inside.trim_start_matches(' ');
    let (name, after) = inside.split_at_checked(inside.find(|c: char| !is_of_name(c))?)?;
    let after = after.trim_start_matches(' ').strip_prefix("}}")?;
    is_name(name).then_some((name, after))
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_NAME && text.chars().all(is_of_name)
}

impl PromptOptions {
    /// What is wrong with the prompt of this name. An argument that its text does not have comes last.
    pub fn wrong(&self, name: &str) -> Vec<WrongPrompt> {
        let mut wrong = Vec::new();
        if !is_name(name) {
            wrong.push(WrongPrompt::Name(name.to_owned()));
        }
        wrong.extend(self.args.keys().filter(|name| !is_name(name)).cloned().map(WrongPrompt::ArgumentName));
        let text = self.text.as_deref().unwrap_or_default();
        if text.len() > LONGEST_PROMPT {
            wrong.push(WrongPrompt::TooLong(text.len()));
            return wrong;
        }
        let named: Vec<&str> = pieces(text)
            .into_iter()
            .filter_map(|piece| if let Piece::Argument(name) = piece { Some(name) } else { None })
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

    /// The text with arguments in it. What looks like an argument within another one is text.
    pub(super) fn filled(&self, arguments: &BTreeMap<Cow<'_, str>, Cow<'_, str>>) -> Result<String, RpcError> {
        if let Some(unknown) = arguments.keys().find(|name| !self.args.contains_key(name.as_ref())) {
            return Err(RpcError::invalid_params(format!("the prompt has no argument `{}`", abridge(unknown))));
        }
        let is_missing = |(name, argument): &(&String, &PromptArgument)| {
            argument.required && arguments.get(name.as_str()).is_none_or(|value| value.is_empty())
        };
        if let Some((name, _)) = self.args.iter().find(is_missing) {
            return Err(RpcError::invalid_params(format!("the argument `{}` is missing", abridge(name))));
        }
        let pieces = pieces(self.text.as_deref().unwrap_or_default());
        let texts = || {
            pieces.iter().map(|piece| match piece {
                Piece::Text(text) => *text,
                Piece::Argument(name) => arguments.get(*name).map_or("", |value| value.as_ref()),
            })
        };
        if texts().map(str::len).sum::<usize>() > LONGEST_RESULT {
            let message = format!("with these arguments, the prompt has more than {LONGEST_RESULT} bytes");
            return Err(RpcError::invalid_params(message));
        }
        Ok(texts().collect())
    }

    /// The prompt in a list.
    pub(super) fn item(&self, name: &str) -> Value {
        let mut item = Members::new();
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
        use Piece::{Argument, Text};
        for (text, expected) in [
            ("", vec![]),
            ("plain } {", vec![Text("plain } {")]),
            ("{{a}}{{b-c}}", vec![Argument("a"), Argument("b-c")]),
            ("x {{ a }} y", vec![Text("x "), Argument("a"), Text(" y")]),
            ("{{\"a\": {}}} {{", vec![Text("{{\"a\": {}}} {{")]),
            ("{{{a}}}", vec![Text("{"), Argument("a"), Text("}")]),
            ("{{}} {{a b}} {{#if}} {{ä}}", vec![Text("{{}} {{a b}} {{#if}} {{ä}}")]),
            ("{{x {{a}}", vec![Text("{{x "), Argument("a")]),
        ] {
            assert_eq!(pieces(text), expected, "{text}");
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
            prompt.wrong(name).iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
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
            prompt.filled(&arguments).map_err(|error| (error.code, error.message.into_owned()))
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
