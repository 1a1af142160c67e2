//! Search for tools, for endpoints with more tools than clients accept. Such an endpoint lists `find_tools`, which returns the tools that
//! match a query best, and `call_tool`, which calls one of them.
//!
//! A query and a tool are compared by the stems of their words. A word of the name counts more than one of the parameters, and that
//! more than one of the description. A word that few tools have counts more than a common one. The same query has the same result
//! until the tools change.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::answer::{JsonObject, ResultFrame, write_json};
use crate::model::fault::{Fault, Kind};

/// The name of the tool that finds tools.
pub(super) const FIND_TOOLS: &str = "find_tools";
/// The name of the tool that calls a tool.
pub(super) const CALL_TOOL: &str = "call_tool";
/// The names that no other tool has where these two are listed.
pub(super) const RESERVED: [&str; 2] = [CALL_TOOL, FIND_TOOLS];

/// The default of `limit`: how many tools a search returns.
const DEFAULT_LIMIT: usize = 5;
/// The largest `limit`.
const MAX_LIMIT: usize = 20;
/// How many bytes the definitions of the returned tools have together. The first one is returned whatever its size.
const MAX_RESULT_BYTES: usize = 64 << 10;
/// How many bytes a query may have.
const MAX_QUERY_BYTES: usize = 1000;
/// How many different stems of a query are looked up.
const MAX_QUERY_STEMS: usize = 16;
/// How many words of a tool are in the index.
const MAX_TOOL_WORDS: usize = 500;
/// The weight of a word of the name or title.
const NAME_WEIGHT: f64 = 4.0;
/// The weight of a word of a parameter.
const PARAM_WEIGHT: f64 = 2.0;
/// The weight of a word of the description.
const DESCRIPTION_WEIGHT: f64 = 1.0;
/// How many times a word of the description counts at most.
const MAX_REPETITIONS: f64 = 3.0;
/// The weight at which the score of a word is half of its maximum: more weight adds less and less.
const HALF_SCORE_WEIGHT: f64 = 2.0;
/// The factor for the score of a word if only its beginning matches.
const BEGINNING_FACTOR: f64 = 0.5;
/// How many bytes a stem of the query needs to match as the beginning of a stem of a tool.
const MIN_QUERY_BEGINNING: usize = 3;
/// How many bytes a stem of a tool needs to match as the beginning of a stem of the query.
const MIN_TOOL_BEGINNING: usize = 4;
/// Frequent words that say nothing about a tool. They are sorted.
const STOP_WORDS: [&str; 44] = [
    "a", "all", "an", "and", "any", "are", "as", "at", "be", "by", "can", "could", "do", "does", "for", "from", "has",
    "have", "how", "i", "if", "in", "is", "it", "its", "me", "my", "of", "on", "or", "please", "that", "the", "there",
    "this", "to", "want", "was", "what", "which", "who", "with", "would", "you",
];

/// The texts of a tool that are searched.
pub(super) struct ToolText<'t> {
    pub(super) name: &'t str,
    pub(super) title: Cow<'t, str>,
    pub(super) description: Cow<'t, str>,
    pub(super) params: Vec<&'t str>,
}

/// An inverted index of the words of tools.
pub(super) struct ToolIndex {
    /// By stem: the indices of the tools that have it, each with the weight of the stem in the tool.
    stems: BTreeMap<Box<str>, Vec<(usize, f64)>>,
}

