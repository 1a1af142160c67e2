//! Writes the bindings to SOAP over HTTP, and the service with its ports.

use super::markup::{Attribute, Markup};
use super::{FAULT, Style, Versions, WsdlContext, documentation};

/// A version of SOAP in WSDL.
struct SoapBinding {
    prefix: &'static str,
    /// The suffix of the names of its binding and port.
    suffix: &'static str,
}

const ONE: SoapBinding = SoapBinding { prefix: "soap", suffix: "Soap" };
const TWO: SoapBinding = SoapBinding { prefix: "soap12", suffix: "Soap12" };

/// The URI of the HTTP transport, for both versions.
const HTTP: &str = "http://schemas.xmlsoap.org/soap/http";

/// Writes a binding for each version, and the service with a port for each.
pub(super) fn write(markup: &mut Markup, context: &WsdlContext<'_>, name: &str, address: &str) {
    let versions: &[SoapBinding] = match context.form.versions {
        Versions::One => &[ONE],
        Versions::Two => &[TWO],
        Versions::Both => &[ONE, TWO],
    };
    for version in versions {
        binding(markup, context, name, version);
    }
    let location = match context.form.style {
        Style::Document => address.to_owned(),
        Style::Rpc => format!("{address}?style=rpc"),
    };
    markup.element("wsdl:service", &[("name", name)], |markup| {
        documentation(markup, &context.interface.title);
        for version in versions {
            let own = format!("{name}{}", version.suffix);
            markup.element("wsdl:port", &[("name", &own), ("binding", &format!("tns:{own}"))], |markup| {
                markup.empty(&format!("{}:address", version.prefix), &[("location", &location)]);
            });
        }
    });
}

fn binding(markup: &mut Markup, context: &WsdlContext<'_>, name: &str, version: &SoapBinding) {
    let style = match context.form.style {
        Style::Document => "document",
        Style::Rpc => "rpc",
    };
    let (own, port_type) = (format!("{name}{}", version.suffix), format!("tns:{name}PortType"));
    markup.element("wsdl:binding", &[("name", &own), ("type", &port_type)], |markup| {
        markup.empty(&format!("{}:binding", version.prefix), &[("style", style), ("transport", HTTP)]);
        for (method, _) in context.methods() {
            let action = format!("{}#{}", context.namespace, method.element);
            markup.element("wsdl:operation", &[("name", &method.element)], |markup| {
                markup.empty(&format!("{}:operation", version.prefix), &[("soapAction", &action)]);
                for direction in ["wsdl:input", "wsdl:output"] {
                    markup.element(direction, &[], |markup| body(markup, context, version));
                }
                if context.describes_faults() {
                    markup.element("wsdl:fault", &[("name", FAULT)], |markup| {
                        markup.empty(&format!("{}:fault", version.prefix), &[("name", FAULT), ("use", "literal")]);
                    });
                }
            });
        }
    });
}

/// Writes the body of a message. It has a namespace in rpc style and none in document style (WS-I BP 1.1, R2716, R2717).
fn body(markup: &mut Markup, context: &WsdlContext<'_>, version: &SoapBinding) {
    let mut attributes: Vec<Attribute<'_>> = vec![("use", "literal")];
    if context.form.style == Style::Rpc {
        attributes.push(("namespace", context.namespace));
    }
    markup.empty(&format!("{}:body", version.prefix), &attributes);
}
