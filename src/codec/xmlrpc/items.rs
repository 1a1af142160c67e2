//! The items of a response whose value is an array, read one by one.

use super::plain::{self, ItemSize, PlainXmlRpcReader};
use crate::codec::DocumentLimits;
use crate::codec::tape::ValueRef;
use crate::codec::xml::{Reading, prolog};

/// The largest item. Memory is needed for the text of the document and for one item.
const MOST: ItemSize = ItemSize { bytes: 1 << 20, nodes: 16 << 10 };

/// The items of a response whose value is an array. The whole document has been checked, but only its text is in memory.
#[derive(Debug)]
pub struct XmlRpcItems {
    text: String,
    at: usize,
    reading: Reading,
    limits: DocumentLimits,
}

impl XmlRpcItems {
    /// Checks a document to its end. It may have any number of elements.
    ///
    /// # Errors
    /// The text, if its items cannot be read one by one: it is not plain, is not a response with an array, or has an item
    /// of more than 1 MiB.
    pub fn find(text: String, reading: Reading, limits: DocumentLimits) -> Result<XmlRpcItems, String> {
        let limits = DocumentLimits { elements: usize::MAX, ..limits };
        let start = prolog::start(&text, reading);
        match start.ok().and_then(|start| plain::find_items(&text, start, reading, limits, MOST)) {
            Some(at) => Ok(XmlRpcItems { text, at, reading, limits }),
            None => Err(text),
        }
    }

    /// Passes items to `take` until it returns `false` or fails. Returns whether there may be further items.
    ///
    /// # Errors
    /// Those of `take`.
    pub fn read<E>(&mut self, mut take: impl FnMut(ValueRef<'_, '_>) -> Result<bool, E>) -> Result<bool, E> {
        let mut reader = PlainXmlRpcReader::new(&self.text, self.at, self.reading, self.limits);
        let mut goes_on = true;
        while goes_on {
            // The document has been checked, so this cannot fail. If it did, there would be no further item.
            if !reader.next_item().unwrap_or_default() {
                return Ok(false);
            }
            goes_on = match reader.tape.values().next() {
                Some(item) => take(item)?,
                None => false,
            };
        }
        self.at = reader.at;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::codec::xmlrpc::{Root, XmlRpcDocument};
    use crate::model::value::Value;

    const LIMITS: DocumentLimits = DocumentLimits { elements: 1000, depth: 3 };

    fn array(items: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?>\n<methodResponse> <params>\n<param><value><array><data>{items}</data></array></value>\
             </param></params></methodResponse>\n"
        )
    }

    fn one_by_one(text: &str) -> Option<Vec<Value>> {
        let mut items = XmlRpcItems::find(text.to_owned(), Reading::Strict, LIMITS).ok()?;
        let mut values = Vec::new();
        loop {
            let more = items.read(|item| {
                values.push(Value::deserialize(item).unwrap());
                Ok::<_, ()>(values.len() % 2 == 0)
            });
            if !more.unwrap() {
                return Some(values);
            }
        }
    }

    #[test]
    fn items_are_those_of_the_document_that_is_read_at_once() {
        for items in [
            "",
            " ",
            "<value>a</value>",
            "<value><int>1</int></value> <value/>\n<value><string/></value><value><nil/></value>",
            "<value><array><data/></array></value><value><array/></value><value><struct/></value>",
            "<value><struct><member><name>a &amp; b</name><value> </value></member></struct></value><value>c</value>",
        ] {
            let text = array(items);
            let document = XmlRpcDocument::read(&text, Reading::Strict, LIMITS).unwrap();
            assert_eq!(document.root, Root::Response);
            let whole = Value::deserialize(document.tape.values().next().unwrap()).unwrap();
            assert_eq!(one_by_one(&text).map(Value::Array), Some(whole), "{items}");
        }
    }

    #[test]
    fn other_documents_are_left_as_they_are() {
        let sound = array("<value>a</value>");
        for text in [
            "".to_owned(),
            sound.replace("<array>", "<!-- --><array>"),
            sound.replace("</methodResponse>", ""),
            format!("{sound}<more/>"),
            array("<value>a</value><value>"),
            array("<value><int>x</int></value>"),
            array("a"),
            array(
                "<value><array><data><value><array><data><value><array/></value></data></array></value></data></array></value>",
            ),
            array(
                "<value><struct><member><name>a</name><value/></member><member><name>a</name><value/></member></struct></value>",
            ),
            array(&format!("<value>{}</value>", "a".repeat(MOST.bytes))),
            array(&format!("<value><array><data>{}</data></array></value>", "<value>a</value>".repeat(MOST.nodes + 1))),
            "<methodResponse><params><param><value>a</value></param></params></methodResponse>".to_owned(),
            "<methodResponse><fault><value><struct/></value></fault></methodResponse>".to_owned(),
        ] {
            assert_eq!(XmlRpcItems::find(text.clone(), Reading::Strict, LIMITS).unwrap_err(), text);
        }
    }

    #[test]
    fn a_document_may_have_more_items_than_elements_are_allowed() {
        assert_eq!(one_by_one(&array(&"<value>a</value>".repeat(2000))).map(|items| items.len()), Some(2000));
    }
}
