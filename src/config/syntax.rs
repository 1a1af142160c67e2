//! From text to a table, or to all that is wrong with the text as TOML.

use std::ops::Range;

use toml::de::{DeTable, DeValue, Error};

use super::problem::Problem;
use crate::text::abridge;

/// What the parser says of a key that is there already.
const DUPLICATE: &str = "duplicate key";
/// How many duplicate keys are looked into.
const MOST: usize = 50;

/// A text in which no key is there twice.
///
/// The parser tells of a second key but not of the first, and then of all that follows from it. So each second key
/// is overwritten in place with a name of its own, which leaves all positions as they are.
pub(super) struct Distinct {
    text: String,
    seconds: Vec<Second>,
}

/// A key that was there already.
struct Second {
    key: String,
    span: Range<usize>,
}

impl Distinct {
    /// Reads a text as far as its duplicate keys.
    pub(super) fn read(text: &str) -> Distinct {
        let mut distinct = Distinct { text: text.to_owned(), seconds: Vec::new() };
        for letter in (b'a'..=b'z').cycle().take(MOST) {
            let (_, errors) = DeTable::parse_recoverable(&distinct.text);
            let Some(span) = errors.iter().filter(|error| error.message() == DUPLICATE).find_map(Error::span) else {
                break;
            };
            if !distinct.rename(span, letter) {
                break;
            }
        }
        distinct
    }

    /// The table without the duplicate keys, and what is said of those.
    ///
    /// # Errors
    /// Where the text is no TOML: then nothing is known of what else may be wrong.
    pub(super) fn table(&self) -> Result<(DeTable<'_>, Vec<Problem>), Vec<Problem>> {
        let (table, errors) = DeTable::parse_recoverable(&self.text);
        let mut table = table.into_inner();
        let mut problems = Vec::new();
        for second in &self.seconds {
            problems.extend(take_out(&mut table, second, false));
        }
        if errors.is_empty() {
            return Ok((table, problems));
        }
        problems.extend(self.errors());
        Err(problems)
    }

    /// What is wrong with the text as TOML. After one error the parser may stumble over all that follows, so the
    /// next one is looked for from the next header of a table on.
    fn errors(&self) -> Vec<Problem> {
        let (mut problems, mut start) = (Vec::new(), 0);
        while let Some(rest) = self.text.get(start..) {
            let (_, errors) = DeTable::parse_recoverable(rest);
            let first = errors.iter().min_by_key(|error| error.span().map(|span| span.start));
            let Some(error) = first.filter(|_| problems.len() < MOST) else { break };
            let span = error.span().unwrap_or_default();
            let hint =
                rest.get(..span.start).zip(rest.get(span.start..)).and_then(|(before, after)| unquoted(before, after));
            problems.push(Problem { hint, ..Problem::at(start + span.start..start + span.end, error.message()) });
            let Some(header) = next_header(rest, span.start) else { break };
            start += header;
        }
        problems
    }

    /// Overwrites a second key with a letter as often as it is long. Should such a key be there too, the parser tells
    /// of the same place again, and the next letter has its turn.
    fn rename(&mut self, span: Range<usize>, letter: u8) -> bool {
        let Some(written) = self.text.get(span.clone()) else { return false };
        if !self.seconds.iter().any(|second| second.span == span) {
            let line = format!("{written} = 0");
            let (table, _) = DeTable::parse_recoverable(&line);
            let Some(key) = table.get_ref().keys().next() else { return false };
            self.seconds.push(Second { key: key.get_ref().to_string(), span: span.clone() });
        }
        let name = char::from(letter).to_string().repeat(span.len());
        self.text.replace_range(span, &name);
        true
    }
}

/// A hint for a word after `=` that lacks its quotes.
fn unquoted(before: &str, after: &str) -> Option<String> {
    let word = after.lines().next()?.split(['#', ',', '}', ']']).next()?.trim_end();
    let bare = word.starts_with(char::is_alphabetic) && !word.contains(['"', '\'', '=']);
    (bare && before.trim_end_matches([' ', '\t']).ends_with('='))
        .then(|| format!("a text is in quotes: `\"{}\"`", abridge(word)))
}

/// Where the next line after `from` begins that can only be the header of a table.
fn next_header(text: &str, from: usize) -> Option<usize> {
    let mut lines = text.split_inclusive('\n').scan(0, |end, line| {
        let start = *end;
        *end += line.len();
        Some((start, line.trim_end()))
    });
    let header = |line: &str| line.starts_with('[') && line.ends_with(']') && !line.contains(',');
    lines.find(|(start, line)| *start > from && header(line)).map(|(start, _)| start)
}

/// Takes a renamed key out of the table in which it lies, and says where the first one is.
fn take_out(table: &mut DeTable<'_>, second: &Second, groups: bool) -> Option<Problem> {
    let renamed = table.keys().find(|key| key.span() == second.span).cloned();
    if let Some(renamed) = renamed {
        table.remove(&renamed);
        let first = table.get_key_value(second.key.as_str()).map(|(first, _)| first.span())?;
        return Some(twice(&second.key, second.span.clone(), first, groups));
    }
    table.iter_mut().find_map(|(key, value)| take_out_of(value.get_mut(), second, key.get_ref() == "group"))
}

fn take_out_of(value: &mut DeValue<'_>, second: &Second, groups: bool) -> Option<Problem> {
    match value {
        DeValue::Table(table) => take_out(table, second, groups),
        DeValue::Array(array) => array.iter_mut().find_map(|item| take_out_of(item.get_mut(), second, false)),
        _ => None,
    }
}

/// A key, or the path of a group, is there twice.
fn twice(key: &str, span: Range<usize>, first: Range<usize>, path: bool) -> Problem {
    if path {
        return super::resolve::taken(key, span, first);
    }
    let message = format!("duplicate key `{}`", abridge(key));
    Problem { related: Some((first, "first here".to_owned())), ..Problem::at(span, message) }
}
