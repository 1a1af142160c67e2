//! A port: its operations, and the messages of each.

use std::collections::HashSet;

use serde_json::{Value as Json, json};

use super::source::{El, Sort, Sources, WSDL, children, documentation, is, schema_child, target};
use super::structure::described;
use super::types::{Meant, Member, Types, optional};
use super::wrong;
use crate::codec::soap::{MessagePart, Occurrence, Operation, QualifiedName, ResultLocation, SoapVersion};
use crate::model::fault::{Fault, Kind};
use crate::model::interface::{Method, Param};
use crate::model::shape::unescape;
use crate::model::text::abridge;
use crate::protocol::discovered::schema;

/// The namespaces of WSDL's bindings to SOAP.
const SOAP_11: &str = "http://schemas.xmlsoap.org/wsdl/soap/";
const SOAP_12: &str = "http://schemas.xmlsoap.org/wsdl/soap12/";

/// How many operations a port may have.
const OPERATIONS: usize = 5000;

/// One port that speaks SOAP.
pub(super) struct Port<'x> {
    sources: &'x Sources<'x>,
    binding: El<'x>,
    /// The port itself, where there is a service that has it.
    port: Option<El<'x>>,
    pub(super) version: SoapVersion,
}

/// One direction of an operation: the element in the binding that says how its message stands in the Body, and the
/// message.
struct Direction<'x> {
    body: Option<El<'x>>,
    message: El<'x>,
}

/// What a message holds.
struct Holds {
    wrapper: Option<QualifiedName>,
    members: Vec<Member>,
    /// Whether the members are parts of rpc style.
    parts: bool,
}

