//! Checks a parsed table against its schema: reports every problem, and removes what is wrong.

use std::fmt::Display;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeInteger, DeTable, DeValue};

use super::problem::Problem;
use super::schema::SchemaNode;
use super::variables::{Environment, typed, variable};
use super::wording;
use crate::http::cors::{CorsHeader, HEADER, ORIGIN, Origin};
use crate::http::public_url::{BASE_URL, BaseUrl, HOST, HostPattern};
use crate::model::network::{NETWORK, Network};
use crate::model::option_error::Key;
use crate::model::text::{abridge, nearest};
use crate::model::units::{PERIOD, Period, SIZE, Size};
use crate::server::settings::{ADDRESS, ListenAddress, SocketMode};
use crate::server::socket_access::MODE;
use crate::service::caller_key::{CALLER_KEY, CallerKey};
use crate::service::quota::{CALL_QUOTA, CallQuota};
use crate::service::rate::{CALL_RATE, CallRate};

/// A check in progress: the path of the current value, and the problems found.
///
/// Values with problems are removed, so that the rest can be read and checked further.
#[derive(Debug)]
pub(super) struct Check<'t> {
    path: Vec<Key>,
    environment: &'t Environment,
    /// The problems found.
    pub(super) problems: Vec<Problem>,
}

impl<'t> Check<'t> {
    /// A check that begins at a value inside the file, or at the file itself if the path is empty.
    pub(super) fn starting_at(path: impl IntoIterator<Item = Key>, environment: &'t Environment) -> Check<'t> {
        Check { path: path.into_iter().collect(), environment, problems: Vec::new() }
    }

    /// Checks a value. Returns whether what is left of it can be read by the type of its schema.
    pub(super) fn value(&mut self, value: &mut Spanned<DeValue<'t>>, node: SchemaNode<'_>) -> bool {
        if node.is_any() {
            return true;
        }
        let span = value.span();
        if let Some(name) = variable(value.get_ref(), node) {
            match self.value_of(name, node, span.clone()) {
                Ok(read) => *value = Spanned::new(span.clone(), read),
                Err(problem) => {
                    self.problems.push(problem);
                    return false;
                }
            }
        }
        if let Some(expected) =
            node.types().filter(|expected| !expected.iter().any(|name| has_type(name, value.get_ref())))
        {
            let hint = wording::type_hint(&expected, node, value.get_ref());
            let message = format!(
                "{} should be {}, not {}",
                self.current(),
                wording::expected(&expected, node),
                wording::type_of(value.get_ref())
            );
            return self.wrong(span, message, hint);
        }
        if let (Some(words), DeValue::String(word)) = (node.words(), value.get_ref()) {
            return self.word(word, span, &words);
        }
        let alternatives = node.alternatives();
        if !alternatives.is_empty() && node.get("properties").is_none() {
            return self.alternative(value, alternatives);
        }
        match value.get_mut() {
            DeValue::Table(table) => self.table(table, span, node),
            DeValue::Array(array) => self.array(array, span, node),
            DeValue::Integer(integer) => self.integer(integer, span, node),
            DeValue::String(text) => self.text(text, span, node),
            _ => true,
        }
    }

    /// The value of an environment variable, in the type that is expected.
    fn value_of(&self, name: &str, node: SchemaNode<'_>, span: Range<usize>) -> Result<DeValue<'t>, Problem> {
        let text = self.environment.value(name, &self.current(), span.clone())?;
        let types = node.types().unwrap_or_default();
        typed(text, &types).ok_or_else(|| {
            let expected = wording::expected(&types, node);
            let name = abridge(name);
            let message =
                format!("{} should be {expected}, but the environment variable `{name}` is not", self.current());
            Problem::at(span, message)
        })
    }

    /// Checks a table, which begins at `span`. Returns whether what is left of it can be read.
    pub(super) fn table(&mut self, table: &mut DeTable<'t>, span: Range<usize>, node: SchemaNode<'_>) -> bool {
        let required = node.required();
        let mut missing = required.clone();
        missing.retain(|key| !table.contains_key(*key));
        let mut readable = missing.is_empty();
        for (key, mut value) in std::mem::take(table) {
            let name = key.get_ref().as_ref();
            let Some(inner) = node.property(name) else {
                let meant = self.unknown(name, key.span(), node);
                missing.retain(|key| Some(*key) != meant);
                continue;
            };
            self.path.push(Key::from(name));
            let kept = self.value(&mut value, inner);
            self.path.pop();
            readable &= kept || !required.contains(&name);
            if kept {
                table.insert(key, value);
            }
        }
        for key in missing {
            self.wrong(span.clone(), format!("`{key}` is missing{}", self.in_table()), None);
        }
        readable
    }

    /// Reports an unknown key. Returns the known key that was probably meant.
    fn unknown<'s>(&mut self, key: &str, span: Range<usize>, node: SchemaNode<'s>) -> Option<&'s str> {
        let known: Vec<&str> = node.properties().into_iter().map(|(key, _)| key).collect();
        let meant = nearest(key, known.iter().copied());
        let hint = match meant {
            Some(meant) => Some(format!("did you mean `{meant}`?")),
            None => wording::unknown_key(key, node, &known),
        };
        self.wrong(span, format!("unknown key `{}`{}", abridge(key), self.in_table()), hint);
        meant
    }

