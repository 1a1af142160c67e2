//! YAML 1.2 documents, read into JSON values (YAML 1.2.2, section 10.3: the core schema).
//!
//! Only `true`, `false` and `null` are words; `yes`, `no`, `y` and `n` are texts, as are dates. Keys are texts, whatever they
//! look like. Merge keys (`<<`) are read. Of members with the same name, the last counts.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Tag};
use serde_json::{Map, Number, Value as Json};

use crate::codec::DocumentLimits;
use crate::model::fault::{Fault, Kind};
use crate::model::text::abridge;

/// The merge key (YAML 1.1): its mapping's members are added to the mapping that has the key.
const MERGE: &str = "<<";

/// Reads the first document of a text. An alias counts as many values as its anchor has, so that nested aliases cannot exceed the
/// limits.
///
/// # Errors
/// `NotWellFormed`, with line and column, if the text is not YAML; `Structure` for a key that is not a text, and for an alias
/// inside its own anchor; `Limit` if there are too many values, or if they are nested too deep.
///
/// ```
/// use croupier::codec::{DocumentLimits, yaml};
/// let read = yaml::read("a: [1, no, ~]\nb: &b {c: 2001-01-01}\nd: *b", DocumentLimits::default())?;
/// assert_eq!(read, serde_json::json!({ "a": [1, "no", null], "b": { "c": "2001-01-01" }, "d": { "c": "2001-01-01" } }));
/// # Ok::<(), croupier::Fault>(())
/// ```
pub fn read(text: &str, limits: DocumentLimits) -> Result<Json, Fault> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { open: Vec::new(), anchors: HashMap::new(), left: limits.elements, limits };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| not_well_formed(&error))?;
        let read = reader.event(event).map_err(|fault| {
            let (line, column) = (span.start.line(), span.start.col() + 1);
            Fault { message: format!("{line}:{column}: {}", fault.message).into(), ..fault }
        })?;
        if let Some(document) = read {
            return Ok(document);
        }
    }
    Ok(Json::Null)
}

fn not_well_formed(error: &ScanError) -> Fault {
    let (line, column) = (error.marker().line(), error.marker().col() + 1);
    Fault::new(Kind::NotWellFormed, format!("{line}:{column}: the text is not YAML: {}", abridge(&error.info())))
}

/// A collection whose end has not been read.
struct OpenCollection {
    content: OpenContent,
    /// The anchor, or 0.
    anchor: usize,
    /// The number of values that were left when it began.
    left: usize,
}

enum OpenContent {
    Sequence(Vec<Json>),
    Mapping {
        members: Map<String, Json>,
        /// The key whose value is read next.
        key: Option<String>,
        /// The mappings whose members are added at the end.
        merged: Vec<Json>,
    },
}

/// The value of an anchor.
struct Anchored {
    value: Json,
    /// The number of values in it; each 64 bytes of text count as one more.
    size: usize,
}

struct Reader {
    open: Vec<OpenCollection>,
    anchors: HashMap<usize, Anchored>,
    /// The number of values that may still be read.
    left: usize,
    limits: DocumentLimits,
}

impl Reader {
    /// Takes the next event. Returns the document at its end.
    fn event(&mut self, event: Event<'_>) -> Result<Option<Json>, Fault> {
        match event {
            Event::SequenceStart(_, anchor, _) => self.begin(OpenContent::Sequence(Vec::new()), anchor)?,
            Event::MappingStart(_, anchor, _) => {
                let content = OpenContent::Mapping { members: Map::new(), key: None, merged: Vec::new() };
                self.begin(content, anchor)?;
            }
            Event::SequenceEnd | Event::MappingEnd => return self.end(),
            Event::Scalar(text, style, anchor, tag) => {
                // An alias copies the text, so that its length counts too.
                let size = 1 + text.len() / 64;
                self.spend(size)?;
                if self.expects_key() {
                    self.anchor(anchor, &Json::from(&*text), size)?;
                    self.key(text.into_owned());
                } else {
                    let value = scalar(&text, style, tag.as_deref());
                    self.anchor(anchor, &value, size)?;
                    return Ok(self.add(value));
                }
            }
            Event::Alias(anchor) => {
                let missing = || Fault::new(Kind::Structure, "an alias is inside its own anchor");
                let size = self.anchors.get(&anchor).ok_or_else(missing)?.size;
                self.spend(size)?;
                let value = self.anchors.get(&anchor).ok_or_else(missing)?.value.clone();
                match value {
                    Json::String(key) if self.expects_key() => self.key(key),
                    _ if self.expects_key() => return Err(not_a_key()),
                    value => return Ok(self.add(value)),
                }
            }
            Event::UnresolvedAlias(name) => {
                let message = format!("the alias `{}` has no anchor", abridge(&name));
                return Err(Fault::new(Kind::Structure, message));
            }
            _ => {}
        }
        Ok(None)
    }

