//! The requests that call the methods of a REST upstream.

use serde_json::Value as Json;

use super::text::TextStyle;

/// How the methods of an upstream are called.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RestBinding {
    /// The path that precedes those of all operations, without a slash at its end. It counts if the address of the server has no
    /// path of its own.
    pub base: String,
    /// The operations.
    pub operations: Vec<RestOperation>,
}

/// The request that calls one method.
#[derive(Debug, Clone, PartialEq)]
pub struct RestOperation {
    /// The name of the method in the interface.
    pub method: String,
    /// The verb.
    pub verb: http::Method,
    /// The path below that of the server, beginning with a slash.
    pub path: Vec<PathPart>,
    /// The part of the query that is always the same, without a question mark.
    pub query: String,
    /// The place of each parameter, in the order of the method's parameters.
    pub params: Vec<ParamTarget>,
    /// The body; `None` if requests have none.
    pub body: Option<BodyForm>,
    /// The value of the header `Accept`.
    pub accept: String,
    /// What the result is.
    pub result: ResultForm,
    /// Whether the document has a response with status 422 and none with 400: the server refuses with 422 what is not valid.
    pub refuses_as_unprocessable: bool,
}

/// A part of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathPart {
    /// This text, percent-encoded.
    Literal(String),
    /// The value of the parameter with this index.
    Param(usize),
}

/// The place of a parameter in a request.
#[derive(Debug, Clone, PartialEq)]
pub struct ParamTarget {
    /// Its name in the request.
    pub name: String,
    /// Where it is.
    pub place: ParamPlace,
    /// The value if none is given: the default of a parameter without which the request is not valid.
    pub default: Option<Json>,
}

/// Where a parameter is in a request.
#[derive(Debug, Clone, PartialEq)]
pub enum ParamPlace {
    /// In the path.
    Path(TextStyle),
    /// In the query.
    Query(TextStyle),
    /// The whole query.
    QueryString(TextStyle),
    /// In a header.
    Header(TextStyle),
    /// In a cookie.
    Cookie(TextStyle),
    /// A member of the body.
    Member(MemberForm),
    /// The whole body.
    Body,
}

/// How a member of a form is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberForm {
    /// By its value: texts as they are, a list once for each item, and anything else as JSON.
    Plain,
    /// As in a query.
    Styled(TextStyle),
    /// As a part with this media type. `is_file` says whether the part has a file name.
    Part {
        /// The media type.
        media: String,
        /// Whether the part has a file name.
        is_file: bool,
    },
}

/// The body of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyForm {
    /// The media type as the header `Content-Type` has it.
    pub media: String,
    /// How the body is written.
    pub content: BodyContent,
    /// Whether a request without any of the members has a body all the same.
    pub required: bool,
}

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyContent {
    /// As JSON.
    Json,
    /// As `application/x-www-form-urlencoded`.
    Form,
    /// As `multipart/form-data`.
    Multipart,
    /// As the text of one value.
    Text,
    /// As bytes.
    Bytes,
}

/// What the result of a method is by its description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResultForm {
    /// JSON.
    #[default]
    Json,
    /// A text.
    Text,
    /// Bytes.
    Bytes,
    /// Nothing.
    Nothing,
    /// Not known.
    Unknown,
}

impl RestBinding {
    /// The operation that calls a method.
    pub fn operation(&self, method: &str) -> Option<&RestOperation> {
        self.operations.iter().find(|operation| operation.method == method)
    }
}

impl RestOperation {
    /// Whether a second request has the same effect as one (RFC 9110, section 9.2.2).
    pub fn is_idempotent(&self) -> bool {
        self.verb.is_idempotent() || self.verb.as_str() == "QUERY"
    }
}
