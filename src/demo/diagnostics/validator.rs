//! The eight methods of the validator1 suite, which has been used to test XML-RPC implementations since 1998.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::date::DateTime;
use crate::model::fault::Fault;
use crate::model::value::{Binary, Value};
use crate::service::local::{Builder, named};

/// Adds the suite's methods.
pub(super) fn add(builder: Builder<()>) -> Builder<()> {
    builder
        .method(named("validator1.arrayOfStructsTest").safe(), |_: &(), all| array_of_structs(all))
        .method(named("validator1.countTheEntities").safe(), |_: &(), text| count_the_entities(&text))
        .method(named("validator1.easyStructTest").safe(), |_: &(), EasyStruct { stooges }| stooges.sum())
        .method(named("validator1.echoStructTest").safe(), |_: &(), EchoStruct { members }| members)
        .method(named("validator1.manyTypesTest").safe(), |_: &(), many| many_types(many))
        .method(named("validator1.moderateSizeArrayCheck").safe(), |_: &(), array| moderate_size_array(&array))
        .method(named("validator1.nestedStructTest").safe(), |_: &(), NestedStruct { years }| {
            years.year.month.day.sum()
        })
        .method(named("validator1.simpleStructReturnTest").safe(), |_: &(), SimpleStructReturn { number }| {
            Times::of(number)
        })
}

/// Three numbers; other members are ignored.
#[derive(Deserialize, JsonSchema)]
struct Stooges {
    /// The first.
    moe: i32,
    /// The second.
    larry: i32,
    /// The third.
    curly: i32,
}

impl Stooges {
    fn sum(&self) -> i64 {
        i64::from(self.moe) + i64::from(self.larry) + i64::from(self.curly)
    }
}

/// Returns the sum of all the members named `curly`.
#[derive(Deserialize, JsonSchema)]
struct ArrayOfStructs {
    /// Structs, each with at least the members `moe`, `larry` and `curly`.
    structs: Vec<Stooges>,
}

fn array_of_structs(ArrayOfStructs { structs }: ArrayOfStructs) -> i64 {
    structs.iter().map(|stooges| i64::from(stooges.curly)).sum()
}

/// Counts the characters that XML writes as predefined entities.
#[derive(Deserialize, JsonSchema)]
struct CountTheEntities {
    /// The text.
    text: String,
}

/// How often each character occurs that XML writes as a predefined entity.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Entities {
    /// How many `<`.
    ct_left_angle_brackets: usize,
    /// How many `>`.
    ct_right_angle_brackets: usize,
    /// How many `&`.
    ct_ampersands: usize,
    /// How many `'`.
    ct_apostrophes: usize,
    /// How many `"`.
    ct_quotes: usize,
}

fn count_the_entities(CountTheEntities { text }: &CountTheEntities) -> Entities {
    Entities {
        ct_left_angle_brackets: text.matches('<').count(),
        ct_right_angle_brackets: text.matches('>').count(),
        ct_ampersands: text.matches('&').count(),
        ct_apostrophes: text.matches('\'').count(),
        ct_quotes: text.matches('"').count(),
    }
}

/// Returns the sum of the members `moe`, `larry` and `curly`.
#[derive(Deserialize, JsonSchema)]
struct EasyStruct {
    /// A struct with at least these members.
    stooges: Stooges,
}

/// Returns the struct it is given.
#[derive(Deserialize, JsonSchema)]
struct EchoStruct {
    /// A struct of any members.
    members: BTreeMap<String, Value>,
}

/// Returns an array of the six values it is given.
#[derive(Deserialize, JsonSchema)]
struct ManyTypes {
    /// An integer.
    number: i32,
    /// A truth value.
    boolean: bool,
    /// A text.
    string: String,
    /// A floating-point number.
    double: f64,
    /// A date and time.
    date_time: DateTime,
    /// Bytes.
    base64: Binary,
}

fn many_types(many: ManyTypes) -> (i32, bool, String, f64, DateTime, Binary) {
    let ManyTypes { number, boolean, string, double, date_time, base64 } = many;
    (number, boolean, string, double, date_time, base64)
}

/// Returns the first string of an array with the last one behind it.
#[derive(Deserialize, JsonSchema)]
struct ModerateSizeArray {
    /// Strings, at least one; the suite sends between 100 and 200.
    #[schemars(length(min = 1))]
    strings: Vec<String>,
}

fn moderate_size_array(ModerateSizeArray { strings }: &ModerateSizeArray) -> Result<String, Fault> {
    match (strings.first(), strings.last()) {
        (Some(first), Some(last)) => Ok(format!("{first}{last}")),
        _ => Err(Fault::bad_params("the array has no strings")),
    }
}

/// Returns the sum of `moe`, `larry` and `curly` on the first of April 2000 in a calendar of nested structs.
#[derive(Deserialize, JsonSchema)]
struct NestedStruct {
    /// A struct of years, each a struct of months, each a struct of days.
    years: Years,
}

/// A calendar's years, named by four digits.
#[derive(Deserialize, JsonSchema)]
struct Years {
    /// The one that is looked at.
    #[serde(rename = "2000")]
    year: Months,
}

/// A year's months, named by two digits.
#[derive(Deserialize, JsonSchema)]
struct Months {
    /// The one that is looked at.
    #[serde(rename = "04")]
    month: Days,
}

/// A month's days, named by two digits.
#[derive(Deserialize, JsonSchema)]
struct Days {
    /// The one that is looked at.
    #[serde(rename = "01")]
    day: Stooges,
}

/// Returns ten, a hundred and a thousand times a number.
#[derive(Deserialize, JsonSchema)]
struct SimpleStructReturn {
    /// The number.
    number: i32,
}

/// A number's multiples.
#[derive(Serialize, JsonSchema)]
struct Times {
    /// Ten times the number.
    times10: i64,
    /// A hundred times the number.
    times100: i64,
    /// A thousand times the number.
    times1000: i64,
}

impl Times {
    fn of(number: i32) -> Times {
        let number = i64::from(number);
        Times { times10: number * 10, times100: number * 100, times1000: number * 1000 }
    }
}
