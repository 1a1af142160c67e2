//! A SOAP port with its operations and their messages.

use std::collections::HashSet;

use serde_json::{Value as Json, json};

use super::content::{Content, wildcard_member};
use super::description_fault;
use super::source::{ComponentKind, ElementRef, Sources, WSDL, children, documentation, is, schema_child, target};
use super::structure::{described_schema, record_schema};
use super::types::{ConvertedType, Member, TypeReader, optional};
use crate::codec::soap::{
    ElementContent, MessagePart, Occurrence, Operation, Particle, QualifiedName, ResultContent, SoapVersion,
};
use crate::model::fault::{Fault, Kind};
use crate::model::interface::{Method, Param};
use crate::model::shape::unescape;
use crate::model::text::abridge;
use crate::protocol::discovered::schema;

/// The namespaces of the SOAP bindings of WSDL.
const SOAP_11: &str = "http://schemas.xmlsoap.org/wsdl/soap/";
const SOAP_12: &str = "http://schemas.xmlsoap.org/wsdl/soap12/";

/// The most headers of an operation.
const MAX_HEADERS: usize = 32;

/// The largest number of operations of a port.
const MAX_OPERATIONS: usize = 5000;

/// A SOAP port.
pub(super) struct Port<'x> {
    sources: &'x Sources<'x>,
    binding: ElementRef<'x>,
    /// The element of the port; `None` for a binding without a service.
    port: Option<ElementRef<'x>>,
    pub(super) version: SoapVersion,
}

/// One direction of an operation: the element in the binding that describes the Body, and the message.
struct Direction<'x> {
    body: Option<ElementRef<'x>>,
    message: ElementRef<'x>,
}

/// The content of a message.
struct MessageContent {
    wrapper: Option<QualifiedName>,
    content: Content,
    /// Whether the members are the parts of a message of rpc style.
    parts: bool,
}

