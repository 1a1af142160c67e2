//! A schema of the plain subset.

use serde_json::{Map, Value};

/// 2^53: up to here JavaScript holds every integer exactly.
pub(super) const EXACT: u64 = 1 << 53;

/// A schema of the plain subset.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Plain {
    /// The types; none if any type is allowed.
    pub(super) types: Vec<&'static str>,
    /// The documentation.
    pub(super) doc: Option<String>,
    /// What has no keyword, in sentences.
    pub(super) sentences: Vec<String>,
    pub(super) format: Option<String>,
    /// The values that are allowed; `None` if others are.
    pub(super) values: Option<Vec<Value>>,
    pub(super) properties: Vec<(String, Plain)>,
    pub(super) required: Vec<String>,
    pub(super) items: Option<Box<Plain>>,
    /// The alternatives; none if there is no choice.
    pub(super) any_of: Vec<Plain>,
    /// Bounds and patterns.
    pub(super) bounds: Map<String, Value>,
    pub(super) default: Option<Value>,
}

impl Plain {
    /// A schema of these types.
    pub(super) fn of_types(types: Vec<&'static str>) -> Plain {
        Plain { types, ..Plain::default() }
    }

    /// Whether only objects are valid, and the keywords of the schema are those of an object.
    pub(super) fn is_object(&self) -> bool {
        self.types == ["object"] && self.any_of.is_empty() && self.values.is_none()
    }

    pub(super) fn is_null(&self) -> bool {
        self.types == ["null"]
    }

    /// Whether nothing but types is restricted.
    pub(super) fn has_only_types(&self) -> bool {
        self.has_no_structure() && self.values.is_none() && self.bounds.is_empty() && self.format.is_none()
    }

    /// Whether every value is valid.
    pub(super) fn is_any(&self) -> bool {
        self.types.is_empty() && self.has_only_types()
    }

    pub(super) fn has_no_structure(&self) -> bool {
        self.properties.is_empty() && self.required.is_empty() && self.items.is_none() && self.any_of.is_empty()
    }

    /// Adds null to what is valid.
    pub(super) fn allow_null(&mut self) {
        if !self.any_of.is_empty() {
            if !self.any_of.iter().any(Plain::is_null) {
                self.any_of.push(Plain::of_types(vec!["null"]));
            }
            return;
        }
        if !self.types.is_empty() && !self.types.contains(&"null") {
            self.types.push("null");
        }
        if let Some(values) = &mut self.values
            && !values.contains(&Value::Null)
        {
            values.push(Value::Null);
        }
    }

    /// Adds a sentence to the description.
    pub(super) fn add_sentence(&mut self, sentence: String) {
        if !self.sentences.contains(&sentence) {
            self.sentences.push(sentence);
        }
    }

    /// The schema as JSON, with its keywords in a fixed order.
    pub(super) fn to_value(&self) -> Value {
        let mut written = Map::new();
        let mut set = |keyword: &str, value: Value| drop(written.insert(keyword.to_owned(), value));
        match self.types.as_slice() {
            [] => {}
            [only] => set("type", (*only).into()),
            several => set("type", several.to_vec().into()),
        }
        if let Some(description) = self.description() {
            set("description", description.into());
        }
        if let Some(format) = &self.format {
            set("format", format.clone().into());
        }
        if let Some(values) = &self.values {
            set("enum", values.clone().into());
        }
        if !self.properties.is_empty() {
            let members = self.properties.iter().map(|(name, plain)| (name.clone(), plain.to_value()));
            set("properties", members.collect::<Map<_, _>>().into());
        }
        if !self.required.is_empty() {
            set("required", self.required.clone().into());
        }
        if let Some(items) = &self.items {
            set("items", items.to_value());
        } else if self.types.contains(&"array") {
            set("items", Map::new().into());
        }
        if !self.any_of.is_empty() {
            set("anyOf", self.any_of.iter().map(Plain::to_value).collect());
        }
        if let Some(default) = self.default.as_ref().filter(|default| self.allows(default)) {
            set("default", default.clone());
        }
        written.extend(self.bounds.clone());
        Value::Object(written)
    }

    /// The documentation and the sentences.
    fn description(&self) -> Option<String> {
        let mut text = self.doc.clone().unwrap_or_default();
        let in_words = self.default.as_ref().filter(|default| !default.is_null() && !self.allows(default));
        let default = in_words.map(|default| format!("Default: {default}."));
        for sentence in self.sentences.iter().chain(&default) {
            if text.ends_with(|c: char| c.is_alphanumeric() || c == '`') {
                text.push('.');
            }
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(sentence);
        }
        (!text.is_empty()).then_some(text)
    }

    /// Whether a value is of one of the types and among the listed values, and JavaScript does not round it.
    fn allows(&self, value: &Value) -> bool {
        let own = type_of(value);
        let is_type = |word: &&str| *word == own || *word == "number" && own == "integer";
        (self.types.is_empty() || self.types.iter().any(is_type))
            && self.values.as_ref().is_none_or(|values| values.contains(value))
            && (!value.is_number() || is_exact(value))
    }
}

/// The type of a value.
pub(super) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(number) if number.as_f64().is_some_and(|number| number.fract() == 0.0) => "integer",
        Value::Number(_) => "number",
    }
}

/// Whether JavaScript does not round a number.
pub(super) fn is_exact(number: &Value) -> bool {
    match (number.as_i64(), number.as_u64()) {
        (Some(whole), _) => whole.unsigned_abs() <= EXACT,
        (None, Some(_)) => false,
        (None, None) => number.as_f64().is_some_and(f64::is_finite),
    }
}

/// A text that values have in common if JSON Schema takes them for the same, such as 1 and 1.0.
pub(super) fn canonical(value: &Value) -> String {
    match value.as_f64() {
        Some(number) => format!("{number:?}"),
        None => value.to_string(),
    }
}
