//! A value written and read is the same value, or what the dialect says it becomes, or an error.

use std::collections::BTreeMap;

use croupier::codec::DocumentLimits;
use croupier::codec::xml::{Control, Reading};
use croupier::codec::xmlrpc::{
    BigIntegers, Fractions, Nil, Root, XmlRpcDialect, XmlRpcDocument, XmlRpcNonFinite, write_call, write_response,
};
use croupier::service::args::Args;
use croupier::{Binary, DateTime, Value};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use time::UtcOffset;

use crate::support::random_cases;
use crate::support::trees::{any_value, carried, dialect, is_xml_char, same};

/// Every way of reading an answer must find the same in it.
fn read_back(text: &str, reading: Reading) -> Value {
    let limits = DocumentLimits::default();
    let plain = XmlRpcDocument::read(text, reading, limits).unwrap();
    let tree = XmlRpcDocument::read_tree(text, reading, limits).unwrap();
    assert_eq!(plain.root, Root::Response);
    let [plain, tree] = [&plain, &tree].map(|document| {
        let mut values = document.tape.values();
        let value = Value::deserialize(values.next().unwrap()).unwrap();
        assert_eq!(values.len(), 0);
        value
    });
    assert!(same(&plain, &tree), "{plain:?} is not {tree:?}");
    plain
}

fn written(value: &impl Serialize, dialect: XmlRpcDialect) -> Option<String> {
    let mut bytes = Vec::new();
    write_response(&mut bytes, value, dialect).ok()?;
    let text = String::from_utf8(bytes).unwrap();
    assert!(!dialect.ascii || text.is_ascii());
    Some(text)
}

/// The dialect that carries the most.
fn open(ascii: bool, apache: bool) -> XmlRpcDialect {
    XmlRpcDialect {
        nil: if apache { Nil::ExNil } else { Nil::Nil },
        big_integers: if apache { BigIntegers::ExI8 } else { BigIntegers::I8 },
        non_finite: XmlRpcNonFinite::Words,
        ascii,
        ..XmlRpcDialect::default()
    }
}

fn beyond_32_bits(value: &Value) -> bool {
    match value {
        Value::Double(number) => !number.is_finite(),
        Value::Array(items) => items.iter().any(beyond_32_bits),
        Value::Struct(members) => members.iter().any(|(_, value)| beyond_32_bits(value)),
        _ => false,
    }
}

/// What a dialect makes of a value: `Err` where it is refused, `Ok(None)` where it is left out.
fn image(value: &Value, dialect: XmlRpcDialect, member: bool) -> Result<Option<Value>, ()> {
    let nothing = || match dialect.nil {
        Nil::Nil | Nil::ExNil => Ok(Some(Value::Nil)),
        Nil::Omit if member => Ok(None),
        Nil::Omit | Nil::Refuse => Err(()),
    };
    match value {
        Value::Nil => nothing(),
        Value::Bool(_) | Value::Binary(_) => Ok(Some(value.clone())),
        Value::Int(number) if i32::try_from(*number).is_ok() => Ok(Some(value.clone())),
        Value::Int(number) => match dialect.big_integers {
            BigIntegers::I8 | BigIntegers::ExI8 => Ok(Some(value.clone())),
            BigIntegers::String => Ok(Some(Value::Text(number.to_string()))),
            #[expect(clippy::cast_precision_loss, reason = "that there is none is what the bound is for")]
            BigIntegers::Double if number.abs_diff(0) <= 1 << 53 => Ok(Some(Value::Double(*number as f64))),
            BigIntegers::Double | BigIntegers::Refuse => Err(()),
        },
        Value::Number(number) if !number.is_integer() => Ok(Some(value.clone())),
        Value::Number(number) => match dialect.big_integers {
            BigIntegers::ExI8 => Ok(Some(value.clone())),
            BigIntegers::String => Ok(Some(Value::Text(number.to_string()))),
            BigIntegers::I8 | BigIntegers::Double | BigIntegers::Refuse => Err(()),
        },
        Value::Double(number) if number.is_finite() => Ok(Some(value.clone())),
        Value::Double(_) => match dialect.non_finite {
            XmlRpcNonFinite::Refuse => Err(()),
            XmlRpcNonFinite::Words => Ok(Some(value.clone())),
            XmlRpcNonFinite::Nil => nothing(),
        },
        Value::Text(text) => text_image(text, dialect.control_characters).map(|text| Some(Value::Text(text))),
        Value::Date(date) => date_image(*date, dialect).map(|date| Some(Value::Date(date))),
        Value::Array(items) => {
            let items = items.iter().map(|item| image(item, dialect, false)?.ok_or(()));
            items.collect::<Result<_, _>>().map(|items| Some(Value::Array(items)))
        }
        Value::Struct(members) => struct_image(members, dialect).map(|members| Some(Value::Struct(members))),
    }
}

fn text_image(text: &str, control: Control) -> Result<String, ()> {
    match control {
        Control::Refuse => Some(text.to_owned()).filter(|text| text.chars().all(is_xml_char)).ok_or(()),
        Control::Replace => Ok(text.chars().map(|c| if is_xml_char(c) { c } else { '\u{fffd}' }).collect()),
        Control::Strip => Ok(text.chars().filter(|c| is_xml_char(*c)).collect()),
    }
}

