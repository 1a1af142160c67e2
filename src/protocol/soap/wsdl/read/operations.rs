//! A SOAP port with its operations and their messages.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::content::{Content, wildcard_member};
use super::names::method_names;
use super::source::{
    ComponentKind, ElementRef, QName, Sources, WSDL, children, documentation, is, schema_child, target,
};
use super::structure::{described_schema, record_schema};
use super::types::{ConvertedType, Member, TypeReader, is_builtin, optional};
use super::{SoapPort, description_fault};
use crate::codec::soap::{
    ElementContent, HEADERS, MessagePart, Occurrence, Operation, Particle, QualifiedName, RESULT, ResultContent,
    SoapVersion, Wildcard,
};
use crate::model::fault::{Fault, Kind};
use crate::model::interface::{Method, Param};
use crate::model::shape::unescape;
use crate::model::text::abridge;
use crate::protocol::discovered::schema;

/// The namespaces of the SOAP bindings of WSDL.
const SOAP_11: &str = "http://schemas.xmlsoap.org/wsdl/soap/";
const SOAP_12: &str = "http://schemas.xmlsoap.org/wsdl/soap12/";

/// The namespace of the MIME binding.
const MIME: &str = "http://schemas.xmlsoap.org/wsdl/mime/";
/// The most headers of an operation.
const MAX_HEADERS: usize = 32;

/// The largest number of operations of a port.
const MAX_OPERATIONS: usize = 5000;
/// The largest number of SOAP ports.
const MAX_PORTS: usize = 1000;

/// A SOAP port.
#[derive(Clone)]
pub(super) struct Port<'x> {
    sources: &'x Sources<'x>,
    binding: ElementRef<'x>,
    /// The element of the port; `None` for a binding without a service.
    port: Option<ElementRef<'x>>,
    pub(super) version: SoapVersion,
}

/// The operations of a port.
#[derive(Default)]
pub(super) struct Operations {
    pub(super) methods: Vec<Method>,
    /// The messages of each method, in the same order.
    pub(super) operations: Vec<Operation>,
    /// The names of the others, with the reasons why they cannot be called.
    pub(super) left_out: Vec<(String, Fault)>,
}

/// One direction of an operation: its elements in the binding, and the message.
struct Direction<'x> {
    /// The element of this direction in the binding.
    bound: Option<ElementRef<'x>>,
    /// The element that describes the Body.
    body: Option<ElementRef<'x>>,
    name: QName,
    message: ElementRef<'x>,
}

/// The content of a message.
#[derive(Default)]
struct MessageContent {
    wrapper: Option<QualifiedName>,
    content: Content,
    /// Whether the members are the parts of a message of rpc style.
    parts: bool,
}

/// All SOAP ports; or, in a description without ports, one for each SOAP binding.
///
/// # Errors
/// If there is none, or if none refers to a binding that is there.
pub(super) fn ports<'x>(sources: &'x Sources<'x>) -> Result<Vec<Port<'x>>, Fault> {
    let (mut ports, mut others, mut unusable) = (Vec::new(), 0, None);
    for service in sources.definitions.iter().flat_map(|root| wsdl_children(*root, "service")) {
        for port in wsdl_children(service, "port") {
            match binding_of(sources, port) {
                Ok(binding) => match version(binding) {
                    Some(version) => ports.push(Port { sources, binding, port: Some(port), version }),
                    None => others += 1,
                },
                Err(fault) => unusable = unusable.or(Some(fault)),
            }
            if ports.len() > MAX_PORTS {
                return Err(Fault::new(Kind::Limit, format!("the description has more than {MAX_PORTS} ports")));
            }
        }
    }
    if ports.is_empty() && others == 0 {
        let bindings = sources.definitions.iter().flat_map(|root| wsdl_children(*root, "binding")).take(MAX_PORTS);
        ports.extend(
            bindings
                .filter_map(|binding| version(binding).map(|version| Port { sources, binding, port: None, version })),
        );
    }
    match (ports.is_empty(), unusable) {
        (false, _) => Ok(ports),
        (true, Some(fault)) => Err(fault),
        (true, None) if others > 0 => {
            Err(description_fault("there is no SOAP port: the ports are for other protocols, such as plain HTTP"))
        }
        (true, None) => Err(description_fault("there is no SOAP port")),
    }
}

fn binding_of<'x>(sources: &'x Sources<'x>, port: ElementRef<'x>) -> Result<ElementRef<'x>, Fault> {
    let binding = sources.qname(port, "binding")?;
    let binding = binding.ok_or_else(|| sources.description_fault(port, "the port has no `binding`"))?;
    sources.find(ComponentKind::Binding, &binding, port)
}

