//! Bodies of the type `multipart/form-data` (RFC 7578).

use std::hash::{BuildHasher as _, RandomState};

use memchr::memmem;

use super::MemberForm;
use super::text::{json, plain};
use crate::codec::media::is_json;
use crate::model::fault::Fault;
use crate::model::value::Value;

/// The parts of a body.
#[derive(Debug, Default)]
pub struct Parts(Vec<Part>);

#[derive(Debug)]
struct Part {
    head: String,
    content: Vec<u8>,
}

impl Parts {
    /// Adds the parts of a member: one for each item of a list. Texts are of the type `text/plain`, bytes of the type
    /// `application/octet-stream`, and what has parts itself is JSON, unless `form` says otherwise. Nil is left out. A style does
    /// not count for bytes.
    ///
    /// # Errors
    /// `BadParams` if the value cannot be written.
    pub fn add(&mut self, name: &str, value: &Value, form: &MemberForm) -> Result<(), Fault> {
        match (form, value) {
            (_, Value::Nil) => Ok(()),
            (MemberForm::Styled(style), value) if !has_bytes(value) => {
                for (name, text) in style.write_parts(name, value)? {
                    self.add_one(&name, &Value::Text(text), &MemberForm::Plain)?;
                }
                Ok(())
            }
            (_, Value::Array(items)) => items.iter().try_for_each(|item| self.add_one(name, item, form)),
            (_, value) => self.add_one(name, value, form),
        }
    }

    fn add_one(&mut self, name: &str, value: &Value, form: &MemberForm) -> Result<(), Fault> {
        let (media, is_file) = match form {
            MemberForm::Part { media, is_file } => (media.as_str(), *is_file),
            MemberForm::Plain | MemberForm::Styled(_) => match value {
                Value::Binary(_) => ("application/octet-stream", true),
                Value::Array(_) | Value::Struct(_) => ("application/json", false),
                _ => ("", false),
            },
        };
        let content = match value {
            Value::Binary(bytes) => bytes.clone(),
            value if is_json(media) => json(value)?.into_bytes(),
            value => plain(value)?.into_owned().into_bytes(),
        };
        let name = quoted(name);
        let file = if is_file { format!("; filename=\"{name}\"") } else { String::new() };
        let media = if media.is_empty() { String::new() } else { format!("Content-Type: {media}\r\n") };
        let head = format!("Content-Disposition: form-data; name=\"{name}\"{file}\r\n{media}\r\n");
        self.0.push(Part { head, content });
        Ok(())
    }

    /// The body, and the boundary between its parts.
    pub fn finish(self) -> (Vec<u8>, String) {
        let boundary = self.boundary();
        let size: usize = self.0.iter().map(|part| part.head.len() + part.content.len() + boundary.len() + 8).sum();
        let mut body = Vec::with_capacity(size + boundary.len() + 8);
        for Part { head, content } in self.0 {
            body.extend_from_slice(format!("--{boundary}\r\n{head}").as_bytes());
            body.extend_from_slice(&content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        (body, boundary)
    }

    /// A boundary that does not occur in any part. It is random, so that a client cannot send a part that contains it.
    fn boundary(&self) -> String {
        let random = RandomState::new();
        let mut attempt = 0_u64;
        loop {
            let boundary = format!("croupier-{:016x}{:016x}", random.hash_one(attempt), random.hash_one(!attempt));
            if self.0.iter().all(|part| memmem::find(&part.content, boundary.as_bytes()).is_none()) {
                return boundary;
            }
            attempt += 1;
        }
    }
}

fn has_bytes(value: &Value) -> bool {
    match value {
        Value::Binary(_) => true,
        Value::Array(items) => items.iter().any(|item| matches!(item, Value::Binary(_))),
        _ => false,
    }
}

/// A name between quotes, as HTML forms write it (RFC 7578, section 4.2).
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::rest::text::{Style, TextStyle};

    #[test]
    fn a_style_says_what_the_parts_are() {
        let list = Value::Array(vec![Value::Text("a b".into()), Value::Int(2)]);
        let record = Value::Struct(vec![("x".into(), list.clone())]);
        let bytes = Value::Array(vec![Value::Binary(vec![7])]);
        let style = |style, explode| MemberForm::Styled(TextStyle { style, explode, allow_reserved: false });
        let mut parts = Parts::default();
        parts.add("n", &list, &style(Style::Form, false)).unwrap();
        parts.add("n", &list, &style(Style::Form, true)).unwrap();
        parts.add("n", &list, &style(Style::PipeDelimited, false)).unwrap();
        parts.add("n", &record, &style(Style::DeepObject, true)).unwrap();
        parts.add("n", &bytes, &style(Style::Form, false)).unwrap();
        let written: Vec<(&str, &[u8])> =
            parts.0.iter().map(|part| (part.head.split('"').nth(1).unwrap(), part.content.as_slice())).collect();
        let (joined, a, two) = (b"a b,2".as_slice(), b"a b".as_slice(), b"2".as_slice());
        let expected =
            [("n", joined), ("n", a), ("n", two), ("n", b"a b|2"), ("n[x]", a), ("n[x]", two), ("n", b"\x07")];
        assert_eq!(written, expected);
    }

    #[test]
    fn parts_have_names_types_and_exact_bytes() {
        let mut parts = Parts::default();
        let file = Value::Binary(vec![0, 13, 10, 255]);
        let png = MemberForm::Part { media: "image/png".into(), is_file: true };
        parts.add("a\"b\r\n", &Value::Text("é".into()), &MemberForm::Plain).unwrap();
        parts.add("file", &Value::Array(vec![file.clone(), file.clone()]), &MemberForm::Plain).unwrap();
        parts.add("icon", &file, &png).unwrap();
        parts.add("meta", &Value::Struct(vec![("n".into(), Value::Int(7))]), &MemberForm::Plain).unwrap();
        parts.add("none", &Value::Nil, &MemberForm::Plain).unwrap();
        let (body, boundary) = parts.finish();
        let mut expected = Vec::new();
        let disposition = "Content-Disposition: form-data; name=";
        let bytes = b"\0\r\n\xff".as_slice();
        for (head, content) in [
            ("\"a%22b%0D%0A\"\r\n", "é".as_bytes()),
            ("\"file\"; filename=\"file\"\r\nContent-Type: application/octet-stream\r\n", bytes),
            ("\"file\"; filename=\"file\"\r\nContent-Type: application/octet-stream\r\n", bytes),
            ("\"icon\"; filename=\"icon\"\r\nContent-Type: image/png\r\n", bytes),
            ("\"meta\"\r\nContent-Type: application/json\r\n", b"{\"n\":7}"),
        ] {
            expected.extend_from_slice(format!("--{boundary}\r\n{disposition}{head}\r\n").as_bytes());
            expected.extend_from_slice(content);
            expected.extend_from_slice(b"\r\n");
        }
        expected.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        assert_eq!(String::from_utf8_lossy(&body), String::from_utf8_lossy(&expected));
        assert_eq!(body, expected);
    }
}
