//! The description of a service, independent of any protocol: its methods, their parameters, results and documentation.

#[cfg(feature = "server")]
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use http::HeaderName;
use schemars::{Schema, json_schema};
use serde_json::{Map, Value};

#[cfg(feature = "server")]
use crate::model::http_operations::{HttpOperation, HttpOperations};

/// The description of a service. Types are JSON Schemas (draft 2020-12).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Interface {
    /// A short title, such as `American wheel`.
    pub title: String,
    /// The purpose of the service, in one or a few sentences.
    pub doc: String,
    /// The methods, in the order in which they were registered.
    pub methods: Vec<Method>,
    /// Schemas by name, which other schemas refer to as `#/$defs/NAME`.
    pub defs: Map<String, Value>,
    /// What the service adds to the page of its group, if anything.
    pub page_section: Option<Arc<PageSection>>,
    /// Whether the service may have methods that are not in `methods`: an upstream that has not yet described itself.
    pub incomplete: bool,
    /// Whether each result has the type that its method says: the methods are functions of this process, and types are made of theirs.
    /// What an upstream says of its results is no promise.
    pub has_exact_results: bool,
    /// The SOAP messages that call the methods according to the upstream's own WSDL. A message that matches one of them
    /// can be passed to the upstream in its original bytes.
    pub messages: Vec<MessageName>,
    /// The HTTP requests that call the methods according to the upstream's own OpenAPI document. Such a request can be passed to
    /// the upstream unchanged. Requests of methods that are not in `methods` are not served.
    #[cfg(feature = "server")]
    pub operations: Arc<HttpOperations>,
    /// The headers of a request that the service reads from the context of a call. Other headers are not in it.
    pub request_headers: Vec<HeaderName>,
    /// Whether the service reads under which URL the client has sent its request. Without it, that is not in the context of a
    /// call.
    pub reads_request_target: bool,
    /// Whether results may depend on the address of the client: the service passes it on, or decides by it who may call.
    pub reads_client_address: bool,
    /// Whether calls may add headers to the response of their request. Without it, the context of a call has no place for
    /// them.
    pub sets_response_headers: bool,
}

/// The SOAP message that calls one method according to the upstream's WSDL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageName {
    /// The name of the method in the [`Interface`].
    pub method: String,
    /// Whether the envelope is that of SOAP 1.2; otherwise it is that of SOAP 1.1.
    pub soap12: bool,
    /// The local name of the element in the Body.
    pub element: String,
    /// The namespace of that element.
    pub namespace: Option<String>,
    /// The action of the message (`SOAPAction`); may be empty.
    pub action: String,
}

/// A section that a service adds to the page of its group, between the heading and the methods: its template, script
/// and style sheet are part of the program and trusted; its data are not, and are escaped.
///
/// The section is shown where the page can make calls. The script runs after that of the page, with the same globals;
/// the style sheet follows that of the page.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PageSection {
    /// A template in the syntax of minijinja, filled with [`data`](PageSection::data).
    pub template: &'static str,
    /// Statements in JavaScript, added to the script of the page.
    pub script: &'static str,
    /// Rules in CSS, added to the style sheet of the page.
    pub style: &'static str,
    /// The variables of the template: an object.
    pub data: Value,
    /// What the script reads as `page.section`.
    pub script_data: Value,
}

/// A method of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Method {
    /// Letters, digits, `_`, `.`, `:` and `/`, not beginning with `_`.
    pub name: String,
    /// The documentation for callers.
    pub doc: String,
    /// The parameters in positional order.
    pub params: Vec<Param>,
    /// The type of its result.
    pub result: Schema,
    /// Whether a call changes nothing, so that HTTP GET may call it.
    pub safe: bool,
}

impl Method {
    /// A method of this name without parameters, of which nothing else is known.
    pub(crate) fn undescribed(name: &str) -> Method {
        Method { name: name.to_owned(), doc: String::new(), params: Vec::new(), result: Schema::default(), safe: false }
    }
}

/// A parameter of a method.
#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    /// The name in calls by name.
    pub name: String,
    /// The documentation for callers.
    pub doc: String,
    /// The type, with bounds and default value.
    pub schema: Schema,
    /// Whether a call without it is a fault.
    pub required: bool,
}

impl Interface {
    /// The method with this name.
    pub fn method(&self, name: &str) -> Option<&Method> {
        self.methods.iter().find(|method| method.name == name)
    }

