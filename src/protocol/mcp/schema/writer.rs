//! Writes schemas of the plain subset.

use std::collections::HashSet;
use std::mem;

use serde_json::{Map, Value};

use super::budget::Budget;
use super::doc;
use super::intersection::{annotated, intersect_each, intersection};
use super::plain::{EXACT, Plain, canonical, is_exact, type_of};
use crate::model::text::excerpt;

/// How deep schemas are read, references included.
const DEEPEST: usize = 40;
/// How many levels of a type that contains itself are written.
const RECURSION: usize = 3;
/// The bytes that are counted for a schema in addition to its texts: braces, types, `items`, and [`INCOMPLETE`].
const NODE: usize = 128;
/// The bytes that are counted for a keyword in addition to its value, or for a sentence.
const KEYWORD: usize = 24;
/// The longest default value or pattern, in bytes.
const MAX_COPIED: usize = 1000;
/// The longest example, in bytes.
const MAX_EXAMPLE: usize = 100;
/// The sentence in the description of a schema that is not written as a whole.
const INCOMPLETE: &str = "Not shown in full.";

/// The words of `type`.
const TYPES: [&str; 7] = ["string", "number", "integer", "boolean", "array", "object", "null"];
/// The formats that all clients know.
const FORMATS: [&str; 9] = ["date-time", "date", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"];
/// The formats of which the type, or a bound, says all.
const NUMERIC_FORMATS: [&str; 11] =
    ["float", "double", "int", "uint", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"];
/// The keywords whose value is a count.
const COUNTS: [&str; 6] = ["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"];

/// How much is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The number of bytes that may be written, and converted for that.
    pub(super) work: usize,
    /// How many references inside of each other are followed.
    pub(super) references: usize,
    /// The longest documentation of a schema, in characters.
    pub(super) doc: usize,
}

/// Whether values go to the method or come from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// Arguments: the schema helps to write them.
    Input,
    /// Results: clients refuse a result for anything that its schema promises and that is not true. Formats and patterns,
    /// which libraries read differently, are in the description only.
    Output,
}

/// Writes the schemas of one tool.
pub(super) struct Writer<'d> {
    defs: &'d Map<String, Value>,
    direction: Direction,
    limits: Limits,
    budget: Budget,
    /// The definitions that enclose the schema that is written.
    open: Vec<&'d str>,
    depth: usize,
}

impl<'d> Writer<'d> {
    pub(super) fn new(defs: &'d Map<String, Value>, direction: Direction, limits: Limits) -> Writer<'d> {
        Writer { defs, direction, limits, budget: Budget::new(limits.work), open: Vec::new(), depth: 0 }
    }

    /// Whether something has been left out because it would have been too long.
    pub(super) fn is_exhausted(&self) -> bool {
        self.budget.is_exhausted()
    }

    /// Counts members with an empty schema each. Returns for how many there is room.
    pub(super) fn reserve<'n>(&mut self, mut names: impl Iterator<Item = &'n str>) -> usize {
        let mut count = 0;
        // The name of a required member is written a second time.
        while names.next().is_some_and(|name| self.budget.spend(NODE + 2 * length(name))) {
            count += 1;
        }
        count
    }

    /// The documentation of a schema, shortened to the limit; `None` if it is empty or there is no room for it.
    pub(super) fn doc(&mut self, text: &str) -> Option<String> {
        let text = excerpt(text, self.limits.doc);
        (!text.is_empty() && self.budget.spend(KEYWORD + length(&text))).then_some(text)
    }

    /// A schema in the plain subset. The caller has counted [`NODE`] for it.
    pub(super) fn schema(&mut self, source: &'d Value) -> Plain {
        let Value::Object(source) = source else {
            let mut plain = Plain::default();
            if source == &Value::Bool(false) {
                plain.add_sentence("No value is allowed.".to_owned());
            }
            return plain;
        };
        if self.depth >= DEEPEST {
            return incomplete(source);
        }
        self.depth += 1;
        let written = self.keywords(source);
        self.depth -= 1;
        written
    }

