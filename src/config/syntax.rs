//! Parses a text as TOML, or finds all syntax errors in it.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::problem::Problem;
use crate::model::text::abridge;

/// The message of the parser for a duplicate key.
const DUPLICATE: &str = "duplicate key";
/// How often a text is parsed at most.
const MAX_PASSES: usize = 100;

/// A text without duplicate keys.
///
/// The parser reports the second key but not the first, and then also the errors that follow from it. So each second key is
/// overwritten in place with a unique name of the same length, which keeps all positions.
pub(super) struct Distinct {
    text: String,
    duplicates: Vec<DuplicateKey>,
}

/// A key that occurs for the second time in its table.
struct DuplicateKey {
    key: String,
    span: Range<usize>,
    /// The letter with which it was first overwritten. If that name exists too, other letters follow.
    first_letter: u8,
}

impl Distinct {
    /// Finds and overwrites the duplicate keys of a text.
    pub(super) fn read(text: &str) -> Distinct {
        let mut distinct = Distinct { text: text.to_owned(), duplicates: Vec::new() };
        for letter in (b'a'..=b'z').cycle().take(MAX_PASSES) {
            let (_, errors) = DeTable::parse_recoverable(&distinct.text);
            let found = errors.iter().filter(|error| error.message() == DUPLICATE).find_map(Error::span);
            if !found.is_some_and(|span| distinct.rename(span, letter)) {
                break;
            }
        }
        distinct
    }

    /// The table without the duplicate keys, and the problems with those.
    ///
    /// # Errors
    /// If the text is not valid TOML. Nothing else can then be checked.
    pub(super) fn table(&self) -> Result<(DeTable<'_>, Vec<Problem>), Vec<Problem>> {
        let (table, errors) = DeTable::parse_recoverable(&self.text);
        let mut table = table.into_inner();
        let mut problems: Vec<Problem> =
            self.duplicates.iter().map(|duplicate| duplicate.remove_from(&mut table)).collect();
        if errors.is_empty() {
            return Ok((table, problems));
        }
        problems.extend(self.errors());
        Err(problems)
    }

    /// The syntax errors. An error may cause others up to the end, so the search for the next one begins at the next table
    /// header.
    fn errors(&self) -> Vec<Problem> {
        let (mut problems, mut start) = (Vec::new(), 0);
        while let Some(rest) = self.text.get(start..) {
            let (_, errors) = DeTable::parse_recoverable(rest);
            let first = errors.iter().min_by_key(|error| error.span().map(|span| span.start));
            let Some(error) = first.filter(|_| problems.len() < MAX_PASSES) else { break };
            let span = error.span().unwrap_or_default();
            let problem = Problem::at(start + span.start..start + span.end, error.message());
            problems.push(explained(problem, rest, start, span.start));
            let Some(header) = next_header(rest, span.start) else { break };
            start += header;
        }
        problems
    }