    /// The path of a method below that of its group: its name, with a slash behind it if the name is a path of the upstream's own
    /// document, at which only the verbs of that document are served.
    #[cfg(feature = "server")]
    pub fn method_path<'m>(&self, name: &'m str) -> Cow<'m, str> {
        let is_served = |operation: &HttpOperation| self.method(&operation.method).is_some();
        match self.operations.has_literal(name, is_served) {
            true => Cow::Owned(format!("{name}/")),
            false => Cow::Borrowed(name),
        }
    }

    /// The method that a SOAP message calls according to the upstream's own WSDL; `None` if none of the
    /// [messages](Interface::messages) matches, or more than one does. Every action in `actions` must be that of the message,
    /// because some servers select the method by the action.
    pub fn method_of_message<'a>(
        &self,
        soap12: bool,
        element: &str,
        namespace: Option<&str>,
        mut actions: impl Iterator<Item = &'a str>,
    ) -> Option<&str> {
        let mut matching = self.messages.iter().filter(|message| {
            message.soap12 == soap12 && message.element == element && message.namespace.as_deref() == namespace
        });
        // A message that several operations share does not say which of them to call.
        let message = matching.next().filter(|_| matching.next().is_none())?;
        actions.all(|action| !action.is_empty() && action.trim() == message.action).then_some(message.method.as_str())
    }

    /// Whether two descriptions are equal, apart from the order of their methods.
    pub fn is_same_in_any_order(&self, other: &Interface) -> bool {
        let Interface { title, doc, methods, defs, page_section, incomplete, has_exact_results, messages, .. } = self;
        let Interface { request_headers, reads_request_target, reads_client_address, sets_response_headers, .. } = self;
        (title, doc, defs) == (&other.title, &other.doc, &other.defs)
            && (page_section, incomplete) == (&other.page_section, &other.incomplete)
            && *has_exact_results == other.has_exact_results
            && (messages, request_headers) == (&other.messages, &other.request_headers)
            && *reads_request_target == other.reads_request_target
            && *reads_client_address == other.reads_client_address
            && *sets_response_headers == other.sets_response_headers
            && methods.len() == other.methods.len()
            && methods.iter().zip(&other.methods).all(|(own, at_same_index)| {
                // The order is almost always the same, and the search by name is then not needed.
                own == at_same_index || other.method(&own.name) == Some(own)
            })
    }

    /// The same description with these of its methods only, and with the definitions that they refer to.
    #[must_use]
    pub fn with_methods(&self, shown: impl Fn(&Method) -> bool) -> Interface {
        let methods: Vec<Method> = self.methods.iter().filter(|method| shown(method)).cloned().collect();
        let is_shown = |name: &str| methods.iter().any(|method| method.name == name);
        let messages = self.messages.iter().filter(|message| is_shown(&message.method)).cloned().collect();
        let defs = self.definitions_of(&methods);
        Interface {
            title: self.title.clone(),
            doc: self.doc.clone(),
            methods,
            defs,
            page_section: self.page_section.clone(),
            incomplete: self.incomplete,
            has_exact_results: self.has_exact_results,
            messages,
            #[cfg(feature = "server")]
            operations: self.operations.clone(),
            request_headers: self.request_headers.clone(),
            reads_request_target: self.reads_request_target,
            reads_client_address: self.reads_client_address,
            sets_response_headers: self.sets_response_headers,
        }
    }

    /// The definitions that the types of methods refer to, and those that these refer to.
    fn definitions_of(&self, methods: &[Method]) -> Map<String, Value> {
        let params = methods.iter().flat_map(|method| &method.params);
        let schemas = params.map(|param| &param.schema).chain(methods.iter().map(|method| &method.result));
        let mut left: Vec<&Value> = schemas.map(Schema::as_value).collect();
        let mut names = BTreeSet::new();
        while let Some(value) = left.pop() {
            match value {
                Value::Object(members) => left.extend(members.values()),
                Value::Array(items) => left.extend(items),
                // A text that only looks like a reference keeps one definition more.
                Value::String(text) => {
                    let name = text.strip_prefix(DEFINITION).filter(|name| names.insert(*name));
                    left.extend(name.and_then(|name| self.defs.get(name)));
                }
                _ => {}
            }
        }
        let used = self.defs.iter().filter(|(name, _)| names.contains(name.as_str()));
        used.map(|(name, schema)| (name.clone(), schema.clone())).collect()
    }

    /// The definition that a schema refers to, if it is a reference into [`defs`](Interface::defs); otherwise the schema
    /// itself. A reference from one definition to another is not followed.
    pub fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        member(schema, "$ref")
            .and_then(Value::as_str)
            .and_then(|target| target.strip_prefix(DEFINITION))
            .and_then(|name| self.defs.get(name))
            .unwrap_or(schema)
    }
}

/// The beginning of a reference to one of the [`defs`](Interface::defs).
const DEFINITION: &str = "#/$defs/";

/// A member of a schema. A search through the few members that a schema has costs less than hashing the name.
pub(crate) fn member<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    schema.as_object()?.iter().find(|(key, _)| *key == name).map(|(_, member)| member)
}

/// The keyword in the schema of [`Param::free_arguments`].
const FREE_ARGUMENTS: &str = "x-free-arguments";

impl Param {
    /// The name of the parameter that [`free_arguments`](Param::free_arguments) makes.
    pub const FREE_NAME: &str = "args";

    /// The only parameter of a method of whose parameters nothing is known: the list of all arguments, by position. Calls by
    /// position give the arguments themselves.
    pub fn free_arguments() -> Param {
        let schema = json_schema!({ "type": "array", "items": {}, FREE_ARGUMENTS: true });
        Param {
            name: Param::FREE_NAME.to_owned(),
            doc: "All arguments in their order: the server does not say which parameters the method has.".to_owned(),
            schema,
            required: false,
        }
    }

    /// Whether this is the list of all arguments.
    pub fn has_free_arguments(&self) -> bool {
        member(self.schema.as_value(), FREE_ARGUMENTS).is_some()
    }
}

impl Method {
    /// Whether nothing is known of the parameters: the only one is [`Param::free_arguments`].
    pub fn has_free_arguments(&self) -> bool {
        matches!(self.params.as_slice(), [only] if only.has_free_arguments())
    }

    /// The number of arguments that a call by position has at least: those up to the last required parameter.
    pub fn least_arguments(&self) -> usize {
        self.params.iter().rposition(|param| param.required).map_or(0, |last| last + 1)
    }

    /// The number of required parameters.
    pub fn required(&self) -> usize {
        self.params.iter().filter(|param| param.required).count()
    }
}
