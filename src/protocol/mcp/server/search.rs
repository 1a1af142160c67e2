//! Finding tools by words: for endpoints with more tools than a client should list.
//!
//! Such an endpoint lists `find_tools`, which returns the tools that match best, and `call_tool`, which calls one of them.
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

use super::answer::{Members, ResultFrame, write_json};
use crate::model::fault::{Fault, Kind};

/// The name of the tool that finds tools.
pub(super) const FIND: &str = "find_tools";
/// The name of the tool that calls a tool.
pub(super) const CALL: &str = "call_tool";
/// The names that no method has as a tool where these two are.
pub(super) const RESERVED: [&str; 2] = [CALL, FIND];

/// How many tools a search returns if the query does not say, and how many at most.
const LIMITS: (usize, usize) = (5, 20);
/// How many bytes the descriptions of the returned tools have together. The first is returned in any case.
const LONGEST_RESULT: usize = 64 << 10;
/// How many bytes a query has at most, and how many of its different words count.
const LONGEST_QUERY: (usize, usize) = (1000, 16);
/// How many words of a tool can be found.
const LONGEST_TEXT: usize = 500;
/// The weights of a word of the name or title, of a parameter, and of the description.
const WEIGHTS: [f64; 3] = [4.0, 2.0, 1.0];
/// How often a word of the description counts.
const REPEATED: f64 = 3.0;
/// The weight at which a word has half of its effect.
const HALF: f64 = 2.0;
/// The part of its effect that a word has if the query has only its beginning, or the tool only the beginning of a word of the query; and
/// how many bytes the two have at least.
const BEGINNING: (f64, [usize; 2]) = (0.5, [3, 4]);
/// Words that say nothing of what a tool does.
const STOP_WORDS: [&str; 44] = [
    "a", "all", "an", "and", "any", "are", "as", "at", "be", "by", "can", "could", "do", "does", "for", "from", "has",
    "have", "how", "i", "if", "in", "is", "it", "its", "me", "my", "of", "on", "or", "please", "that", "the", "there",
    "this", "to", "want", "was", "what", "which", "who", "with", "would", "you",
];

/// The texts of a tool that can be found.
pub(super) struct ToolText<'t> {
    pub(super) name: &'t str,
    pub(super) title: Cow<'t, str>,
    pub(super) description: Cow<'t, str>,
    pub(super) params: Vec<&'t str>,
}

/// The words of tools: by each stem, which tools have it, and its weight there.
pub(super) struct ToolIndex {
    stems: BTreeMap<Box<str>, Vec<(usize, f64)>>,
}

impl ToolIndex {
    /// An index of tools, which are known by their places in this order.
    pub(super) fn new<'t>(tools: impl Iterator<Item = ToolText<'t>>) -> ToolIndex {
        let mut stems: BTreeMap<Box<str>, Vec<(usize, f64)>> = BTreeMap::new();
        for (index, tool) in tools.enumerate() {
            for (stem, weight) in weights(&tool) {
                stems.entry(stem).or_default().push((index, weight));
            }
        }
        ToolIndex { stems }
    }

    /// The tools that match a query, the best first, of those that are `shown`.
    pub(super) fn find(&self, query: &str, shown: &[bool]) -> Vec<usize> {
        let count = shown.iter().filter(|shown| **shown).count();
        let is_shown = |index: &usize| shown.get(*index).copied().unwrap_or(false);
        let mut scores: BTreeMap<usize, (f64, usize)> = BTreeMap::new();
        for stem in query_stems(query) {
            let mut of_word: BTreeMap<usize, f64> = BTreeMap::new();
            for (part, tools) in self.matches(&stem) {
                let tools: Vec<_> = tools.iter().filter(|(index, _)| is_shown(index)).collect();
                let rarity = (1.0 + (count as f64) / (tools.len() as f64 + 0.5)).ln();
                for (index, weight) in tools {
                    let score = part * rarity * weight / (weight + HALF);
                    let best = of_word.entry(*index).or_default();
                    *best = best.max(score);
                }
            }
            for (index, score) in of_word {
                let of_tool = scores.entry(index).or_default();
                *of_tool = (of_tool.0 + score, of_tool.1 + 1);
            }
        }
        // A tool that has two of the words is better than one that has one of them often.
        let mut found: Vec<(usize, f64)> =
            scores.into_iter().map(|(index, (score, words))| (index, score * words as f64)).collect();
        // The tools are in the order of their names, which decides between equal ones.
        found.sort_by(|(a, of_a), (b, of_b)| of_b.partial_cmp(of_a).unwrap_or(Ordering::Equal).then(a.cmp(b)));
        found.into_iter().map(|(index, _)| index).collect()
    }

    /// The tools with a word of this stem, and with less effect those with a word of which it is the beginning, or that is its beginning.
    fn matches<'s>(&'s self, stem: &'s str) -> impl Iterator<Item = (f64, &'s [(usize, f64)])> {
        let (part, [of_query, of_tool]) = BEGINNING;
        let longer = self.stems.range::<str, _>((Bound::Included(stem), Bound::Unbounded));
        let longer = longer.take_while(move |(found, _)| found.starts_with(stem)).filter_map(move |(found, tools)| {
            let is_same = **found == *stem;
            (is_same || stem.len() >= of_query).then_some((if is_same { 1.0 } else { part }, tools.as_slice()))
        });
        let shorter = (of_tool..stem.len()).filter_map(move |length| {
            let tools = self.stems.get(stem.get(..length)?)?;
            Some((part, tools.as_slice()))
        });
        longer.chain(shorter)
    }
}