    /// Overwrites a duplicate key with a repeated letter. Returns whether parsing again may find more.
    fn rename(&mut self, span: Range<usize>, letter: u8) -> bool {
        match self.duplicates.last_mut().filter(|second| second.span == span) {
            // Every letter was tried, so the name is not the cause.
            Some(second) if second.first_letter == letter => {
                self.duplicates.pop();
                return false;
            }
            Some(_) => {}
            None => {
                let Some(key) = self.text.get(span.clone()).and_then(key) else { return false };
                self.duplicates.push(DuplicateKey { key, span: span.clone(), first_letter: letter });
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

impl DuplicateKey {
    /// Removes the renamed key from the root table, and returns the problem with the place of the first key.
    fn remove_from(&self, root: &mut DeTable<'_>) -> Problem {
        let first = remove_duplicate(root, self);
        let group = root.get("group").map(Spanned::get_ref);
        match (first, group) {
            (Some(first), Some(DeValue::Table(groups))) if groups.keys().any(|path| path.span() == first) => {
                Problem::duplicate_path(&self.key, self.span.clone(), first)
            }
            (first, _) => {
                let problem = Problem::at(self.span.clone(), format!("duplicate key `{}`", abridge(&self.key)));
                first.into_iter().fold(problem, |problem, first| problem.related(first, "first here"))
            }
        }
    }
}

/// Adds to a syntax error what was probably meant. The error is at `at` in a text that begins at `start` in the file.
fn explained(problem: Problem, text: &str, start: usize, at: usize) -> Problem {
    let (before, after) = text.split_at_checked(at).unwrap_or((text, ""));
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    let line = text.get(line_start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    if let Some(hint) = unquoted_path(line) {
        return problem.hint(hint);
    }
    if let Some(hint) = unquoted(before, after) {
        return problem.hint(hint);
    }
    let message = problem.message.as_str();
    // Within an inline table, and between items of an array, a comma that is missing is just that.
    let comma = message.contains("missing comma") && begins_key(line);
    let is_unclosed = |(_, bracket): &(usize, char)| message.contains("unclosed") || (comma && *bracket == '[');
    match open_bracket(text, at).filter(is_unclosed) {
        Some((open, bracket)) => {
            let close = if bracket == '[' { ']' } else { '}' };
            let is_header = text.get(line_start..open).is_some_and(|before| before.trim().is_empty());
            let named = if is_header { "the header" } else { "what opens here" };
            let hint = format!("{named} is not closed: `{close}` is missing");
            problem.related(start + open..start + open + 1, "opens here").hint(hint)
        }
        None => problem,
    }
}

/// Whether a line begins with a key and its value.
fn begins_key(line: &str) -> bool {
    let in_key = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ' | '\t');
    line.trim_start().split_once('=').is_some_and(|(key, _)| !key.trim().is_empty() && key.chars().all(in_key))
}

/// A hint for a header such as `[group./x]`, whose path lacks its quotes.
fn unquoted_path(line: &str) -> Option<String> {
    let line = line.trim_start();
    let (open, close) = if line.starts_with("[[") { ("[[", "]]") } else { ("[", "]") };
    let (table, path) = line.strip_prefix(open)?.split_once('.')?;
    let (table, path) = (table.trim(), path.split([']', '#']).next()?.trim());
    if !["group", "page"].contains(&table) || !path.starts_with('/') || path.contains(['"', '\'']) {
        return None;
    }
    // What follows a path is a table of the group.
    let (path, inner) = path.split_once('.').map_or((path, String::new()), |(path, inner)| (path, format!(".{inner}")));
    Some(format!("write the path in quotes: `{open}{table}.\"{}\"{}{close}`", abridge(path), abridge(&inner)))
}

/// The innermost bracket that is open at a place of a text, which does not begin within a value.
fn open_bracket(text: &str, at: usize) -> Option<(usize, char)> {
    let mut open = Vec::new();
    let mut rest = text.get(..at)?;
    while let Some(next) = rest.find(['[', ']', '{', '}', '"', '\'', '#']) {
        let place = at - rest.len() + next;
        let from = rest.get(next..)?;
        let c = from.chars().next()?;
        let length = match c {
            '[' | '{' => {
                open.push((place, c));
                1
            }
            ']' | '}' => {
                open.pop();
                1
            }
            '#' => from.find('\n').unwrap_or(from.len()),
            quote => string_length(from, quote),
        };
        rest = from.get(length..)?;
    }
    open.pop()
}

/// The length of a string with its quotes. One on a single line ends with the line if its closing quote is missing.
fn string_length(text: &str, quote: char) -> usize {
    let triple = quote.to_string().repeat(3);
    if let Some(content) = text.strip_prefix(&triple) {
        return content.find(&triple).map_or(text.len(), |end| end + 6);
    }
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\n' => return at,
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A hint for a word after `=` that lacks its quotes.
fn unquoted(before: &str, after: &str) -> Option<String> {
    let word = after.lines().next()?.split(['#', ',', '}', ']']).next()?.trim_end();
    let bare = word.starts_with(char::is_alphabetic) && !word.contains(['"', '\'', '=']);
    (bare && before.trim_end_matches([' ', '\t']).ends_with('='))
        .then(|| format!("write a text in quotes: `\"{}\"`", abridge(word)))
}

/// The start of the next line after `from` that can only be a table header.
fn next_header(text: &str, from: usize) -> Option<usize> {
    let mut lines = text.split_inclusive('\n').scan(0, |end, line| {
        let start = *end;
        *end += line.len();
        Some((start, line.trim_end()))
    });
    let header = |line: &str| line.starts_with('[') && line.ends_with(']') && !line.contains(',');
    lines.find(|(start, line)| *start > from && header(line)).map(|(start, _)| start)
}

/// Removes a renamed key from its table. Returns the span of the first key of its name.
fn remove_duplicate(table: &mut DeTable<'_>, second: &DuplicateKey) -> Option<Range<usize>> {
    if let Some(renamed) = table.keys().find(|key| key.span() == second.span).cloned() {
        table.remove(&renamed);
        return table.get_key_value(second.key.as_str()).map(|(first, _)| first.span());
    }
    table.iter_mut().find_map(|(_, value)| remove_from_value(value.get_mut(), second))
}

fn remove_from_value(value: &mut DeValue<'_>, second: &DuplicateKey) -> Option<Range<usize>> {
    match value {
        DeValue::Table(table) => remove_duplicate(table, second),
        DeValue::Array(array) => array.iter_mut().find_map(|item| remove_from_value(item.get_mut(), second)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The problems of a text, each as "part of the text: message".
    fn messages(text: &str) -> Vec<String> {
        let distinct = Distinct::read(text);
        let problems = distinct.table().map_or_else(|problems| problems, |(_, problems)| problems);
        let part = |span: Option<Range<usize>>| span.map_or("", |span| &text[span]);
        let messages = problems.into_iter().map(|problem| {
            let first = problem.related.map(|(span, _)| format!(", first at {}", span.start)).unwrap_or_default();
            format!("{}: {}{first}", part(problem.span), problem.message)
        });
        messages.collect()
    }

    #[test]
    fn a_duplicate_key_is_reported_with_the_first_and_without_errors_that_follow() {
        assert_eq!(
            messages("a = 1\n'a' = 2\n\"a\" = 3"),
            ["'a': duplicate key `a`, first at 0", "\"a\": duplicate key `a`, first at 0"]
        );
        assert_eq!(messages("[x]\na = 1\n[x]\na = 2\n"), ["x: duplicate key `x`, first at 1"]);
        assert_eq!(messages("[group.x]\na = 1\n[group.x]\na = 2\n"), ["x: duplicate path `x`, first at 7"]);
        assert_eq!(messages("x = { group = { a = 1, a = 2 } }"), ["a: duplicate key `a`, first at 16"]);
        assert_eq!(messages("[[x]]\na = 1\n[[x]]\na = 2\na = 3"), ["a: duplicate key `a`, first at 18"]);
    }

    #[test]
    fn replacement_names_may_exist_already() {
        assert_eq!(messages("a = 1\nb = 2\nb = 3\n"), ["b: duplicate key `b`, first at 6"]);
        assert_eq!(messages("a = 1\nb = 2\na = 3\nb = 4\n").len(), 2);
        assert_eq!(messages("[a.b]\nc = 1\n[a]\nb.c = 2\n"), ["b: duplicate key `b`, first at 3"]);
        let many: String = ('a'..='z').map(|key| format!("{key} = 1\n")).collect();
        assert!(!messages(&many.repeat(2)).is_empty());
        assert!(messages(&many).is_empty());
    }

    #[test]
    fn the_bracket_that_is_open_is_found() {
        let open = |text: &str| open_bracket(text, text.len());
        assert_eq!(open("a = [1, [2, 3], { b = 4 }, "), Some((4, '[')));
        assert_eq!(open("[x]\na = { b = [\n# ] }\n\"]\", ']', \"\\\"]\","), Some((14, '[')));
        assert_eq!(open("a = [\"\"\"]\n\"\"\", '''[''', \"no end]\n1, "), Some((4, '[')));
        assert_eq!(open("[x]\na = [[1], {}]\n"), None);
        assert_eq!(
            (open(""), open("]]}"), open("\"\"\"["), open("a = '\u{e9}' [")),
            (None, None, None, Some((9, '[')))
        );
    }

    #[test]
    fn a_comma_that_is_missing_is_no_bracket_that_is_missing() {
        let hints = |text: &str| {
            let problems = Distinct::read(text).table().map_or_else(|problems| problems, |(_, problems)| problems);
            problems.into_iter().filter_map(|problem| problem.hint).collect::<Vec<_>>()
        };
        assert_eq!(hints("a = [\n  'x'\n  'y',\n]\n"), Vec::<String>::new());
        assert_eq!(hints("a = [\n  { b = 1 }\n  { b = 2 },\n]\n"), Vec::<String>::new());
        assert_eq!(hints("a = {\n  b = 1\n  c = 2,\n}\n"), Vec::<String>::new());
        assert_eq!(hints("a = [\n  'x'\nb = 1\n"), ["what opens here is not closed: `]` is missing"]);
        assert_eq!(hints("[a\nb = 1\n"), ["the header is not closed: `]` is missing"]);
    }

    #[test]
    fn a_path_without_quotes_is_recognized_in_headers_only() {
        assert_eq!(unquoted_path("[group./a]").as_deref(), Some("write the path in quotes: `[group.\"/a\"]`"));
        let inner = "write the path in quotes: `[[group.\"/a/b\".routes]]`";
        assert_eq!(unquoted_path(" [[ group ./a/b.routes]] # x").as_deref(), Some(inner));
        for other in ["[group.\"/a\"]", "[groups./a]", "[group.a]", "group./a = 1", "[", ""] {
            assert_eq!(unquoted_path(other), None, "{other}");
        }
    }

    #[test]
    fn the_table_after_an_error_is_checked() {
        let messages = messages("a = [1\nb = 2\n[x]\nc = info\nd =\n[y]\ne = 1\n");
        assert_eq!(messages.len(), 2, "{messages:?}");
        assert!(messages[1].starts_with("info: "));
    }
}