fn date_image(date: DateTime, dialect: XmlRpcDialect) -> Result<DateTime, ()> {
    let four_digits = |date: DateTime| (0..=9999).contains(&date.local.year());
    let sayable = date.zone.is_none_or(|zone| zone.whole_seconds() % 60 == 0 && zone.whole_hours().abs() < 24);
    let whole = date.local.nanosecond() == 0 || dialect.fractions == Fractions::Drop;
    if !four_digits(date) || !sayable || !whole {
        return Err(());
    }
    let local = match date.zone {
        None => date.local,
        Some(zone) => {
            let here = UtcOffset::from_whole_seconds(i32::from(dialect.zone) * 60).unwrap();
            let moved = date.local.assume_offset(zone).checked_to_offset(here).ok_or(())?;
            time::PrimitiveDateTime::new(moved.date(), moved.time())
        }
    };
    let moved = DateTime { local: local.replace_nanosecond(0).unwrap(), zone: None };
    Some(moved).filter(|date| four_digits(*date)).ok_or(())
}

fn struct_image(members: &[(String, Value)], dialect: XmlRpcDialect) -> Result<Vec<(String, Value)>, ()> {
    let names: std::collections::BTreeSet<_> = members.iter().map(|(name, _)| name).collect();
    let sound = names.iter().all(|name| name.chars().all(is_xml_char));
    if names.len() < members.len() || !sound {
        return Err(());
    }
    let members = members.iter().map(|(name, value)| {
        let value = image(value, dialect, true)?;
        Ok(value.map(|value| (name.clone(), value)))
    });
    members.filter_map(Result::transpose).collect()
}

/// A record with a field of every kind that serde has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Everything {
    small: (i8, i16, i32, u8, u16, u32),
    large: (i64, u64, i128, u128),
    single: f32,
    character: char,
    option: Option<Option<bool>>,
    unit: Option<()>,
    choice: Vec<Choice>,
    numbers: BTreeMap<i64, String>,
    flags: BTreeMap<bool, Binary>,
    wrapped: Wrapped,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Choice {
    Unit,
    One(String),
    Two(i32, bool),
    Named { x: f64 },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Wrapped(Vec<u8>);

fn everything() -> impl Strategy<Value = Everything> {
    let choice = prop_oneof![
        Just(Choice::Unit),
        "[ -~]{0,5}".prop_map(Choice::One),
        any::<(i32, bool)>().prop_map(|(number, flag)| Choice::Two(number, flag)),
        any::<f64>().prop_map(|x| Choice::Named { x }),
    ];
    let numbers = btree_map(any::<i64>(), "[a-z]{0,3}", 0..4);
    let flags = btree_map(any::<bool>(), vec(any::<u8>(), 0..4).prop_map(Binary), 0..2);
    let character = any::<char>().prop_filter("a character of XML", |c| is_xml_char(*c));
    let small = any::<(i8, i16, i32, u8, u16, u32)>();
    let large = any::<(i64, u64, i128, u128)>();
    let rest = (any::<f32>(), character, option::of(any::<bool>()), vec(choice, 0..4), numbers, flags);
    (small, large, rest, vec(any::<u8>(), 0..4)).prop_map(|(small, large, rest, bytes)| {
        let (single, character, option, choice, numbers, flags) = rest;
        let option = option.map(Some);
        Everything {
            small,
            large,
            single,
            character,
            option,
            unit: None,
            choice,
            numbers,
            flags,
            wrapped: Wrapped(bytes),
        }
    })
}

proptest! {
    #![proptest_config(random_cases(300))]

    #[test]
    fn a_value_that_can_be_carried_comes_back_the_same(value in carried(), ascii: bool, apache: bool) {
        let text = written(&value, open(ascii, apache)).expect("nothing in it is refused");
        let lenient = read_back(&text, Reading::Lenient);
        prop_assert!(same(&lenient, &value), "{lenient:?}\nis not\n{value:?}\nin\n{text}");
        if !beyond_32_bits(&value) {
            let strict = read_back(&text, Reading::Strict);
            prop_assert!(same(&strict, &value), "{strict:?}\nis not\n{value:?}\nin\n{text}");
        }
    }

    #[test]
    fn any_value_becomes_what_the_dialect_says_or_an_error(value in any_value(), dialect in dialect()) {
        let expected = image(&value, dialect, false).ok().flatten();
        let back = written(&value, dialect).map(|text| read_back(&text, Reading::Lenient));
        match (&back, &expected) {
            (Some(back), Some(expected)) => prop_assert!(same(back, expected), "{back:?}\nis not\n{expected:?}"),
            (None, None) => {}
            _ => prop_assert!(false, "{back:?}\nis not\n{expected:?}"),
        }
    }

    #[test]
    fn a_record_of_every_type_comes_back_the_same(record in everything(), ascii: bool) {
        let text = written(&record, open(ascii, true)).expect("nothing in it is refused");
        let document = XmlRpcDocument::read(&text, Reading::Lenient, DocumentLimits::default()).unwrap();
        let back = Everything::deserialize(document.tape.values().next().unwrap());
        prop_assert_eq!(back.as_ref(), Ok(&record), "{}", text);
    }

    #[test]
    fn parameters_come_back_in_their_order(name in "[a-zA-Z0-9_.:/]{1,20}", values in vec(carried(), 0..6), ascii: bool) {
        let mut bytes = Vec::new();
        write_call(&mut bytes, &name, &values, open(ascii, false)).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let document = XmlRpcDocument::read(&text, Reading::Lenient, DocumentLimits::default()).unwrap();
        prop_assert_eq!(&document.root, &Root::Call(name.into()));
        let back: Vec<Value> = Args::Values(document.tape.values()).read_record().unwrap();
        prop_assert!(same(&Value::Array(back), &Value::Array(values)));
    }
}
