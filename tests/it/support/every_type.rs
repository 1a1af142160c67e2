//! A service with parameters and results of every type there is, described in full: for tests of protocols and documents.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use croupier::service::local::{Local, named};
use croupier::{Binary, DateTime, Fault, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many rows there are at most.
const MOST: u32 = 1000;

/// The service. Each method answers what it is given, in its own way, and the same every time.
pub(crate) fn service() -> Local {
    Local::new("Every type", ())
        .about("Takes and answers values of every type. Text such as <b>this</b> & \"that\" is only text.")
        .method(named("numbers").safe(), |(): &(), it: Numbers| it)
        .method(named("texts").safe(), |(): &(), it: Texts| it)
        .method(named("optional").safe(), |(): &(), it: Optional| it)
        .method("moment", |(): &(), it: Moment| it)
        .method("lists", |(): &(), it: Lists| it)
        .method("maps", |(): &(), it: Maps| it.count())
        .method("folder", |(): &(), it: Deeper| it.folder)
        .method("shape", |(): &(), it: Shaped| it.shape)
        .method("pair", |(): &(), it: Paired| (it.pair.1, it.pair.0))
        .method("free", |(): &(), it: Free| it.value)
        .method(
            named("divide").doc("Divides one number by another. Its parameters have no names."),
            |(): &(), (a, b): (f64, f64)| a / b,
        )
        .method(named("nothing").doc("Takes nothing and answers nothing.").safe(), |(): &(), (): ()| ())
        .method("limited", |(): &(), it: Limiter| it.checked())
        .rows(named("points").safe(), |_: &Arc<()>, it: Points| (0..it.count.min(MOST)).map(Point::on_the_diagonal))
        .method_async("later", later)
        .build()
        .expect("the names are sound")
}

/// Answers the numbers.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Numbers {
    /// Eight bits.
    tiny: i8,
    /// Eight bits without sign.
    byte: u8,
    /// Sixteen bits.
    short: i16,
    /// An integer with bounds of its own.
    #[schemars(range(min = 1, max = 100))]
    int: i32,
    /// Thirty-two bits without sign.
    count: u32,
    /// Sixty-four bits.
    large: i64,
    /// Sixty-four bits without sign.
    huge: u64,
    /// A share of the whole.
    #[schemars(range(min = 0.0, max = 1.0))]
    share: f64,
    /// A number of less precision.
    single: f32,
}

/// Answers the texts.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Texts {
    /// Any text of at most a hundred characters.
    #[schemars(length(max = 100))]
    text: String,
    /// Yes or no.
    flag: bool,
    /// One of a few.
    colour: Colour,
    /// One character.
    letter: char,
}

/// The colour of a pocket.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Colour {
    Red,
    Black,
    Green,
}

/// Answers what is given, and the defaults of what is not.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Optional {
    /// Must be given.
    must: i32,
    /// May be nothing, and is nothing if it is not given.
    may: Option<i32>,
    /// Seven if it is not given.
    #[serde(default = "seven")]
    otherwise: u16,
    /// A record that may be nothing.
    point: Option<Point>,
    /// Red if it is not given.
    #[serde(default = "red")]
    colour: Colour,
}

fn seven() -> u16 {
    7
}

fn red() -> Colour {
    Colour::Red
}

/// Answers a moment, and the bytes that belong to it.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Moment {
    /// A date and time.
    when: DateTime,
    /// Bytes.
    data: Binary,
}

/// Answers the lists.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Lists {
    /// Numbers.
    numbers: Vec<i32>,
    /// Rows of numbers.
    table: Vec<Vec<f64>>,
    /// Records.
    points: Vec<Point>,
    /// Texts of which any may be nothing; none if it is not given.
    #[serde(default)]
    notes: Vec<Option<String>>,
}

/// A point in the plane.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Point {
    /// To the right.
    x: f64,
    /// Upwards.
    y: f64,
    /// What it is called, if it has a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
}

impl Point {
    fn on_the_diagonal(at: u32) -> Point {
        Point { x: at.into(), y: at.into(), label: at.is_multiple_of(2).then(|| format!("p{at}")) }
    }
}

/// Adds up numbers by name, and counts records by name.
#[derive(Deserialize, JsonSchema)]
struct Maps {
    /// Numbers by name.
    numbers: BTreeMap<String, i64>,
    /// Records by name.
    points: HashMap<String, Point>,
}

/// What is in two maps.
#[derive(Serialize, JsonSchema)]
struct Counted {
    /// The numbers by name, as they were given.
    numbers: BTreeMap<String, i64>,
    /// The sum of the numbers.
    sum: i64,
    /// How many records there are.
    points: usize,
}

impl Maps {
    fn count(self) -> Counted {
        let sum = self.numbers.values().copied().fold(0, i64::wrapping_add);
        Counted { numbers: self.numbers, sum, points: self.points.len() }
    }
}

/// Answers a folder, which may hold others.
#[derive(Deserialize, JsonSchema)]
struct Deeper {
    /// The folder.
    folder: Folder,
}

/// A folder with folders in it.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Folder {
    /// Its name.
    name: String,
    /// Where it lies.
    place: Place,
    /// What is in it.
    #[serde(default)]
    folders: Vec<Folder>,
}

/// Where something lies.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Place {
    /// The room.
    room: String,
    /// The shelf in it, counted from 1.
    #[schemars(range(min = 1))]
    shelf: u32,
}

/// Answers a shape.
#[derive(Deserialize, JsonSchema)]
struct Shaped {
    /// The shape.
    shape: Shape,
}

/// A shape of one sort or another.
#[derive(Serialize, Deserialize, JsonSchema)]
enum Shape {
    /// The whole plane.
    Plane,
    /// A circle by its radius.
    Circle(f64),
    /// A box by its sides.
    Box {
        /// How wide it is.
        width: f64,
        /// How high it is.
        height: f64,
    },
}

/// Answers two values the other way round.
#[derive(Deserialize, JsonSchema)]
struct Paired {
    /// A number and a text.
    pair: (i32, String),
}

/// Answers any value as it is.
#[derive(Deserialize, JsonSchema)]
struct Free {
    /// Any value.
    value: Value,
}

/// Answers the amount, or fails with a code of its own if that is more than 10: 4711.
#[derive(Deserialize, JsonSchema)]
struct Limiter {
    /// How much.
    amount: i32,
}

impl Limiter {
    fn checked(self) -> Result<i32, Fault> {
        match self.amount {
            amount if amount > 10 => Err(Fault::service(4711, format!("{amount} is more than 10"))),
            amount => Ok(amount),
        }
    }
}

/// Returns a list of this many points.
#[derive(Deserialize, JsonSchema)]
struct Points {
    /// How many, at most 1,000.
    #[serde(default)]
    count: u32,
}

/// Answers the sum of two numbers, a little later.
#[derive(Deserialize, JsonSchema)]
struct Later {
    /// The one.
    a: i32,
    /// The other.
    b: i32,
}

async fn later(_: Arc<()>, sum: Later) -> i64 {
    tokio::task::yield_now().await;
    i64::from(sum.a) + i64::from(sum.b)
}
