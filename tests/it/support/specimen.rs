//! A small service whose methods return the same every time, for tests of the protocols.

use std::collections::BTreeMap;

use croupier::service::local::Local;
use croupier::{Binary, DateTime, Fault, Kind, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many rows there are at most.
const MOST: u32 = 1000;

/// The service.
pub(crate) fn service() -> Local {
    let service = Local::new("Specimen", ())
        .method("echo", |_: &(), it: Echo| it.value)
        .method("count", |_: &(), all: Vec<Value>| all.len())
        .method("all", |_: &(), all: Vec<Value>| all)
        .method("sum", |_: &(), sum: Sum| i64::from(sum.a) + i64::from(sum.b))
        .method("join", |_: &(), join: Join| join.text())
        .method("nothing", |_: &(), _: ()| ())
        .method("maybe", |_: &(), maybe: Maybe| maybe.given)
        .method("record", |_: &(), it: Recorded| it.record)
        .method("colour", |_: &(), it: Coloured| it.colour.next())
        .method("names", |_: &(), it: Names| it.names)
        .method("date", |_: &(), it: Dated| it.text.parse::<DateTime>().map_err(|_| Fault::bad_params("no date")))
        .method("when", |_: &(), it: When| it.when)
        .method("bytes", |_: &(), it: Bytes| it.data.0.len())
        .method("power", |_: &(), it: Power| 1_i128.checked_shl(it.of_two).unwrap_or_default())
        .method("double", |_: &(), it: Text| it.text.parse::<f64>().map_err(|_| Fault::bad_params("no double")))
        .method("character", |_: &(), it: Code| format!("a{}b", it.character()))
        .method("fails", |_: &(), it: Code| Err::<(), _>(Fault::service(it.code, "refused: <no> & \u{1} é")))
        .method("panics", |_: &(), _: ()| -> i32 { panic!("on purpose") })
        .method("unreadable", |_: &(), _: Explosive| 0)
        .method("unwritable", |_: &(), _: ()| Explosive)
        .rows("rows", |_: &_, it: Length| (0..it.count.min(MOST)).map(|n| n * n))
        .rows("rowsOrNone", |_: &_, it: Length| (0..it.count.min(MOST)).map(|n| (n % 2 == 0).then_some(n)))
        .rows("rowsThenPanic", |_: &_, it: Length| (0..=it.count.min(MOST)).map(move |n| late(n, it.count)))
        .rows("rowsRefused", |_: &_, _: ()| Err::<std::ops::Range<i32>, _>(Fault::new(Kind::Busy, "not now")));
    service.method_async("later", later).build().expect("the names are sound")
}

/// Answers the value that it is given.
#[derive(Deserialize, JsonSchema)]
struct Echo {
    value: Value,
}

/// Adds two numbers.
#[derive(Deserialize, JsonSchema)]
struct Sum {
    a: i32,
    #[serde(default = "one")]
    b: i32,
}

fn one() -> i32 {
    1
}

/// Repeats a text.
#[derive(Deserialize, JsonSchema)]
struct Join {
    text: String,
    times: Option<u8>,
    #[serde(default = "comma")]
    between: String,
}

fn comma() -> String {
    ", ".to_owned()
}

impl Join {
    fn text(&self) -> String {
        vec![self.text.as_str(); self.times.unwrap_or(2).into()].join(&self.between)
    }
}

#[derive(Deserialize, JsonSchema)]
struct Maybe {
    given: Option<i32>,
}

#[derive(Deserialize, JsonSchema)]
struct Recorded {
    record: Record,
}

/// A record with all sorts of fields.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Record {
    id: u32,
    name: String,
    share: Option<f64>,
    #[serde(default)]
    tags: Vec<String>,
    pair: Option<(i32, bool)>,
}

#[derive(Deserialize, JsonSchema)]
struct Coloured {
    colour: Colour,
}

#[derive(Serialize, Deserialize, JsonSchema)]
enum Colour {
    Red,
    Black,
    Mixed { red: u8 },
}

impl Colour {
    fn next(self) -> Colour {
        match self {
            Colour::Red => Colour::Black,
            Colour::Black => Colour::Mixed { red: 1 },
            Colour::Mixed { red } => Colour::Mixed { red: red.saturating_add(1) },
        }
    }
}

#[derive(Deserialize, JsonSchema)]
struct Names {
    names: BTreeMap<String, i32>,
}

#[derive(Deserialize, JsonSchema)]
struct Dated {
    text: String,
}

#[derive(Deserialize, JsonSchema)]
struct When {
    when: DateTime,
}

#[derive(Deserialize, JsonSchema)]
struct Bytes {
    data: Binary,
}

#[derive(Deserialize, JsonSchema)]
struct Power {
    of_two: u32,
}

#[derive(Deserialize, JsonSchema)]
struct Text {
    text: String,
}

#[derive(Deserialize, JsonSchema)]
struct Code {
    code: i32,
}

impl Code {
    fn character(&self) -> char {
        u32::try_from(self.code).ok().and_then(char::from_u32).unwrap_or('?')
    }
}

#[derive(Deserialize, JsonSchema)]
struct Length {
    count: u32,
}

/// A value that panics when it is read or written.
#[derive(JsonSchema)]
struct Explosive;

impl Serialize for Explosive {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("on purpose")
    }
}

impl<'de> Deserialize<'de> for Explosive {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Explosive, D::Error> {
        panic!("on purpose")
    }
}

fn late(n: u32, count: u32) -> u32 {
    assert!(n < count, "on purpose");
    n
}

async fn later(_: std::sync::Arc<()>, sum: Sum) -> i64 {
    tokio::task::yield_now().await;
    i64::from(sum.a) + i64::from(sum.b)
}
