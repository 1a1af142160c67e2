//! Values from the environment: `{ env = "NAME" }` in place of a text, a number, true or false.
//!
//! [`Variables`] says where the variables are. `Environment` holds the values of those that one configuration names; they
//! are read before the file is checked, so that a value lives as long as the text of the file.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;
use super::schema::SchemaNode;
use crate::model::text::abridge;

/// A word with fewer bytes is no secret, unless it is used as one.
const SHORT: usize = 8;
/// The key of a table that stands for the value of an environment variable.
pub(super) const ENV: &str = "env";

/// Where the values of the environment variables come from that a configuration names.
#[derive(Debug, Clone, Default)]
pub struct Variables {
    file: BTreeMap<String, String>,
    optional: bool,
}

/// A line of a file with environment variables that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct EnvFileError {
    line: usize,
    reason: &'static str,
}

impl Variables {
    /// The environment of this process.
    pub fn new() -> Variables {
        Variables::default()
    }

    /// Takes the variables of an environment file first, and those of the process for names that are not in it.
    ///
    /// The text has a line `NAME=value` for each variable. Empty lines, and lines that begin with `#` or `;`, are ignored.
    /// White space around a value is removed. A value may be in single quotes, or in double quotes, within which a backslash
    /// stands before `"`, `\`, `$` and a backtick. A line with a name alone means the variable of the process.
    ///
    /// # Errors
    /// For the first line that is none of these. The message does not repeat it.
    pub fn with_file(mut self, text: &str) -> Result<Variables, EnvFileError> {
        for (at, line) in text.lines().enumerate() {
            if let Some((name, value)) = read_line(line).map_err(|reason| EnvFileError { line: at + 1, reason })? {
                self.file.insert(name.to_owned(), value);
            }
        }
        Ok(self)
    }

    /// Accepts that variables are not set and that files with secrets cannot be read. Each is a note among the
    /// [remarks](super::Config::remarks), and the configuration is made without it. Such a configuration is for checks.
    pub fn optional(self) -> Variables {
        Variables { optional: true, ..self }
    }

    /// The value of a variable.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.file.get(name).cloned().or_else(|| std::env::var(name).ok())
    }
}

/// The name and the value in a line of an environment file, if it has both.
fn read_line(line: &str) -> Result<Option<(&str, String)>, &'static str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with(['#', ';']) {
        return Ok(None);
    }
    let (name, value) = line.split_once('=').map_or((line, None), |(name, value)| (name.trim_end(), Some(value)));
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(fits) {
        return Err("a line is such as NAME=value; a name has letters, digits and `_`");
    }
    value.map(|value| Ok((name, unquoted(value.trim_start())?))).transpose()
}

/// A value without its quotes.
fn unquoted(value: &str) -> Result<String, &'static str> {
    let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        return if value.ends_with('\\') {
            Err("a value does not go on in the next line")
        } else {
            Ok(value.to_owned())
        };
    };
    let mut text = String::new();
    let mut rest = value.chars().skip(1);
    while let Some(c) = rest.next() {
        match c {
            _ if c == quote => {
                let after = "there is something after the closing quote";
                return if rest.next().is_none() { Ok(text) } else { Err(after) };
            }
            '\\' if quote == '"' => match rest.next() {
                Some(c @ ('"' | '\\' | '$' | '`')) => text.push(c),
                Some(c) => text.extend(['\\', c]),
                None => {}
            },
            c => text.push(c),
        }
    }
    Err("the closing quote is missing")
}

/// The variables that one configuration names.
#[derive(Debug, Default)]
pub(super) struct Environment {
    values: BTreeMap<String, Option<String>>,
    optional: bool,
}

impl Environment {
    /// The variables that are named in a file.
    pub(super) fn of(root: &DeTable<'_>, variables: &Variables) -> Environment {
        let mut environment = Environment { values: BTreeMap::new(), optional: variables.optional };
        root.iter().for_each(|(_, value)| environment.collect(value.get_ref(), variables));
        environment
    }

    fn collect(&mut self, value: &DeValue<'_>, variables: &Variables) {
        match value {
            DeValue::Table(table) => {
                if let Some(DeValue::String(name)) = table.get(ENV).map(Spanned::get_ref) {
                    self.values.insert(name.to_string(), variables.get(name));
                }
                table.iter().for_each(|(_, value)| self.collect(value.get_ref(), variables));
            }
            DeValue::Array(array) => array.iter().for_each(|item| self.collect(item.get_ref(), variables)),
            _ => {}
        }
    }

