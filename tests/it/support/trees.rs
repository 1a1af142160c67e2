//! Trees of values, made at random, and when two of them are the same.

use croupier::codec::xml::{Control, Reading};
use croupier::codec::xmlrpc::{BigIntegers, FaultDataForm, Fractions, Nil, XmlRpcDialect, XmlRpcNonFinite};
use croupier::{DateTime, Value};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use time::{Date, PrimitiveDateTime, Time, UtcOffset};

/// Values that XML-RPC carries exactly, if it is let: every type, every number, every character of XML.
pub(crate) fn carried() -> BoxedStrategy<Value> {
    tree(prop_oneof![scalar(), text(xml_char()).prop_map(Value::Text), plain_date()].boxed(), text(xml_char()))
}

/// Values of any sort: also those with forbidden characters, odd dates, and two members of one name.
pub(crate) fn any_value() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![scalar(), text(any_char()).prop_map(Value::Text), any_date(), long_number()].boxed();
    let twice = vec((prop::sample::select(vec!["a", "b", "c", "d"]), Just(Value::Int(1))), 0..4);
    let struct_of = |members: Vec<(&str, Value)>| members.into_iter().map(|(name, it)| (name.to_owned(), it)).collect();
    let leaf = prop_oneof![9 => leaf, 1 => twice.prop_map(move |members| Value::Struct(struct_of(members)))].boxed();
    tree(leaf, prop_oneof![3 => text(xml_char()), 1 => text(any_char())].boxed())
}

/// Every dialect there is.
pub(crate) fn dialect() -> impl Strategy<Value = XmlRpcDialect> {
    use BigIntegers::{ExI8, I8};
    let nil = prop::sample::select(vec![Nil::Refuse, Nil::Omit, Nil::Nil, Nil::ExNil]);
    let big = prop::sample::select(vec![BigIntegers::Refuse, I8, ExI8, BigIntegers::Double, BigIntegers::String]);
    let non_finite = prop::sample::select(vec![XmlRpcNonFinite::Refuse, XmlRpcNonFinite::Words, XmlRpcNonFinite::Nil]);
    let control = prop::sample::select(vec![Control::Refuse, Control::Replace, Control::Strip]);
    let fractions = prop::sample::select(vec![Fractions::Drop, Fractions::Refuse]);
    (nil, big, non_finite, control, fractions, -1439_i16..=1439, any::<bool>()).prop_map(
        |(nil, big_integers, non_finite, control, fractions, zone, ascii)| XmlRpcDialect {
            fault_data: FaultDataForm::default(),
            reading: Reading::Lenient,
            nil,
            big_integers,
            non_finite,
            control_characters: control,
            fractions,
            zone,
            ascii,
        },
    )
}

/// Whether two values are the same, to the bit: nothing that compares equal and is not passes.
pub(crate) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Double(one), Value::Double(other)) if one.is_nan() => other.is_nan(),
        (Value::Double(one), Value::Double(other)) => one.to_bits() == other.to_bits(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Struct(one), Value::Struct(other)) => {
            let members = one.iter().zip(other);
            one.len() == other.len()
                && members.into_iter().all(|(one, other)| one.0 == other.0 && same(&one.1, &other.1))
        }
        (Value::Double(_) | Value::Array(_) | Value::Struct(_), _) => false,
        _ => one == other,
    }
}

/// A character that XML 1.0 allows, by its own words (section 2.2).
pub(crate) fn is_xml_char(c: char) -> bool {
    matches!(u32::from(c), 0x9 | 0xa | 0xd | 0x20..=0xd7ff | 0xe000..=0xfffd | 0x1_0000..=0x10_ffff)
}

fn tree(leaf: BoxedStrategy<Value>, name: BoxedStrategy<String>) -> BoxedStrategy<Value> {
    leaf.prop_recursive(5, 40, 6, move |inner| {
        let members = btree_map(name.clone(), inner.clone(), 0..6).prop_map(Vec::from_iter).prop_shuffle();
        prop_oneof![vec(inner.clone(), 0..6).prop_map(Value::Array), members.prop_map(Value::Struct)]
    })
    .boxed()
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<i32>().prop_map(|number| Value::Int(number.into())),
        prop::sample::select(vec![i64::from(i32::MAX) + 1, i64::from(i32::MIN) - 1, 1 << 53, (1 << 53) + 1, i64::MIN])
            .prop_map(Value::Int),
        prop::num::f64::ANY.prop_map(Value::Double),
        (-10_000_i32..10_000).prop_map(|number| Value::Double(f64::from(number) / 100.0)),
        vec(any::<u8>(), 0..40).prop_map(Value::Binary),
    ]
}

/// Numbers that neither 64 bits nor a double hold.
pub(crate) fn long_number() -> impl Strategy<Value = Value> {
    let beyond = |number: &i128| i64::try_from(*number).is_err();
    prop_oneof![
        any::<i128>().prop_filter("beyond 64 bits", beyond).prop_map(|number| number.to_string()),
        Just((i128::from(i64::MAX) + 1).to_string()),
        "-?[1-9][0-9]{39}",
        "-?[1-9][0-9]{0,20}\\.[0-9]{20,40}[1-9]",
    ]
    .prop_map(|digits| Value::Number(digits.parse().unwrap()))
}

/// Text in which what is special to XML is as likely as what is not.
fn text(character: BoxedStrategy<char>) -> BoxedStrategy<String> {
    vec(character, 0..12).prop_map(String::from_iter).boxed()
}

fn xml_char() -> BoxedStrategy<char> {
    any_char().prop_filter("a character of XML", |c| is_xml_char(*c)).boxed()
}

fn any_char() -> BoxedStrategy<char> {
    let special = "<>&\"']!-\r\n\t #;x[?/=\u{85}\u{2028}\u{fffd}\u{feff}\u{ffff}\u{fffe}\u{0}\u{1}\u{1f}\u{7f}";
    prop_oneof![
        2 => prop::sample::select(special.chars().collect::<Vec<_>>()),
        1 => prop::char::range(' ', '~'),
        1 => any::<char>(),
    ]
    .boxed()
}

fn plain_date() -> impl Strategy<Value = Value> {
    (days(0..=9999), time())
        .prop_map(|(date, time)| Value::Date(DateTime { local: PrimitiveDateTime::new(date, time), zone: None }))
}

/// Dates with fractions and zones, in all the years that the type has.
fn any_date() -> impl Strategy<Value = Value> {
    let nanos = prop_oneof![Just(0), Just(500_000_000), 0_u32..1_000_000_000];
    let zone =
        option::of(prop_oneof![Just(0), (-1439_i32..=1439).prop_map(|minutes| minutes * 60), -90_000_i32..90_000]);
    (days(-9999..=9999), time(), nanos, zone).prop_map(|(date, time, nanos, zone)| {
        let time = time.replace_nanosecond(nanos).unwrap();
        let zone = zone.map(|seconds| UtcOffset::from_whole_seconds(seconds).unwrap());
        Value::Date(DateTime { local: PrimitiveDateTime::new(date, time), zone })
    })
}

fn days(years: std::ops::RangeInclusive<i32>) -> impl Strategy<Value = Date> {
    (years, 1_u16..=365).prop_map(|(year, day)| Date::from_ordinal_date(year, day).unwrap())
}

fn time() -> impl Strategy<Value = Time> {
    (0_u8..24, 0_u8..60, 0_u8..60).prop_map(|(hour, minute, second)| Time::from_hms(hour, minute, second).unwrap())
}
