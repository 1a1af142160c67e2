//! Bodies of the type `application/x-www-form-urlencoded` (the URL standard of WHATWG, section 5.2).

use url::form_urlencoded::byte_serialize;

use super::MemberForm;
use super::text::{Place, plain};
use crate::model::fault::Fault;
use crate::model::value::Value;

/// Appends one member. A list is written once for each item, and what has parts otherwise as JSON. Nil is left out.
///
/// # Errors
/// `BadParams` if the value cannot be written as text.
pub fn write_member(to: &mut String, name: &str, value: &Value, form: &MemberForm) -> Result<(), Fault> {
    match (form, value) {
        (MemberForm::Styled(style), value) => {
            // A blank is written differently in a query and in a form, and read alike.
            style.write(Place::Query, name, value)?.iter().for_each(|pair| separated(to, pair));
        }
        (_, Value::Nil) => {}
        (_, Value::Array(items)) => {
            for item in items {
                pair(to, name, &plain(item)?);
            }
        }
        (_, value) => pair(to, name, &plain(value)?),
    }
    Ok(())
}

fn pair(to: &mut String, name: &str, value: &str) {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    separated(to, &format!("{}={}", encoded(name), encoded(value)));
}

fn separated(to: &mut String, pair: &str) {
    if !to.is_empty() {
        to.push('&');
    }
    to.push_str(pair);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::rest::text::{Style, TextStyle};

    #[test]
    fn members_are_pairs_and_lists_repeat_their_name() {
        let text = |text: &str| Value::Text(text.into());
        let record = Value::Struct(vec![("b".into(), Value::Int(1))]);
        let deep = TextStyle { style: Style::DeepObject, ..TextStyle::FORM };
        let mut body = String::new();
        for (name, value, form) in [
            ("a b", text("~ &é+"), MemberForm::Plain),
            ("c", Value::Array(vec![Value::Int(1), text("x"), record.clone()]), MemberForm::Plain),
            ("d", record.clone(), MemberForm::Plain),
            ("e", record, MemberForm::Styled(deep)),
            ("f", Value::Nil, MemberForm::Plain),
            ("g", Value::Bool(false), MemberForm::Plain),
        ] {
            write_member(&mut body, name, &value, &form).unwrap();
        }
        let record = "%7B%22b%22%3A1%7D";
        let expected = format!("a+b=%7E+%26%C3%A9%2B&c=1&c=x&c={record}&d={record}&e%5Bb%5D=1&g=false");
        assert_eq!(body, expected);
    }
}
