//! Writes the schema of a WSDL document: an element for each message of document style, and the types.

use super::markup::{Attribute, Markup};
use super::{FAULT, RESULT, Style, WsdlContext};
use crate::model::shape::{Definition, Field, MethodShape, Record, Shape, Width};

/// Writes `wsdl:types`.
pub(super) fn write(markup: &mut Markup, context: &WsdlContext<'_>) {
    // In rpc style the elements of parts have no namespace (WS-I BP 1.1, R2735), and gSOAP takes the form of the schema for
    // theirs.
    let form = match context.form.style {
        Style::Document => "qualified",
        Style::Rpc => "unqualified",
    };
    let attributes = [("targetNamespace", context.namespace), ("elementFormDefault", form)];
    let writer = SchemaWriter { context };
    markup.element("wsdl:types", &[], |markup| {
        markup.element("xsd:schema", &attributes, |markup| {
            for method in context.shapes.methods() {
                match context.form.style {
                    Style::Document => writer.messages(markup, method),
                    Style::Rpc => writer.parts(markup, method),
                }
            }
            if context.describes_faults() {
                writer.fault(markup);
            }
            for definition in context.shapes.definitions() {
                writer.definition(markup, definition);
            }
            if writer.any_is_used(context) {
                writer.any(markup);
            }
        });
    });
}

/// The name of the type of a part in rpc style: a parameter, or the result. A part cannot have an anonymous type.
pub(super) fn part_type(context: &WsdlContext<'_>, method: &MethodShape, param: Option<&str>, shape: &Shape) -> String {
    SchemaWriter { context }.name(shape).unwrap_or_else(|| format!("tns:{}", context.names.part(method, param)))
}

struct SchemaWriter<'a> {
    context: &'a WsdlContext<'a>,
}

/// How often an element may occur.
#[derive(Clone, Copy, PartialEq)]
enum ElementCount {
    Once,
    Maybe,
    Repeatedly,
}

