//! Arrays of the SOAP encoding.

use serde_json::json;

use super::content::Content;
use super::source::{ElementRef, WSDL, children, schema_child};
use super::types::{ConvertedType, ENCODING, Member, TypeReader, any};
use crate::codec::soap::{BindingType, MessagePart, QualifiedName, TypeStructure};
use crate::model::fault::Fault;

/// The most dimensions of an array of arrays.
const MAX_RANKS: usize = 8;

impl<'x> TypeReader<'x> {
    /// The item of an array of the SOAP encoding, by its attribute (WSDL 1.1, section 2.2) or its content; `None` if the type
    /// is not such an array.
    pub(super) fn encoded_item(&mut self, element: ElementRef<'x>, hint: &str) -> Result<Option<Member>, Fault> {
        let restriction = schema_child(element, "complexContent")
            .and_then(|content| schema_child(content, "restriction").or_else(|| schema_child(content, "extension")));
        let Some(restriction) = restriction else { return Ok(None) };
        let base = self.sources.qname(restriction, "base")?;
        if !base.is_some_and(|base| base.namespace == ENCODING && base.local == "Array") {
            return Ok(None);
        }
        let declared = children(restriction).find_map(|child| {
            let attribute = child.attribute((WSDL, "arrayType"))?;
            Some((child, attribute))
        });
        let ConvertedType { schema, content } = match declared {
            Some((element, written)) => match written.split_once('[') {
                Some((name, ranks)) => {
                    let item = self.type_named(&self.sources.resolve(element, name)?, element)?;
                    // Each further pair of brackets is an array inside (SOAP 1.1, section 5.4.2).
                    (0..ranks.matches('[').count().min(MAX_RANKS)).fold(item, |item, _| self.array_of(item))
                }
                None => any(),
            },
            None => {
                let mut content = Content::default();
                self.particles(restriction, hint, 0, &mut content)?;
                let last = content.members.pop();
                last.map_or_else(any, |member| ConvertedType { schema: member.item, content: member.part.content })
            }
        };
        Ok(Some(self.array_item(ConvertedType { schema, content })))
    }

    /// An array in SOAP's encoding without a name of its own.
    fn array_of(&mut self, item: ConvertedType) -> ConvertedType {
        let item = self.array_item(item);
        let schema = json!({ "type": "array", "items": item.item });
        let structure = TypeStructure::Array(Box::new(item.part));
        let content = self.add_type(BindingType { name: None, structure, base: None, is_abstract: false });
        ConvertedType { schema, content }
    }

    fn array_item(&mut self, ConvertedType { schema, content }: ConvertedType) -> Member {
        let element = QualifiedName { namespace: None, local: "item".to_owned() };
        let part = MessagePart { nillable: true, ..MessagePart::element("item", element, content) };
        Member { part, schema: schema.clone(), item: schema, required: true, doc: String::new() }
    }
}
