//! Reads help texts: parameters and results in lines such as `@param string name  which it is`.

use super::type_schema;
use crate::model::text::shorten;

/// The largest length of the documentation of a method, in characters.
const MAX_DOC: usize = 20_000;
/// The largest number of parameters that are read from one help text.
const MAX_PARAMS: usize = 100;

/// The parts of a help text.
#[derive(Debug, Default, PartialEq)]
pub(super) struct HelpText {
    /// The text about the method as a whole.
    pub(super) text: String,
    /// The entry of each parameter, in order.
    pub(super) params: Vec<HelpEntry>,
    /// The entry of the result.
    pub(super) result: Option<HelpEntry>,
}

/// The entry of a parameter or a result: its line and the lines that continue it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct HelpEntry {
    /// The word for its type; `None` if the entry has none.
    pub(super) kind: Option<String>,
    /// Its name; empty if the entry has none.
    pub(super) name: String,
    /// Its meaning.
    pub(super) text: String,
}

impl HelpEntry {
    /// Whether the text says explicitly that the parameter is optional.
    pub(super) fn is_optional(&self) -> bool {
        let text = self.text.to_ascii_lowercase();
        ["optional", "(default", "default:", "default is", "defaults to"].iter().any(|words| text.contains(words))
    }
}

/// The subject of a line.
enum HelpSubject {
    Method,
    Param,
    Result,
    /// A tag that is not used, such as `@throws`.
    Other,
}

impl HelpText {
    /// Reads the docstring styles of Python and Java: `@param TYPE NAME TEXT`, `:param TYPE NAME: TEXT` and
    /// `@return TYPE NAME TEXT`. Type and text can be missing. Lines without a tag continue the entry above them.
    pub(super) fn read(text: &str) -> HelpText {
        let mut help = HelpText::default();
        let mut about = HelpSubject::Method;
        let mut own = Vec::new();
        for line in text.lines() {
            let line = line.trim();
            if let Some((tag, rest)) = split_tag(line) {
                about = help.start_entry(tag, rest);
                continue;
            }
            let said = match about {
                HelpSubject::Method => {
                    own.push(line);
                    continue;
                }
                HelpSubject::Param => help.params.last_mut(),
                HelpSubject::Result => help.result.as_mut(),
                HelpSubject::Other => None,
            };
            if let Some(said) = said.filter(|_| !line.is_empty()) {
                said.text = [said.text.as_str(), line].join(" ").trim().to_owned();
            }
        }
        help.text = shorten_lines(&own);
        help
    }

    fn start_entry(&mut self, tag: &str, rest: &str) -> HelpSubject {
        match tag {
            "param" | "parameter" | "arg" if self.params.len() < MAX_PARAMS => {
                self.params.push(read_param(rest));
                HelpSubject::Param
            }
            "return" | "returns" if self.result.is_none() => {
                self.result = Some(read_result(rest));
                HelpSubject::Result
            }
            _ => HelpSubject::Other,
        }
    }
}

/// The tag at the beginning of a line, which follows `@` or `:`, and the rest of the line.
fn split_tag(line: &str) -> Option<(&str, &str)> {
    let (sign, rest) = (line.get(..1)?, line.get(1..)?);
    let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (word, rest) = rest.split_at(end);
    if word.is_empty() || !matches!(sign, "@" | ":") {
        return None;
    }
    match sign {
        "@" => Some((word, rest.trim())),
        // A tag that begins with a colon ends with one: otherwise the line is text.
        _ => rest.contains(':').then(|| (word, rest.trim())),
    }
}

/// Reads `TYPE NAME TEXT`, `NAME TEXT`, `TYPE NAME: TEXT` or `NAME: TEXT`.
fn read_param(rest: &str) -> HelpEntry {
    let (first, after) = split_word(rest);
    let (second, text) = split_word(after);
    let is_type = !first.ends_with(':') && is_name(second) && (is_type_word(first) || second.ends_with(':'));
    if is_type {
        return HelpEntry { kind: Some(strip_marks(first).to_owned()), name: name(second), text: clean_text(text) };
    }
    if is_type_word(first) && !after.is_empty() && !is_name(second) {
        return HelpEntry { kind: Some(strip_marks(first).to_owned()), name: String::new(), text: clean_text(after) };
    }
    HelpEntry { kind: None, name: name(first), text: clean_text(after) }
}

