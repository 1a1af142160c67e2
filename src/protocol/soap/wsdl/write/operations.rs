//! What may be asked and what is answered: messages, and the port type that makes operations of them.

use super::markup::Markup;
use super::{Described, FAULT, RESULT, Style, documentation, types};
use crate::model::shape::{MethodShape, Shape};

/// Writes the messages and the port type.
pub(super) fn write(markup: &mut Markup, described: &Described<'_>, name: &str) {
    for (method, _) in described.methods() {
        match described.form.style {
            Style::Document => wrapped(markup, method),
            Style::Rpc => in_parts(markup, described, method),
        }
    }
    if described.tells_faults() {
        one_part(markup, FAULT, FAULT, FAULT);
    }
    markup.with_timeout("wsdl:portType", &[("name", &format!("{name}PortType"))], |markup| {
        for (method, doc) in described.methods() {
            markup.with_timeout("wsdl:operation", &[("name", &method.element)], |markup| {
                documentation(markup, doc);
                markup.empty("wsdl:input", &[("message", &format!("tns:{}", asks(method)))]);
                markup.empty("wsdl:output", &[("message", &format!("tns:{}", answers(method)))]);
                if described.tells_faults() {
                    markup.empty("wsdl:fault", &[("name", FAULT), ("message", &format!("tns:{FAULT}"))]);
                }
            });
        }
    });
}

fn asks(method: &MethodShape) -> String {
    format!("{}Input", method.element)
}

fn answers(method: &MethodShape) -> String {
    format!("{}Output", method.element)
}

/// Messages of one part each, which is an element of the schema.
fn wrapped(markup: &mut Markup, method: &MethodShape) {
    for (message, element) in [(asks(method), &method.element), (answers(method), &method.answer)] {
        one_part(markup, &message, "parameters", element);
    }
}

fn one_part(markup: &mut Markup, name: &str, part: &str, element: &str) {
    markup.with_timeout("wsdl:message", &[("name", name)], |markup| {
        markup.empty("wsdl:part", &[("name", part), ("element", &format!("tns:{element}"))]);
    });
}

/// Messages of a part for each parameter and for the result.
fn in_parts(markup: &mut Markup, described: &Described<'_>, method: &MethodShape) {
    markup.with_timeout("wsdl:message", &[("name", &asks(method))], |markup| {
        for param in &method.params {
            let own = types::part_type(described, method, Some(&param.element), &param.shape);
            let attributes = [("name", param.element.as_str()), ("type", &own)];
            markup.with_timeout("wsdl:part", &attributes, |markup| documentation(markup, &types::explained(param)));
        }
    });
    markup.with_timeout("wsdl:message", &[("name", &answers(method))], |markup| {
        if method.result != Shape::Nil {
            let own = types::part_type(described, method, None, &method.result);
            markup.empty("wsdl:part", &[("name", RESULT), ("type", &own)]);
        }
    });
}