    fn keywords(&mut self, source: &'d Map<String, Value>) -> Plain {
        let mut written = self.own_keywords(source);
        if let Some(target) = source.get("$ref") {
            let target = self.reference(target);
            written = intersection(written, target, &mut self.budget);
        }
        for part in list(source, "allOf") {
            if !self.budget.spend(NODE) {
                written.add_sentence(INCOMPLETE.to_owned());
                break;
            }
            let part = self.schema(part);
            written = intersection(written, part, &mut self.budget);
        }
        for keyword in ["anyOf", "oneOf"] {
            let alternatives = list(source, keyword);
            if !alternatives.is_empty() {
                written = self.choice(written, alternatives);
            }
        }
        written
    }

    fn reference(&mut self, target: &Value) -> Plain {
        let name = target.as_str().and_then(|target| target.strip_prefix("#/$defs/"));
        let name = name.filter(|name| name.len() <= MAX_COPIED).map(|name| name.replace("~1", "/").replace("~0", "~"));
        let Some((name, definition)) = name.and_then(|name| self.defs.get_key_value(&name)) else {
            return Plain::default();
        };
        let levels = self.open.iter().filter(|open| *open == name).count();
        if levels >= RECURSION || self.open.len() >= self.limits.references || !self.budget.spend(NODE) {
            return definition.as_object().map(incomplete).unwrap_or_default();
        }
        self.open.push(name);
        let written = self.schema(definition);
        self.open.pop();
        written
    }

    /// The keywords that neither refer to other schemas nor combine them.
    fn own_keywords(&mut self, source: &'d Map<String, Value>) -> Plain {
        let mut written = Plain::of_types(types(source));
        let text = |keyword| source.get(keyword).and_then(Value::as_str).filter(|text| !text.is_empty());
        if let Some(text) = text("description").or_else(|| text("title")) {
            written.doc = self.doc(text);
        }
        self.values(&mut written, source);
        self.members(&mut written, source);
        self.items(&mut written, source);
        self.bounds(&mut written, source);
        self.annotations(&mut written, source);
        written
    }

    fn annotations(&mut self, written: &mut Plain, source: &'d Map<String, Value>) {
        if source.get("deprecated") == Some(&Value::Bool(true)) {
            self.add_sentence(written, "Deprecated.".to_owned());
        }
        match source.get("contentEncoding").and_then(Value::as_str) {
            Some("base64") => self.add_sentence(written, "Bytes in base64.".to_owned()),
            Some("base16") => self.add_sentence(written, "Bytes in hexadecimal.".to_owned()),
            Some(other) => self.add_sentence(written, format!("Encoded as {}.", excerpt(other, 80))),
            None => {}
        }
        if self.direction == Direction::Output {
            return;
        }
        if let Some(default) = source.get("default").filter(|default| !default.is_null()) {
            match self.copy(default) {
                Some(default) => written.default = Some(default),
                None => self.add_sentence(written, "Has a default value.".to_owned()),
            }
        }
        if let Some(example) = list(source, "examples").first()
            && size_within(example, MAX_EXAMPLE).is_some()
        {
            self.add_sentence(written, format!("Example: {example}."));
        }
    }

    /// A copy of a value, unless it is too long.
    fn copy(&mut self, value: &Value) -> Option<Value> {
        let size = size_within(value, MAX_COPIED)?;
        self.budget.spend(KEYWORD + size).then(|| value.clone())
    }

    /// Adds a sentence to the description.
    pub(super) fn add_sentence(&mut self, written: &mut Plain, sentence: String) {
        if self.budget.spend(KEYWORD + length(&sentence)) {
            written.add_sentence(sentence);
        }
    }