    /// The values that messages must not repeat, whatever they are for: all but short words and numbers, which are parts of
    /// messages. Those of secrets are hidden where they are read.
    pub(super) fn secrets(&self) -> Vec<String> {
        let plain = |text: &str| text.len() < SHORT && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        self.values.values().flatten().filter(|text| !plain(text)).cloned().collect()
    }

    /// Whether variables need not be set, nor files with secrets be there.
    pub(super) fn is_optional(&self) -> bool {
        self.optional
    }

    /// The value of a variable, or the problem that it is not set.
    pub(super) fn value(&self, name: &str, key: &str, span: Range<usize>) -> Result<&str, Problem> {
        if let Some(Some(value)) = self.values.get(name) {
            return Ok(value);
        }
        let message = format!("{key} needs the environment variable `{}`, which is not set", abridge(name));
        Err(if self.optional {
            Problem::at(span, message).note().hint("it, and what depends on it, is not checked")
        } else {
            let hint = "set it for the server; `croupier check` can do without: `--env-file FILE`, `--without-secrets`";
            Problem::at(span, message).hint(hint)
        })
    }
}

/// The name of the variable whose value stands at a place of the file where a text, a number, true or false is expected.
pub(super) fn variable<'v>(value: &'v DeValue<'_>, node: SchemaNode<'_>) -> Option<&'v str> {
    let DeValue::Table(table) = value else { return None };
    let (key, DeValue::String(name)) = table.iter().next().map(|(key, name)| (key.get_ref(), name.get_ref()))? else {
        return None;
    };
    let is_only = table.iter().count() == 1 && key == ENV;
    let scalar = node.types().is_some_and(|types| types.iter().any(|name| SCALARS.contains(name)));
    (is_only && scalar && node.property(ENV).is_none()).then_some(name)
}

/// The types whose values can come from the environment.
pub(super) const SCALARS: [&str; 4] = ["string", "integer", "number", "boolean"];

/// The value of a variable as a value of one of these types; `None` if it is none.
pub(super) fn typed<'v>(text: &'v str, types: &[&str]) -> Option<DeValue<'v>> {
    if types.contains(&"string") {
        return Some(DeValue::String(text.into()));
    }
    let value = DeValue::parse(text.trim()).ok()?.into_inner();
    let fits = match &value {
        DeValue::Integer(_) => types.contains(&"integer") || types.contains(&"number"),
        DeValue::Float(_) => types.contains(&"number"),
        DeValue::Boolean(_) => types.contains(&"boolean"),
        _ => false,
    };
    fits.then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_an_environment_file_are_read() {
        let text = "# a comment\n; another\n\nA=plain text # and this\n B = \"a \\\"b\\\" \\$c \\n\"\r\nC='it\"s $x \\'\nD=\nE\n";
        let variables = Variables::new().with_file(text).unwrap();
        let of = |name: &str| variables.file.get(name).map(String::as_str);
        assert_eq!(of("A"), Some("plain text # and this"));
        assert_eq!(of("B"), Some("a \"b\" $c \\n"));
        assert_eq!((of("C"), of("D"), of("E")), (Some("it\"s $x \\"), Some(""), None));
    }

    #[test]
    fn a_line_that_cannot_be_read_is_not_repeated() {
        for line in ["s3cret", "s3-cret=1", "=s3cret", "1A=s3cret", "A=\"s3cret", "A='s3cret' x", "A=s3cret\\"] {
            let text = format!("X=1\n{line}");
            let Err(error) = Variables::new().with_file(&text) else {
                // A name alone is the variable of the process.
                assert_eq!(line, "s3cret");
                continue;
            };
            let error = error.to_string();
            assert!(error.starts_with("line 2: ") && !error.contains("s3"), "{line}: {error}");
        }
    }

    #[test]
    fn a_value_gets_the_type_that_is_expected() {
        assert!(matches!(typed("4", &["integer"]), Some(DeValue::Integer(_))));
        assert!(matches!(typed(" 4 ", &["number"]), Some(DeValue::Integer(_))));
        assert!(matches!(typed("4", &["integer", "string"]), Some(DeValue::String(_))));
        assert!(matches!(typed("true", &["boolean"]), Some(DeValue::Boolean(true))));
        for (text, expected) in
            [("yes", "boolean"), ("4.5", "integer"), ("", "integer"), ("[1]", "integer"), ("'4'", "integer")]
        {
            assert!(typed(text, &[expected]).is_none(), "{text}");
        }
    }
}