    fn array(&mut self, array: &mut DeArray<'t>, span: Range<usize>, node: SchemaNode<'_>) -> bool {
        let (least, most) = (node.number("minItems").unwrap_or(0), node.number("maxItems").unwrap_or(i128::MAX));
        let length = i128::try_from(array.len()).unwrap_or(i128::MAX);
        let mut readable = (least..=most).contains(&length);
        if length < least {
            self.wrong(span, format!("{} has {}, but needs at least {least}", self.current(), items(length)), None);
        } else if length > most {
            self.wrong(span, format!("{} has {}, but may have at most {most}", self.current(), items(length)), None);
        }
        for (index, mut item) in std::mem::replace(array, DeArray::new()).into_iter().enumerate() {
            if let Some(inner) = node.item(index) {
                self.path.push(Key::Index(index));
                let absent = self.absent(&item, inner);
                let is_absent = absent.is_some();
                self.problems.extend(absent);
                readable &= is_absent || self.value(&mut item, inner);
                self.path.pop();
                if is_absent {
                    continue;
                }
            }
            array.push(item);
        }
        readable
    }

    /// The problem that an item of an array is a variable that is not set. The others are read without it.
    fn absent(&self, item: &Spanned<DeValue<'_>>, node: SchemaNode<'_>) -> Option<Problem> {
        let name = variable(item.get_ref(), node)?;
        self.environment.value(name, &self.current(), item.span()).err()
    }