    fn values(&mut self, written: &mut Plain, source: &'d Map<String, Value>) {
        let listed = match (source.get("const"), source.get("enum")) {
            (Some(only), _) => std::slice::from_ref(only),
            (None, Some(Value::Array(values))) => values.as_slice(),
            _ => return,
        };
        if listed.is_empty() {
            return;
        }
        let mut seen = HashSet::new();
        let mut distinct = Vec::new();
        for value in listed {
            let text = canonical(value);
            if !self.budget.spend(text.len() + 4) {
                self.add_sentence(written, format!("One of {} values, which are not listed.", listed.len()));
                return;
            }
            if seen.insert(text) {
                distinct.push(value.clone());
            }
        }
        if written.types.is_empty() {
            for value in &distinct {
                let word = type_of(value);
                if !written.types.contains(&word) {
                    written.types.push(word);
                }
            }
            if written.types.contains(&"number") {
                written.types.retain(|word| *word != "integer");
            }
        }
        written.values = Some(distinct);
    }

    fn members(&mut self, written: &mut Plain, source: &'d Map<String, Value>) {
        let properties = source.get("properties").and_then(Value::as_object);
        let shown = properties.map_or(0, |properties| self.reserve(properties.keys().map(String::as_str)));
        if properties.is_some_and(|properties| shown < properties.len()) {
            written.add_sentence(INCOMPLETE.to_owned());
        }
        for (name, schema) in properties.into_iter().flatten().take(shown) {
            let schema = self.schema(schema);
            written.properties.push((name.clone(), schema));
        }
        self.required(written, source);
        self.further_members(written, source);
    }

    /// The names of required members. Some clients refuse the name of a member that is not described.
    fn required(&mut self, written: &mut Plain, source: &Map<String, Value>) {
        let mut known: HashSet<String> = written.properties.iter().map(|(name, _)| name.clone()).collect();
        let mut seen = HashSet::new();
        for name in list(source, "required").iter().filter_map(Value::as_str) {
            if !self.budget.spend(length(name)) {
                break;
            }
            if known.insert(name.to_owned()) {
                if self.reserve(std::iter::once(name)) == 0 {
                    break;
                }
                written.properties.push((name.to_owned(), Plain::default()));
            }
            if seen.insert(name) {
                written.required.push(name.to_owned());
            }
        }
    }

    /// Describes in sentences the members that have no names of their own: `patternProperties` and `additionalProperties`.
    fn further_members(&mut self, written: &mut Plain, source: &'d Map<String, Value>) {
        let patterns = source.get("patternProperties").and_then(Value::as_object);
        if let Some((pattern, schema)) = patterns.and_then(|patterns| patterns.iter().next())
            && pattern.len() <= MAX_COPIED
            && self.budget.spend(NODE)
        {
            let value = doc::brief(&self.schema(schema));
            self.add_sentence(
                written,
                format!("Members with names that match `{pattern}`; the value of each: {value}."),
            );
        }
        match source.get("additionalProperties") {
            Some(schema @ Value::Object(keywords)) if !keywords.is_empty() && self.budget.spend(NODE) => {
                let value = doc::brief(&self.schema(schema));
                let further = if written.properties.is_empty() { "Members" } else { "Further members" };
                self.add_sentence(written, format!("{further} may have any name; the value of each: {value}."));
            }
            _ => {}
        }
    }

    fn items(&mut self, written: &mut Plain, source: &'d Map<String, Value>) {
        let further = source.get("items");
        let fixed = list(source, "prefixItems");
        if fixed.is_empty() {
            match further {
                Some(schema @ Value::Object(_)) if self.budget.spend(NODE) => {
                    written.items = Some(Box::new(self.schema(schema)))
                }
                Some(Value::Bool(false)) => drop(written.bounds.insert("maxItems".to_owned(), 0.into())),
                _ => {}
            }
            return;
        }
        let mut items = Vec::new();
        for item in fixed {
            if !self.budget.spend(NODE) {
                written.add_sentence(INCOMPLETE.to_owned());
                return;
            }
            let name = item.get("title").and_then(Value::as_str).unwrap_or_default();
            let mut item = self.schema(item);
            item.doc = item.doc.filter(|doc| doc != name);
            items.push((excerpt(name, 80), item));
        }
        self.add_sentence(written, doc::tuple(&items));
        let mut alternatives: Vec<Plain> = items.into_iter().map(|(_, item)| Plain { doc: None, ..item }).collect();
        let is_at_most = source.get("maxItems").and_then(Value::as_u64).is_some_and(|most| most <= fixed.len() as u64);
        match further {
            Some(Value::Bool(false)) => {
                written.bounds.insert("maxItems".to_owned(), fixed.len().into());
            }
            _ if is_at_most => {}
            Some(schema) if self.budget.spend(NODE) => alternatives.push(self.schema(schema)),
            _ => return,
        }
        written.items = Some(Box::new(self.one_of(Plain::default(), alternatives)));
    }

