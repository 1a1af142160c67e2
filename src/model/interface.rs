//! The neutral description of a service: its methods, their parameters, results and documentation.

use std::sync::Arc;

use http::HeaderName;
use schemars::Schema;
use serde_json::{Map, Value};

/// What a service offers, in no protocol's words. Types are JSON Schema (draft 2020-12).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Interface {
    /// A short name for people, such as `American wheel`.
    pub title: String,
    /// What the service is for, in a sentence or a few.
    pub doc: String,
    /// The methods, in the order in which they were registered.
    pub methods: Vec<Method>,
    /// Schemas that others refer to as `#/$defs/NAME`.
    pub defs: Map<String, Value>,
    /// What the service adds to the page of its group, if anything.
    pub page_section: Option<Arc<PageSection>>,
    /// Whether the service may have methods that are not described here, as an upstream has that has not described
    /// itself yet.
    pub incomplete: bool,
    /// The SOAP messages by which an upstream's own WSDL calls the methods. A message that matches one of them can be
    /// passed to the upstream in its original bytes.
    pub messages: Vec<MessageName>,
    /// The headers of a request that the service reads from the context of a call. Other headers are not in it.
    pub request_headers: Vec<HeaderName>,
}

/// How an upstream's WSDL calls one method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageName {
    /// The method's name in the [`Interface`].
    pub method: String,
    /// Whether the envelope is one of SOAP 1.2, not 1.1.
    pub soap12: bool,
    /// The local name of the element in the Body.
    pub element: String,
    /// The namespace of that element.
    pub namespace: Option<String>,
    /// The action of the message; may be empty.
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

/// One method that may be called.
#[derive(Debug, Clone, PartialEq)]
pub struct Method {
    /// Its name: letters, digits, `_`, `.`, `:` and `/`, not beginning with `_`.
    pub name: String,
    /// What it does, for the person who calls it.
    pub doc: String,
    /// Its parameters, in positional order.
    pub params: Vec<Param>,
    /// The type of its result.
    pub result: Schema,
    /// Whether calling it changes nothing, so that it may be asked for by HTTP GET.
    pub safe: bool,
}

/// One parameter of a method.
#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    /// Its name, for calls by name.
    pub name: String,
    /// What it means.
    pub doc: String,
    /// Its type, with bounds and default.
    pub schema: Schema,
    /// Whether a call must give it.
    pub required: bool,
}

impl Interface {
    /// The method of this name.
    pub fn method(&self, name: &str) -> Option<&Method> {
        self.methods.iter().find(|method| method.name == name)
    }

    /// The method that a SOAP message addresses by an upstream's own WSDL; `None` if none of the
    /// [messages](Interface::messages) matches, or more than one does. Every action in `actions` must be that of the
    /// message: some servers dispatch by it.
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
        // A message that several operations share identifies none of them.
        let message = matching.next().filter(|_| matching.next().is_none())?;
        actions.all(|action| !action.is_empty() && action.trim() == message.action).then_some(message.method.as_str())
    }

    /// Whether two descriptions differ in nothing but the order of their methods.
    pub fn is_same_in_any_order(&self, other: &Interface) -> bool {
        let Interface { title, doc, methods, defs, page_section, incomplete, messages, request_headers } = self;
        (title, doc, defs) == (&other.title, &other.doc, &other.defs)
            && (page_section, incomplete) == (&other.page_section, &other.incomplete)
            && (messages, request_headers) == (&other.messages, &other.request_headers)
            && methods.len() == other.methods.len()
            && methods.iter().zip(&other.methods).all(|(one, theirs)| {
                // Almost always the order is the same, and this one comparison is all.
                one == theirs || other.method(&one.name) == Some(one)
            })
    }

    /// A schema with a reference into [`defs`](Interface::defs) followed to what it means, one level deep.
    pub fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        member(schema, "$ref")
            .and_then(Value::as_str)
            .and_then(|target| target.strip_prefix("#/$defs/"))
            .and_then(|name| self.defs.get(name))
            .unwrap_or(schema)
    }
}

/// A member of a schema. A schema has few of them: to look at their names costs less than to hash this one.
pub(crate) fn member<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    schema.as_object()?.iter().find(|(own, _)| *own == name).map(|(_, member)| member)
}

impl Method {
    /// How many parameters a call must give at the least.
    pub fn required(&self) -> usize {
        self.params.iter().filter(|param| param.required).count()
    }
}
