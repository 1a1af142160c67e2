//! Errors in a service's options. The configuration maps an error's path to a position in the TOML file.

use std::fmt;

/// One error in the options of a service.
///
/// ```
/// use croupier::model::option_error::OptionError;
/// let error = OptionError::new(["pockets".into(), 3.into(), "color".into()], "is empty").hint("such as `RED`");
/// assert_eq!(error.to_string(), "pockets[3].color: is empty (such as `RED`)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct OptionError {
    /// The path from the options' table to the wrong value; empty for the table itself.
    pub key: Vec<Key>,
    /// What is wrong, as the predicate of a sentence about the value where the key is not empty.
    pub message: String,
    /// What to write instead, if it can be guessed.
    pub hint: Option<String>,
}

/// One step of a path: a key of a table or an index into an array.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// A key of a table.
    Name(String),
    /// An index into an array, from 0.
    Index(usize),
}

impl OptionError {
    /// An error at `key`, without a hint.
    pub fn new(key: impl IntoIterator<Item = Key>, message: impl Into<String>) -> Self {
        Self { key: key.into_iter().collect(), message: message.into(), hint: None }
    }

    /// The same error with a hint.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl fmt::Display for OptionError {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, key) in self.key.iter().enumerate() {
            match key {
                Key::Name(name) if depth > 0 => write!(to, ".{name}")?,
                Key::Name(name) => to.write_str(name)?,
                Key::Index(index) => write!(to, "[{index}]")?,
            }
        }
        let colon = if self.key.is_empty() { "" } else { ": " };
        write!(to, "{colon}{}", self.message)?;
        self.hint.iter().try_for_each(|hint| write!(to, " ({hint})"))
    }
}

impl From<&str> for Key {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<usize> for Key {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

#[cfg(test)]
mod tests {
    use super::OptionError;

    #[test]
    fn an_error_of_the_whole_table_is_shown_without_a_key() {
        assert_eq!(OptionError::new([], "a wheel needs pockets").to_string(), "a wheel needs pockets");
    }
}
