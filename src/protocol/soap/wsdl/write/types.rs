//! The schema of a WSDL document: an element for each message of document style, and the types.

use super::markup::{Attribute, Markup};
use super::{Described, FAULT, RESULT, Style};
use crate::model::shape::{Definition, Field, MethodShape, Record, Shape, Width};

/// Writes `wsdl:types`.
pub(super) fn write(markup: &mut Markup, described: &Described<'_>) {
    let attributes = [("targetNamespace", described.namespace), ("elementFormDefault", "qualified")];
    let types = Types { described };
    markup.with_timeout("wsdl:types", &[], |markup| {
        markup.with_timeout("xsd:schema", &attributes, |markup| {
            for method in described.shapes.methods() {
                match described.form.style {
                    Style::Document => types.messages(markup, method),
                    Style::Rpc => types.parts(markup, method),
                }
            }
            if described.tells_faults() {
                types.fault(markup);
            }
            for definition in described.shapes.definitions() {
                types.definition(markup, definition);
            }
            if types.any_is_used(described) {
                types.any(markup);
            }
        });
    });
}

/// The type of a parameter in rpc style, or of a result. Parts can have no types without names.
pub(super) fn part_type(described: &Described<'_>, method: &MethodShape, param: Option<&str>, shape: &Shape) -> String {
    Types { described }.name(shape).unwrap_or_else(|| format!("tns:{}", described.names.part(method, param)))
}

struct Types<'a> {
    described: &'a Described<'a>,
}

/// How often an element may stand where it does.
#[derive(Clone, Copy, PartialEq)]
enum Occurs {
    Once,
    Maybe,
    Repeatedly,
}