impl<'x> Port<'x> {
    /// The port with this name, or by default the first for SOAP 1.1, or else the first. Ports over HTTP come first.
    pub(super) fn select(ports: &[Port<'x>], name: Option<&str>) -> Result<Port<'x>, Fault> {
        let prefer = |chosen: &dyn Fn(&Port<'x>) -> bool| {
            let chosen: Vec<_> = ports.iter().filter(|port| chosen(port)).collect();
            let best = |is_best: &dyn Fn(&Port<'x>) -> bool| chosen.iter().copied().find(|port| is_best(port));
            best(&|port| port.is_http() && port.version == SoapVersion::V11)
                .or_else(|| best(&Port::is_http))
                .or_else(|| best(&|port| port.version == SoapVersion::V11))
                .or_else(|| best(&|_| true))
                .cloned()
        };
        let selected = match name {
            Some(name) => prefer(&|port| port.name() == name)
                .or_else(|| prefer(&|port| format!("{}/{}", port.title(), port.name()) == name))
                .or_else(|| prefer(&|port| port.port.is_some() && port.title() == name)),
            None => prefer(&|_| true),
        };
        selected.ok_or_else(|| {
            let names: Vec<_> = ports.iter().map(|port| format!("`{}`", abridge(port.name()))).collect();
            let name = abridge(name.unwrap_or_default());
            description_fault(format!("there is no SOAP port `{name}`; there is {}", names.join(", ")))
        })
    }

    /// Whether the port is not for another transport than HTTP, such as a message queue.
    fn is_http(&self) -> bool {
        self.address().is_none_or(|address| {
            let scheme = address.split_once(':').map_or("", |(scheme, _)| scheme);
            !scheme.chars().all(|c| c.is_ascii_alphanumeric()) || scheme.to_ascii_lowercase().starts_with("http")
        })
    }

    pub(super) fn is_same(&self, other: &Port<'x>) -> bool {
        self.port.is_some() && self.port == other.port
    }

    /// What the description says of the port; `None` for a binding without one.
    pub(super) fn describe(&self) -> Option<SoapPort> {
        self.port?;
        Some(SoapPort {
            service: self.title(),
            name: self.name().to_owned(),
            address: self.address().unwrap_or_default(),
            version: self.version,
        })
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

    /// All operations, as methods and as messages.
    ///
    /// # Errors
    /// If the port type is missing, or there are too many operations.
    pub(super) fn operations(&self, types: &mut TypeReader<'x>, response_headers: bool) -> Result<Operations, Fault> {
        let sources = self.sources;
        let port_type = sources.qname(self.binding, "type")?;
        let port_type =
            port_type.ok_or_else(|| sources.description_fault(self.binding, "the binding has no `type`"))?;
        let port_type = sources.find(ComponentKind::PortType, &port_type, self.binding)?;
        let mut declared: HashMap<&str, Vec<ElementRef<'x>>> = HashMap::new();
        for operation in wsdl_children(port_type, "operation") {
            declared.entry(operation.attribute("name").unwrap_or_default()).or_default().push(operation);
        }
        let bound: Vec<_> = wsdl_children(self.binding, "operation").collect();
        if bound.len() > MAX_OPERATIONS {
            let position = sources.position(self.binding);
            let message = format!("{position}: the binding has more than {MAX_OPERATIONS} operations");
            return Err(Fault::new(Kind::Limit, message));
        }
        let names = method_names(bound.iter().map(|bound| bound.attribute("name").unwrap_or_default()));
        let mut read = Operations::default();
        for (bound, name) in bound.into_iter().zip(names) {
            let local = bound.attribute("name").unwrap_or_default();
            let declared = take_declared(declared.entry(local).or_default(), bound).ok_or_else(|| {
                sources.description_fault(bound, &format!("the port type has no operation `{}`", abridge(local)))
            });
            let operation = declared.and_then(|declared| self.operation(types, bound, declared, name.clone()));
            let operation = operation.and_then(|(method, operation)| match response_headers {
                true => self.with_response_headers(types, bound, method, operation),
                false => Ok((method, operation)),
            });
            match operation {
                Ok((method, operation)) => {
                    read.methods.push(method);
                    read.operations.push(operation);
                }
                Err(fault) => read.left_out.push((name, fault)),
            }
        }
        Ok(read)
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
            None => MessageContent { parts: rpc, ..MessageContent::default() },
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
            for member in &mut content.members {
                member.part.occurs = Occurrence::Maybe;
                member.part.nillable = false;
            }
        }
        let headers = self.headers(types, bound, "input", &content.members)?;
        let params = content.members.iter().chain(&headers).map(param).collect();
        let operation = Operation {
            method: name.clone(),
            action,
            wrapper: request.wrapper,
            encoded,
            request: content.into_record(),
            headers: headers.into_iter().map(|member| member.part).collect(),
            result: result_content,
            response_headers: None,
        };
        let mut doc = documentation(declared);
        if unescape(local) != name {
            let gap = if doc.is_empty() { "" } else { "\n\n" };
            let _ = write!(doc, "{gap}The operation `{local}`.");
        }
        Ok((Method { name, doc, params, result: schema(result), safe: false }, operation))
    }

    /// Returns the header blocks of the response beside the result.
    fn with_response_headers(
        &self,
        types: &mut TypeReader<'x>,
        bound: ElementRef<'x>,
        method: Method,
        operation: Operation,
    ) -> Result<(Method, Operation), Fault> {
        let members = self.headers(types, bound, "output", &[])?;
        let wildcard = Some(Wildcard { namespace: None });
        let content = Content { wildcard, ..Content::sequence(members) };
        let result = json!({
            "type": "object",
            "properties": { HEADERS: record_schema(&content), RESULT: method.result.as_value() },
            "required": [HEADERS, RESULT],
        });
        let response_headers = Some(content.into_record());
        Ok((Method { result: schema(result), ..method }, Operation { response_headers, ..operation }))
    }

    /// The header blocks that the binding of the input or the output names, as optional members. One whose message is not there
    /// is left out.
    fn headers(
        &self,
        types: &mut TypeReader<'x>,
        bound: ElementRef<'x>,
        direction: &str,
        members: &[Member],
    ) -> Result<Vec<Member>, Fault> {
        let mut headers: Vec<Member> = Vec::new();
        let messages = wsdl_children(bound, direction).next();
        let named = messages.into_iter().flat_map(|message| message.descendants());
        let named = named.filter(|it| is_soap(*it, "header"));
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
        let name = self.sources.qname(declared, "message")?;
        let name = name.ok_or_else(|| self.sources.description_fault(declared, "it has no `message`"))?;
        let message = self.sources.find(ComponentKind::Message, &name, declared)?;
        let bound = wsdl_children(bound, word).next();
        let body = bound.and_then(|bound| bound.descendants().find(|it| is_soap(*it, "body")));
        Ok(Some(Direction { bound, body, name, message }))
    }

    /// A message of document style. If it has one part with an element, and that element has child elements, they are the
    /// members, and its name does not matter. Otherwise each part is an element of the Body.
    fn document(&self, types: &mut TypeReader<'x>, direction: &Direction<'x>) -> Result<MessageContent, Fault> {
        let parts = self.body_parts(direction)?;
        if let [part] = parts.as_slice() {
            if let Some(name) = self.sources.qname(*part, "element")? {
                return self.only_element(types, *part, &name);
            }
            if let Some(content) = self.members_of_body(types, *part)? {
                return Ok(MessageContent { content, ..MessageContent::default() });
            }
        }
        let mut members: Vec<Member> = Vec::new();
        for part in parts {
            let mut member = self.element_of_body(types, part)?;
            if members.iter().any(|known| known.part.name == member.part.name) {
                part.attribute("name").unwrap_or_default().clone_into(&mut member.part.name);
            }
            members.push(member);
        }
        Ok(MessageContent { content: Content::sequence(members), ..MessageContent::default() })
    }

    /// A message whose one part is this element.
    fn only_element(
        &self,
        types: &mut TypeReader<'x>,
        part: ElementRef<'x>,
        name: &QName,
    ) -> Result<MessageContent, Fault> {
        let element = self.sources.find(ComponentKind::Element, name, part)?;
        if let Some(structure) = self.complex_type_of(element)? {
            let list = types.encoded_item(structure, &name.local)?.is_some();
            if !list {
                let wrapper = Some(types.name(target(element), &name.local));
                let content = types.content(structure, &name.local)?;
                return Ok(MessageContent { wrapper, content, parts: false });
            }
        }
        let content = Content::sequence(vec![self.element_of_body(types, part)?]);
        Ok(MessageContent { content, ..MessageContent::default() })
    }

    /// The members of a part with a complex type, which is then the type of the Body (WSDL 1.1, section 3.5).
    fn members_of_body(&self, types: &mut TypeReader<'x>, part: ElementRef<'x>) -> Result<Option<Content>, Fault> {
        let Some(name) = self.sources.qname(part, "type")? else { return Ok(None) };
        if is_builtin(&name) {
            return Ok(None);
        }
        let structure = self.sources.find(ComponentKind::Type, &name, part)?;
        let has_members = structure.tag_name().name() == "complexType"
            && schema_child(structure, "simpleContent").is_none()
            && types.encoded_item(structure, &name.local)?.is_none();
        if has_members { types.content(structure, &name.local).map(Some) } else { Ok(None) }
    }

    /// A part of a message of document style as an element of the Body. If it has a type instead of an element, the element
    /// has its name.
    fn element_of_body(&self, types: &mut TypeReader<'x>, part: ElementRef<'x>) -> Result<Member, Fault> {
        let (local, element, converted, doc) =
            match (self.sources.qname(part, "element")?, self.sources.qname(part, "type")?) {
                (Some(name), _) => {
                    let element = self.sources.find(ComponentKind::Element, &name, part)?;
                    let converted = types.type_of_element(element, &name.local)?;
                    let own = types.name(target(element), &name.local);
                    (name.local, own, converted, documentation(element))
                }
                (None, Some(name)) => {
                    let local = part.attribute("name").unwrap_or_default().to_owned();
                    let own = QualifiedName { namespace: None, local: local.clone() };
                    (local, own, types.type_named(&name, part)?, documentation(part))
                }
                (None, None) => {
                    return Err(self.sources.description_fault(part, "a part has neither `type` nor `element`"));
                }
            };
        let ConvertedType { schema, content } = converted;
        let name = unescape(&local).into_owned();
        let part = MessagePart::element(name, element, content);
        Ok(Member { part, item: schema.clone(), schema, required: true, doc })
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

    /// The parts of a message that are in the Body: those that the binding names, or else all that are neither in a header
    /// nor attached (WSDL 1.1, section 3.5).
    fn body_parts(&self, direction: &Direction<'x>) -> Result<Vec<ElementRef<'x>>, Fault> {
        let parts = wsdl_children(direction.message, "part");
        let name_of = |part: &ElementRef<'x>| part.attribute("name").unwrap_or_default();
        if let Some(names) = direction.body.and_then(|body| body.attribute("parts")) {
            let named: HashSet<&str> = names.split_whitespace().collect();
            return Ok(parts.filter(|part| named.contains(name_of(part))).collect());
        }
        let mut outside_body = HashSet::new();
        for element in direction.bound.iter().flat_map(|bound| bound.descendants()) {
            let is_there = match element.tag_name().name() {
                "header" if is_soap(element, "header") => {
                    self.sources.qname(element, "message")?.is_none_or(|name| name == direction.name)
                }
                "content" => element.tag_name().namespace() == Some(MIME),
                _ => false,
            };
            outside_body.extend(element.attribute("part").filter(|_| is_there));
        }
        Ok(parts.filter(|part| !outside_body.contains(name_of(part))).collect())
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
        for part in self.body_parts(direction)? {
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
    let is_repeated = content.members.iter().any(|member| member.part.occurs == Occurrence::Repeatedly);
    if content.members.len() == 1
        && content.is_plain()
        && (wrapper.is_some() || !is_repeated)
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
    let schema = record_schema(&content);
    let record = content.into_record();
    (schema, if wrapper.is_some() { ResultContent::Record(record) } else { ResultContent::Body(record) })
}

fn param(member: &Member) -> Param {
    Param {
        name: member.part.name.clone(),
        doc: member.doc.clone(),
        schema: schema(member.schema.clone()),
        required: member.required,
    }
}

/// Removes and returns the declaration of an operation. Of several with the same name, it is the one whose messages have the
/// names that the binding says (WSDL 1.1, section 2.5), or else the first.
fn take_declared<'x>(declared: &mut Vec<ElementRef<'x>>, bound: ElementRef<'x>) -> Option<ElementRef<'x>> {
    let name_in = |operation: ElementRef<'x>, word: &str| wsdl_children(operation, word).next()?.attribute("name");
    let names = ["input", "output"].map(|word| (word, name_in(bound, word)));
    let matches = |operation: &ElementRef<'x>| {
        names.iter().all(|(word, name)| name.is_none_or(|name| name_in(*operation, word) == Some(name)))
    };
    let at = declared.iter().position(matches).unwrap_or(0);
    (at < declared.len()).then(|| declared.remove(at))
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