    /// A schema with alternatives.
    fn choice(&mut self, mut own: Plain, alternatives: &'d [Value]) -> Plain {
        let mut plain = Vec::new();
        for alternative in alternatives {
            if !self.budget.spend(NODE) {
                // Without some of its alternatives, the schema would not allow what is valid.
                own.add_sentence(INCOMPLETE.to_owned());
                return own;
            }
            plain.push(self.schema(alternative));
        }
        if let Some(restriction) = only_restrictions(&own, &plain) {
            if let Some(sentence) = restriction {
                self.add_sentence(&mut own, sentence);
            }
            return own;
        }
        self.one_of(own, plain)
    }

    /// A schema of which one of several others holds as well.
    fn one_of(&mut self, own: Plain, alternatives: Vec<Plain>) -> Plain {
        let mut is_nullable = false;
        let mut distinct: Vec<Plain> = Vec::new();
        for mut alternative in alternatives {
            let is_choice =
                !alternative.any_of.is_empty() && alternative.doc.is_none() && alternative.sentences.is_empty();
            let inner = if is_choice { mem::take(&mut alternative.any_of) } else { vec![alternative] };
            for plain in inner {
                if plain.is_any() {
                    return own;
                }
                if plain.is_null() {
                    is_nullable = true;
                } else if !distinct.contains(&plain) {
                    distinct.push(plain);
                }
            }
        }
        if distinct.is_empty() {
            return intersection(own, Plain::of_types(vec!["null"]), &mut self.budget);
        }
        if let Some(merged) = self.merged(&distinct) {
            distinct = vec![merged];
        }
        let annotations = Plain {
            doc: own.doc.clone(),
            sentences: own.sentences.clone(),
            default: own.default.clone(),
            ..Plain::default()
        };
        let restrictions = Plain { doc: None, sentences: Vec::new(), default: None, ..own };
        // Null is an alternative, which the schema beside the choice has to allow, too.
        is_nullable &= restrictions.types.is_empty() || restrictions.types.contains(&"null");
        let any_of = intersect_each(restrictions, distinct, &mut self.budget);
        let mut written = annotated(any_of, annotations);
        if is_nullable {
            written.allow_null();
        }
        written
    }

    /// Alternatives that can be one schema: lists of values, or types.
    fn merged(&mut self, alternatives: &[Plain]) -> Option<Plain> {
        if alternatives.len() < 2 {
            return None;
        }
        let types = || {
            let mut types = Vec::new();
            for word in alternatives.iter().flat_map(|plain| &plain.types) {
                if !types.contains(word) {
                    types.push(*word);
                }
            }
            types
        };
        let has_no_text = |plain: &Plain| plain.doc.is_none() && plain.sentences.is_empty();
        if alternatives.iter().all(|plain| plain.has_only_types() && has_no_text(plain)) {
            return Some(Plain::of_types(types()));
        }
        let has_only_values =
            |plain: &Plain| plain.values.is_some() && plain.has_no_structure() && plain.bounds.is_empty();
        if !alternatives.iter().all(has_only_values) {
            return None;
        }
        let mut merged = Plain::of_types(types());
        let mut seen = HashSet::new();
        let values = alternatives.iter().flat_map(|plain| plain.values.iter().flatten());
        merged.values = Some(values.filter(|value| seen.insert(canonical(value))).cloned().collect());
        for plain in alternatives {
            if let Some(text) = plain.doc.as_ref().filter(|_| plain.values.as_ref().is_some_and(|it| it.len() == 1)) {
                let sentence = format!("{}: {}.", doc::brief(plain), text.trim_end_matches('.'));
                self.add_sentence(&mut merged, sentence);
            }
            plain.sentences.iter().for_each(|sentence| merged.add_sentence(sentence.clone()));
        }
        Some(merged)
    }

