//! Patterns of XML Schema (Part 2, appendix F) as regular expressions that JSON Schema and the crate `regex` share.

use std::sync::OnceLock;

use regex::{Regex, RegexBuilder};

/// The longest pattern that is translated, in bytes.
const LONGEST: usize = 2048;
/// The largest memory for a compiled pattern.
const COMPILED: usize = 1 << 20;

/// A pattern that whole texts match.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// The pattern as the schema writes it.
    pub source: String,
    /// The translation, anchored at both ends.
    pub regex: String,
    /// Compiled on first use; `None` if it is too large.
    compiled: OnceLock<Option<Regex>>,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.regex == other.regex
    }
}

impl Pattern {
    /// Translates patterns of which a text matches one; `None` if one of them has anything that the translation does not
    /// know. Such patterns are left to the server.
    pub fn new(sources: &[&str]) -> Option<Pattern> {
        let length: usize = sources.iter().map(|source| source.len()).sum();
        if sources.is_empty() || length > LONGEST {
            return None;
        }
        let translated: Option<Vec<_>> = sources.iter().map(|source| translate(source)).collect();
        let regex = format!("^(?:{})$", translated?.join("|"));
        Some(Pattern { source: sources.join("|"), regex, compiled: OnceLock::new() })
    }

    /// Whether a whole text matches. Every text matches a pattern that cannot be compiled.
    pub(super) fn matches(&self, text: &str) -> bool {
        let compile = || RegexBuilder::new(&self.regex).size_limit(COMPILED).dfa_size_limit(COMPILED).build().ok();
        self.compiled.get_or_init(compile).as_ref().is_none_or(|regex| regex.is_match(text))
    }
}

/// Translates a pattern. Both dialects agree on groups, alternatives, quantifiers and simple classes; other than in XML
/// Schema, in other languages `^` and `$` match the ends of a text, and `.` matches more characters.
fn translate(source: &str) -> Option<String> {
    let mut to = String::with_capacity(source.len() + 8);
    let mut chars = source.chars().peekable();
    let mut in_class = false;
    while let Some(c) = chars.next() {
        match (c, in_class) {
            ('\\', _) => escape(&mut to, chars.next()?, in_class)?,
            ('[', false) => {
                in_class = true;
                to.push('[');
                if chars.next_if_eq(&'^').is_some() {
                    to.push('^');
                }
                // An empty class is an error in XML Schema, and a literal `]` here in other dialects.
                if chars.peek() == Some(&']') {
                    return None;
                }
            }
            // Subtraction (`[a-z-[aeiou]]`), and what other dialects would read as set operations.
            ('[' | '^' | '&' | '~', true) => match c {
                '[' => return None,
                c => {
                    to.push('\\');
                    to.push(c);
                }
            },
            (']', true) => {
                in_class = false;
                to.push(']');
            }
            ('-', true) => match (to.ends_with('[') || to.ends_with("[^"), chars.peek()) {
                (true, _) | (_, Some(']')) => to.push_str("\\-"),
                (_, Some('[')) => return None,
                _ => to.push('-'),
            },
            ('^' | '$', false) => {
                to.push('\\');
                to.push(c);
            }
            ('.', false) => to.push_str("[^\\n\\r]"),
            ('(', false) => {
                to.push_str("(?:");
                // `(?` is no group of XML Schema.
                if chars.peek() == Some(&'?') {
                    return None;
                }
            }
            ('*' | '+' | '?' | '}', false) => {
                to.push(c);
                // Lazy and possessive quantifiers do not exist in XML Schema.
                if chars.peek().is_some_and(|next| matches!(next, '*' | '+' | '?')) {
                    return None;
                }
            }
            _ => to.push(c),
        }
    }
    (!in_class && regex_syntax_is_valid(&to)).then_some(to)
}

/// Translates what follows a backslash.
fn escape(to: &mut String, c: char, in_class: bool) -> Option<()> {
    match c {
        'n' | 'r' | 't' | 'd' | 'D' | 's' | 'S' => to.extend(['\\', c]),
        // In XML Schema a word is anything but punctuation, separators and control characters, so this is a subset.
        '.' | '\\' | '?' | '*' | '+' | '(' | ')' | '[' | ']' | '{' | '}' | '|' | '^' | '$' | '/' => {
            to.extend(['\\', c])
        }
        '-' if in_class => to.push_str("\\-"),
        '-' => to.push('-'),
        _ => return None,
    }
    Some(())
}

/// Whether the parser of regular expressions accepts a pattern, without compiling it at full size.
fn regex_syntax_is_valid(pattern: &str) -> bool {
    RegexBuilder::new(pattern).size_limit(COMPILED).build().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_texts() {
        for (source, fitting, others) in [
            ("[A-Z]{2}", &["AB"][..], &["A", "ABC", "ab", "AB\n"][..]),
            (r"\d{3}-\d{4}", &["123-4567"], &["123x4567", "1123-45678"]),
            ("a|b", &["a", "b"], &["ab", "ax", "xb"]),
            ("a^b$", &["a^b$"], &["ab"]),
            ("[^a-c-]+", &["xyz"], &["x-z", "a"]),
            (r"[+\-]?\.x", &["+.x", ".x", "-.x"], &["axx"]),
            ("(ab)*", &["", "abab"], &["aba"]),
            (".", &["é"], &["", "\n"]),
            ("[&~^]+", &["&~^"], &["x"]),
            ("[/]", &["/"], &["x"]),
        ] {
            let pattern = Pattern::new(&[source]).unwrap();
            for text in fitting {
                assert!(pattern.matches(text), "{source} {text:?} {}", pattern.regex);
            }
            for text in others {
                assert!(!pattern.matches(text), "{source} {text:?} {}", pattern.regex);
            }
        }
        let either = Pattern::new(&["a+", "b+"]).unwrap();
        assert!(either.matches("aa") && either.matches("b") && !either.matches("ab"));
    }

    #[test]
    fn what_is_not_known_is_left_to_the_server() {
        for source in [
            r"\i\c*",
            r"\p{IsGreek}",
            "[a-z-[aeiou]]",
            r"\w+",
            "(?i)a",
            "a+?",
            "[]",
            "[a",
            "(",
            "x{2",
            &"a".repeat(3000),
        ] {
            assert_eq!(Pattern::new(&[source]), None, "{source}");
        }
        // Larger than a pattern may become.
        assert_eq!(Pattern::new(&["(((a{100}){100}){100}){100}"]), None);
    }
}