impl ToolIndex {
    /// An index of tools, which are identified by their position in this order.
    pub(super) fn new<'t>(tools: impl Iterator<Item = ToolText<'t>>) -> ToolIndex {
        let mut stems: BTreeMap<Box<str>, Vec<(usize, f64)>> = BTreeMap::new();
        for (index, tool) in tools.enumerate() {
            for (stem, weight) in weights(&tool) {
                stems.entry(stem).or_default().push((index, weight));
            }
        }
        ToolIndex { stems }
    }

    /// The tools that match a query, the best first. `shown` has for each tool whether it may be found.
    pub(super) fn find(&self, query: &str, shown: &[bool]) -> Vec<usize> {
        let count = shown.iter().filter(|shown| **shown).count();
        let is_shown = |index: &usize| shown.get(*index).copied().unwrap_or(false);
        // By tool: the sum of the scores of its words, and the number of these words.
        let mut scores: BTreeMap<usize, (f64, usize)> = BTreeMap::new();
        for stem in query_stems(query) {
            let mut word_scores: BTreeMap<usize, f64> = BTreeMap::new();
            for (factor, tools) in self.matches(&stem) {
                let tools: Vec<_> = tools.iter().filter(|(index, _)| is_shown(index)).collect();
                let rarity = (1.0 + (count as f64) / (tools.len() as f64 + 0.5)).ln();
                for (index, weight) in tools {
                    let score = factor * rarity * weight / (weight + HALF_SCORE_WEIGHT);
                    let best = word_scores.entry(*index).or_default();
                    *best = best.max(score);
                }
            }
            for (index, score) in word_scores {
                let (sum, words) = scores.entry(index).or_default();
                *sum += score;
                *words += 1;
            }
        }
        // A tool that has two of the words is better than one that has one of them often.
        let mut found: Vec<(usize, f64)> =
            scores.into_iter().map(|(index, (score, words))| (index, score * words as f64)).collect();
        // Tools with equal scores are in the order of their names, which is that of the index.
        found.sort_by(|(a, score_a), (b, score_b)| {
            score_b.partial_cmp(score_a).unwrap_or(Ordering::Equal).then(a.cmp(b))
        });
        found.into_iter().map(|(index, _)| index).collect()
    }

    /// The entries of stems that match a stem of the query, each with a factor for its score: 1 for the same stem, and less for one that
    /// begins with the stem of the query, or with which that begins.
    fn matches<'s>(&'s self, stem: &'s str) -> impl Iterator<Item = (f64, &'s [(usize, f64)])> {
        let longer = self.stems.range::<str, _>((Bound::Included(stem), Bound::Unbounded));
        let longer = longer.take_while(move |(found, _)| found.starts_with(stem)).filter_map(move |(found, tools)| {
            let is_same = **found == *stem;
            let factor = if is_same { 1.0 } else { BEGINNING_FACTOR };
            (is_same || stem.len() >= MIN_QUERY_BEGINNING).then_some((factor, tools.as_slice()))
        });
        let shorter = (MIN_TOOL_BEGINNING..stem.len()).filter_map(move |length| {
            let tools = self.stems.get(stem.get(..length)?)?;
            Some((BEGINNING_FACTOR, tools.as_slice()))
        });
        longer.chain(shorter)
    }
}

/// The stems of a tool, with their weights.
fn weights(tool: &ToolText<'_>) -> BTreeMap<Box<str>, f64> {
    let params = tool.params.join(" ");
    let texts = [
        (tool.name, NAME_WEIGHT),
        (tool.title.as_ref(), NAME_WEIGHT),
        (params.as_str(), PARAM_WEIGHT),
        (tool.description.as_ref(), DESCRIPTION_WEIGHT),
    ];
    let mut weights: BTreeMap<Box<str>, f64> = BTreeMap::new();
    let words = texts.into_iter().flat_map(|(text, weight)| words(text).map(move |word| (word, weight)));
    for (word, weight) in words.take(MAX_TOOL_WORDS).filter(|(word, _)| !is_stop_word(word)) {
        let so_far = weights.entry(stem(&word)).or_default();
        // Repetitions add weight in the description only.
        *so_far = match weight == DESCRIPTION_WEIGHT {
            true => (*so_far + weight).min(weight * MAX_REPETITIONS).max(*so_far),
            false => so_far.max(weight),
        };
    }
    weights
}

fn query_stems(query: &str) -> BTreeSet<Box<str>> {
    let mut stems = BTreeSet::new();
    for word in words(query).filter(|word| !is_stop_word(word)) {
        if stems.len() == MAX_QUERY_STEMS {
            break;
        }
        stems.insert(stem(&word));
    }
    stems
}

/// The words of a text in lower case: `getHTTPStatus` has the words `get`, `http` and `status`.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).flat_map(|part| {
        let mut words: Vec<String> = Vec::new();
        let mut before: Option<char> = None;
        let mut rest = part.chars().peekable();
        while let Some(c) = rest.next() {
            let begins = match before {
                None => true,
                Some(before) if c.is_uppercase() => {
                    !before.is_uppercase() || rest.peek().is_some_and(|next| next.is_lowercase())
                }
                Some(before) => c.is_numeric() != before.is_numeric(),
            };
            if begins {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.extend(c.to_lowercase());
            }
            before = Some(c);
        }
        words
    })
}

fn is_stop_word(word: &str) -> bool {
    STOP_WORDS.binary_search(&word).is_ok()
}

/// An English word without its ending: `spins`, `spinning` and `spin` have the same stem.
fn stem(word: &str) -> Box<str> {
    let long = |stem: &&str| stem.chars().count() >= 3;
    let mut stem = match word.strip_suffix("ies").filter(long) {
        Some(stem) => format!("{stem}y"),
        None => {
            let single = word.strip_suffix('s').filter(|stem| !stem.ends_with('s')).filter(long).unwrap_or(word);
            let plain = single.strip_suffix("ing").or_else(|| single.strip_suffix("ed")).filter(long);
            plain.unwrap_or(single).to_owned()
        }
    };
    if stem.chars().count() > 3 && stem.ends_with('e') {
        stem.pop();
    }
    let last = stem.chars().next_back();
    if last == stem.chars().rev().nth(1) && stem.chars().count() > 2 {
        stem.pop();
    }
    stem.into()
}

