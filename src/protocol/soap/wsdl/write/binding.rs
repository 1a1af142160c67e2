//! How calls travel and where to: bindings to SOAP over HTTP, and the service with its ports.

use super::markup::{Attribute, Markup};
use super::{Described, FAULT, Style, Versions, documentation};

/// A version of SOAP in the words of WSDL.
struct Version {
    prefix: &'static str,
    /// What the names of its binding and port end in.
    suffix: &'static str,
}

const ONE: Version = Version { prefix: "soap", suffix: "Soap" };
const TWO: Version = Version { prefix: "soap12", suffix: "Soap12" };

/// The transport of both versions: the one URI that all clients know.
const HTTP: &str = "http://schemas.xmlsoap.org/soap/http";

/// Writes a binding for each version, and the service with a port for each.
pub(super) fn write(markup: &mut Markup, described: &Described<'_>, name: &str, address: &str) {
    let versions: &[Version] = match described.form.versions {
        Versions::One => &[ONE],
        Versions::Two => &[TWO],
        Versions::Both => &[ONE, TWO],
    };
    for version in versions {
        binding(markup, described, name, version);
    }
    let location = match described.form.style {
        Style::Document => address.to_owned(),
        Style::Rpc => format!("{address}?style=rpc"),
    };
    markup.with_timeout("wsdl:service", &[("name", name)], |markup| {
        documentation(markup, &described.interface.title);
        for version in versions {
            let own = format!("{name}{}", version.suffix);
            markup.with_timeout("wsdl:port", &[("name", &own), ("binding", &format!("tns:{own}"))], |markup| {
                markup.empty(&format!("{}:address", version.prefix), &[("location", &location)]);
            });
        }
    });
}

fn binding(markup: &mut Markup, described: &Described<'_>, name: &str, version: &Version) {
    let style = match described.form.style {
        Style::Document => "document",
        Style::Rpc => "rpc",
    };
    let (own, port_type) = (format!("{name}{}", version.suffix), format!("tns:{name}PortType"));
    markup.with_timeout("wsdl:binding", &[("name", &own), ("type", &port_type)], |markup| {
        markup.empty(&format!("{}:binding", version.prefix), &[("style", style), ("transport", HTTP)]);
        for (method, _) in described.methods() {
            let action = format!("{}#{}", described.namespace, method.element);
            markup.with_timeout("wsdl:operation", &[("name", &method.element)], |markup| {
                markup.empty(&format!("{}:operation", version.prefix), &[("soapAction", &action)]);
                for direction in ["wsdl:input", "wsdl:output"] {
                    markup.with_timeout(direction, &[], |markup| body(markup, described, version));
                }
                if described.tells_faults() {
                    markup.with_timeout("wsdl:fault", &[("name", FAULT)], |markup| {
                        markup.empty(&format!("{}:fault", version.prefix), &[("name", FAULT), ("use", "literal")]);
                    });
                }
            });
        }
    });
}

/// The body of rpc style has a namespace, that of document style must not have one (WS-I BP 1.1, R2716 and R2717).
fn body(markup: &mut Markup, described: &Described<'_>, version: &Version) {
    let mut attributes: Vec<Attribute<'_>> = vec![("use", "literal")];
    if described.form.style == Style::Rpc {
        attributes.push(("namespace", described.namespace));
    }
    markup.empty(&format!("{}:body", version.prefix), &attributes);
}
