//! Rows as comma-separated values (RFC 4180).

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::model::fault::BoxError;
use crate::model::interface::Interface;

/// The name of the column if each row is one value.
const VALUE_COLUMN: &str = "value";

/// The columns of a table, from the schema of its rows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Columns {
    /// Rows are lists; each item has its own column.
    ByPosition(Vec<String>),
    /// Rows are records; each member has its own column.
    ByName(Vec<String>),
    /// All other rows have one column.
    One,
}

impl Columns {
    /// The columns for a list whose items have this schema.
    pub(super) fn of(interface: &Interface, item: &Value) -> Columns {
        let item = interface.resolve(item);
        let titled = |(at, item): (usize, &Value)| {
            let title = interface.resolve(item).get("title").and_then(Value::as_str);
            title.map_or_else(|| format!("{VALUE_COLUMN}{}", at + 1), str::to_owned)
        };
        if let Some(items) = item.get("prefixItems").and_then(Value::as_array) {
            return Columns::ByPosition(items.iter().enumerate().map(titled).collect());
        }
        match item.get("properties").and_then(Value::as_object) {
            Some(properties) => Columns::ByName(properties.keys().cloned().collect()),
            None => Columns::One,
        }
    }

    /// Appends the header line.
    pub(super) fn header(&self, to: &mut Vec<u8>) {
        let mut line = CsvLine::new(to);
        match self {
            Columns::ByPosition(names) | Columns::ByName(names) => names.iter().for_each(|name| line.field(name)),
            Columns::One => line.field(VALUE_COLUMN),
        }
        line.end();
    }

    /// Appends the line for a row, which is a JSON text.
    ///
    /// # Errors
    /// If the row does not match its schema.
    pub(super) fn row(&self, row: &str, to: &mut Vec<u8>) -> Result<(), BoxError> {
        let mut line = CsvLine::new(to);
        match self {
            Columns::ByPosition(names) => {
                let items: Vec<&RawValue> = serde_json::from_str(row)?;
                if items.len() > names.len() {
                    return Err("a row has more items than the table has columns".into());
                }
                (0..names.len()).try_for_each(|at| line.value(items.get(at).copied()))?;
            }
            Columns::ByName(names) => {
                let members: HashMap<Cow<'_, str>, &RawValue> = serde_json::from_str(row)?;
                names.iter().try_for_each(|name| line.value(members.get(name.as_str()).copied()))?;
            }
            Columns::One => line.value(Some(serde_json::from_str(row)?))?,
        }
        line.end();
        Ok(())
    }
}

/// A line that is being written.
struct CsvLine<'a> {
    to: &'a mut Vec<u8>,
    start: usize,
    fields: usize,
}

impl CsvLine<'_> {
    fn new(to: &mut Vec<u8>) -> CsvLine<'_> {
        let start = to.len();
        CsvLine { to, start, fields: 0 }
    }

    /// Adds a value: a text unchanged, null as an empty field, and any other value as JSON.
    fn value(&mut self, value: Option<&RawValue>) -> Result<(), BoxError> {
        let text = value.map_or("null", RawValue::get);
        if text.starts_with('"') {
            let text: Cow<'_, str> = serde_json::from_str(text)?;
            self.field(&text);
        } else {
            self.field(if text == "null" { "" } else { text });
        }
        Ok(())
    }

    fn field(&mut self, text: &str) {
        if self.fields > 0 {
            self.to.push(b',');
        }
        self.fields += 1;
        if !text.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n')) {
            return self.to.extend_from_slice(text.as_bytes());
        }
        self.to.push(b'"');
        self.to.extend_from_slice(text.replace('"', "\"\"").as_bytes());
        self.to.push(b'"');
    }

    /// Ends the line. An empty line becomes `""`, because readers skip empty lines.
    fn end(self) {
        if self.to.len() == self.start {
            self.to.extend_from_slice(b"\"\"");
        }
        self.to.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table(item: &Value, rows: &[&str]) -> String {
        let columns = Columns::of(&Interface::default(), item);
        let mut text = Vec::new();
        columns.header(&mut text);
        rows.iter().for_each(|row| columns.row(row, &mut text).unwrap());
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn columns_have_the_names_that_the_schema_gives_them() {
        let pair = json!({ "type": "array", "prefixItems": [{ "title": "name" }, true] });
        assert_eq!(table(&pair, &[r#"["a",1]"#, r#"["b"]"#]), "name,value2\r\na,1\r\nb,\r\n");
        let record = json!({ "type": "object", "properties": { "x": true, "y": true } });
        assert_eq!(table(&record, &[r#"{"y":[1],"z":0,"x":null}"#]), "x,y\r\n,[1]\r\n");
        assert_eq!(table(&json!({ "type": "integer" }), &["1", "null"]), "value\r\n1\r\n\"\"\r\n");
    }

    #[test]
    fn what_would_end_a_field_is_quoted() {
        let rows = [r#""a,b""#, r#""a\"b""#, r#""a\r\nb""#, r#""a b""#, r#"{"a":"b"}"#];
        let expected = "value\r\n\"a,b\"\r\n\"a\"\"b\"\r\n\"a\r\nb\"\r\na b\r\n\"{\"\"a\"\":\"\"b\"\"}\"\r\n";
        assert_eq!(table(&json!(true), &rows), expected);
    }

    #[test]
    fn a_row_that_does_not_fit_is_an_error() {
        let pair = json!({ "prefixItems": [true] });
        let columns = Columns::of(&Interface::default(), &pair);
        for row in ["[1,2]", "{}", "1"] {
            assert!(columns.row(row, &mut Vec::new()).is_err(), "{row}");
        }
    }
}
