//! Writes the messages, and the port type with its operations.

use super::markup::Markup;
use super::{FAULT, RESULT, Style, WsdlContext, documentation, types};
use crate::model::shape::{MethodShape, Shape};

/// Writes the messages and the port type.
pub(super) fn write(markup: &mut Markup, context: &WsdlContext<'_>, name: &str) {
    for (method, _) in context.methods() {
        match context.form.style {
            Style::Document => write_wrapped(markup, method),
            Style::Rpc => write_parts(markup, context, method),
        }
    }
    if context.describes_faults() {
        write_single_part(markup, FAULT, FAULT, FAULT);
    }
    markup.element("wsdl:portType", &[("name", &format!("{name}PortType"))], |markup| {
        for (method, doc) in context.methods() {
            markup.element("wsdl:operation", &[("name", &method.element)], |markup| {
                documentation(markup, doc);
                markup.empty("wsdl:input", &[("message", &format!("tns:{}", input_name(method)))]);
                markup.empty("wsdl:output", &[("message", &format!("tns:{}", output_name(method)))]);
                if context.describes_faults() {
                    markup.empty("wsdl:fault", &[("name", FAULT), ("message", &format!("tns:{FAULT}"))]);
                }
            });
        }
    });
}

fn input_name(method: &MethodShape) -> String {
    format!("{}Input", method.element)
}

fn output_name(method: &MethodShape) -> String {
    format!("{}Output", method.element)
}

/// Writes the messages of document style: each has one part, which is an element of the schema.
fn write_wrapped(markup: &mut Markup, method: &MethodShape) {
    for (message, element) in [(input_name(method), &method.element), (output_name(method), &method.response_element)] {
        write_single_part(markup, &message, "parameters", element);
    }
}

fn write_single_part(markup: &mut Markup, name: &str, part: &str, element: &str) {
    markup.element("wsdl:message", &[("name", name)], |markup| {
        markup.empty("wsdl:part", &[("name", part), ("element", &format!("tns:{element}"))]);
    });
}

/// Writes the messages of rpc style: they have a part for each parameter and for the result.
fn write_parts(markup: &mut Markup, context: &WsdlContext<'_>, method: &MethodShape) {
    markup.element("wsdl:message", &[("name", &input_name(method))], |markup| {
        for param in &method.params {
            let own = types::part_type(context, method, Some(&param.element), &param.shape);
            let attributes = [("name", param.element.as_str()), ("type", &own)];
            markup.element("wsdl:part", &attributes, |markup| documentation(markup, &types::doc_with_default(param)));
        }
    });
    markup.element("wsdl:message", &[("name", &output_name(method))], |markup| {
        if method.result != Shape::Nil {
            let own = types::part_type(context, method, None, &method.result);
            markup.empty("wsdl:part", &[("name", RESULT), ("type", &own)]);
        }
    });
}