impl<'x> Port<'x> {
    /// The port of this name, or the one that is preferred.
    pub(super) fn find(sources: &'x Sources<'x>, name: Option<&str>) -> Result<Port<'x>, Fault> {
        let mut ports = Vec::new();
        for service in sources.definitions.iter().flat_map(|root| of_wsdl(*root, "service")) {
            for port in of_wsdl(service, "port") {
                let binding = sources.qname(port, "binding")?;
                let binding = binding.ok_or_else(|| sources.wrong(port, "the port has no `binding`"))?;
                let binding = sources.find(Sort::Binding, &binding, port)?;
                ports.extend(version(binding).map(|version| Port { sources, binding, port: Some(port), version }));
            }
        }
        if ports.is_empty() {
            let bindings = sources.definitions.iter().flat_map(|root| of_wsdl(*root, "binding"));
            ports.extend(
                bindings.filter_map(|binding| {
                    version(binding).map(|version| Port { sources, binding, port: None, version })
                }),
            );
        }
        let names: Vec<_> = ports.iter().map(|port| format!("`{}`", abridge(port.name()))).collect();
        let wanted = match name {
            Some(name) => ports.iter().position(|port| port.name() == name),
            None => ports.iter().position(|port| port.version == SoapVersion::V11).or(Some(0)),
        };
        match (wanted.filter(|at| *at < ports.len()), name) {
            (Some(at), _) => Ok(ports.swap_remove(at)),
            (None, Some(name)) if !names.is_empty() => {
                Err(wrong(format!("there is no port `{}` that speaks SOAP, but {}", abridge(name), names.join(", "))))
            }
            _ => Err(wrong("there is no port that speaks SOAP")),
        }
    }

    /// Whether any of its operations has rpc style.
    pub(super) fn is_rpc(&self) -> bool {
        of_wsdl(self.binding, "operation").any(|bound| self.style(bound) == Some("rpc"))
    }

    /// The style of an operation, or that of the binding.
    fn style(&self, bound: El<'x>) -> Option<&'x str> {
        let of = |element: El<'x>, name| children(element).find(|child| of_soap(*child, name))?.attribute("style");
        of(bound, "operation").or_else(|| of(self.binding, "binding"))
    }

    fn name(&self) -> &'x str {
        self.port.unwrap_or(self.binding).attribute("name").unwrap_or_default()
    }

    pub(super) fn title(&self) -> String {
        let service = self.port.and_then(|port| port.parent()).and_then(|service| service.attribute("name"));
        service.unwrap_or_else(|| self.name()).to_owned()
    }

    pub(super) fn doc(&self) -> String {
        let service = self.port.and_then(|port| port.parent_element()).map(documentation);
        let root = self.binding.parent_element().map(documentation).filter(|doc| !doc.is_empty());
        root.or(service).unwrap_or_default()
    }

    /// Where calls are taken.
    pub(super) fn address(&self) -> Option<String> {
        let address = children(self.port?).find(|child| of_soap(*child, "address"))?;
        address.attribute("location").map(|location| location.trim().to_owned()).filter(|it| !it.is_empty())
    }

    /// All operations, as methods and as messages. Of several of one name it is the first.
    pub(super) fn operations(&self, types: &mut Types<'x>) -> Result<(Vec<Method>, Vec<Operation>), Fault> {
        let sources = self.sources;
        let port_type = sources.qname(self.binding, "type")?;
        let port_type = port_type.ok_or_else(|| sources.wrong(self.binding, "the binding has no `type`"))?;
        let port_type = sources.find(Sort::PortType, &port_type, self.binding)?;
        let (mut methods, mut operations, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for bound in of_wsdl(self.binding, "operation") {
            let local = bound.attribute("name").unwrap_or_default();
            let name = method_name(local);
            if name.starts_with('_') || name.is_empty() || !seen.insert(name.clone()) {
                continue;
            }
            let declared = of_wsdl(port_type, "operation").find(|it| it.attribute("name") == Some(local));
            let declared = declared
                .ok_or_else(|| sources.wrong(bound, &format!("the port type has no operation `{}`", abridge(local))))?;
            if methods.len() == OPERATIONS {
                let message = format!("{}: the binding has more than {OPERATIONS} operations", sources.place(bound));
                return Err(Fault::new(Kind::Limit, message));
            }
            let (method, operation) = self.operation(types, bound, declared, name)?;
            methods.push(method);
            operations.push(operation);
        }
        Ok((methods, operations))
    }

    fn operation(
        &self,
        types: &mut Types<'x>,
        bound: El<'x>,
        declared: El<'x>,
        name: String,
    ) -> Result<(Method, Operation), Fault> {
        let soap = children(bound).find(|child| of_soap(*child, "operation"));
        let rpc = self.style(bound) == Some("rpc");
        let local = declared.attribute("name").unwrap_or_default();
        let input = self.direction(bound, declared, "input")?;
        let output = self.direction(bound, declared, "output")?;
        let encoded = input.as_ref().and_then(|it| it.body).and_then(|it| it.attribute("use")) == Some("encoded");
        let asked = match input {
            Some(input) if rpc => self.parts(types, &input, local)?,
            Some(input) => self.document(types, &input)?,
            None => Holds { wrapper: None, members: Vec::new(), parts: rpc },
        };
        let answered = match output {
            Some(output) if rpc => Some(self.parts(types, &output, local)?),
            Some(output) => Some(self.document(types, &output)?),
            None => None,
        };
        let (result, outcome) = outcome(answered);
        let action = soap.and_then(|soap| soap.attribute("soapAction")).unwrap_or_default().trim().to_owned();
        let params = asked.members.iter().map(param).collect();
        let operation = Operation {
            method: name.clone(),
            action,
            wrapper: asked.wrapper,
            encoded,
            params: asked.members.into_iter().map(|member| member.part).collect(),
            outcome,
        };
        Ok((Method { name, doc: documentation(declared), params, result: schema(result), safe: false }, operation))
    }

    fn direction(&self, bound: El<'x>, declared: El<'x>, word: &str) -> Result<Option<Direction<'x>>, Fault> {
        let Some(declared) = of_wsdl(declared, word).next() else { return Ok(None) };
        let message = self.sources.qname(declared, "message")?;
        let message = message.ok_or_else(|| self.sources.wrong(declared, "it has no `message`"))?;
        let message = self.sources.find(Sort::Message, &message, declared)?;
        let body = of_wsdl(bound, word).next().and_then(|bound| bound.descendants().find(|it| of_soap(*it, "body")));
        Ok(Some(Direction { body, message }))
    }

    /// A message of document style: its one part is the element in the Body. Where that holds others, they are the
    /// members, whatever it is called.
    fn document(&self, types: &mut Types<'x>, direction: &Direction<'x>) -> Result<Holds, Fault> {
        let Some(part) = self.body_part(direction)? else {
            return Ok(Holds { wrapper: None, members: Vec::new(), parts: false });
        };
        let name = self.sources.qname(part, "element")?;
        let name = name.ok_or_else(|| self.sources.wrong(part, "a part of document style has no `element`"))?;
        let element = self.sources.find(Sort::Element, &name, part)?;
        let own = types.name(target(element), &name.local);
        if let Some(structure) = self.made_of_others(element)? {
            let list = types.encoded_item(structure, &name.local)?.is_some();
            if !list {
                let members = types.members(structure, &name.local, 0)?;
                return Ok(Holds { wrapper: Some(own), members, parts: false });
            }
        }
        let Meant { schema, content } = types.of_element(element, &name.local)?;
        let part = MessagePart {
            name: unescape(&name.local).into_owned(),
            element: own,
            content,
            occurs: Occurrence::Once,
            nillable: false,
        };
        let member = Member { part, item: schema.clone(), schema, required: true, doc: documentation(element) };
        Ok(Holds { wrapper: None, members: vec![member], parts: false })
    }

    /// The type of an element, if it is made of others.
    fn made_of_others(&self, element: El<'x>) -> Result<Option<El<'x>>, Fault> {
        let inner = match self.sources.qname(element, "type")? {
            Some(name) if name.namespace == super::source::XSD => None,
            Some(name) => Some(self.sources.find(Sort::Type, &name, element)?),
            None => schema_child(element, "complexType"),
        };
        Ok(inner.filter(|it| it.tag_name().name() == "complexType" && schema_child(*it, "simpleContent").is_none()))
    }

    /// The part that the Body is, of a message of document style.
    fn body_part(&self, direction: &Direction<'x>) -> Result<Option<El<'x>>, Fault> {
        let mut parts = of_wsdl(direction.message, "part");
        if let Some(names) = direction.body.and_then(|body| body.attribute("parts")) {
            let wanted = names.split_whitespace().next();
            return Ok(wanted.and_then(|wanted| parts.find(|part| part.attribute("name") == Some(wanted))));
        }
        let first = parts.next();
        match parts.next() {
            Some(second) => {
                let message =
                    "a message of document style has several parts, and the binding does not say which is meant";
                Err(self.sources.wrong(second, message))
            }
            None => Ok(first),
        }
    }

    /// A message of rpc style: the operation's name, with an element for each part.
    fn parts(&self, types: &mut Types<'x>, direction: &Direction<'x>, operation: &str) -> Result<Holds, Fault> {
        let namespace = direction.body.and_then(|body| body.attribute("namespace"));
        let wrapper = types.name(namespace.unwrap_or_else(|| target(self.binding)), operation);
        let mut members = Vec::new();
        for part in of_wsdl(direction.message, "part") {
            let local = part.attribute("name").unwrap_or_default();
            let (element, meant, doc) = match (self.sources.qname(part, "type")?, self.sources.qname(part, "element")?)
            {
                (Some(name), _) => (
                    QualifiedName { namespace: None, local: local.to_owned() },
                    types.of_name(&name, part)?,
                    documentation(part),
                ),
                (None, Some(name)) => {
                    let element = self.sources.find(Sort::Element, &name, part)?;
                    let meant = types.of_element(element, &name.local)?;
                    (types.name(target(element), &name.local), meant, documentation(element))
                }
                (None, None) => return Err(self.sources.wrong(part, "a part has neither `type` nor `element`")),
            };
            let Meant { schema, content } = meant;
            let name = unescape(local).into_owned();
            let part = MessagePart { name, element, content, occurs: Occurrence::Once, nillable: true };
            members.push(Member { part, item: schema.clone(), schema, required: true, doc });
        }
        Ok(Holds { wrapper: Some(wrapper), members, parts: true })
    }
}

/// The schema of a result, and where it is.
fn outcome(answered: Option<Holds>) -> (Json, ResultLocation) {
    let null = || json!({ "type": "null" });
    let Some(Holds { wrapper, mut members, parts }) = answered else { return (null(), ResultLocation::Nothing) };
    match (members.len(), members.pop()) {
        (_, None) => (null(), ResultLocation::Nothing),
        (1, Some(only)) if wrapper.is_none() => (described(&only), ResultLocation::Whole),
        (1, Some(only)) => {
            let schema = described(&only);
            let schema = if only.part.occurs == Occurrence::Maybe { optional(schema) } else { schema };
            (schema, if parts { ResultLocation::Part } else { ResultLocation::Member })
        }
        (_, Some(last)) => {
            members.push(last);
            let required: Vec<_> =
                members.iter().filter(|it| it.required).map(|it| Json::from(it.part.name.as_str())).collect();
            let properties = members.iter().map(|it| (it.part.name.clone(), described(it)));
            let properties: serde_json::Map<_, _> = properties.collect();
            (json!({ "type": "object", "properties": properties, "required": required }), ResultLocation::Whole)
        }
    }
}

fn param(member: &Member) -> Param {
    Param {
        name: member.part.name.clone(),
        doc: member.doc.clone(),
        schema: schema(member.schema.clone()),
        required: member.required,
    }
}

/// The name of a method: that of the operation, with `_` for what a method's name cannot have.
fn method_name(local: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.:/".contains(c);
    unescape(local).chars().map(|c| if allowed(c) { c } else { '_' }).collect()
}

/// The version of SOAP that a binding speaks, if it speaks SOAP.
fn version(binding: El<'_>) -> Option<SoapVersion> {
    let namespace = children(binding).find(|child| of_soap(*child, "binding"))?.tag_name().namespace();
    Some(if namespace == Some(SOAP_12) { SoapVersion::V12 } else { SoapVersion::V11 })
}

fn of_soap(element: El<'_>, name: &str) -> bool {
    is(element, SOAP_11, name) || is(element, SOAP_12, name)
}

fn of_wsdl<'x>(parent: El<'x>, name: &str) -> impl Iterator<Item = El<'x>> {
    children(parent).filter(move |child| is(*child, WSDL, name))
}
