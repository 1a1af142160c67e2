//! The prompts of a group: reads the files with their texts, and reports mistakes at their keys.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::problem::Problem;
use super::sources::ConfigSources;
use crate::files;
use crate::model::text::abridge;
use crate::protocol::mcp::server::{MAX_PROMPT_BYTES, PromptOptions, WrongPrompt};

/// The spans of the prompts of a group, by name.
#[derive(Default)]
pub(super) struct PromptPlaces(BTreeMap<String, PromptPlace>);

struct PromptPlace {
    name: Range<usize>,
    file: Option<Range<usize>>,
    text: Option<Range<usize>>,
    args: BTreeMap<String, Range<usize>>,
}

impl PromptPlaces {
    /// Finds the spans in the table of a group.
    pub(super) fn of_group(group: &DeValue<'_>) -> PromptPlaces {
        let prompts = inner(group, "mcp").and_then(|mcp| inner(mcp.get_ref(), "prompts"));
        let places = entries(prompts).map(|(name, place, prompt)| {
            let args = entries(inner(prompt, "args")).map(|(name, place, _)| (name.to_owned(), place)).collect();
            let [file, text] = ["file", "text"].map(|key| inner(prompt, key).map(Spanned::span));
            (name.to_owned(), PromptPlace { name: place, file, text, args })
        });
        PromptPlaces(places.collect())
    }

    /// Reads the files of the prompts, and checks the texts.
    pub(super) fn resolve(
        &self,
        prompts: &mut BTreeMap<String, PromptOptions>,
        sources: &ConfigSources,
        problems: &mut Vec<Problem>,
    ) {
        for (name, prompt) in prompts {
            let Some(place) = self.0.get(name) else { continue };
            match (prompt.file.take(), &prompt.text) {
                (Some(file), None) => {
                    let span = place.file.clone().unwrap_or_else(|| place.name.clone());
                    let path = sources.folder_at(&span).join(&file);
                    match files::read_text(&path, MAX_PROMPT_BYTES) {
                        Ok(text) => prompt.text = Some(text),
                        Err(error) => {
                            let message = format!("`{}` cannot be read: {error}", path.display());
                            problems.push(Problem::at(span, message));
                            continue;
                        }
                    }
                }
                (None, Some(_)) => {}
                _ => {
                    let message = format!("the prompt `{}` needs exactly one of `file` and `text`", abridge(name));
                    problems.push(Problem::at(place.name.clone(), message));
                    continue;
                }
            }
            problems.extend(prompt.check(name).into_iter().map(|wrong| place.problem(&wrong)));
        }
    }
}

impl PromptPlace {
    fn problem(&self, wrong: &WrongPrompt) -> Problem {
        let text = || self.text.clone().or_else(|| self.file.clone()).unwrap_or_else(|| self.name.clone());
        let of_argument = |name: &str| self.args.get(name).cloned().unwrap_or_else(|| self.name.clone());
        let names = "use letters, digits, `_` and `-`, at most 64";
        match wrong {
            WrongPrompt::Name(_) => Problem::at(self.name.clone(), wrong.to_string()).hint(names),
            WrongPrompt::ArgumentName(name) => Problem::at(of_argument(name), wrong.to_string()).hint(names),
            WrongPrompt::TooLong(_) => Problem::at(text(), wrong.to_string()),
            WrongPrompt::UnknownArgument(name) => {
                let hint = format!("add `args.{}`, or write the braces in another way", abridge(name));
                Problem::at(text(), wrong.to_string()).hint(hint)
            }
            WrongPrompt::UnusedArgument(name) => {
                Problem::at(of_argument(name), wrong.to_string()).warning().hint("leave the argument out")
            }
        }
    }
}

/// The value at a key of a table.
fn inner<'v, 't>(value: &'v DeValue<'t>, key: &str) -> Option<&'v Spanned<DeValue<'t>>> {
    if let DeValue::Table(table) = value { table.get(key) } else { None }
}

/// The keys of a table, their spans and their values.
fn entries<'v, 't>(
    value: Option<&'v Spanned<DeValue<'t>>>,
) -> impl Iterator<Item = (&'v str, Range<usize>, &'v DeValue<'t>)> + use<'v, 't> {
    let table = value.and_then(|value| if let DeValue::Table(table) = value.get_ref() { Some(table) } else { None });
    table.into_iter().flatten().map(|(name, value)| (name.get_ref().as_ref(), name.span(), value.get_ref()))
}