/// Reads `TYPE NAME TEXT`, `TYPE TEXT`, `: TEXT` or `TEXT` of a result. The name of a result is dropped.
fn read_result(rest: &str) -> HelpEntry {
    let rest = rest.trim_start_matches(':').trim();
    let (first, after) = split_word(rest);
    if !is_type_word(first) {
        return HelpEntry { kind: None, name: String::new(), text: clean_text(rest) };
    }
    let (second, text) = split_word(after);
    let text = if second == "result" { text } else { after };
    HelpEntry { kind: Some(strip_marks(first).to_owned()), name: String::new(), text: clean_text(text) }
}

fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim_start()))
}

/// A type or a name without the punctuation around it.
fn strip_marks(word: &str) -> &str {
    word.trim_matches(['{', '}', '$', '*', '&', ':', ',', '`'])
}

/// Whether a word is the name of a type.
fn is_type_word(word: &str) -> bool {
    type_schema(strip_marks(word)) != serde_json::Value::Bool(true)
        || matches!(strip_marks(word), "mixed" | "any" | "object")
}

fn is_name(word: &str) -> bool {
    let word = strip_marks(word);
    word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn name(word: &str) -> String {
    if is_name(word) { strip_marks(word).to_owned() } else { String::new() }
}

fn clean_text(text: &str) -> String {
    text.trim_start_matches([':', '-']).trim().to_owned()
}

/// The lines without blank lines at the beginning and the end, and at most [`MAX_DOC`] characters.
fn shorten_lines(lines: &[&str]) -> String {
    let text = lines.join("\n");
    let text = text.trim();
    // The text that supervisord and others send for a method without documentation.
    if text == "No help is available for this method." {
        return String::new();
    }
    match text.char_indices().nth(MAX_DOC) {
        Some(_) => shorten(text, MAX_DOC).into_owned(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<(Option<String>, String, String)> {
        HelpText::read(text).params.into_iter().map(|said| (said.kind, said.name, said.text)).collect()
    }

    #[test]
    fn parameters_are_read_in_every_style() {
        let expected = |kind: Option<&str>, text: &str| [(kind.map(str::to_owned), "name".to_owned(), text.to_owned())];
        for (line, kind, text) in [
            ("@param string name  Process name", Some("string"), "Process name"),
            ("  @param   string   name", Some("string"), ""),
            ("@param name which it is", None, "which it is"),
            ("@param {string} name - which", Some("string"), "which"),
            ("@param string $name which", Some("string"), "which"),
            (":param name: which", None, "which"),
            (":param str name: which", Some("str"), "which"),
            (":param Thing name: which", Some("Thing"), "which"),
            ("@param string name which\n      it is\n\n@throws no", Some("string"), "which it is"),
        ] {
            assert_eq!(all(line), expected(kind, text), "{line}");
        }
        assert_eq!(all("@param string 'na me'")[0].1, "");
    }

    #[test]
    fn results_are_read_and_the_rest_is_the_method_s() {
        let help = HelpText::read(
            "Start a process\n\n    @param string name  Which\n    @return boolean result  Always true\n",
        );
        assert_eq!(help.text, "Start a process");
        let result = HelpEntry { kind: Some("boolean".into()), name: String::new(), text: "Always true".into() };
        assert_eq!(help.result, Some(result));
        let only = |text: &str| HelpText::read(text).result.unwrap();
        assert_eq!((only("@return result  [[a]]").kind, only("@return [[a]]").text), (None, "[[a]]".into()));
        assert_eq!(only(":return: a list").text, "a list");
        assert_eq!(only("@return array a list").text, "a list");
    }

    #[test]
    fn what_looks_like_a_tag_and_is_none_is_text() {
        for text in ["user@example.org", ":-) smile", "@", ": x", ":word alone", "a @param b c"] {
            assert_eq!(HelpText::read(text), HelpText { text: text.into(), ..HelpText::default() });
        }
        assert_eq!(HelpText::read("No help is available for this method."), HelpText::default());
    }

    #[test]
    fn only_words_say_that_a_parameter_is_optional() {
        let is = |text: &str| HelpEntry { text: text.into(), ..HelpEntry::default() }.is_optional();
        assert!(is("Optional. Wait.") && is("Wait (default true)") && is("defaults to 5"));
        assert!(!is("Wait for process to be fully started"));
    }
}