impl Types<'_> {
    /// The elements of a method's two messages.
    fn messages(&self, markup: &mut Markup, method: &MethodShape) {
        markup.with_timeout("xsd:element", &[("name", &method.element)], |markup| {
            self.sequence(markup, |markup| self.members(markup, &method.params));
        });
        markup.with_timeout("xsd:element", &[("name", &method.answer)], |markup| {
            self.sequence(markup, |markup| match &method.result {
                Shape::Nil => {}
                Shape::List(item) => self.element(markup, RESULT, item, Occurs::Repeatedly, ""),
                Shape::Optional(_) => self.element(markup, RESULT, &method.result, Occurs::Maybe, ""),
                result => self.element(markup, RESULT, result, Occurs::Once, ""),
            });
        });
    }

    /// The element in the detail of a fault.
    fn fault(&self, markup: &mut Markup) {
        let doc = "Why a call has failed: the sort of failure, and the service's own code or that of the sort.";
        markup.with_timeout("xsd:element", &[("name", FAULT)], |markup| {
            annotation(markup, doc);
            self.sequence(markup, |markup| {
                markup.empty("xsd:element", &[("name", "kind"), ("type", "xsd:string")]);
                markup.empty("xsd:element", &[("name", "code"), ("type", "xsd:int")]);
            });
        });
    }

    /// The types of a method's parameters and result that have no names of their own.
    fn parts(&self, markup: &mut Markup, method: &MethodShape) {
        let params = method.params.iter().map(|param| (Some(param.element.as_str()), &param.shape));
        let result = Some((None, &method.result)).filter(|(_, shape)| **shape != Shape::Nil);
        for (param, shape) in params.chain(result) {
            if self.name(shape).is_none() {
                self.type_of(markup, shape, Some(self.described.names.part(method, param)), "");
            }
        }
    }

    fn definition(&self, markup: &mut Markup, definition: &Definition) {
        if matches!(definition.shape, Shape::Choice(_) | Shape::List(_) | Shape::Tuple(_) | Shape::Record(_)) {
            self.type_of(markup, &definition.shape, Some(&definition.element), &definition.doc);
        }
    }

    fn members(&self, markup: &mut Markup, fields: &[Field]) {
        for field in fields {
            let doc = explained(field);
            match &field.shape {
                Shape::List(item) => self.element(markup, &field.element, item, Occurs::Repeatedly, &doc),
                shape if field.may_be_absent() => self.element(markup, &field.element, shape, Occurs::Maybe, &doc),
                shape => self.element(markup, &field.element, shape, Occurs::Once, &doc),
            }
        }
    }

    /// An element for a value of a shape.
    fn element(&self, markup: &mut Markup, name: &str, shape: &Shape, occurs: Occurs, doc: &str) {
        let own = self.name(shape).filter(|_| occurs != Occurs::Maybe || !is_binary(shape));
        let mut attributes = vec![("name", name)];
        attributes.extend(own.as_deref().map(|own| ("type", own)));
        match occurs {
            Occurs::Once => {}
            Occurs::Maybe => attributes.push(("minOccurs", "0")),
            Occurs::Repeatedly => attributes.extend([("minOccurs", "0"), ("maxOccurs", "unbounded")]),
        }
        if shape.may_be_nil() {
            attributes.push(("nillable", "true"));
        }
        if own.is_some() && doc.is_empty() {
            return markup.empty("xsd:element", &attributes);
        }
        markup.with_timeout("xsd:element", &attributes, |markup| {
            annotation(markup, doc);
            if own.is_none() {
                self.type_of(markup, shape, None, "");
            }
        });
    }

    /// The name of a shape's type, if it has one.
    fn name(&self, shape: &Shape) -> Option<String> {
        Some(match shape {
            Shape::Optional(inner) => return self.name(inner),
            Shape::Any => format!("tns:{}", self.described.names.any),
            Shape::Bool => "xsd:boolean".to_owned(),
            Shape::Int(width) => format!("xsd:{}", width.xsd()),
            Shape::Double => "xsd:double".to_owned(),
            Shape::Text => "xsd:string".to_owned(),
            Shape::Date => "xsd:dateTime".to_owned(),
            Shape::Binary => "xsd:base64Binary".to_owned(),
            Shape::Named(at) => format!("tns:{}", self.described.shapes.definitions().get(*at)?.element),
            Shape::Nil | Shape::Choice(_) | Shape::List(_) | Shape::Tuple(_) | Shape::Record(_) => return None,
        })
    }

    /// A type: with a name where the schema is to know it by one, or without, within an element.
    fn type_of(&self, markup: &mut Markup, shape: &Shape, name: Option<&str>, doc: &str) {
        let attributes: Vec<Attribute<'_>> = name.map(|name| ("name", name)).into_iter().collect();
        match shape {
            Shape::Optional(inner) => self.type_of(markup, inner, name, doc),
            Shape::Choice(texts) => restriction(markup, "xsd:string", texts, &attributes, doc),
            // A type of its own that says nothing more: gSOAP has a pointer for one, which may be nothing, but bytes by
            // their usual type it always sends, if need be none.
            Shape::Binary => restriction(markup, "xsd:base64Binary", &[], &attributes, doc),
            shape => markup.with_timeout("xsd:complexType", &attributes, |markup| {
                annotation(markup, doc);
                markup.with_timeout("xsd:sequence", &[], |markup| self.content(markup, shape));
            }),
        }
    }

    /// What stands within the element of a value that is made of others.
    fn content(&self, markup: &mut Markup, shape: &Shape) {
        match shape {
            Shape::List(item) => self.element(markup, "item", item, Occurs::Repeatedly, ""),
            Shape::Tuple(fields) => self.members(markup, fields),
            Shape::Record(Record { fields, further }) => {
                self.members(markup, fields);
                if let Some(further) = further {
                    self.entries(markup, further);
                }
            }
            _ => {}
        }
    }

    /// The members of a map.
    fn entries(&self, markup: &mut Markup, value: &Shape) {
        let attributes = [("name", "entry"), ("minOccurs", "0"), ("maxOccurs", "unbounded")];
        markup.with_timeout("xsd:element", &attributes, |markup| {
            self.sequence(markup, |markup| {
                markup.empty("xsd:element", &[("name", "key"), ("type", "xsd:string")]);
                self.element(markup, "value", value, Occurs::Once, "");
            });
        });
    }

    fn sequence(&self, markup: &mut Markup, inside: impl FnOnce(&mut Markup)) {
        markup.with_timeout("xsd:complexType", &[], |markup| markup.with_timeout("xsd:sequence", &[], inside));
    }

    /// The type of a value of any type, in which one element says of which. All of them are optional members rather
    /// than a choice, since zeep leaves out of a choice whatever is false, zero or empty.
    fn any(&self, markup: &mut Markup) {
        let name = &self.described.names.any;
        let simple = [
            ("string", Shape::Text),
            ("boolean", Shape::Bool),
            ("int", Shape::Int(Width::Long)),
            ("integer", Shape::Int(Width::Unbounded)),
            ("double", Shape::Double),
            ("dateTime", Shape::Date),
            ("base64", Shape::Binary),
        ];
        markup.with_timeout("xsd:complexType", &[("name", name)], |markup| {
            annotation(markup, "A value of any type: exactly one of these elements.");
            markup.with_timeout("xsd:sequence", &[], |markup| {
                for (name, shape) in &simple {
                    self.element(markup, name, shape, Occurs::Maybe, "");
                }
                self.any_of_others(markup);
            });
        });
    }

    /// Nothing, values in order, and values by name.
    fn any_of_others(&self, markup: &mut Markup) {
        let perhaps = |name| [("name", name), ("minOccurs", "0")];
        let often = |name| [("name", name), ("minOccurs", "0"), ("maxOccurs", "unbounded")];
        markup.with_timeout("xsd:element", &perhaps("nil"), |markup| self.sequence(markup, |_| {}));
        markup.with_timeout("xsd:element", &perhaps("array"), |markup| {
            self.sequence(markup, |markup| self.element(markup, "item", &Shape::Any, Occurs::Repeatedly, ""));
        });
        markup.with_timeout("xsd:element", &perhaps("struct"), |markup| {
            self.sequence(markup, |markup| {
                markup.with_timeout("xsd:element", &often("member"), |markup| {
                    self.sequence(markup, |markup| {
                        markup.empty("xsd:element", &[("name", "name"), ("type", "xsd:string")]);
                        self.element(markup, "value", &Shape::Any, Occurs::Once, "");
                    });
                });
            });
        });
    }

    fn any_is_used(&self, described: &Described<'_>) -> bool {
        let methods = described.shapes.methods().iter();
        let mut shapes = methods
            .flat_map(|method| method.params.iter().map(|param| &param.shape).chain([&method.result]))
            .chain(described.shapes.definitions().iter().map(|definition| &definition.shape));
        shapes.any(holds_any)
    }
}