/// The definitions of `call_tool` and `find_tools`, as a list has them.
pub(super) fn own_tools() -> [Value; 2] {
    let call = json!({
        "name": CALL_TOOL,
        "title": "Call a tool",
        "description": format!("Calls a tool that `{FIND_TOOLS}` has found."),
        "inputSchema": {
            "type": "object",
            "properties": {
                "name": { "type": "string", "description": "The name of the tool." },
                "arguments": {
                    "type": "object",
                    "description": "The arguments of the tool, as its `inputSchema` describes them.",
                },
            },
            "required": ["name"],
            "additionalProperties": false,
        },
        "annotations":
            { "title": "Call a tool", "readOnlyHint": false, "destructiveHint": true, "openWorldHint": true },
    });
    let find = json!({
        "name": FIND_TOOLS,
        "title": "Find tools",
        "description": format!(
            "Finds further tools by what they do, and returns the best with name, description and inputSchema. \
             Use `{CALL_TOOL}` to call one of them."
        ),
        "inputSchema": {
            "type": "object",
            "properties": {
                "query": { "type": "string", "description": "What the tool should do, in a few words of English." },
                "limit": {
                    "type": "integer",
                    "description": format!("How many tools are returned at most ({DEFAULT_LIMIT} by default)."),
                    "minimum": 1,
                    "maximum": MAX_LIMIT,
                    "default": DEFAULT_LIMIT,
                },
            },
            "required": ["query"],
            "additionalProperties": false,
        },
        "annotations": { "title": "Find tools", "readOnlyHint": true, "openWorldHint": false },
    });
    [call, find]
}

/// The arguments of `find_tools`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FindArguments<'a> {
    #[serde(borrow)]
    query: Cow<'a, str>,
    limit: Option<usize>,
}

/// The arguments of `call_tool`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CallArguments<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) arguments: Option<&'a RawValue>,
}

/// Reads the arguments of `find_tools` or `call_tool`.
///
/// # Errors
/// `BadParams` if a required argument is missing, or one is unknown or of another type.
pub(super) fn read_arguments<'a, T: Deserialize<'a>>(given: Option<&'a RawValue>) -> Result<T, Fault> {
    let given = given.map_or("{}", RawValue::get);
    serde_json::from_str(given)
        .map_err(|error| Fault::new(Kind::BadParams, format!("the arguments of the tool: {error}")))
}

impl FindArguments<'_> {
    /// The query and the limit.
    ///
    /// # Errors
    /// `BadParams` if the query is too long, or the limit is out of range.
    pub(super) fn checked(&self) -> Result<(&str, usize), Fault> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        let wrong = if self.query.len() > MAX_QUERY_BYTES {
            Some(format!("`query` has {} bytes, and may have {MAX_QUERY_BYTES}", self.query.len()))
        } else if !(1..=MAX_LIMIT).contains(&limit) {
            Some(format!("`limit` is {limit}, and should be from 1 to {MAX_LIMIT}"))
        } else {
            None
        };
        wrong.map_or(Ok((&self.query, limit)), |wrong| Err(Fault::new(Kind::BadParams, wrong)))
    }
}

/// The members of a tool that a search returns.
#[derive(Deserialize, Serialize)]
struct ToolSummary<'a> {
    #[serde(borrow)]
    name: &'a RawValue,
    #[serde(borrow)]
    description: &'a RawValue,
    #[serde(borrow, rename = "inputSchema")]
    input_schema: &'a RawValue,
}

