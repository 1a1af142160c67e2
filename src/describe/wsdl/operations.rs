//! What may be asked and what is answered: messages, and the port type that makes operations of them.

use super::markup::Markup;
use super::{Described, Style, documentation, types};
use crate::shape::{MethodShape, Shape};

/// Writes the messages and the port type.
pub(super) fn write(markup: &mut Markup, described: &Described<'_>, name: &str) {
    for (method, _) in described.methods() {
        match described.form.style {
            Style::Document => wrapped(markup, method),
            Style::Rpc => in_parts(markup, described, method),
        }
    }
    markup.within("wsdl:portType", &[("name", &format!("{name}PortType"))], |markup| {
        for (method, doc) in described.methods() {
            markup.within("wsdl:operation", &[("name", &method.element)], |markup| {
                documentation(markup, doc);
                markup.empty("wsdl:input", &[("message", &format!("tns:{}", asks(method)))]);
                markup.empty("wsdl:output", &[("message", &format!("tns:{}", answers(method)))]);
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
        markup.within("wsdl:message", &[("name", &message)], |markup| {
            markup.empty("wsdl:part", &[("name", "parameters"), ("element", &format!("tns:{element}"))]);
        });
    }
}

/// Messages of a part for each parameter and for the result.
fn in_parts(markup: &mut Markup, described: &Described<'_>, method: &MethodShape) {
    let part = |markup: &mut Markup, name: &str, shape: &Shape, doc: &str| {
        let own = types::part_type(described, method, name, shape);
        markup.within("wsdl:part", &[("name", name), ("type", &own)], |markup| documentation(markup, doc));
    };
    markup.within("wsdl:message", &[("name", &asks(method))], |markup| {
        for param in &method.params {
            part(markup, &param.element, &param.shape, &types::explained(param));
        }
    });
    markup.within("wsdl:message", &[("name", &answers(method))], |markup| {
        if method.result != Shape::Nil {
            part(markup, "result", &method.result, "");
        }
    });
}
