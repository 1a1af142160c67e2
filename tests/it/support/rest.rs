//! A service whose parameters can all be given in a query, and what every answer over REST must be.
use std::borrow::Cow;
use std::sync::Arc;

use croupier::service::local::{Local, named};
use croupier::{Binary, DateTime, Fault, Kind, Value};
use http::StatusCode;
use http::response::Parts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// How many rows there are at most.
const MOST: u32 = 1000;

/// The service. Each method answers the same every time.
pub(crate) fn service() -> Local {
    Local::new("Queries", ())
        .method(named("echo").safe(), |(): &(), it: Echo| it)
        .method(named("words").safe(), |(): &(), it: Words| it)
        .method(named("free").safe(), |(): &(), it: Free| it.value)
        .method(named("sum").safe(), |(): &(), (a, b): (i32, i32)| i64::from(a) + i64::from(b))
        .method(named("nothing").safe(), |(): &(), (): ()| ())
        .method("change", |(): &(), (): ()| "changed")
        .method(named("with/slash.and:more").safe(), |(): &(), (): ()| true)
        .method(named("half").safe(), |(): &(), (): ()| f64::NAN)
        .method(named("refuses").safe(), |(): &(), it: Code| Err::<(), _>(Fault::service(it.code, "not \"today\"")))
        .method(named("busy").safe(), |(): &(), (): ()| Err::<(), _>(Fault::new(Kind::Busy, "not now")))
        .method(named("late").safe(), |(): &(), (): ()| Err::<(), _>(Fault::new(Kind::Late, "no result within 1s")))
        .method(named("unreachable").safe(), |(): &(), (): ()| {
            Err::<(), _>(Fault::new(Kind::Unreachable, "not reached"))
        })
        .method(named("panics").safe(), |(): &(), (): ()| -> i32 { panic!("as it was told to") })
        .rows(named("pairs").safe(), |_: &Arc<()>, it: Count| {
            (0..it.count.min(MOST)).map(|n| Pair { n, name: number_name(n) })
        })
        .rows(named("refusesRows").safe(), |_: &Arc<()>, (): ()| {
            Err::<std::ops::Range<i32>, _>(Fault::bad_params("`count` is missing").of_parameter("count"))
        })
        .method(named("list").safe(), |(): &(), (): ()| vec!["a,b", "say \"hi\"", "", "plain"])
        .method_async(named("later").safe(), |_: Arc<()>, (): ()| async {
            tokio::task::yield_now().await;
            "later"
        })
        .build()
        .expect("the names are sound")
}

/// Answers what it is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Echo {
    /// An integer.
    #[serde(default)]
    pub(crate) int: i64,
    /// A byte.
    #[serde(default)]
    pub(crate) byte: u8,
    /// A number.
    #[serde(default)]
    pub(crate) number: f64,
    /// Yes or no.
    #[serde(default)]
    pub(crate) flag: bool,
    /// Any text.
    #[serde(default)]
    pub(crate) text: String,
    /// A number that may be nothing.
    pub(crate) maybe: Option<i32>,
    /// A text that may be left out.
    pub(crate) note: Option<String>,
    /// Numbers.
    #[serde(default)]
    pub(crate) ints: Vec<i32>,
    /// Texts.
    #[serde(default)]
    pub(crate) texts: Vec<String>,
    /// A pair of two types.
    pub(crate) pair: Option<(i32, String)>,
    /// Rows of numbers.
    #[serde(default)]
    pub(crate) table: Vec<Vec<i32>>,
    /// A record.
    pub(crate) point: Option<Point>,
}

/// A point in the plane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
}

/// Answers words of all sorts.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Words {
    /// One of a few.
    colour: Colour,
    /// A date.
    when: Option<DateTime>,
    /// Bytes.
    bytes: Option<Binary>,
}

/// A colour.
#[derive(Serialize, Deserialize, JsonSchema)]
enum Colour {
    /// Red.
    Red,
    /// Black.
    Black,
}

#[derive(Deserialize, JsonSchema)]
struct Free {
    value: Value,
}

#[derive(Deserialize, JsonSchema)]
struct Code {
    code: i32,
}

#[derive(Deserialize, JsonSchema)]
struct Count {
    count: u32,
}

/// A number and its name, where it has one.
#[derive(Serialize, JsonSchema)]
struct Pair {
    n: u32,
    name: Option<&'static str>,
}

fn number_name(n: u32) -> Option<&'static str> {
    match n {
        0 => Some("none"),
        1 => Some("one, only"),
        2 => Some("a \"pair\""),
        _ => None,
    }
}

/// The members that every problem has, whatever else is in it.
#[derive(Deserialize)]
#[expect(dead_code, reason = "that they are strings is checked as they are read")]
struct Problem<'a> {
    status: u16,
    r#type: &'a str,
    #[serde(borrow)]
    detail: Cow<'a, str>,
    kind: &'a str,
}

/// Panics over a response that no client could make sense of.
pub(crate) fn check_body(head: &Parts, body: &[u8]) {
    let content_type = head.headers.get("content-type").map_or("", |value| value.to_str().expect("ASCII"));
    // As raw text: a tree of serde_json refuses numbers that no double holds, such as 1e999, which are valid JSON.
    let json = |text| serde_json::from_slice::<&RawValue>(text).expect("JSON").get();
    assert!(head.status == StatusCode::NO_CONTENT || head.headers["x-content-type-options"] == "nosniff");
    assert!(head.status == StatusCode::NO_CONTENT || head.headers["cache-control"] == "no-store");
    match content_type {
        "" => assert!(body.is_empty() && head.status == StatusCode::NO_CONTENT),
        _ if body.is_empty() => {}
        "application/json" => assert!(head.status == StatusCode::OK && json(body) != "null" || body == b"null"),
        "application/problem+json" => {
            let problem: Problem<'_> = serde_json::from_str(json(body)).expect("a problem");
            assert_eq!((problem.status, problem.r#type), (head.status.as_u16(), "about:blank"));
            assert_eq!(head.headers.contains_key("allow"), head.status == StatusCode::METHOD_NOT_ALLOWED);
        }
        "application/x-ndjson" => {
            body.split_inclusive(|byte| *byte == b'\n').for_each(|line| assert!(!json(line).is_empty()))
        }
        "text/csv; charset=utf-8; header=present" => assert!(body.ends_with(b"\r\n")),
        other => panic!("an answer of the type {other}"),
    }
}
