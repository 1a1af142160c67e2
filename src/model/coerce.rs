//! Converts values to the type that a shape expects, for protocols that lack the type and send text or another number.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::model::shape::{Field, Record, Shape, Shapes};
use crate::model::value::Value;

/// 2^53: up to here a double holds every integer exactly.
const LARGEST: i64 = 1 << 53;

/// Converts a value to the type of its shape: text to a date, bytes or a large integer, whole numbers between integer and
/// double, empty text to nil. Values that do not match are returned unchanged; the receiver reports the error.
///
/// ```
/// use croupier::model::coerce::coerce;
/// use croupier::model::shape::{Shape, Shapes};
/// use croupier::Value;
///
/// let shapes = Shapes::default();
/// let bytes = coerce(Value::Text("aGk=".into()), &Shape::Binary, &shapes);
/// assert_eq!(bytes, Value::Binary(b"hi".to_vec()));
/// assert_eq!(coerce(Value::Int(2), &Shape::Double, &shapes), Value::Double(2.0));
/// assert_eq!(coerce(Value::Bool(true), &Shape::Double, &shapes), Value::Bool(true));
/// ```
pub fn coerce(value: Value, shape: &Shape, shapes: &Shapes) -> Value {
    match (shapes.follow(shape), value) {
        (Shape::Optional(_), Value::Nil) => Value::Nil,
        (Shape::Optional(inner), value) => coerce(value, inner, shapes),
        (Shape::Nil, Value::Text(text)) if text.is_empty() => Value::Nil,
        (Shape::Int(_), Value::Double(number)) => whole(number),
        (Shape::Int(_), Value::Text(text)) => digits(text),
        (Shape::Double, Value::Int(number)) => double(number),
        (Shape::Double, Value::Text(text)) => no_number(text),
        (Shape::Date, Value::Text(text)) => text.parse().map_or(Value::Text(text), Value::Date),
        (Shape::Binary, Value::Text(text)) => STANDARD.decode(&text).map_or(Value::Text(text), Value::Binary),
        (Shape::List(item), Value::Array(items)) => {
            Value::Array(items.into_iter().map(|value| coerce(value, item, shapes)).collect())
        }
        (Shape::Tuple(fields), Value::Array(items)) => tuple(items, fields, shapes),
        (Shape::Record(record), Value::Struct(members)) => self::record(members, record, shapes),
        (_, value) => value,
    }
}

fn tuple(items: Vec<Value>, fields: &[Field], shapes: &Shapes) -> Value {
    let mut fields = fields.iter();
    let fitted = items.into_iter().map(|value| match fields.next() {
        Some(field) => coerce(value, &field.shape, shapes),
        None => value,
    });
    Value::Array(fitted.collect())
}

fn record(members: Vec<(String, Value)>, record: &Record, shapes: &Shapes) -> Value {
    let shape = |name: &str| {
        let field = record.fields.iter().find(|field| field.name == name);
        field.map(|field| &field.shape).or(record.further.as_deref())
    };
    let fitted = members.into_iter().map(|(name, value)| {
        let value = match shape(&name) {
            Some(shape) => coerce(value, shape, shapes),
            None => value,
        };
        (name, value)
    });
    Value::Struct(fitted.collect())
}

/// A whole double becomes an integer, as JSON Schema defines integers.
fn whole(number: f64) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "it is a power of two")]
    let far = number.abs() > LARGEST as f64;
    if number.fract() != 0.0 || far {
        return Value::Double(number);
    }
    #[expect(clippy::cast_possible_truncation, reason = "it has no fraction, and is far below 64 bits")]
    let whole = number as i64;
    Value::Int(whole)
}

fn double(number: i64) -> Value {
    if number.unsigned_abs() > LARGEST.unsigned_abs() {
        return Value::Int(number);
    }
    #[expect(clippy::cast_precision_loss, reason = "each of these is a double of its own")]
    let double = number as f64;
    Value::Double(double)
}

/// Digits beyond 64 bits that were sent as text become an integer: many clients have no other way to send it. Shorter
/// digits were meant as text.
fn digits(text: String) -> Value {
    let bare = text.strip_prefix('-').unwrap_or(&text);
    if bare.is_empty() || !bare.bytes().all(|byte| byte.is_ascii_digit()) || text.parse::<i64>().is_ok() {
        return Value::Text(text);
    }
    text.parse().map_or(Value::Text(text), Value::Number)
}