    fn begin(&mut self, content: OpenContent, anchor: usize) -> Result<(), Fault> {
        if self.expects_key() {
            return Err(not_a_key());
        }
        if self.open.len() >= self.limits.depth {
            return Err(Fault::new(Kind::Limit, format!("values are nested more than {} deep", self.limits.depth)));
        }
        let left = self.left;
        self.spend(1)?;
        self.open.push(OpenCollection { content, anchor, left });
        Ok(())
    }

    fn end(&mut self) -> Result<Option<Json>, Fault> {
        let Some(OpenCollection { content, anchor, left }) = self.open.pop() else { return Ok(None) };
        let value = match content {
            OpenContent::Sequence(items) => Json::Array(items),
            OpenContent::Mapping { mut members, merged, .. } => {
                for mapping in merged {
                    let Json::Object(others) = mapping else { continue };
                    for (name, value) in others {
                        members.entry(name).or_insert(value);
                    }
                }
                Json::Object(members)
            }
        };
        self.anchor(anchor, &value, left - self.left)?;
        Ok(self.add(value))
    }

    /// Keeps a value for aliases. The copy counts as much as the value.
    fn anchor(&mut self, anchor: usize, value: &Json, size: usize) -> Result<(), Fault> {
        if anchor > 0 {
            self.spend(size)?;
            self.anchors.insert(anchor, Anchored { value: value.clone(), size });
        }
        Ok(())
    }

    fn spend(&mut self, values: usize) -> Result<(), Fault> {
        self.left = self.left.checked_sub(values).ok_or_else(|| {
            let limit = self.limits.elements;
            Fault::new(Kind::Limit, format!("there are more than {limit} values, with those of aliases"))
        })?;
        Ok(())
    }

    /// Whether the next value is the key of a member.
    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some(OpenCollection { content: OpenContent::Mapping { key: None, .. }, .. }))
    }

    fn key(&mut self, name: String) {
        if let Some(OpenCollection { content: OpenContent::Mapping { key, .. }, .. }) = self.open.last_mut() {
            *key = Some(name);
        }
    }

    /// Adds a value to the collection around it. Returns the value if there is none, because it is the document.
    fn add(&mut self, value: Json) -> Option<Json> {
        let Some(around) = self.open.last_mut() else { return Some(value) };
        match &mut around.content {
            OpenContent::Sequence(items) => items.push(value),
            OpenContent::Mapping { members, key, merged } => match (key.take(), value) {
                (Some(name), Json::Array(all)) if name == MERGE => merged.extend(all),
                (Some(name), mapping @ Json::Object(_)) if name == MERGE => merged.push(mapping),
                (Some(name), value) => drop(members.insert(name, value)),
                (None, _) => {}
            },
        }
        None
    }
}

fn not_a_key() -> Fault {
    Fault::new(Kind::Structure, "the key of a member is not a text")
}

/// The value of a scalar: a text if it is quoted or tagged as one.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Json {
    // The tag `!` alone says that a scalar is a text.
    let is_bare = |tag: &Tag| tag.handle().len() + tag.suffix().len() == 1;
    let is_text = tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str") || is_bare(tag));
    if style != ScalarStyle::Plain || is_text {
        return text.into();
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Json::Null,
        "true" | "True" | "TRUE" => true.into(),
        "false" | "False" | "FALSE" => false.into(),
        _ => number(text).map_or_else(|| text.into(), Json::Number),
    }
}

