//! Helpers for messages: shortening of foreign text, and "did you mean" hints.

use std::borrow::Cow;

/// The most characters of a caller's text that an error message repeats.
const REPEATED: usize = 80;

/// The longest word, in characters, for which a similar candidate is searched. The word comes from outside, and the search
/// takes time and memory in proportion to its length.
const LONGEST_WORD: usize = 80;

/// Prepares a caller's text for an error message: replaces control characters, and keeps at most 80 characters.
///
/// ```
/// assert_eq!(croupier::model::text::abridge("spin"), "spin");
/// assert_eq!(croupier::model::text::abridge(&"x".repeat(500)).chars().count(), 81);
/// ```
pub fn abridge(text: &str) -> Cow<'_, str> {
    shorten(text, REPEATED)
}

/// Shortens a text to `longest` characters, with an ellipsis if anything was cut off, and replaces control characters.
///
/// ```
/// assert_eq!(croupier::model::text::shorten("a\nlong story", 6), "a\u{fffd}long…");
/// ```
pub fn shorten(text: &str, longest: usize) -> Cow<'_, str> {
    let clean = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let end = text.char_indices().nth(longest).map(|(at, _)| at);
    match end.and_then(|at| text.get(..at)) {
        Some(head) => Cow::Owned(head.chars().map(clean).chain(['…']).collect()),
        None if text.chars().any(char::is_control) => Cow::Owned(text.chars().map(clean).collect()),
        None => Cow::Borrowed(text),
    }
}

/// The beginning of a documentation: at most `longest` characters without the blanks around them, with its lines, and with an
/// ellipsis if anything was cut off. Other control characters are replaced.
///
/// ```
/// assert_eq!(croupier::model::text::excerpt(" Spins.\n\nThen pays.\u{7}\n", 80), "Spins.\n\nThen pays.\u{fffd}");
/// assert_eq!(croupier::model::text::excerpt("Spins the wheel", 6), "Spins…");
/// ```
pub fn excerpt(text: &str, longest: usize) -> String {
    let clean = |c: char| if c.is_control() && !matches!(c, '\n' | '\t' | '\r') { '\u{fffd}' } else { c };
    let text = text.trim();
    match text.char_indices().nth(longest).and_then(|(end, _)| text.get(..end)) {
        Some(head) => head.trim_end().chars().map(clean).chain(['…']).collect(),
        None => text.chars().map(clean).collect(),
    }
}

/// A text from outside as log lines have it: at most `longest` characters, of which those that could change how a line looks
/// are written as `\u{202e}`. These are control characters, line and paragraph separators, and the characters that turn
/// the direction of the text or that have no width.
///
/// ```
/// assert_eq!(croupier::model::text::printable("a\n\u{202e}b", 80), "a\\u{a}\\u{202e}b");
/// assert_eq!(croupier::model::text::printable("Ünïcode", 3), "Ünï…");
/// ```
pub fn printable(text: &str, longest: usize) -> Cow<'_, str> {
    let end = text.char_indices().nth(longest).map(|(at, _)| at);
    let head = end.and_then(|at| text.get(..at)).unwrap_or(text);
    if end.is_none() && !head.chars().any(is_deceptive) {
        return Cow::Borrowed(text);
    }
    let mut written = String::with_capacity(head.len() + 8);
    for c in head.chars() {
        if is_deceptive(c) { written.extend(c.escape_unicode()) } else { written.push(c) }
    }
    if end.is_some() {
        written.push('…');
    }
    Cow::Owned(written)
}

/// How a text is written as JSON, for a message to someone who has given the text alone. `quote` encloses the JSON.
pub(crate) fn how_json_writes(text: &str, quote: char) -> String {
    format!("a text is written {quote}{}{quote}", serde_json::Value::from(text))
}

/// Whether a character is not seen as itself: it ends a line, moves the cursor, or turns the text around it.
pub(crate) fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The candidate most similar to `word`, if one is similar enough to be suggested.
///
/// ```
/// assert_eq!(croupier::model::text::nearest("famly", ["family", "seed"]), Some("family"));
/// assert_eq!(croupier::model::text::nearest("colour", ["family", "seed"]), None);
/// ```
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().take(LONGEST_WORD + 1).count();
    if length > LONGEST_WORD {
        return None;
    }
    let limit = length.div_ceil(3);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
