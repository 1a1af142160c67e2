//! Routes: verbs and paths of an operator's choice below a group's own, by which REST calls its methods.
//!
//! They follow what `google.api.http` has for gRPC: a path of literals and variables, each variable one segment; the
//! body, where one is named, gives all parameters or one; every other parameter stands in the query.

mod table;
mod template;

use serde_json::{Map, Value};

pub use table::{Found, RouteTable};
pub use template::{PathTemplate, PathTemplateError, Segment, VERBS};

/// A verb and a path below a group's own, and the method that they call.
///
/// ```
/// use croupier::http::routes::{Place, RestRoute};
///
/// let start = RestRoute::new("POST /processes/{name}/start", "supervisor.startProcess")?.arg("wait", true);
/// assert_eq!(start.place("name"), Place::Path);
/// assert_eq!(start.place("wait"), Place::Fixed);
/// assert_eq!(start.place("more"), Place::Query);
/// # Ok::<(), croupier::http::routes::PathTemplateError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct RestRoute {
    template: PathTemplate,
    method: String,
    body: Option<Content>,
    args: Map<String, Value>,
}

/// What a request's body is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// An object of all parameters that stand nowhere else, by name.
    All,
    /// The value of this parameter.
    Param(String),
}

/// Where a request has a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// As a segment of the path.
    Path,
    /// In the query.
    Query,
    /// In the body, or as the body.
    Body,
    /// Nowhere: the route itself gives it.
    Fixed,
}

impl Place {
    /// One word for it.
    pub fn word(self) -> &'static str {
        match self {
            Place::Path => "path",
            Place::Query => "query",
            Place::Body => "body",
            Place::Fixed => "route",
        }
    }
}

/// How it is written that the whole body gives the parameters.
const ALL: &str = "*";

impl RestRoute {
    /// A route such as `GET /things/{id}` to a method, with every other parameter in the query.
    ///
    /// # Errors
    /// Where the text is no verb and path.
    pub fn new(route: &str, method: impl Into<String>) -> Result<RestRoute, PathTemplateError> {
        Ok(RestRoute { template: PathTemplate::read(route)?, method: method.into(), body: None, args: Map::new() })
    }

    /// The same, with a body: `*` for an object of all parameters that stand nowhere else, or the name of the one
    /// parameter that the body is.
    #[must_use]
    pub fn body(self, body: &str) -> RestRoute {
        let content = if body == ALL { Content::All } else { Content::Param(body.to_owned()) };
        RestRoute { body: Some(content), ..self }
    }

    /// The same, with a parameter that always has this value.
    #[must_use]
    pub fn arg(mut self, name: impl Into<String>, value: impl Into<Value>) -> RestRoute {
        self.args.insert(name.into(), value.into());
        self
    }

    /// The verb and the path.
    pub fn template(&self) -> &PathTemplate {
        &self.template
    }

    /// The name of the method that it calls.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// What the body is, if there is to be one.
    pub fn content(&self) -> Option<&Content> {
        self.body.as_ref()
    }

    /// The parameters that always have the same values.
    pub fn args(&self) -> &Map<String, Value> {
        &self.args
    }

    /// Where a request has a parameter of this name, if the method has one.
    pub fn place(&self, param: &str) -> Place {
        if self.args.contains_key(param) {
            Place::Fixed
        } else if self.template.variables().any(|(name, _)| name == param) {
            Place::Path
        } else {
            match &self.body {
                Some(Content::All) => Place::Body,
                Some(Content::Param(body)) if body == param => Place::Body,
                Some(Content::Param(_)) | None => Place::Query,
            }
        }
    }
}