/// The number that a plain scalar is, if it is one.
fn number(text: &str) -> Option<Number> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let radix = |prefix: &str, radix: u32| {
        text.strip_prefix(prefix).and_then(|digits| u64::from_str_radix(digits, radix).ok()).map(Number::from)
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        || !digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'))
    {
        return radix("0x", 16).or_else(|| radix("0o", 8));
    }
    let integer = text.parse::<i64>().map(Number::from).or_else(|_| text.parse::<u64>().map(Number::from));
    integer.ok().or_else(|| Number::from_f64(text.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(text: &str) -> Result<Json, Fault> {
        read(text, DocumentLimits { depth: 8, elements: 1000 })
    }

    #[test]
    fn scalars_are_those_of_the_core_schema() {
        for (text, value) in [
            ("no", json!("no")),
            ("y", json!("y")),
            ("N", json!("N")),
            ("true", json!(true)),
            ("FALSE", json!(false)),
            ("~", json!(null)),
            ("", json!(null)),
            ("2021-06-25", json!("2021-06-25")),
            ("12", json!(12)),
            ("+12", json!(12)),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            ("18446744073709551615", json!(u64::MAX)),
            ("-9223372036854776000", json!(-9_223_372_036_854_776_000_f64)),
            ("1.5e3", json!(1500.0)),
            (".5", json!(0.5)),
            ("1.2.3", json!("1.2.3")),
            ("1_000", json!("1_000")),
            ("1e", json!("1e")),
            (".inf", json!(".inf")),
            ("'12'", json!("12")),
            ("!!str 12", json!("12")),
            ("! 12", json!("12")),
            ("!other 12", json!(12)),
            ("\"\\ud83d\\ude00\"", json!("\u{1f600}")),
        ] {
            match parsed(&format!("a: {text}")) {
                Ok(read) => assert_eq!(read, json!({ "a": value }), "{text}"),
                // A reader may refuse halves of a character.
                Err(fault) => assert!(text.contains("\\ud83d"), "{text}: {fault}"),
            }
        }
    }

    #[test]
    fn keys_are_texts_and_the_last_of_several_counts() {
        let read = parsed("200: a\ntrue: b\nnull: c\n200: d\n? e\n: f\n").unwrap();
        assert_eq!(read, json!({ "200": "d", "true": "b", "null": "c", "e": "f" }));
        assert_eq!(parsed("? [a]\n: b").unwrap_err().kind, Kind::Structure);
    }

    #[test]
    fn aliases_and_merge_keys_are_followed() {
        let text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: {<<: [*a, {z: 4}]}\nd: &d e\nf: *d\n*d : g\n";
        let read = parsed(text).unwrap();
        assert_eq!(read["b"], json!({ "y": 3, "x": 1 }));
        assert_eq!(read["c"], json!({ "x": 1, "y": 2, "z": 4 }));
        assert_eq!((&read["f"], &read["e"]), (&json!("e"), &json!("g")));
        assert_eq!(parsed("a: &a [*a]").unwrap_err().kind, Kind::Structure);
    }

    #[test]
    fn aliases_cannot_stand_for_more_values_than_are_allowed() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let before = level - 1;
            bomb += &format!("a{level}: &a{level} [*a{before}, *a{before}, *a{before}, *a{before}, *a{before}]\n");
        }
        assert_eq!(parsed(&bomb).unwrap_err().kind, Kind::Limit);
        assert_eq!(parsed(&format!("{}{}", "[".repeat(9), "]".repeat(9))).unwrap_err().kind, Kind::Limit);
        assert_eq!(parsed(&format!("[{}]", "1,".repeat(1000))).unwrap_err().kind, Kind::Limit);
    }

    #[test]
    fn aliases_of_long_texts_count_by_their_length() {
        let text = format!("a: &a {}\nb: [{}]\n", "x".repeat(2 << 20), "*a, ".repeat(1000));
        assert_eq!(parsed(&text).unwrap_err().kind, Kind::Limit);
    }

    #[test]
    fn an_error_has_its_place() {
        let fault = parsed("a: b\nc: [d\n").unwrap_err();
        assert_eq!(fault.kind, Kind::NotWellFormed);
        assert!(fault.message.contains(':'), "{fault}");
        assert_eq!(parsed("").unwrap(), Json::Null);
        assert_eq!(parsed("--- a\n--- b\n").unwrap(), json!("a"));
    }
}
