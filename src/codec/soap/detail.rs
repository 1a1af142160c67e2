//! The detail of a fault as JSON, for clients that cannot read SOAP.

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use crate::codec::xml::tree::Element;

/// What instances of XML Schema say of elements, which is not content.
const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// The member with the text of an element that has attributes.
const TEXT: &str = "value";

/// The content of the detail of a fault: an object with a member for each child element, or the text if there are none.
/// Elements and attributes have their names without namespaces, and elements of one name are an array. `None` if there is no
/// content.
pub(super) fn detail_as_json(detail: Element<'_, '_>) -> Option<Box<RawValue>> {
    match content(detail) {
        Value::String(text) if text.is_empty() => None,
        content => to_raw_value(&content).ok(),
    }
}

/// An element is read as deep as the reader of the document allows.
fn content(element: Element<'_, '_>) -> Value {
    let attributes = element.attributes().iter().filter(|it| element.namespace_of(it) != Some(INSTANCE));
    let mut members: Map<_, _> =
        attributes.map(|it| (it.name.to_owned(), Value::String(it.value.clone().into_owned()))).collect();
    for child in element.elements() {
        add(&mut members, child.name(), content(child));
    }
    let text = element.whole_text().trim().to_owned();
    if members.is_empty() {
        return Value::String(text);
    }
    if !text.is_empty() {
        add(&mut members, TEXT, Value::String(text));
    }
    Value::Object(members)
}

/// Adds a member; members of one name become an array.
fn add(members: &mut Map<String, Value>, name: &str, value: Value) {
    match members.get_mut(name) {
        None => drop(members.insert(name.to_owned(), value)),
        Some(Value::Array(values)) => values.push(value),
        Some(first) => {
            let first = first.take();
            members.insert(name.to_owned(), Value::Array(vec![first, value]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::DocumentLimits;
    use crate::codec::xml::tree::XmlTree;

    #[test]
    fn elements_attributes_and_texts_become_members() {
        for (detail, expected) in [
            ("<detail/>", None),
            ("<detail> no </detail>", Some(r#""no""#)),
            ("<detail><x>E44</x></detail>", Some(r#"{"x":"E44"}"#)),
            ("<d xmlns:t='u'><t:a><t:b>1</t:b><t:b>2</t:b><t:b/></t:a></d>", Some(r#"{"a":{"b":["1","2",""]}}"#)),
            ("<d><a c='EUR'>5</a><e f='g'/></d>", Some(r#"{"a":{"c":"EUR","value":"5"},"e":{"f":"g"}}"#)),
            ("<d>no <a>1</a> more</d>", Some(r#"{"a":"1","value":"no  more"}"#)),
            ("<d xmlns:i='http://www.w3.org/2001/XMLSchema-instance'><a i:type='x'>5</a></d>", Some(r#"{"a":"5"}"#)),
        ] {
            let tree = XmlTree::read_any(detail, DocumentLimits::default()).unwrap();
            let json = detail_as_json(tree.root().unwrap());
            assert_eq!(json.as_ref().map(|json| json.get()), expected, "{detail}");
        }
    }
}
