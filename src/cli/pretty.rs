//! Values as JSON for people: indented, short lists on one line, and in colour.

use serde_json::Value;

use crate::model::text::is_deceptive;

/// The longest list or object on one line, in characters.
const WIDTH: usize = 72;

/// How values are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) colour: bool,
}

const KEY: &str = "\x1b[34m";
const TEXT: &str = "\x1b[32m";
const OTHER: &str = "\x1b[33m";
const RED: &str = "\x1b[31m";
const END: &str = "\x1b[0m";

impl Style {
    /// A value on as many lines as it needs.
    pub(super) fn value(self, value: &Value) -> String {
        let mut text = String::new();
        self.write(&mut text, value, 0);
        text
    }

    /// A word that says that something is wrong.
    pub(super) fn alarm(self, word: &str) -> String {
        self.coloured(RED, word)
    }

    fn write(self, to: &mut String, value: &Value, indent: usize) {
        let (open, close, items) = match value {
            Value::Array(items) => ('[', ']', items.iter().map(|item| (None, item)).collect::<Vec<_>>()),
            Value::Object(members) => ('{', '}', members.iter().map(|(key, value)| (Some(key), value)).collect()),
            Value::String(_) => return to.push_str(&self.coloured(TEXT, &one_line(value))),
            _ => return to.push_str(&self.coloured(OTHER, &one_line(value))),
        };
        let nested = items.iter().any(|(_, item)| matches!(item, Value::Array(_) | Value::Object(_)));
        let short = items.is_empty() || (!nested && one_line(value).chars().count() + indent <= WIDTH);
        to.push(open);
        let last = items.len().saturating_sub(1);
        for (at, (key, item)) in items.into_iter().enumerate() {
            if short {
                to.push_str(if open == '{' { " " } else { "" });
            } else {
                to.push_str(&format!("\n{:width$}", "", width = indent + 2));
            }
            if let Some(key) = key {
                to.push_str(&self.coloured(KEY, &one_line(&Value::from(key.as_str()))));
                to.push_str(": ");
            }
            self.write(to, item, indent + 2);
            match (at == last, short && open == '[') {
                (true, _) if short && open == '{' => to.push(' '),
                (true, _) => {}
                (false, true) => to.push_str(", "),
                (false, false) => to.push(','),
            }
        }
        if !short {
            to.push_str(&format!("\n{:indent$}", ""));
        }
        to.push(close);
    }

    fn coloured(self, colour: &str, text: &str) -> String {
        if self.colour { format!("{colour}{text}{END}") } else { text.to_owned() }
    }
}

/// A value as JSON on one line. Characters that would change how a terminal looks are escaped.
pub(super) fn one_line(value: &Value) -> String {
    let json = value.to_string();
    if !json.chars().any(is_deceptive) {
        return json;
    }
    let mut text = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_deceptive(c) {
            let mut units = [0; 2];
            text.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(json: &str) -> String {
        let value: Value = serde_json::from_str(json).unwrap();
        let text = Style { colour: false }.value(&value);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value, "{text}");
        text
    }

    #[test]
    fn short_lists_are_on_one_line() {
        assert_eq!(written(r#"["17","BLACK",1,null]"#), r#"["17", "BLACK", 1, null]"#);
        assert_eq!(written(r#"{"a":1,"b":"x"}"#), r#"{ "a": 1, "b": "x" }"#);
        assert_eq!(written("[]"), "[]");
        assert_eq!(written("{}"), "{}");
        assert_eq!(written(r#"[["a"],{"b":[]}]"#), "[\n  [\"a\"],\n  {\n    \"b\": []\n  }\n]");
        let long = format!("[\"{}\",1]", "x".repeat(80));
        assert_eq!(written(&long).lines().count(), 4);
    }

    #[test]
    fn nothing_from_a_server_moves_the_cursor() {
        let text = written(r#""a\u001b[2J\u009b\u202e\n""#);
        assert!(!text.chars().any(is_deceptive), "{text}");
        let colourful = Style { colour: true }.value(&Value::from("x"));
        assert_eq!(colourful, "\x1b[32m\"x\"\x1b[0m");
    }
}