/// Whether there is a free-form value in a shape, at any depth short of the types with names.
fn holds_any(shape: &Shape) -> bool {
    match shape {
        Shape::Any => true,
        Shape::Optional(inner) | Shape::List(inner) => holds_any(inner),
        Shape::Tuple(fields) => fields.iter().any(|field| holds_any(&field.shape)),
        Shape::Record(Record { fields, further }) => {
            fields.iter().any(|field| holds_any(&field.shape)) || further.as_deref().is_some_and(holds_any)
        }
        _ => false,
    }
}

fn is_binary(shape: &Shape) -> bool {
    match shape {
        Shape::Optional(inner) => is_binary(inner),
        shape => *shape == Shape::Binary,
    }
}

/// A simple type, with the texts that it is limited to, if it is.
fn restriction(markup: &mut Markup, base: &str, texts: &[String], attributes: &[Attribute<'_>], doc: &str) {
    markup.with_timeout("xsd:simpleType", attributes, |markup| {
        annotation(markup, doc);
        markup.with_timeout("xsd:restriction", &[("base", base)], |markup| {
            for text in texts {
                markup.empty("xsd:enumeration", &[("value", text)]);
            }
        });
    });
}

fn annotation(markup: &mut Markup, doc: &str) {
    if !doc.is_empty() {
        markup.with_timeout("xsd:annotation", &[], |markup| markup.text("xsd:documentation", doc));
    }
}

/// What a member means, and what counts where it is left out. A `default` of XML Schema would say something else: that
/// an element which is there, but empty, counts as this.
pub(super) fn explained(field: &Field) -> String {
    match &field.default {
        Some(default) if !default.is_null() => {
            let default = format!("Left out, it is {default}.");
            if field.doc.is_empty() { default } else { format!("{} {default}", field.doc) }
        }
        _ => field.doc.clone(),
    }
}