/// Converts the words for NaN and the infinities, which protocols without them send.
fn no_number(text: String) -> Value {
    match text.as_str() {
        "NaN" => Value::Double(f64::NAN),
        "Infinity" | "INF" => Value::Double(f64::INFINITY),
        "-Infinity" | "-INF" => Value::Double(f64::NEG_INFINITY),
        _ => Value::Text(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::shape::Width;

    fn fitted(value: Value, shape: &Shape) -> Value {
        coerce(value, shape, &Shapes::default())
    }

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    fn field(name: &str, shape: Shape) -> Field {
        Field { name: name.into(), element: name.into(), doc: String::new(), shape, required: true, default: None }
    }

    #[test]
    fn values_take_the_form_of_their_shape() {
        let int = Shape::Int(Width::UnsignedLong);
        for (value, shape, expected) in [
            (text("1998-07-17T14:08:55Z"), &Shape::Date, Value::Date("1998-07-17T14:08:55Z".parse().unwrap())),
            (text("19980717T14:08:55"), &Shape::Date, Value::Date("1998-07-17T14:08:55".parse().unwrap())),
            (text("AQI="), &Shape::Binary, Value::Binary(vec![1, 2])),
            (Value::Double(3.0), &int, Value::Int(3)),
            (text("18446744073709551615"), &int, Value::Number(u64::MAX.into())),
            (text("-9223372036854775809"), &int, Value::Number((i128::from(i64::MIN) - 1).into())),
            (text(&"9".repeat(60)), &int, Value::Number("9".repeat(60).parse().unwrap())),
            (Value::Int(3), &Shape::Double, Value::Double(3.0)),
            (text("-Infinity"), &Shape::Double, Value::Double(f64::NEG_INFINITY)),
            (text(""), &Shape::Nil, Value::Nil),
        ] {
            assert_eq!(fitted(value.clone(), shape), expected, "{value:?}");
            let optional = Shape::Optional(Box::new(shape.clone()));
            assert_eq!(fitted(value, &optional), expected);
            assert_eq!(fitted(Value::Nil, &optional), Value::Nil);
        }
    }

    #[test]
    fn what_does_not_fit_stays_as_it_is() {
        let int = Shape::Int(Width::Long);
        for (value, shape) in [
            (text("tomorrow"), &Shape::Date),
            (text("AQ"), &Shape::Binary),
            (Value::Double(3.5), &int),
            (Value::Double(1e300), &int),
            (text("0x10"), &int),
            (text("7"), &int),
            (text(""), &int),
            (text("-"), &int),
            (Value::Int((1 << 53) + 1), &Shape::Double),
            (Value::Int(i64::MIN), &Shape::Double),
            (text("1.5"), &Shape::Double),
            (Value::Int(1), &Shape::Text),
            (Value::Nil, &Shape::Date),
            (Value::Struct(Vec::new()), &Shape::List(Box::new(Shape::Any))),
        ] {
            assert_eq!(fitted(value.clone(), shape), value);
        }
    }

    #[test]
    fn parts_are_fitted_at_any_depth() {
        let inner = Shape::Tuple(vec![field("a", Shape::Double), field("b", Shape::Date)]);
        let record = Record {
            fields: vec![field("pairs", Shape::List(Box::new(inner)))],
            further: Some(Box::new(Shape::Binary)),
        };
        let pair = |a, b| Value::Array(vec![a, b, text("AQ==")]);
        let value = Value::Struct(vec![
            ("pairs".into(), Value::Array(vec![pair(Value::Int(1), text("19980717T14:08:55"))])),
            ("other".into(), text("AQ==")),
        ]);
        let date = Value::Date("19980717T14:08:55".parse().unwrap());
        let expected = Value::Struct(vec![
            ("pairs".into(), Value::Array(vec![pair(Value::Double(1.0), date)])),
            ("other".into(), Value::Binary(vec![1])),
        ]);
        assert_eq!(fitted(value, &Shape::Record(record)), expected);
    }
}