/// The response to `find_tools`. `tools` are definitions as a list has them, the best match first.
pub(super) fn found_response<'t>(frame: &ResultFrame, tools: impl Iterator<Item = &'t str>) -> Vec<u8> {
    let mut items = Vec::new();
    for tool in tools {
        let Ok(summary) = serde_json::from_str::<ToolSummary<'_>>(tool) else { continue };
        let before = items.len();
        if before > 0 {
            items.push(b',');
        }
        write_json(&summary, &mut items);
        if before > 0 && items.len() > MAX_RESULT_BYTES {
            items.truncate(before);
            break;
        }
    }
    let is_empty = items.is_empty();
    let list = [b"{\"tools\":[", items.as_slice(), b"]}"].concat();
    let text = match is_empty {
        true => Cow::Borrowed("No tool matches these words. Try others, such as the name of a thing or of an action."),
        false => String::from_utf8_lossy(&list),
    };
    let mut to = Vec::with_capacity(3 * list.len() + 256);
    frame.write_head(&mut to);
    to.extend_from_slice(b"\"content\":[");
    write_json(&json!({ "type": "text", "text": text }), &mut to);
    to.extend_from_slice(b"],\"structuredContent\":");
    to.extend_from_slice(&list);
    to.extend_from_slice(b",\"isError\":false");
    frame.write_tail(None::<JsonObject>, &mut to);
    to
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    fn index(tools: &[(&'static str, &'static str, &[&'static str])]) -> ToolIndex {
        ToolIndex::new(tools.iter().map(|(name, description, params)| ToolText {
            name,
            title: "".into(),
            description: (*description).into(),
            params: params.to_vec(),
        }))
    }

    #[test]
    fn words_are_parts_of_names_and_stems_have_no_endings() {
        let words = |text: &str| words(text).collect::<Vec<_>>();
        assert_eq!(words("getHTTPStatus2.of_the-Größe"), ["get", "http", "status", "2", "of", "the", "größe"]);
        assert_eq!(words("  "), [""; 0]);
        for same in [
            ["spin", "spins", "spinning"],
            ["remove", "removes", "removed"],
            ["process", "processes", "processing"],
            ["query", "queries", "queries"],
            ["add", "adds", "adding"],
            ["name", "names", "named"],
        ] {
            let stems = same.map(stem);
            assert!(stems.iter().all(|stem| *stem == stems[0]), "{stems:?}");
        }
        assert!(STOP_WORDS.is_sorted());
        assert_eq!(*stem("s"), *"s");
    }

    #[test]
    fn names_come_before_parameters_and_those_before_descriptions() {
        let index = index(&[
            ("a", "Says which color it is.", &[]),
            ("b", "", &["color"]),
            ("color", "", &[]),
            ("d", "Does another thing with a number.", &["number"]),
        ]);
        assert_eq!(index.find("the colors", &[true; 4]), [2, 1, 0]);
        assert_eq!(index.find("the colors", &[true, true, false, true]), [1, 0]);
        // Only one tool has a number, and three have a color.
        assert_eq!(index.find("number color", &[true; 4]), [3, 2, 1, 0]);
        assert_eq!(index.find("num", &[true; 4]), [3]);
        assert!(index.find("the of", &[true; 4]).is_empty() && index.find("", &[true; 4]).is_empty());
        assert!(index.find("elephants", &[true; 4]).is_empty());
    }

    #[test]
    fn arguments_are_within_their_bounds() {
        let checked = |text: &str| {
            let raw: Box<RawValue> = serde_json::from_str(text).unwrap();
            let read = read_arguments::<FindArguments<'_>>(Some(&raw));
            read.and_then(|read| read.checked().map(|(query, limit)| (query.to_owned(), limit)))
        };
        assert_eq!(checked(r#"{"query":"spin"}"#).unwrap(), ("spin".to_owned(), 5));
        assert_eq!(checked(r#"{"query":"sp\u0069n","limit":20}"#).unwrap(), ("spin".to_owned(), 20));
        let long = format!(r#"{{"query":"{}"}}"#, "x".repeat(1001));
        for wrong in
            [r#"{"query":"a","limit":21}"#, r#"{"query":"a","limit":0}"#, "{}", r#"{"query":"a","x":1}"#, &long]
        {
            assert_eq!(checked(wrong).unwrap_err().kind, Kind::BadParams, "{wrong}");
        }
        assert!(read_arguments::<CallArguments<'_>>(None).is_err());
    }

    #[test]
    fn a_result_has_a_bound_but_at_least_one_tool() {
        let tool = |length: usize| {
            json!({ "name": "a", "title": "A", "description": "x".repeat(length), "inputSchema": {} }).to_string()
        };
        let frame = ResultFrame { id: "7".into(), is_stateless: false, interface: Arc::default() };
        for (tools, expected) in [
            (vec![tool(100_000), tool(10)], 1),
            (vec![tool(10), tool(100_000), tool(10)], 1),
            (vec![tool(10), tool(10)], 2),
            (vec![], 0),
        ] {
            let response = found_response(&frame, tools.iter().map(String::as_str));
            let response: Value = serde_json::from_slice(&response).unwrap();
            let found = response["result"]["structuredContent"]["tools"].as_array().unwrap();
            assert_eq!(found.len(), expected);
            assert!(found.iter().all(|tool| tool.as_object().unwrap().len() == 3));
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_searched(query in "\\PC{0,60}", name in "\\PC{0,20}", description in "\\PC{0,80}") {
            let tool = ToolText { name: &name, title: "".into(), description: description.as_str().into(), params: vec![] };
            let index = ToolIndex::new([tool].into_iter());
            let found = index.find(&query, &[true]);
            prop_assert_eq!(&found, &index.find(&query, &[true]));
            prop_assert!(found.len() <= 1);
            prop_assert!(index.find(&query, &[false]).is_empty());
        }
    }
}