    /// Checks a value against several schemas, and keeps the result with the fewest problems.
    fn alternative(&mut self, value: &mut Spanned<DeValue<'t>>, alternatives: Vec<SchemaNode<'_>>) -> bool {
        let typed = |node: &SchemaNode<'_>| {
            node.types().is_none_or(|types| types.iter().any(|name| has_type(name, value.get_ref())))
        };
        let candidates: Vec<_> = alternatives.into_iter().filter(typed).collect();
        let tries = candidates.into_iter().map(|node| {
            let mut tried = value.clone();
            let mut check = Check { path: self.path.clone(), problems: Vec::new(), ..*self };
            let readable = check.value(&mut tried, node);
            (check.problems, tried, readable)
        });
        let Some((problems, tried, readable)) = tries.min_by_key(|(problems, ..)| problems.len()) else { return true };
        *value = tried;
        self.problems.extend(problems);
        readable
    }

    fn word(&mut self, word: &str, span: Range<usize>, words: &[&str]) -> bool {
        if words.contains(&word) {
            return true;
        }
        let hint = match nearest(word, words.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("it is {}", wording::either(words)),
        };
        self.wrong(span, format!("{} cannot be `{}`", self.current(), abridge(word)), Some(hint))
    }

    fn integer(&mut self, integer: &DeInteger<'_>, span: Range<usize>, node: SchemaNode<'_>) -> bool {
        let Ok(amount) = i128::from_str_radix(integer.as_str(), integer.radix()) else {
            return self.wrong(span, format!("{} is out of range", self.current()), None);
        };
        match node.text("format") {
            Some(SIZE) => self.bounded(span, node, amount, &size(amount), size),
            _ => self.bounded(span, node, amount, &integer.to_string(), |bound| bound.to_string()),
        }
    }

    fn text(&mut self, text: &str, span: Range<usize>, node: SchemaNode<'_>) -> bool {
        match node.text("format") {
            Some(SIZE) => match text.parse::<Size>() {
                Ok(Size(bytes)) => self.bounded(span, node, i128::try_from(bytes).unwrap_or(i128::MAX), text, size),
                Err(hint) => self.unreadable(text, span, "size", &hint),
            },
            Some(PERIOD) => match text.parse::<Period>() {
                Ok(Period(time)) => {
                    // Part of a millisecond counts as a whole one, so that it is not 0.
                    let millis = i128::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(i128::MAX);
                    self.bounded(span, node, millis, text, period)
                }
                Err(hint) => self.unreadable(text, span, "time", &hint),
            },
            Some(ADDRESS) => match text.parse::<ListenAddress>() {
                Ok(_) => true,
                Err(hint) => self.unreadable(text, span, "address", &hint),
            },
            Some(MODE) => match text.parse::<SocketMode>() {
                Ok(_) => true,
                Err(hint) => self.unreadable(text, span, "mode", &hint),
            },
            Some(BASE_URL) => match text.parse::<BaseUrl>() {
                Ok(_) => true,
                Err(hint) => self.unreadable(text, span, "http or https URL", &hint),
            },
            Some(HOST) => match text.parse::<HostPattern>() {
                Ok(_) => true,
                Err(hint) => self.unreadable(text, span, "host name", &hint),
            },
            Some(ORIGIN) => match text.parse::<Origin>() {
                Ok(_) => true,
                Err(hint) => self.unreadable(text, span, "origin", &hint),
            },
            Some(HEADER) => match text.parse::<CorsHeader>() {
                Ok(_) => true,
                Err(hint) => self.unreadable(text, span, "name of a header", &hint),
            },
            Some(NETWORK) => match text.parse::<Network>() {
                Ok(_) => true,
                Err(hint) => self.unreadable(text, span, "address", &hint),
            },
            Some(CALL_RATE) => match text.parse::<CallRate>() {
                Ok(_) => true,
                Err(hint) => self.unreadable(text, span, "rate", &hint),
            },
            Some(CALL_QUOTA) => match text.parse::<CallQuota>() {
                Ok(_) => true,
                Err(hint) => self.unreadable(text, span, "quota", &hint),
            },
            Some(CALLER_KEY) => match text.parse::<CallerKey>() {
                Ok(_) => true,
                Err(hint) => self.unreadable(text, span, "value", &hint),
            },
            _ => true,
        }
    }

    fn unreadable(&mut self, text: &str, span: Range<usize>, kind: &str, hint: &impl Display) -> bool {
        let is = if text.is_empty() { "empty".to_owned() } else { format!("`{}`", abridge(text)) };
        self.wrong(span, format!("{} is {is}, which is not a valid {kind}", self.current()), Some(hint.to_string()))
    }

    /// Checks an amount against the bounds of its schema and of its type.
    fn bounded(
        &mut self,
        span: Range<usize>,
        node: SchemaNode<'_>,
        amount: i128,
        written: &str,
        show: impl Fn(i128) -> String,
    ) -> bool {
        let (least, most) = (node.number("minimum"), node.number("maximum"));
        let type_bounds = integer_bounds(node.text("format").unwrap_or_default());
        let low = least.unwrap_or(type_bounds.0);
        let high = most.unwrap_or(type_bounds.1);
        let bounds = match (least, most) {
            _ if (low..=high).contains(&amount) => return true,
            (Some(least), Some(most)) => format!("from {} to {}", show(least), show(most)),
            _ if amount < low => format!("at least {}", show(low)),
            _ => format!("at most {}", show(high)),
        };
        self.wrong(span, format!("{} is {}, but has to be {bounds}", self.current(), abridge(written)), None)
    }

    /// Adds a problem. Returns `false`, because the value cannot be read.
    fn wrong(&mut self, span: Range<usize>, message: String, hint: Option<String>) -> bool {
        self.problems.push(Problem { hint, ..Problem::at(span, message) });
        false
    }

    /// The name of the current value.
    fn current(&self) -> String {
        format!("`{}`", wording::path(&self.path))
    }

    /// The words "in TABLE" for the end of a message; empty at the top level.
    fn in_table(&self) -> String {
        if self.path.is_empty() { String::new() } else { format!(" in {}", self.current()) }
    }
}

fn has_type(name: &str, value: &DeValue<'_>) -> bool {
    match value {
        DeValue::String(_) => name == "string",
        DeValue::Integer(_) => name == "integer" || name == "number",
        DeValue::Float(_) => name == "number",
        DeValue::Boolean(_) => name == "boolean",
        DeValue::Datetime(_) => name == "object",
        DeValue::Array(_) => name == "array",
        DeValue::Table(_) => name == "object",
    }
}

/// The bounds of an integer type, by its `format` in a schema.
fn integer_bounds(format: &str) -> (i128, i128) {
    match format {
        "uint32" => (0, i128::from(u32::MAX)),
        "uint64" | "uint" => (0, i128::from(u64::MAX)),
        "int32" => (i128::from(i32::MIN), i128::from(i32::MAX)),
        "int64" | "int" => (i128::from(i64::MIN), i128::from(i64::MAX)),
        SIZE => (0, i128::try_from(usize::MAX).unwrap_or(i128::MAX)),
        _ => (i128::MIN, i128::MAX),
    }
}

fn items(count: i128) -> String {
    match count {
        0 => "no items".to_owned(),
        1 => "1 item".to_owned(),
        _ => format!("{count} items"),
    }
}

/// Formats a number of bytes.
pub(super) fn size(bytes: i128) -> String {
    usize::try_from(bytes).map_or_else(|_| bytes.to_string(), |bytes| Size(bytes).to_string())
}

/// Formats a number of milliseconds.
pub(super) fn period(millis: i128) -> String {
    let millis = u64::try_from(millis).unwrap_or(u64::MAX);
    match millis {
        0 => "0s".to_owned(),
        _ if millis % 86_400_000 == 0 => format!("{} days", millis / 86_400_000),
        _ => Period(std::time::Duration::from_millis(millis)).to_string(),
    }
}