impl<'x> Port<'x> {
    /// The port with this name, or by default the first for SOAP 1.1, or else the first.
    pub(super) fn find(sources: &'x Sources<'x>, name: Option<&str>) -> Result<Port<'x>, Fault> {
        let mut ports = Vec::new();
        for service in sources.definitions.iter().flat_map(|root| wsdl_children(*root, "service")) {
            for port in wsdl_children(service, "port") {
                let binding = sources.qname(port, "binding")?;
                let binding = binding.ok_or_else(|| sources.description_fault(port, "the port has no `binding`"))?;
                let binding = sources.find(ComponentKind::Binding, &binding, port)?;
                ports.extend(version(binding).map(|version| Port { sources, binding, port: Some(port), version }));
            }
        }
        if ports.is_empty() {
            let bindings = sources.definitions.iter().flat_map(|root| wsdl_children(*root, "binding"));
            ports.extend(
                bindings.filter_map(|binding| {
                    version(binding).map(|version| Port { sources, binding, port: None, version })
                }),
            );
        }
        let names: Vec<_> = ports.iter().map(|port| format!("`{}`", abridge(port.name()))).collect();
        let selected = match name {
            Some(name) => ports.iter().position(|port| port.name() == name),
            None => ports.iter().position(|port| port.version == SoapVersion::V11).or(Some(0)),
        };
        match (selected.filter(|at| *at < ports.len()), name) {
            (Some(at), _) => Ok(ports.swap_remove(at)),
            (None, Some(name)) if !names.is_empty() => Err(description_fault(format!(
                "there is no SOAP port `{}`; there is {}",
                abridge(name),
                names.join(", ")
            ))),
            _ => Err(description_fault("there is no SOAP port")),
        }
    }

    /// Whether any operation has rpc style.
    pub(super) fn is_rpc(&self) -> bool {
        wsdl_children(self.binding, "operation").any(|bound| self.style(bound) == Some("rpc"))
    }

    /// The style of an operation, or that of the binding.
    fn style(&self, bound: ElementRef<'x>) -> Option<&'x str> {
        let style_of =
            |element: ElementRef<'x>, name| children(element).find(|child| is_soap(*child, name))?.attribute("style");
        style_of(bound, "operation").or_else(|| style_of(self.binding, "binding"))
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

    /// The address for calls.
    pub(super) fn address(&self) -> Option<String> {
        let address = children(self.port?).find(|child| is_soap(*child, "address"))?;
        address.attribute("location").map(|location| location.trim().to_owned()).filter(|it| !it.is_empty())
    }

    /// All operations, as methods and as messages. Of several operations with the same name, the first is used.
    pub(super) fn operations(&self, types: &mut TypeReader<'x>) -> Result<(Vec<Method>, Vec<Operation>), Fault> {
        let sources = self.sources;
        let port_type = sources.qname(self.binding, "type")?;
        let port_type =
            port_type.ok_or_else(|| sources.description_fault(self.binding, "the binding has no `type`"))?;
        let port_type = sources.find(ComponentKind::PortType, &port_type, self.binding)?;
        let (mut methods, mut operations, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for bound in wsdl_children(self.binding, "operation") {
            let local = bound.attribute("name").unwrap_or_default();
            let name = method_name(local);
            if name.starts_with('_') || name.is_empty() || !seen.insert(name.clone()) {
                continue;
            }
            let declared = wsdl_children(port_type, "operation").find(|it| it.attribute("name") == Some(local));
            let declared = declared.ok_or_else(|| {
                sources.description_fault(bound, &format!("the port type has no operation `{}`", abridge(local)))
            })?;
            if methods.len() == MAX_OPERATIONS {
                let message =
                    format!("{}: the binding has more than {MAX_OPERATIONS} operations", sources.position(bound));
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
        types: &mut TypeReader<'x>,
        bound: ElementRef<'x>,
        declared: ElementRef<'x>,
        name: String,
    ) -> Result<(Method, Operation), Fault> {
        let soap = children(bound).find(|child| is_soap(*child, "operation"));
        let rpc = self.style(bound) == Some("rpc");
        let local = declared.attribute("name").unwrap_or_default();
        let input = self.direction(bound, declared, "input")?;
        let output = self.direction(bound, declared, "output")?;
        let encoded = input.as_ref().and_then(|it| it.body).and_then(|it| it.attribute("use")) == Some("encoded");
        let request = match input {
            Some(input) if rpc => self.parts(types, &input, local)?,
            Some(input) => self.document(types, &input)?,
            None => MessageContent { wrapper: None, content: Content::default(), parts: rpc },
        };
        let response = match output {
            Some(output) if rpc => Some(self.parts(types, &output, local)?),
            Some(output) => Some(self.document(types, &output)?),
            None => None,
        };
        let (result, result_content) = outcome(response);
        let action = soap.and_then(|soap| soap.attribute("soapAction")).unwrap_or_default().trim().to_owned();
        let mut content = request.content;
        if content.wildcard.is_some() {
            let member = wildcard_member(&content.members);
            content.members.push(member);
        }
        if rpc && !encoded {
            // A part of rpc/literal is never nil (WS-I BP 1.1, R2211): one that is null is left out.
            content.members.iter_mut().for_each(|member| member.part.occurs = Occurrence::Maybe);
        }
        let headers = self.headers(types, bound, &content.members)?;
        let params = content.members.iter().chain(&headers).map(param).collect();
        let operation = Operation {
            method: name.clone(),
            action,
            wrapper: request.wrapper,
            encoded,
            request: content.into_record(),
            headers: headers.into_iter().map(|member| member.part).collect(),
            result: result_content,
        };
        Ok((Method { name, doc: documentation(declared), params, result: schema(result), safe: false }, operation))
    }

    /// The header blocks that the binding of the input names, as optional parameters. One whose message is not there is
    /// left out.
    fn headers(
        &self,
        types: &mut TypeReader<'x>,
        bound: ElementRef<'x>,
        members: &[Member],
    ) -> Result<Vec<Member>, Fault> {
        let mut headers: Vec<Member> = Vec::new();
        let input = wsdl_children(bound, "input").next();
        let named = input.into_iter().flat_map(|input| input.descendants()).filter(|it| is_soap(*it, "header"));
        for header in named.take(MAX_HEADERS) {
            let Ok(Some(message)) = self.sources.qname(header, "message") else { continue };
            let Ok(message) = self.sources.find(ComponentKind::Message, &message, header) else { continue };
            let part = header.attribute("part");
            let Some(part) = wsdl_children(message, "part").find(|it| it.attribute("name") == part) else { continue };
            let Ok(Some(name)) = self.sources.qname(part, "element") else { continue };
            let Ok(element) = self.sources.find(ComponentKind::Element, &name, part) else { continue };
            let own = types.name(target(element), &name.local);
            if headers.iter().any(|known| known.part.element == own) {
                continue;
            }
            let ConvertedType { schema, content } = types.type_of_element(element, &name.local)?;
            let mut local = unescape(&name.local).into_owned();
            while members.iter().chain(&headers).any(|known| known.part.name == local) {
                local.push_str("Header");
            }
            let part = MessagePart { occurs: Occurrence::Maybe, ..MessagePart::element(local, own, content) };
            let doc = documentation(element);
            let doc = if doc.is_empty() { "A header of the message.".to_owned() } else { doc };
            headers.push(Member { part, item: schema.clone(), schema, required: false, doc });
        }
        Ok(headers)
    }

    fn direction(
        &self,
        bound: ElementRef<'x>,
        declared: ElementRef<'x>,
        word: &str,
    ) -> Result<Option<Direction<'x>>, Fault> {
        let Some(declared) = wsdl_children(declared, word).next() else { return Ok(None) };
        let message = self.sources.qname(declared, "message")?;
        let message = message.ok_or_else(|| self.sources.description_fault(declared, "it has no `message`"))?;
        let message = self.sources.find(ComponentKind::Message, &message, declared)?;
        let body =
            wsdl_children(bound, word).next().and_then(|bound| bound.descendants().find(|it| is_soap(*it, "body")));
        Ok(Some(Direction { body, message }))
    }

    /// A message of document style. Its part is the element in the Body. If that element has child elements, they are the
    /// members; its name does not matter.
    fn document(&self, types: &mut TypeReader<'x>, direction: &Direction<'x>) -> Result<MessageContent, Fault> {
        let Some(part) = self.body_part(direction)? else {
            return Ok(MessageContent { wrapper: None, content: Content::default(), parts: false });
        };
        let name = self.sources.qname(part, "element")?;
        let name =
            name.ok_or_else(|| self.sources.description_fault(part, "a part of document style has no `element`"))?;
        let element = self.sources.find(ComponentKind::Element, &name, part)?;
        let own = types.name(target(element), &name.local);
        if let Some(structure) = self.complex_type_of(element)? {
            let list = types.encoded_item(structure, &name.local)?.is_some();
            if !list {
                let content = types.content(structure, &name.local)?;
                return Ok(MessageContent { wrapper: Some(own), content, parts: false });
            }
        }
        let ConvertedType { schema, content } = types.type_of_element(element, &name.local)?;
        let part = MessagePart::element(unescape(&name.local), own, content);
        let member = Member { part, item: schema.clone(), schema, required: true, doc: documentation(element) };
        Ok(MessageContent { wrapper: None, content: Content::sequence(vec![member]), parts: false })
    }

    /// The complex type of an element, if it has one without text content.
    fn complex_type_of(&self, element: ElementRef<'x>) -> Result<Option<ElementRef<'x>>, Fault> {
        let inner = match self.sources.qname(element, "type")? {
            Some(name) if name.namespace == super::source::XSD => None,
            Some(name) => Some(self.sources.find(ComponentKind::Type, &name, element)?),
            None => schema_child(element, "complexType"),
        };
        Ok(inner.filter(|it| it.tag_name().name() == "complexType" && schema_child(*it, "simpleContent").is_none()))
    }

    /// The part of a message of document style that is in the Body.
    fn body_part(&self, direction: &Direction<'x>) -> Result<Option<ElementRef<'x>>, Fault> {
        let mut parts = wsdl_children(direction.message, "part");
        if let Some(names) = direction.body.and_then(|body| body.attribute("parts")) {
            let selected = names.split_whitespace().next();
            return Ok(selected.and_then(|selected| parts.find(|part| part.attribute("name") == Some(selected))));
        }
        let first = parts.next();
        match parts.next() {
            Some(second) => {
                let message = "a message of document style has several parts, and the binding does not choose one";
                Err(self.sources.description_fault(second, message))
            }
            None => Ok(first),
        }
    }

    /// A message of rpc style: an element with the name of the operation, with a child for each part.
    fn parts(
        &self,
        types: &mut TypeReader<'x>,
        direction: &Direction<'x>,
        operation: &str,
    ) -> Result<MessageContent, Fault> {
        let namespace = direction.body.and_then(|body| body.attribute("namespace"));
        let wrapper = types.name(namespace.unwrap_or_else(|| target(self.binding)), operation);
        let mut members = Vec::new();
        for part in wsdl_children(direction.message, "part") {
            let local = part.attribute("name").unwrap_or_default();
            let (element, converted, doc) =
                match (self.sources.qname(part, "type")?, self.sources.qname(part, "element")?) {
                    (Some(name), _) => (
                        QualifiedName { namespace: None, local: local.to_owned() },
                        types.type_named(&name, part)?,
                        documentation(part),
                    ),
                    (None, Some(name)) => {
                        let element = self.sources.find(ComponentKind::Element, &name, part)?;
                        let converted = types.type_of_element(element, &name.local)?;
                        (types.name(target(element), &name.local), converted, documentation(element))
                    }
                    (None, None) => {
                        return Err(self.sources.description_fault(part, "a part has neither `type` nor `element`"));
                    }
                };
            let ConvertedType { schema, content } = converted;
            let name = unescape(local).into_owned();
            let part = MessagePart { nillable: true, ..MessagePart::element(name, element, content) };
            members.push(Member { part, item: schema.clone(), schema, required: true, doc });
        }
        let mut content = Content::sequence(members);
        // Rpc style cannot say which parts may be left out.
        for particle in &mut content.particles {
            if let Particle::Part(_, range) = particle {
                range.min = 0;
            }
        }
        Ok(MessageContent { wrapper: Some(wrapper), content, parts: true })
    }
}

/// The schema of a result, and its content in the response.
fn outcome(response: Option<MessageContent>) -> (Json, ResultContent) {
    let nothing = || (json!({ "type": "null" }), ResultContent::Nothing);
    let Some(MessageContent { wrapper, mut content, parts }) = response else { return nothing() };
    if content.members.is_empty() && content.is_open() {
        return (Json::Bool(true), ResultContent::Element(ElementContent::Any));
    }
    if content.members.is_empty() {
        return nothing();
    }
    if content.members.len() == 1
        && content.is_plain()
        && let Some(only) = content.members.pop()
    {
        let schema = described_schema(&only);
        if wrapper.is_none() {
            return (schema, ResultContent::Element(only.part.content));
        }
        let schema = if only.part.occurs == Occurrence::Maybe { optional(schema) } else { schema };
        let result = if parts { ResultContent::Part(only.part) } else { ResultContent::Member(only.part) };
        return (schema, result);
    }
    (record_schema(&content), ResultContent::Record(content.into_record()))
}

fn param(member: &Member) -> Param {
    Param {
        name: member.part.name.clone(),
        doc: member.doc.clone(),
        schema: schema(member.schema.clone()),
        required: member.required,
    }
}

/// The name of the method for an operation. Characters that the name of a method cannot have become `_`.
fn method_name(local: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.:/".contains(c);
    unescape(local).chars().map(|c| if allowed(c) { c } else { '_' }).collect()
}

/// The version of SOAP of a binding; `None` if it is not a SOAP binding.
fn version(binding: ElementRef<'_>) -> Option<SoapVersion> {
    let namespace = children(binding).find(|child| is_soap(*child, "binding"))?.tag_name().namespace();
    Some(if namespace == Some(SOAP_12) { SoapVersion::V12 } else { SoapVersion::V11 })
}

fn is_soap(element: ElementRef<'_>, name: &str) -> bool {
    is(element, SOAP_11, name) || is(element, SOAP_12, name)
}

fn wsdl_children<'x>(parent: ElementRef<'x>, name: &str) -> impl Iterator<Item = ElementRef<'x>> {
    children(parent).filter(move |child| is(*child, WSDL, name))
}
