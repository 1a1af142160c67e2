//! REST routes: verbs and paths below the path of a group, chosen by the operator, and the methods that they call.
//!
//! They follow `google.api.http` of gRPC. A path consists of literals and variables, and each variable is one segment.
//! The body, if the route has one, holds one parameter or all of those that have no other place. Every other parameter
//! is in the query.
//!
//! [`RestRoute`] is one route, [`PathTemplate`] its verb and path, and [`RouteTable`] finds the routes for a path.

mod table;
mod template;

use serde_json::{Map, Value};

pub use table::{RouteMatch, RouteTable};
pub use template::{PathTemplate, PathTemplateError, Segment, VERBS};

/// A verb, a path below that of a group, and the method that they call.
///
/// ```
/// use croupier::http::routes::{ParamLocation, RestRoute};
///
/// let start = RestRoute::new("POST /processes/{name}/start", "supervisor.startProcess")?.arg("wait", true);
/// assert_eq!(start.location("name"), ParamLocation::Path);
/// assert_eq!(start.location("wait"), ParamLocation::Fixed);
/// assert_eq!(start.location("more"), ParamLocation::Query);
/// # Ok::<(), croupier::http::routes::PathTemplateError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct RestRoute {
    template: PathTemplate,
    method: String,
    body: Option<RouteBody>,
    args: Map<String, Value>,
}

/// What the body of a request holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteBody {
    /// An object with all parameters that have no other place, by name.
    All,
    /// The value of this parameter.
    Param(String),
}

/// Where the value of a parameter comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamLocation {
    /// A segment of the path.
    Path,
    /// The query.
    Query,
    /// The body, or a member of it.
    Body,
    /// The route itself, which sets a fixed value.
    Fixed,
}

impl ParamLocation {
    /// The word for it in messages.
    pub fn word(self) -> &'static str {
        match self {
            ParamLocation::Path => "path",
            ParamLocation::Query => "query",
            ParamLocation::Body => "body",
            ParamLocation::Fixed => "route",
        }
    }
}

/// The text in the configuration for [`RouteBody::All`].
const ALL: &str = "*";

impl RestRoute {
    /// A route such as `GET /things/{id}` to a method, with every other parameter in the query.
    ///
    /// # Errors
    /// Where the text is not a verb and a path.
    pub fn new(route: &str, method: impl Into<String>) -> Result<RestRoute, PathTemplateError> {
        Ok(RestRoute { template: PathTemplate::read(route)?, method: method.into(), body: None, args: Map::new() })
    }

    /// Adds a body: `*` for an object with all parameters that have no other place, or the name of one parameter.
    #[must_use]
    pub fn body(self, body: &str) -> RestRoute {
        let content = if body == ALL { RouteBody::All } else { RouteBody::Param(body.to_owned()) };
        RestRoute { body: Some(content), ..self }
    }

    /// Sets a parameter to a fixed value.
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

    /// What the body holds; `None` if the route has no body.
    pub fn content(&self) -> Option<&RouteBody> {
        self.body.as_ref()
    }

    /// The parameters with fixed values.
    pub fn args(&self) -> &Map<String, Value> {
        &self.args
    }

    /// Where the value of a parameter comes from, if the method has a parameter of this name.
    pub fn location(&self, param: &str) -> ParamLocation {
        if self.args.contains_key(param) {
            ParamLocation::Fixed
        } else if self.template.variables().any(|(name, _)| name == param) {
            ParamLocation::Path
        } else {
            match &self.body {
                Some(RouteBody::All) => ParamLocation::Body,
                Some(RouteBody::Param(body)) if body == param => ParamLocation::Body,
                Some(RouteBody::Param(_)) | None => ParamLocation::Query,
            }
        }
    }
}
