//! Builds a tape from values that are already in memory, so that they can be passed on as arguments.

use std::borrow::Cow;

use super::{Tape, TapeNode};
use crate::model::fault::Fault;
use crate::model::value::Value;

impl<'a> Tape<'a> {
    /// A tape of these values, in order.
    ///
    /// ```
    /// use croupier::service::args::Args;
    /// use croupier::model::value::Value;
    /// use croupier::codec::tape::Tape;
    ///
    /// let values = [Value::Int(3), Value::Text("a".into())];
    /// let tape = Tape::of(&values)?;
    /// assert_eq!(Args::Values(tape.values()).read_record::<(u8, String)>()?, (3, "a".to_owned()));
    /// # Ok::<(), croupier::Fault>(())
    /// ```
    ///
    /// # Errors
    /// `Structure` if a struct has two members with the same name.
    pub fn of(values: impl IntoIterator<Item = &'a Value>) -> Result<Tape<'a>, Fault> {
        let mut tape = Tape::default();
        for value in values {
            tape.write(value)?;
            tape.complete();
        }
        Ok(tape)
    }

    fn write(&mut self, value: &'a Value) -> Result<(), Fault> {
        let node = match value {
            Value::Nil => TapeNode::Nil,
            Value::Bool(value) => TapeNode::Bool(*value),
            Value::Int(value) => TapeNode::Int(*value),
            Value::Number(value) => TapeNode::Digits(Cow::Borrowed(value.as_str())),
            Value::Double(value) => TapeNode::Double(*value),
            Value::Text(text) => TapeNode::Text(Cow::Borrowed(text)),
            Value::Date(date) => TapeNode::Date(*date),
            Value::Binary(bytes) => TapeNode::Binary(bytes.clone()),
            Value::Array(items) => {
                let opened = self.open();
                items.iter().try_for_each(|item| self.write(item))?;
                self.close_array(opened, items.len());
                return Ok(());
            }
            Value::Struct(members) => {
                let opened = self.open();
                for (name, value) in members {
                    self.push(TapeNode::Text(Cow::Borrowed(name)));
                    self.write(value)?;
                }
                return self.close_struct(opened, members.len());
            }
        };
        self.push(node);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[test]
    fn values_read_back_as_they_were() {
        let values = [
            Value::Array(vec![Value::Nil, Value::Bool(true), Value::Struct(Vec::new())]),
            Value::Struct(vec![
                ("date".into(), Value::Date("1998-07-17T14:08:55+02:00".parse().unwrap())),
                ("bytes".into(), Value::Binary(vec![0, 255])),
                ("half".into(), Value::Double(0.5)),
            ]),
        ];
        let tape = Tape::of(&values).unwrap();
        let read: Vec<Value> = tape.values().map(|value| Value::deserialize(value).unwrap()).collect();
        assert_eq!(read, values);
        assert_eq!(
            tape.values().nth(1).unwrap().member("half").and_then(|half| f64::deserialize(half).ok()),
            Some(0.5)
        );
    }

    #[test]
    fn an_integer_is_exact_for_a_type_that_can_hold_it() {
        let values = [u64::MAX.into(), i128::MIN.into()].map(Value::Number);
        let tape = Tape::of(&values).unwrap();
        let [one, other] = [0, 1].map(|at| tape.values().nth(at).unwrap());
        assert_eq!((u64::deserialize(one), i128::deserialize(other)), (Ok(u64::MAX), Ok(i128::MIN)));
        assert!(i64::deserialize(one).is_err());
    }

    #[test]
    fn two_members_of_one_name_are_refused() {
        let twice = Value::Struct(vec![("a".into(), Value::Nil), ("a".into(), Value::Nil)]);
        assert!(Tape::of([&twice]).unwrap_err().message.contains("two members `a`"));
    }
}