/// The stems of a tool, with their weights.
fn weights(tool: &ToolText<'_>) -> BTreeMap<Box<str>, f64> {
    let params = tool.params.join(" ");
    let [of_name, of_param, of_description] = WEIGHTS;
    let texts = [
        (tool.name, of_name),
        (tool.title.as_ref(), of_name),
        (params.as_str(), of_param),
        (tool.description.as_ref(), of_description),
    ];
    let mut weights: BTreeMap<Box<str>, f64> = BTreeMap::new();
    let words = texts.into_iter().flat_map(|(text, weight)| words(text).map(move |word| (word, weight)));
    for (word, weight) in words.take(LONGEST_TEXT).filter(|(word, _)| !is_stop_word(word)) {
        let so_far = weights.entry(stem(&word)).or_default();
        // Only what is said several times in the description is said with more weight.
        *so_far = match weight == of_description {
            true => (*so_far + weight).min(weight * REPEATED).max(*so_far),
            false => so_far.max(weight),
        };
    }
    weights
}

fn query_stems(query: &str) -> BTreeSet<Box<str>> {
    let mut stems = BTreeSet::new();
    for word in words(query).filter(|word| !is_stop_word(word)) {
        if stems.len() == LONGEST_QUERY.1 {
            break;
        }
        stems.insert(stem(&word));
    }
    stems
}

/// The words of a text in lower case: `getHTTPStatus` has three.
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

/// What is left of an English word without its ending: `spins`, `spinning` and `spin` have the same stem.
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

/// The two tools, as a list has them.
pub(super) fn own_tools() -> [Value; 2] {
    let call = json!({
        "name": CALL,
        "title": "Call a tool",
        "description": format!("Calls a tool that `{FIND}` has found."),
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
    let (usual, most) = LIMITS;
    let find = json!({
        "name": FIND,
        "title": "Find tools",
        "description": format!(
            "Finds further tools by what they do, and returns the best with name, description and inputSchema. \
             Call a tool that was found with `{CALL}`."
        ),
        "inputSchema": {
            "type": "object",
            "properties": {
                "query": { "type": "string", "description": "What the tool should do, in a few words of English." },
                "limit": {
                    "type": "integer",
                    "description": format!("How many tools are returned at most ({usual} by default)."),
                    "minimum": 1,
                    "maximum": most,
                    "default": usual,
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

/// Reads the arguments of one of the two tools.
///
/// # Errors
/// `BadParams` if there are none, or they are others.
pub(super) fn read_arguments<'a, T: Deserialize<'a>>(given: Option<&'a RawValue>) -> Result<T, Fault> {
    let given = given.map_or("{}", RawValue::get);
    serde_json::from_str(given)
        .map_err(|error| Fault::new(Kind::BadParams, format!("the arguments of the tool: {error}")))
}

impl FindArguments<'_> {
    /// The query, and how many tools are wanted.
    ///
    /// # Errors
    /// `BadParams` if the query is too long, or the number is not one that is allowed.
    pub(super) fn checked(&self) -> Result<(&str, usize), Fault> {
        let (usual, most) = LIMITS;
        let limit = self.limit.unwrap_or(usual);
        let wrong = if self.query.len() > LONGEST_QUERY.0 {
            Some(format!("`query` has {} bytes, and may have {}", self.query.len(), LONGEST_QUERY.0))
        } else if !(1..=most).contains(&limit) {
            Some(format!("`limit` is {limit}, and should be from 1 to {most}"))
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

/// The response with the tools that were found, the best first, as a list has them.
pub(super) fn found_response<'t>(frame: &ResultFrame, tools: impl Iterator<Item = &'t str>) -> Vec<u8> {
    let mut items = Vec::new();
    for tool in tools {
        let Ok(summary) = serde_json::from_str::<ToolSummary<'_>>(tool) else { continue };
        let before = items.len();
        if before > 0 {
            items.push(b',');
        }
        write_json(&summary, &mut items);
        if before > 0 && items.len() > LONGEST_RESULT {
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
    frame.write_tail(None::<Members>, &mut to);
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
