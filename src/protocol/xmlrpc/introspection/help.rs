//! What a help text says of parameters and results: lines such as `@param string name  which it is`.

use super::kind_of;
use crate::model::text::shorten;

/// How many characters of a method's documentation are kept.
const LONGEST: usize = 20_000;
/// How many parameters one help text may speak of.
const PARAMS: usize = 100;

/// A help text, taken apart.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Help {
    /// What is said of the method as a whole.
    pub(super) text: String,
    /// What is said of each parameter, in order.
    pub(super) params: Vec<Said>,
    /// What is said of the result.
    pub(super) result: Option<Said>,
}

/// What a line says of a parameter or a result.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Said {
    /// The word for its type, where there is one.
    pub(super) kind: Option<String>,
    /// Its name; empty where there is none.
    pub(super) name: String,
    /// What it means.
    pub(super) text: String,
}

impl Said {
    /// Whether the text says explicitly that it may be left out.
    pub(super) fn is_optional(&self) -> bool {
        let text = self.text.to_ascii_lowercase();
        ["optional", "(default", "default:", "default is", "defaults to"].iter().any(|words| text.contains(words))
    }
}

/// What a line is about.
enum About {
    Method,
    Param,
    Result,
    /// Something that is of no use here, such as `@throws`.
    Other,
}

impl Help {
    /// Reads the docstrings of Python and of Java: `@param TYPE NAME TEXT` and `:param TYPE NAME: TEXT`, without the
    /// type or the text where they are not there, and `@return TYPE NAME TEXT`; what stands below such a line belongs
    /// to it.
    pub(super) fn read(text: &str) -> Help {
        let mut help = Help::default();
        let mut about = About::Method;
        let mut own = Vec::new();
        for line in text.lines() {
            let line = line.trim();
            if let Some((tag, rest)) = tagged(line) {
                about = help.begin(tag, rest);
                continue;
            }
            let said = match about {
                About::Method => {
                    own.push(line);
                    continue;
                }
                About::Param => help.params.last_mut(),
                About::Result => help.result.as_mut(),
                About::Other => None,
            };
            if let Some(said) = said.filter(|_| !line.is_empty()) {
                said.text = [said.text.as_str(), line].join(" ").trim().to_owned();
            }
        }
        help.text = shorten_lines(&own);
        help
    }

    fn begin(&mut self, tag: &str, rest: &str) -> About {
        match tag {
            "param" | "parameter" | "arg" if self.params.len() < PARAMS => {
                self.params.push(said(rest));
                About::Param
            }
            "return" | "returns" if self.result.is_none() => {
                self.result = Some(result(rest));
                About::Result
            }
            _ => About::Other,
        }
    }
}

/// The word behind an `@`, or behind a `:`, at the beginning of a line, and what follows it.
fn tagged(line: &str) -> Option<(&str, &str)> {
    let (sign, rest) = (line.get(..1)?, line.get(1..)?);
    let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (word, rest) = rest.split_at(end);
    if word.is_empty() || !matches!(sign, "@" | ":") {
        return None;
    }
    match sign {
        "@" => Some((word, rest.trim())),
        // Behind a colon there must be another, or this is no tag.
        _ => rest.contains(':').then(|| (word, rest.trim())),
    }
}

/// `TYPE NAME TEXT`, `NAME TEXT`, `TYPE NAME: TEXT` or `NAME: TEXT`.
fn said(rest: &str) -> Said {
    let (first, behind) = word(rest);
    let (second, text) = word(behind);
    let is_type = !first.ends_with(':') && is_name(second) && (is_kind(first) || second.ends_with(':'));
    if is_type {
        return Said { kind: Some(bare(first).to_owned()), name: name(second), text: plain(text) };
    }
    if is_kind(first) && !behind.is_empty() && !is_name(second) {
        return Said { kind: Some(bare(first).to_owned()), name: String::new(), text: plain(behind) };
    }
    Said { kind: None, name: name(first), text: plain(behind) }
}

/// `TYPE NAME TEXT`, `TYPE TEXT`, `: TEXT` or `TEXT` of a result. The name of a result is dropped.
fn result(rest: &str) -> Said {
    let rest = rest.trim_start_matches(':').trim();
    let (first, behind) = word(rest);
    if !is_kind(first) {
        return Said { kind: None, name: String::new(), text: plain(rest) };
    }
    let (second, text) = word(behind);
    let text = if second == "result" { text } else { behind };
    Said { kind: Some(bare(first).to_owned()), name: String::new(), text: plain(text) }
}

fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim_start()))
}

/// A word without what may stand around a type or a name.
fn bare(word: &str) -> &str {
    word.trim_matches(['{', '}', '$', '*', '&', ':', ',', '`'])
}

/// Whether a word is known for a type.
fn is_kind(word: &str) -> bool {
    kind_of(bare(word)) != serde_json::Value::Bool(true) || matches!(bare(word), "mixed" | "any" | "object")
}

fn is_name(word: &str) -> bool {
    let word = bare(word);
    word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn name(word: &str) -> String {
    if is_name(word) { bare(word).to_owned() } else { String::new() }
}

fn plain(text: &str) -> String {
    text.trim_start_matches([':', '-']).trim().to_owned()
}

/// Lines without the blank ones around them.
fn shorten_lines(lines: &[&str]) -> String {
    let text = lines.join("\n");
    let text = text.trim();
    // What servers say that have nothing to say.
    if text == "No help is available for this method." {
        return String::new();
    }
    match text.char_indices().nth(LONGEST) {
        Some(_) => shorten(text, LONGEST).into_owned(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<(Option<String>, String, String)> {
        Help::read(text).params.into_iter().map(|said| (said.kind, said.name, said.text)).collect()
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
        let help =
            Help::read("Start a process\n\n    @param string name  Which\n    @return boolean result  Always true\n");
        assert_eq!(help.text, "Start a process");
        let result = Said { kind: Some("boolean".into()), name: String::new(), text: "Always true".into() };
        assert_eq!(help.result, Some(result));
        let only = |text: &str| Help::read(text).result.unwrap();
        assert_eq!((only("@return result  [[a]]").kind, only("@return [[a]]").text), (None, "[[a]]".into()));
        assert_eq!(only(":return: a list").text, "a list");
        assert_eq!(only("@return array a list").text, "a list");
    }

    #[test]
    fn what_looks_like_a_tag_and_is_none_is_text() {
        for text in ["user@example.org", ":-) smile", "@", ": x", ":word alone", "a @param b c"] {
            assert_eq!(Help::read(text), Help { text: text.into(), ..Help::default() });
        }
        assert_eq!(Help::read("No help is available for this method."), Help::default());
    }

    #[test]
    fn only_words_say_that_a_parameter_is_optional() {
        let is = |text: &str| Said { text: text.into(), ..Said::default() }.is_optional();
        assert!(is("Optional. Wait.") && is("Wait (default true)") && is("defaults to 5"));
        assert!(!is("Wait for process to be fully started"));
    }
}