    fn bounds(&mut self, written: &mut Plain, source: &'d Map<String, Value>) {
        self.number_bounds(written, source);
        for keyword in COUNTS {
            if let Some(count) = source.get(keyword).and_then(count).filter(|_| self.budget.spend(KEYWORD + 16)) {
                written.bounds.entry(keyword).or_insert_with(|| count.into());
            }
        }
        if source.get("uniqueItems") == Some(&Value::Bool(true)) && self.budget.spend(KEYWORD) {
            written.bounds.insert("uniqueItems".to_owned(), true.into());
        }
        if let Some(factor) =
            source.get("multipleOf").filter(|it| it.as_f64().is_some_and(|it| it > 0.0) && is_exact(it))
        {
            written.bounds.extend(self.copy(factor).map(|factor| ("multipleOf".to_owned(), factor)));
        }
        let text = |keyword| source.get(keyword).and_then(Value::as_str).filter(|text| text.len() <= MAX_COPIED);
        match (text("format"), self.direction) {
            (None, _) => {}
            (Some(format), _) if NUMERIC_FORMATS.contains(&format) || format == "uint64" => {}
            (Some("date-time"), Direction::Output) => {
                self.add_sentence(written, "A date and time (ISO 8601).".to_owned())
            }
            (Some(format), Direction::Input) if FORMATS.contains(&format) => {
                if self.budget.spend(KEYWORD + length(format)) {
                    written.format = Some(format.to_owned());
                }
            }
            (Some(format), _) => self.add_sentence(written, format!("Format: {}.", excerpt(format, 80))),
        }
        match (text("pattern"), self.direction) {
            (Some(pattern), Direction::Input) if self.budget.spend(KEYWORD + length(pattern)) => {
                written.bounds.insert("pattern".to_owned(), pattern.into());
            }
            _ => {}
        }
    }

    /// The bounds of a number. Those beyond 2^53 are sentences of the description.
    fn number_bounds(&mut self, written: &mut Plain, source: &Map<String, Value>) {
        let is_whole = written.types.contains(&"integer") && !written.types.contains(&"number");
        let format = source.get("format").and_then(Value::as_str).filter(|_| is_whole);
        let of_format = format.and_then(format_bounds);
        let sides = [
            ("minimum", "exclusiveMinimum", "At least", 1, of_format.map(|(least, _)| least)),
            ("maximum", "exclusiveMaximum", "At most", -1, of_format.map(|(_, most)| most)),
        ];
        for (keyword, exclusive, words, step, implied) in sides {
            let given = source.get(keyword).filter(|bound| bound.is_number());
            let beyond = source.get(exclusive).filter(|bound| bound.is_number());
            if !is_whole || [given, beyond].into_iter().flatten().any(|bound| whole(bound).is_none()) {
                for (keyword, bound) in [(keyword, given), (exclusive, beyond)] {
                    self.bound(written, keyword, bound);
                }
                continue;
            }
            let candidates =
                [given.and_then(whole), beyond.and_then(whole).and_then(|bound| bound.checked_add(step)), implied];
            let candidates = candidates.into_iter().flatten();
            let Some(bound) = (if step > 0 { candidates.max() } else { candidates.min() }) else { continue };
            match i64::try_from(bound).ok().filter(|bound| bound.unsigned_abs() <= EXACT) {
                Some(bound) => self.bound(written, keyword, Some(&bound.into())),
                None => self.add_sentence(written, format!("{words} {bound}.")),
            }
        }
    }

    fn bound(&mut self, written: &mut Plain, keyword: &str, bound: Option<&Value>) {
        let Some(bound) = bound else { return };
        if !is_exact(bound) {
            let words = match keyword {
                "minimum" => "At least",
                "maximum" => "At most",
                "exclusiveMinimum" => "More than",
                _ => "Less than",
            };
            self.add_sentence(written, format!("{words} {bound}."));
        } else if self.budget.spend(KEYWORD + 24) {
            written.bounds.insert(keyword.to_owned(), bound.clone());
        }
    }
}