impl SchemaWriter<'_> {
    /// The elements of a method's two messages.
    fn messages(&self, markup: &mut Markup, method: &MethodShape) {
        markup.element("xsd:element", &[("name", &method.element)], |markup| {
            self.sequence(markup, |markup| self.members(markup, &method.params));
        });
        markup.element("xsd:element", &[("name", &method.response_element)], |markup| {
            self.sequence(markup, |markup| match &method.result {
                Shape::Nil => {}
                Shape::List(item) => self.element(markup, RESULT, item, ElementCount::Repeatedly, ""),
                Shape::Optional(_) => self.element(markup, RESULT, &method.result, ElementCount::Maybe, ""),
                result => self.element(markup, RESULT, result, ElementCount::Once, ""),
            });
        });
    }

    /// The element in the detail of a fault.
    fn fault(&self, markup: &mut Markup) {
        let doc = "Why a call failed: the kind of the failure, the code of the service or of the kind, and what else the service \
                   says, as JSON.";
        // The detail is the same in both styles.
        let form: &[Attribute<'_>] = match self.context.form.style {
            Style::Document => &[],
            Style::Rpc => &[("form", "qualified")],
        };
        let part = |name, kind| [&[("name", name), ("type", kind)], form].concat();
        markup.element("xsd:element", &[("name", FAULT)], |markup| {
            annotation(markup, doc);
            self.sequence(markup, |markup| {
                markup.empty("xsd:element", &part("kind", "xsd:string"));
                markup.empty("xsd:element", &part("code", "xsd:int"));
                markup.empty("xsd:element", &[&part("data", "xsd:string")[..], &[("minOccurs", "0")]].concat());
            });
        });
    }

    /// Writes the anonymous types of the parameters and the result of a method as named types.
    fn parts(&self, markup: &mut Markup, method: &MethodShape) {
        let params = method.params.iter().map(|param| (Some(param.element.as_str()), &param.shape));
        let result = Some((None, &method.result)).filter(|(_, shape)| **shape != Shape::Nil);
        for (param, shape) in params.chain(result) {
            if self.name(shape).is_none() {
                self.write_type(markup, shape, Some(self.context.names.part(method, param)), "");
            }
        }
    }

    fn definition(&self, markup: &mut Markup, definition: &Definition) {
        if matches!(definition.shape, Shape::Choice(_) | Shape::List(_) | Shape::Tuple(_) | Shape::Record(_)) {
            self.write_type(markup, &definition.shape, Some(&definition.element), &definition.doc);
        }
    }

    fn members(&self, markup: &mut Markup, fields: &[Field]) {
        for field in fields {
            let doc = doc_with_default(field);
            match &field.shape {
                Shape::List(item) => self.element(markup, &field.element, item, ElementCount::Repeatedly, &doc),
                shape if field.may_be_absent() => {
                    self.element(markup, &field.element, shape, ElementCount::Maybe, &doc)
                }
                shape => self.element(markup, &field.element, shape, ElementCount::Once, &doc),
            }
        }
    }

    /// An element for a value of a shape.
    fn element(&self, markup: &mut Markup, name: &str, shape: &Shape, occurs: ElementCount, doc: &str) {
        let own = self.name(shape).filter(|_| occurs != ElementCount::Maybe || !is_binary(shape));
        let mut attributes = vec![("name", name)];
        attributes.extend(own.as_deref().map(|own| ("type", own)));
        match occurs {
            ElementCount::Once => {}
            ElementCount::Maybe => attributes.push(("minOccurs", "0")),
            ElementCount::Repeatedly => attributes.extend([("minOccurs", "0"), ("maxOccurs", "unbounded")]),
        }
        if shape.may_be_nil() {
            attributes.push(("nillable", "true"));
        }
        if own.is_some() && doc.is_empty() {
            return markup.empty("xsd:element", &attributes);
        }
        markup.element("xsd:element", &attributes, |markup| {
            annotation(markup, doc);
            if own.is_none() {
                self.write_type(markup, shape, None, "");
            }
        });
    }

    /// The name of a shape's type, if it has one.
    fn name(&self, shape: &Shape) -> Option<String> {
        Some(match shape {
            Shape::Optional(inner) => return self.name(inner),
            Shape::Any => format!("tns:{}", self.context.names.any),
            Shape::Bool => "xsd:boolean".to_owned(),
            Shape::Int(width) => format!("xsd:{}", width.xsd()),
            Shape::Double => "xsd:double".to_owned(),
            Shape::Text => "xsd:string".to_owned(),
            Shape::Date => "xsd:dateTime".to_owned(),
            Shape::Binary => "xsd:base64Binary".to_owned(),
            Shape::Named(at) => format!("tns:{}", self.context.shapes.definitions().get(*at)?.element),
            Shape::Nil | Shape::Choice(_) | Shape::List(_) | Shape::Tuple(_) | Shape::Record(_) => return None,
        })
    }

    /// Writes a type: with a name at the top of the schema, or without a name inside an element.
    fn write_type(&self, markup: &mut Markup, shape: &Shape, name: Option<&str>, doc: &str) {
        let attributes: Vec<Attribute<'_>> = name.map(|name| ("name", name)).into_iter().collect();
        match shape {
            Shape::Optional(inner) => self.write_type(markup, inner, name, doc),
            Shape::Choice(texts) => restriction(markup, "xsd:string", texts, &attributes, doc),
            // A restriction that restricts nothing: gSOAP generates a pointer for it, which can be absent. For the plain
            // type it always sends an element, even if it is empty.
            Shape::Binary => restriction(markup, "xsd:base64Binary", &[], &attributes, doc),
            shape => markup.element("xsd:complexType", &attributes, |markup| {
                annotation(markup, doc);
                markup.element("xsd:sequence", &[], |markup| self.content(markup, shape));
            }),
        }
    }

    /// Writes the content of the element of a composite value.
    fn content(&self, markup: &mut Markup, shape: &Shape) {
        match shape {
            Shape::List(item) => self.element(markup, "item", item, ElementCount::Repeatedly, ""),
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

    /// Writes the entries of a map.
    fn entries(&self, markup: &mut Markup, value: &Shape) {
        let attributes = [("name", "entry"), ("minOccurs", "0"), ("maxOccurs", "unbounded")];
        markup.element("xsd:element", &attributes, |markup| {
            self.sequence(markup, |markup| {
                markup.empty("xsd:element", &[("name", "key"), ("type", "xsd:string")]);
                self.element(markup, "value", value, ElementCount::Once, "");
            });
        });
    }

    fn sequence(&self, markup: &mut Markup, inside: impl FnOnce(&mut Markup)) {
        markup.element("xsd:complexType", &[], |markup| markup.element("xsd:sequence", &[], inside));
    }

    /// Writes the type of a free-form value: one element, whose name is that of the type. All elements are optional members
    /// rather than a choice, because zeep omits false, zero and empty values from a choice.
    fn any(&self, markup: &mut Markup) {
        let name = &self.context.names.any;
        let before = [
            ("string", Shape::Text),
            ("boolean", Shape::Bool),
            ("int", Shape::Int(Width::Long)),
            ("integer", Shape::Int(Width::Unbounded)),
            ("double", Shape::Double),
        ];
        let behind = [("dateTime", Shape::Date), ("base64", Shape::Binary)];
        markup.element("xsd:complexType", &[("name", name)], |markup| {
            annotation(markup, "A value of any type: exactly one of these elements.");
            markup.element("xsd:sequence", &[], |markup| {
                for (name, shape) in &before {
                    self.element(markup, name, shape, ElementCount::Maybe, "");
                }
                markup.empty("xsd:element", &[("name", "decimal"), ("type", "xsd:decimal"), ("minOccurs", "0")]);
                for (name, shape) in &behind {
                    self.element(markup, name, shape, ElementCount::Maybe, "");
                }
                self.any_of_others(markup);
            });
        });
    }

    /// Writes the elements for nil, arrays and structs.
    fn any_of_others(&self, markup: &mut Markup) {
        let optional = |name| [("name", name), ("minOccurs", "0")];
        let repeated = |name| [("name", name), ("minOccurs", "0"), ("maxOccurs", "unbounded")];
        markup.element("xsd:element", &optional("nil"), |markup| self.sequence(markup, |_| {}));
        markup.element("xsd:element", &optional("array"), |markup| {
            self.sequence(markup, |markup| self.element(markup, "item", &Shape::Any, ElementCount::Repeatedly, ""));
        });
        markup.element("xsd:element", &optional("struct"), |markup| {
            self.sequence(markup, |markup| {
                markup.element("xsd:element", &repeated("member"), |markup| {
                    self.sequence(markup, |markup| {
                        markup.empty("xsd:element", &[("name", "name"), ("type", "xsd:string")]);
                        self.element(markup, "value", &Shape::Any, ElementCount::Once, "");
                    });
                });
            });
        });
    }

    fn any_is_used(&self, context: &WsdlContext<'_>) -> bool {
        let methods = context.shapes.methods().iter();
        let mut shapes = methods
            .flat_map(|method| method.params.iter().map(|param| &param.shape).chain([&method.result]))
            .chain(context.shapes.definitions().iter().map(|definition| &definition.shape));
        shapes.any(holds_any)
    }
}

/// Whether a shape has a free-form value at any depth, without following named types.
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

/// Writes a simple type; `texts` are its only values, if there are any.
fn restriction(markup: &mut Markup, base: &str, texts: &[String], attributes: &[Attribute<'_>], doc: &str) {
    markup.element("xsd:simpleType", attributes, |markup| {
        annotation(markup, doc);
        markup.element("xsd:restriction", &[("base", base)], |markup| {
            for text in texts {
                markup.empty("xsd:enumeration", &[("value", text)]);
            }
        });
    });
}

fn annotation(markup: &mut Markup, doc: &str) {
    if !doc.is_empty() {
        markup.element("xsd:annotation", &[], |markup| markup.text("xsd:documentation", doc));
    }
}

/// The documentation of a member with its default. The attribute `default` of XML Schema has another meaning: it is the
/// value of an element that is present and empty.
pub(super) fn doc_with_default(field: &Field) -> String {
    match &field.default {
        Some(default) if !default.is_null() => {
            let default = format!("If it is omitted, its value is {default}.");
            if field.doc.is_empty() { default } else { format!("{} {default}", field.doc) }
        }
        _ => field.doc.clone(),
    }
}
