//! From text to a table, or to all that is wrong with the text as TOML.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::problem::Problem;
use crate::model::text::abridge;

/// What the parser says of a key that is there already.
const DUPLICATE: &str = "duplicate key";
/// How often a text is read again at most.
const MOST: usize = 100;

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
    /// With which letter it was first overwritten; where that name was there too, others follow.
    first_letter: u8,
}

impl Distinct {
    /// Reads a text as far as its duplicate keys.
    pub(super) fn read(text: &str) -> Distinct {
        let mut distinct = Distinct { text: text.to_owned(), seconds: Vec::new() };
        for letter in (b'a'..=b'z').cycle().take(MOST) {
            let (_, errors) = DeTable::parse_recoverable(&distinct.text);
            let found = errors.iter().filter(|error| error.message() == DUPLICATE).find_map(Error::span);
            if !found.is_some_and(|span| distinct.rename(span, letter)) {
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
        let mut problems: Vec<Problem> = self.seconds.iter().map(|second| second.take_out(&mut table)).collect();
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

    /// Overwrites a second key with a letter as often as it is long; says whether that is worth a try.
    fn rename(&mut self, span: Range<usize>, letter: u8) -> bool {
        match self.seconds.last_mut().filter(|second| second.span == span) {
            // Every letter was tried, so the name is not what the parser takes offence at.
            Some(second) if second.first_letter == letter => {
                self.seconds.pop();
                return false;
            }
            Some(_) => {}
            None => {
                let Some(key) = self.text.get(span.clone()).and_then(key) else { return false };
                self.seconds.push(Second { key, span: span.clone(), first_letter: letter });
            }
        }
        self.text.replace_range(span.clone(), &char::from(letter).to_string().repeat(span.len()));
        true
    }
}

/// A key without its quotes.
fn key(written: &str) -> Option<String> {
    let line = format!("{written} = 0");
    let (table, _) = DeTable::parse_recoverable(&line);
    table.get_ref().keys().next().map(|key| key.get_ref().to_string())
}

impl Second {
    /// Takes the renamed key out of the file's table, and says where the first one is.
    fn take_out(&self, root: &mut DeTable<'_>) -> Problem {
        let first = take_out(root, self);
        let group = root.get("group").map(Spanned::get_ref);
        match (first, group) {
            (Some(first), Some(DeValue::Table(groups))) if groups.keys().any(|path| path.span() == first) => {
                Problem::taken(&self.key, self.span.clone(), first)
            }
            (first, _) => {
                let problem = Problem::at(self.span.clone(), format!("duplicate key `{}`", abridge(&self.key)));
                first.into_iter().fold(problem, |problem, first| problem.related(first, "first here"))
            }
        }
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

/// Takes a renamed key out of the table in which it lies; answers where the first of its name is.
fn take_out(table: &mut DeTable<'_>, second: &Second) -> Option<Range<usize>> {
    if let Some(renamed) = table.keys().find(|key| key.span() == second.span).cloned() {
        table.remove(&renamed);
        return table.get_key_value(second.key.as_str()).map(|(first, _)| first.span());
    }
    table.iter_mut().find_map(|(_, value)| take_out_of(value.get_mut(), second))
}

fn take_out_of(value: &mut DeValue<'_>, second: &Second) -> Option<Range<usize>> {
    match value {
        DeValue::Table(table) => take_out(table, second),
        DeValue::Array(array) => array.iter_mut().find_map(|item| take_out_of(item.get_mut(), second)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a text as TOML, each as "what is there: message".
    fn told(text: &str) -> Vec<String> {
        let distinct = Distinct::read(text);
        let problems = distinct.table().map_or_else(|problems| problems, |(_, problems)| problems);
        let part = |span: Option<Range<usize>>| span.map_or("", |span| &text[span]);
        let told = problems.into_iter().map(|problem| {
            let first = problem.related.map(|(span, _)| format!(", first at {}", span.start)).unwrap_or_default();
            format!("{}: {}{first}", part(problem.span), problem.message)
        });
        told.collect()
    }

    #[test]
    fn a_second_key_is_told_with_the_first_and_nothing_that_follows_from_it() {
        assert_eq!(
            told("a = 1\n'a' = 2\n\"a\" = 3"),
            ["'a': duplicate key `a`, first at 0", "\"a\": duplicate key `a`, first at 0"]
        );
        assert_eq!(told("[x]\na = 1\n[x]\na = 2\n"), ["x: duplicate key `x`, first at 1"]);
        assert_eq!(told("[group.x]\na = 1\n[group.x]\na = 2\n"), ["x: duplicate path `x`, first at 7"]);
        assert_eq!(told("x = { group = { a = 1, a = 2 } }"), ["a: duplicate key `a`, first at 16"]);
        assert_eq!(told("[[x]]\na = 1\n[[x]]\na = 2\na = 3"), ["a: duplicate key `a`, first at 18"]);
    }

    #[test]
    fn a_name_that_is_taken_itself_loses_nothing() {
        assert_eq!(told("a = 1\nb = 2\nb = 3\n"), ["b: duplicate key `b`, first at 6"]);
        assert_eq!(told("a = 1\nb = 2\na = 3\nb = 4\n").len(), 2);
        assert_eq!(told("[a.b]\nc = 1\n[a]\nb.c = 2\n"), ["b: duplicate key `b`, first at 3"]);
        let many: String = ('a'..='z').map(|key| format!("{key} = 1\n")).collect();
        assert!(!told(&many.repeat(2)).is_empty());
        assert!(told(&many).is_empty());
    }

    #[test]
    fn after_an_error_the_next_table_is_looked_at() {
        let told = told("a = [1\nb = 2\n[x]\nc = info\nd =\n[y]\ne = 1\n");
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[1].starts_with("info: "));
    }
}
