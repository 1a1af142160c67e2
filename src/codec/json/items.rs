//! The items of an array in a JSON text, read one by one.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::TypedJson;
use crate::model::value::Value;

/// The longest item, in bytes. Memory is needed for the text and for one item.
const MOST: usize = 256 << 10;

/// The items of an array in a text that has been checked. Only the text is in memory.
#[derive(Debug)]
pub struct JsonItems {
    text: String,
    at: usize,
}

impl JsonItems {
    /// Checks an array to its end. It begins at `start` in a text that is valid JSON.
    ///
    /// # Errors
    /// The text, if no array begins there, or an item is longer than 256 KiB or cannot be read as a value.
    pub fn find(text: String, start: usize) -> Result<JsonItems, String> {
        let Some(b'[') = text.as_bytes().get(start) else { return Err(text) };
        let mut at = start + 1;
        while let Some((item, end)) = next(&text, at) {
            if item.get().len() > MOST || Value::deserialize(TypedJson(item)).is_err() {
                return Err(text);
            }
            at = end;
        }
        let is_whole = rest(&text, at).is_some_and(|(rest, _)| rest.starts_with(']'));
        if is_whole { Ok(JsonItems { text, at: start + 1 }) } else { Err(text) }
    }

    /// Passes items to `take` until it returns `false` or fails. Returns whether there may be further items.
    ///
    /// # Errors
    /// Those of `take`, and if an item cannot be read, which has been checked.
    pub fn read<E>(&mut self, mut take: impl FnMut(Value) -> Result<bool, E>) -> Result<bool, E>
    where
        E: From<serde_json::Error>,
    {
        let mut goes_on = true;
        while goes_on {
            let Some((item, end)) = next(&self.text, self.at) else { return Ok(false) };
            goes_on = take(Value::deserialize(TypedJson(item))?)?;
            self.at = end;
        }
        Ok(true)
    }
}

/// The item behind this position, and the position behind it; `None` at the end of the array.
fn next(text: &str, at: usize) -> Option<(&RawValue, usize)> {
    let (rest, at) = rest(text, at)?;
    let mut items = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
    let item = items.next()?.ok()?;
    Some((item, at + items.byte_offset()))
}

/// What follows a position, without white space and a comma, and where that begins.
fn rest(text: &str, at: usize) -> Option<(&str, usize)> {
    let rest = text.get(at..)?.trim_start_matches([' ', '\t', '\r', '\n', ',']);
    Some((rest, text.len() - rest.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fault::BoxError;

    fn one_by_one(text: &str) -> Option<Vec<Value>> {
        let mut items = JsonItems::find(text.to_owned(), text.find('[')?).ok()?;
        let mut values = Vec::new();
        loop {
            let more = items.read(|item| {
                values.push(item);
                Ok::<_, BoxError>(values.len() % 2 == 0)
            });
            if !more.unwrap() {
                return Some(values);
            }
        }
    }

    #[test]
    fn items_are_those_of_the_array_that_is_read_at_once() {
        for array in ["[]", "[ ]", "[1]", "[1,2 , \"]\"\n, null]", "[[],{},[[1]],{\"a\":[2,18446744073709551616]},0.5]"]
        {
            let whole = Value::deserialize(TypedJson(&mut serde_json::Deserializer::from_str(array))).unwrap();
            assert_eq!(
                one_by_one(&format!("{{\"result\":{array}, \"id\":1}}")).map(Value::Array),
                Some(whole),
                "{array}"
            );
        }
    }

    #[test]
    fn other_values_are_left_as_they_are() {
        for text in ["[1", "[1,", "[1e999]", "", &format!("[\"{}\"]", "a".repeat(MOST))] {
            assert_eq!(JsonItems::find(text.to_owned(), 0).unwrap_err(), text);
        }
        assert!(JsonItems::find("{}".to_owned(), 0).is_err());
    }
}