/// What is written of a schema for which there is no room: its type.
fn incomplete(source: &Map<String, Value>) -> Plain {
    let mut plain = Plain::of_types(types(source));
    plain.add_sentence(INCOMPLETE.to_owned());
    plain
}

/// The types of a schema that says them, or has keywords of one type only.
fn types(source: &Map<String, Value>) -> Vec<&'static str> {
    let known = |word: &Value| TYPES.iter().find(|known| *word == **known).copied();
    let mut types = Vec::new();
    match source.get("type") {
        Some(Value::Array(words)) => {
            for word in words.iter().take(TYPES.len()).filter_map(known) {
                if !types.contains(&word) {
                    types.push(word);
                }
            }
        }
        Some(word) => types.extend(known(word)),
        None if source.contains_key("properties") => types.push("object"),
        None if source.contains_key("prefixItems") => types.push("array"),
        None => {}
    }
    types
}

/// Whether alternatives say only which members of a record go together, as those of a choice between elements do, and the sentence
/// for that, if there is one.
fn only_restrictions(own: &Plain, alternatives: &[Plain]) -> Option<Option<String>> {
    if own.properties.is_empty() {
        return None;
    }
    let names: HashSet<&str> = own.properties.iter().map(|(name, _)| name.as_str()).collect();
    let restricts = |plain: &Plain| {
        (plain.types.is_empty() || plain.types == ["object"])
            && plain.values.is_none()
            && plain.items.is_none()
            && plain.properties.iter().all(|(name, _)| names.contains(name.as_str()))
            && plain.any_of.iter().all(|inner| inner.properties.iter().all(|(name, _)| names.contains(name.as_str())))
    };
    alternatives.iter().all(restricts).then(|| doc::groups(alternatives))
}

/// The integers of a format.
fn format_bounds(format: &str) -> Option<(i128, i128)> {
    Some(match format {
        "int8" => (i8::MIN.into(), i8::MAX.into()),
        "int16" => (i16::MIN.into(), i16::MAX.into()),
        "int32" => (i32::MIN.into(), i32::MAX.into()),
        "uint8" => (0, u8::MAX.into()),
        "uint16" => (0, u16::MAX.into()),
        "uint32" => (0, u32::MAX.into()),
        _ => return None,
    })
}

/// A whole number.
fn whole(value: &Value) -> Option<i128> {
    match (value.as_i64(), value.as_u64(), value.as_f64()) {
        (Some(number), _, _) => Some(number.into()),
        (None, Some(number), _) => Some(number.into()),
        (None, None, Some(number)) if number.fract() == 0.0 => format!("{number:.0}").parse().ok(),
        _ => None,
    }
}

fn count(value: &Value) -> Option<u64> {
    whole(value).and_then(|count| u64::try_from(count).ok()).filter(|count| *count <= EXACT)
}

/// The items of a list in a schema.
fn list<'s>(source: &'s Map<String, Value>, keyword: &str) -> &'s [Value] {
    source.get(keyword).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The number of bytes that a text has in JSON.
fn length(text: &str) -> usize {
    let bytes = |c: char| match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        c if c < ' ' => 6,
        c => c.len_utf8(),
    };
    4 + text.chars().map(bytes).sum::<usize>()
}

/// The number of bytes that a value has in JSON; `None` if there are more than `most`.
fn size_within(value: &Value, most: usize) -> Option<usize> {
    let left = match value {
        Value::Array(items) => items.iter().try_fold(most, |left, item| left.checked_sub(1 + size_within(item, left)?)),
        Value::Object(members) => members.iter().try_fold(most, |left, (name, member)| {
            left.checked_sub(length(name))?.checked_sub(1 + size_within(member, left)?)
        }),
        Value::String(text) if text.len() > most => None,
        Value::String(text) => most.checked_sub(length(text)),
        other => most.checked_sub(other.to_string().len()),
    };
    Some(most - left?.checked_sub(2)?)
}
