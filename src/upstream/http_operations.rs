//! The HTTP requests of a REST upstream, as its group serves and describes them.

use std::collections::HashSet;

use http::StatusCode;

use crate::codec::rest::text::{Style, TextStyle};
use crate::codec::rest::{BodyContent, ParamPlace, PathPart, RestBinding, RestOperation};
use crate::model::http_operations::{HttpBody, HttpOperation, HttpOperations, HttpParam, HttpPlace, PathPiece};
use crate::model::interface::Interface;

/// The requests of the methods in the form of the OpenAPI document. A request whose path has a query in the document is not among
/// them: its path alone does not say which operation is meant. JSON bodies of at most `check_bodies` bytes are checked.
pub(super) fn operations(binding: &RestBinding, interface: &Interface, check_bodies: usize) -> HttpOperations {
    let methods: HashSet<&str> = interface.methods.iter().map(|method| method.name.as_str()).collect();
    let listed = binding.operations.iter().filter(|operation| methods.contains(operation.method.as_str()));
    let mut operations =
        HttpOperations::new(listed.filter(|operation| operation.query.is_empty()).map(operation).collect());
    operations.check_bodies = check_bodies;
    operations
}

fn operation(operation: &RestOperation) -> HttpOperation {
    let piece = |part: &PathPart| match part {
        PathPart::Literal(text) => PathPiece::Literal(text.clone()),
        PathPart::Param(at) => {
            PathPiece::Variable(operation.params.get(*at).map(|param| param.name.clone()).unwrap_or_default())
        }
    };
    let in_body = |wanted: fn(&ParamPlace) -> bool| -> Vec<usize> {
        let params = operation.params.iter().enumerate();
        params.filter(|(_, param)| wanted(&param.place)).map(|(index, _)| index).collect()
    };
    let whole = in_body(|place| matches!(place, ParamPlace::Body));
    let members = in_body(|place| matches!(place, ParamPlace::Member(_)));
    let body = operation.body.as_ref().map(|form| HttpBody {
        media: form.media.clone(),
        is_json: form.content == BodyContent::Json,
        required: form.required,
        is_whole: !whole.is_empty(),
        params: whole.into_iter().chain(members).collect(),
    });
    HttpOperation {
        method: operation.method.clone(),
        verb: operation.verb.clone(),
        path: operation.path.iter().map(piece).collect(),
        params: params(operation),
        body,
        invalid_status: match operation.refuses_as_unprocessable {
            true => StatusCode::UNPROCESSABLE_ENTITY,
            false => StatusCode::BAD_REQUEST,
        },
    }
}

/// The parameters outside of the body. A parameter that is the whole query is not among them.
fn params(operation: &RestOperation) -> Vec<HttpParam> {
    let placed = operation.params.iter().enumerate().filter_map(|(index, param)| {
        let (place, style) = match &param.place {
            ParamPlace::Path(style) => (HttpPlace::Path, *style),
            ParamPlace::Query(style) => (HttpPlace::Query, *style),
            ParamPlace::Header(style) => (HttpPlace::Header, *style),
            ParamPlace::Cookie(style) => (HttpPlace::Cookie, *style),
            ParamPlace::QueryString(_) | ParamPlace::Member(_) | ParamPlace::Body => return None,
        };
        let TextStyle { style, explode, .. } = style;
        let is_json = style == Style::Json;
        Some(HttpParam { name: param.name.clone(), index, place, style: word(style), explode, is_json })
    });
    placed.collect()
}

/// The word of OpenAPI for a style.
fn word(style: Style) -> Option<&'static str> {
    match style {
        Style::Simple => Some("simple"),
        Style::Label => Some("label"),
        Style::Matrix => Some("matrix"),
        Style::Form => Some("form"),
        Style::SpaceDelimited => Some("spaceDelimited"),
        Style::PipeDelimited => Some("pipeDelimited"),
        Style::DeepObject => Some("deepObject"),
        Style::Cookie => Some("cookie"),
        Style::TabDelimited | Style::Json => None,
    }
}
