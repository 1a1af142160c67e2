//! The REST codec for upstream servers: it encodes calls and decodes responses in memory, by the description of the server.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use encoding_rs::{Encoding, UTF_8};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, Version, header};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error_body;
use crate::codec::DocumentLimits;
use crate::codec::json::{TypedJson, check, not_well_formed};
use crate::codec::media::{essence, is_json, is_json_lines, is_text};
use crate::codec::rest::multipart::Parts;
use crate::codec::rest::text::{Place, TextStyle, json, plain};
use crate::codec::rest::{
    BodyContent, BodyForm, MemberForm, ParamPlace, ParamTarget, PathPart, RestBinding, RestOperation, ResultForm, form,
};
use crate::http::media_type;
use crate::model::fault::{Fault, Kind};
use crate::model::shape::Field;
use crate::model::text::abridge;
use crate::model::value::Value;
use crate::protocol::client_codec::{BelowServer, CallTarget, ResponseError, check_uncompressed, excerpt};
use crate::service::args::ArgValues;

/// REST towards a server.
#[derive(Debug, Clone)]
pub struct RestCodec {
    /// The requests of its methods, from its description.
    pub binding: Arc<RestBinding>,
    /// The limits on the JSON text of a response.
    pub limits: DocumentLimits,
    /// Whether callers get the beginning of the body of every response with an error status.
    pub return_error_text: bool,
    /// The kinds of faults for error statuses. Any other status is the code of a service's own fault.
    pub fault_kinds: BTreeMap<u16, Kind>,
}

impl RestCodec {
    /// A codec for these requests. It accepts responses of at most 10,000,000 JSON values, nested at most 64 deep.
    pub fn new(binding: Arc<RestBinding>) -> RestCodec {
        let limits = DocumentLimits { elements: 10_000_000, ..DocumentLimits::default() };
        RestCodec { binding, limits, return_error_text: false, fault_kinds: BTreeMap::new() }
    }

    /// The request for one call. Its URI is below the path of the server.
    ///
    /// # Errors
    /// `NoSuchMethod` if the description does not have the method or `target` has no parameters; `BadParams` if the arguments
    /// do not match the parameters, or the request cannot express them.
    pub fn encode_call(&self, target: CallTarget<'_>, arguments: ArgValues) -> Result<Request<Bytes>, Fault> {
        let operation = self.operation(target)?;
        let known = target.known.ok_or_else(|| Fault::no_such_method(target.method))?;
        let values = arguments.placed(known)?;
        let mut written = WrittenRequest::default();
        let mut members = Vec::new();
        for (at, value) in values.into_iter().enumerate() {
            let (field, param) = (known.method.params.get(at), operation.params.get(at));
            let Some(param) = param else {
                if value.is_some() {
                    return Err(no_place(field));
                }
                continue;
            };
            let value = value.filter(|value| !means_absent(value, field)).or_else(|| default_value(param));
            let about = |fault: Fault| match field {
                Some(field) => Fault::bad_params(format!("the parameter `{}`: {}", field.name, fault.message))
                    .of_parameter(field.name.as_str()),
                None => fault,
            };
            let in_path = match &param.place {
                ParamPlace::Member(form) => {
                    members.extend(value.map(|value| (param.name.as_str(), form, value)));
                    None
                }
                ParamPlace::Body => {
                    written.body = value;
                    None
                }
                ParamPlace::Path(style) => Some(path_text(&param.name, *style, value).map_err(about)?),
                place => {
                    written.place(&param.name, place, value).map_err(about)?;
                    None
                }
            };
            written.path_texts.push(in_path);
        }
        written.into_request(&self.binding, operation, members)
    }

    /// The result in the response to a call.
    ///
    /// # Errors
    /// A [`ResponseError`] if the response has no result. Every status from 400 on is a fault, whose code is the status.
    pub fn decode_response(&self, target: CallTarget<'_>, response: &Response<Bytes>) -> Result<Value, ResponseError> {
        self.decode_result(target, response).map(|value| value.unwrap_or(Value::Nil))
    }

    /// As [`decode_response`](RestCodec::decode_response), with `None` for a response without content.
    ///
    /// # Errors
    /// As for `decode_response`.
    pub(crate) fn decode_result(
        &self,
        target: CallTarget<'_>,
        response: &Response<Bytes>,
    ) -> Result<Option<Value>, ResponseError> {
        let operation = self.operation(target).map_err(ResponseError::Fault)?;
        let status = response.status();
        if status.is_client_error() || status.is_server_error() {
            return Err(ResponseError::Fault(self.fault(response)));
        }
        if !status.is_success() {
            return Err(ResponseError::Status { status, start: excerpt(response.body()) });
        }
        let is_empty = matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT);
        if is_empty || operation.verb == http::Method::HEAD || response.body().is_empty() && has_end(response) {
            return Ok(None);
        }
        check_uncompressed(response.headers())
            .and_then(|()| self.content(operation, response))
            .map(Some)
            .map_err(ResponseError::Malformed)
    }

    /// The fault of a response with an error status. The fault of another croupier keeps its kind.
    fn fault(&self, response: &Response<Bytes>) -> Fault {
        let fault = error_body::fault(response, self.return_error_text);
        let status = response.status().as_u16();
        match self.fault_kinds.get(&status) {
            Some(kind) if fault.kind == Kind::Service(Some(status.into())) => Fault { kind: *kind, ..fault },
            _ => fault,
        }
    }

    /// Whether a second request of a method has the same effect as one.
    pub(crate) fn is_idempotent(&self, method: &str) -> bool {
        self.binding.operation(method).is_some_and(RestOperation::is_idempotent)
    }

    fn operation(&self, target: CallTarget<'_>) -> Result<&RestOperation, Fault> {
        self.binding.operation(target.method).ok_or_else(|| Fault::no_such_method(target.method))
    }

    /// The content of a response, by its media type; the document decides where that leaves it open.
    fn content(&self, operation: &RestOperation, response: &Response<Bytes>) -> Result<Value, Fault> {
        let body = response.body();
        let media = media_type::media_type(response.headers()).to_ascii_lowercase();
        let is_declared = || operation.accept.split(',').any(|declared| essence(declared) == media);
        match (operation.result, media.as_str()) {
            (ResultForm::Bytes, _) => Ok(Value::Binary(body.to_vec())),
            (_, media) if is_json(media) => self.json(body),
            (ResultForm::Json, "") => self.json(body),
            (ResultForm::Json, "text/plain") => self.json(body).or_else(|_| text(response)),
            (_, media) if is_json_lines(media) => self.json_lines(body),
            (ResultForm::Json, media) if !is_declared() => {
                let message = format!("the response is of the type `{}`, and JSON is expected", abridge(media));
                Err(Fault::new(Kind::Structure, message))
            }
            (ResultForm::Text, _) => text(response),
            (_, media) if is_text(media) => text(response),
            _ => Ok(Value::Binary(body.to_vec())),
        }
    }

    fn json(&self, body: &[u8]) -> Result<Value, Fault> {
        read_json(check(body, self.limits)?.text())
    }

    /// One JSON text a line, of which empty lines and the marks of RFC 7464 are passed over.
    fn json_lines(&self, body: &[u8]) -> Result<Value, Fault> {
        let lines =
            check(body, self.limits)?.text().split(['\n', '\u{1e}']).map(str::trim).filter(|line| !line.is_empty());
        lines.map(read_json).collect::<Result<_, _>>().map(Value::Array)
    }
}

/// Whether the head of a response says where its body ends. Without that, a body without content may be one that has been cut
/// off.
fn has_end(response: &Response<Bytes>) -> bool {
    let headers = response.headers();
    headers.contains_key(header::CONTENT_LENGTH)
        || headers.contains_key(header::TRANSFER_ENCODING)
        || response.version() > Version::HTTP_11
}

fn read_json(text: &str) -> Result<Value, Fault> {
    let raw: &RawValue = serde_json::from_str(text).map_err(not_well_formed)?;
    Value::deserialize(TypedJson(raw)).map_err(|error| Fault::new(Kind::Structure, error.to_string()))
}

/// The text of a body in the charset of its `Content-Type`, which is UTF-8 if there is none.
fn text(response: &Response<Bytes>) -> Result<Value, Fault> {
    let named = media_type::parameter(response.headers(), "charset");
    let encoding = match named {
        None => UTF_8,
        Some(name) => Encoding::for_label(name.as_bytes())
            .ok_or_else(|| Fault::new(Kind::Encoding, format!("the charset `{}` is not supported", abridge(name))))?,
    };
    let decoded = encoding.decode_with_bom_removal(response.body());
    match decoded {
        (_, true) => Err(Fault::new(Kind::Character, format!("the text is not valid {}", encoding.name()))),
        (text, false) => Ok(Value::Text(text.into_owned())),
    }
}

/// Whether nil leaves the argument out: its type has no nil, and the parameter is optional.
fn means_absent(value: &Value, field: Option<&Field>) -> bool {
    *value == Value::Nil && field.is_some_and(|field| !field.required && !field.shape.may_be_nil())
}

/// The value that is sent if none is given.
fn default_value(param: &ParamTarget) -> Option<Value> {
    param.default.as_ref().and_then(|default| serde_json::from_value(default.clone()).ok())
}

fn no_place(field: Option<&Field>) -> Fault {
    match field {
        Some(field) => {
            let message = format!("the request of the upstream server has no place for the parameter `{}`", field.name);
            Fault::bad_params(message).of_parameter(field.name.as_str())
        }
        None => Fault::bad_params("there are too many arguments"),
    }
}

/// The parts of a request, as far as they are written.
#[derive(Default)]
struct WrittenRequest {
    /// For each parameter its text, if it is in the path.
    path_texts: Vec<Option<String>>,
    query: Vec<String>,
    cookies: Vec<String>,
    headers: HeaderMap,
    /// The whole body, if that is one parameter.
    body: Option<Value>,
}

/// A member of a body: its name, how it is written, and its value.
type Member<'o> = (&'o str, &'o MemberForm, Value);

impl WrittenRequest {
    /// Places an argument in the query or in the head.
    fn place(&mut self, name: &str, place: &ParamPlace, value: Option<Value>) -> Result<(), Fault> {
        let Some(value) = value else { return Ok(()) };
        match place {
            ParamPlace::Query(style) => self.query.extend(style.write(Place::Query, name, &value)?),
            ParamPlace::QueryString(style) => {
                let texts = style.write(Place::Query, "", &value)?;
                self.query.extend(texts.into_iter().map(|text| text.strip_prefix('=').unwrap_or(&text).to_owned()));
            }
            ParamPlace::Header(style) => {
                for text in style.write(Place::Header, name, &value)? {
                    let name = HeaderName::from_bytes(name.as_bytes());
                    let name = name.map_err(|_| Fault::bad_params("its name cannot be that of a header"))?;
                    self.headers.append(name, header_value(&text)?);
                }
            }
            ParamPlace::Cookie(style) => self.cookies.extend(style.write(Place::Cookie, name, &value)?),
            ParamPlace::Path(_) | ParamPlace::Member(_) | ParamPlace::Body => {}
        }
        Ok(())
    }

    fn into_request(
        mut self,
        binding: &RestBinding,
        operation: &RestOperation,
        members: Vec<Member<'_>>,
    ) -> Result<Request<Bytes>, Fault> {
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = operation.verb.clone();
        *request.uri_mut() = self.uri(operation)?;
        std::mem::swap(request.headers_mut(), &mut self.headers);
        let headers = request.headers_mut();
        if !self.cookies.is_empty() {
            headers.insert(header::COOKIE, header_value(&self.cookies.join("; "))?);
        }
        if !operation.accept.is_empty() {
            headers.insert(header::ACCEPT, header_value(&operation.accept)?);
        }
        let written = match &operation.body {
            Some(form) => body(form, self.body, members)?,
            None => None,
        };
        if let Some((content, media)) = written {
            headers.insert(header::CONTENT_TYPE, header_value(&media)?);
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(content.len()));
            *request.body_mut() = Bytes::from(content);
        } else if operation.body.is_some() {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
        }
        request.extensions_mut().insert(BelowServer { base: binding.base.clone() });
        Ok(request)
    }

    /// The path with its query.
    fn uri(&self, operation: &RestOperation) -> Result<Uri, Fault> {
        let mut path = String::with_capacity(128);
        for part in &operation.path {
            match part {
                PathPart::Literal(text) => path.push_str(text),
                PathPart::Param(at) => {
                    path.push_str(self.path_texts.get(*at).and_then(Option::as_deref).unwrap_or_default())
                }
            }
        }
        // A server would remove such a segment together with the one before it (RFC 3986, section 5.2.4).
        if path.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err(Fault::bad_params("an argument in the path must not be `.` or `..`"));
        }
        let fixed = Some(operation.query.as_str()).filter(|query| !query.is_empty());
        let query: Vec<&str> = fixed.into_iter().chain(self.query.iter().map(String::as_str)).collect();
        if !query.is_empty() {
            path.push('?');
            path.push_str(&query.join("&"));
        }
        path.parse().map_err(|error| Fault::bad_params(format!("the arguments cannot be written as a URL: {error}")))
    }
}

/// The text of an argument in the path.
fn path_text(name: &str, style: TextStyle, value: Option<Value>) -> Result<String, Fault> {
    let value = value.ok_or_else(|| Fault::bad_params("it is in the path, and needs a value"))?;
    let text = style.write(Place::Path, name, &value)?.concat();
    if text.is_empty() {
        return Err(Fault::bad_params("it is in the path, and must not be empty"));
    }
    Ok(text)
}

/// A header with this text, in UTF-8.
fn header_value(text: &str) -> Result<HeaderValue, Fault> {
    HeaderValue::from_bytes(text.as_bytes())
        .map_err(|_| Fault::bad_params("a header cannot have line ends and other control characters"))
}

/// The body and its media type; `None` if there is nothing to send.
fn body(form: &BodyForm, whole: Option<Value>, members: Vec<Member<'_>>) -> Result<Option<(Vec<u8>, String)>, Fault> {
    if whole.is_none() && members.is_empty() && !form.required {
        return Ok(None);
    }
    let media = || form.media.clone();
    match form.content {
        BodyContent::Json => {
            let value = whole.unwrap_or_else(|| {
                Value::Struct(members.into_iter().map(|(name, _, value)| (name.to_owned(), value)).collect())
            });
            Ok(Some((json(&value)?.into_bytes(), media())))
        }
        BodyContent::Text => Ok(Some((plain(&whole.unwrap_or(Value::Nil))?.into_owned().into_bytes(), media()))),
        BodyContent::Bytes => match whole {
            Some(Value::Binary(bytes)) => Ok(Some((bytes, media()))),
            other => Ok(Some((plain(&other.unwrap_or(Value::Nil))?.into_owned().into_bytes(), media()))),
        },
        BodyContent::Form => {
            let mut text = String::new();
            each_member(whole, &members, |name, form, value| form::write_member(&mut text, name, value, form))?;
            Ok(Some((text.into_bytes(), media())))
        }
        BodyContent::Multipart => {
            let mut parts = Parts::default();
            each_member(whole, &members, |name, form, value| parts.add(name, value, form))?;
            let (content, boundary) = parts.finish();
            Ok(Some((content, format!("{}; boundary={boundary}", form.media))))
        }
    }
}

/// Visits the members of a form: those that are parameters, or those of the one parameter that is the form.
fn each_member(
    whole: Option<Value>,
    members: &[Member<'_>],
    mut visit: impl FnMut(&str, &MemberForm, &Value) -> Result<(), Fault>,
) -> Result<(), Fault> {
    members.iter().try_for_each(|(name, form, value)| visit(name, form, value))?;
    match whole {
        None => Ok(()),
        Some(Value::Struct(all)) => all.iter().try_for_each(|(name, value)| visit(name, &MemberForm::Plain, value)),
        Some(_) => Err(Fault::bad_params("the body of this request is a form: a struct is expected")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::rest::text::{Style, TextStyle};
    use crate::model::shape::{MethodShape, Shape, Shapes};
    use crate::service::args::KnownParams;

    fn codec(operation: RestOperation) -> RestCodec {
        RestCodec::new(Arc::new(RestBinding { base: "/v1".into(), operations: vec![operation] }))
    }

    /// `GET /x/PARAM` with these parameters.
    fn operation(params: Vec<ParamTarget>, result: ResultForm) -> RestOperation {
        RestOperation {
            method: "m".into(),
            verb: http::Method::GET,
            path: vec![PathPart::Literal("/x/".into()), PathPart::Param(0)],
            query: "fixed=1".into(),
            params,
            body: None,
            accept: "application/json, text/csv, */*;q=0.1".into(),
            result,
            refuses_as_unprocessable: false,
        }
    }

    fn target(name: &str, place: ParamPlace) -> ParamTarget {
        ParamTarget { name: name.into(), place, default: None }
    }

    /// A method with so many optional parameters of any type.
    fn method(params: usize) -> MethodShape {
        let field = |at: usize| Field {
            name: format!("p{at}"),
            element: format!("p{at}"),
            doc: String::new(),
            shape: Shape::Any,
            required: false,
            default: None,
        };
        MethodShape {
            name: "m".into(),
            element: "m".into(),
            response_element: "mResponse".into(),
            params: (0..params).map(field).collect(),
            result: Shape::Any,
            has_free_arguments: false,
        }
    }

    fn encoded(operation: RestOperation, values: Vec<Value>) -> Result<Request<Bytes>, Fault> {
        let (method, shapes) = (method(operation.params.len()), Shapes::default());
        let known = KnownParams { method: &method, shapes: &shapes, inferred: false };
        codec(operation).encode_call(CallTarget::new("m", Some(known)), ArgValues::ByPosition(values))
    }

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn each_argument_has_its_place_and_nil_has_none() {
        let path = ParamPlace::Path(TextStyle::SIMPLE);
        let cookie = TextStyle { style: Style::Cookie, ..TextStyle::FORM };
        let params = || {
            vec![
                target("id", path.clone()),
                target("q", ParamPlace::Query(TextStyle::FORM)),
                target("X-A", ParamPlace::Header(TextStyle::SIMPLE)),
                target("c", ParamPlace::Cookie(cookie)),
                target("d", ParamPlace::Cookie(TextStyle::FORM)),
            ]
        };
        let list = Value::Array(vec![text("a b"), Value::Int(2)]);
        let values = vec![text("ä/ö"), list.clone(), list.clone(), list, text("e;f")];
        let request = encoded(operation(params(), ResultForm::Json), values).unwrap();
        assert_eq!(request.uri(), "/x/%C3%A4%2F%C3%B6?fixed=1&q=a%20b&q=2");
        assert_eq!(request.headers()["x-a"], "a b,2");
        assert_eq!(request.headers()[header::COOKIE], "c=a b; c=2; d=e%3Bf");
        assert_eq!(request.extensions().get(), Some(&BelowServer { base: "/v1".into() }));
        let nil = encoded(operation(params(), ResultForm::Json), vec![text("a"), Value::Nil, Value::Nil]).unwrap();
        assert_eq!((nil.uri().path_and_query().unwrap().as_str(), nil.headers().len()), ("/x/a?fixed=1", 1));
    }

    #[test]
    fn defaults_are_sent_in_place_of_what_is_missing() {
        let with_default = |name: &str, place: ParamPlace, default: serde_json::Value| ParamTarget {
            default: Some(default),
            ..target(name, place)
        };
        let params = || {
            vec![
                target("id", ParamPlace::Path(TextStyle::SIMPLE)),
                with_default("X-A", ParamPlace::Header(TextStyle::SIMPLE), serde_json::json!(true)),
                with_default("q", ParamPlace::Query(TextStyle::FORM), serde_json::json!([1, 2])),
            ]
        };
        let request = encoded(operation(params(), ResultForm::Json), vec![text("a"), Value::Nil]).unwrap();
        assert_eq!(request.uri(), "/x/a?fixed=1&q=1&q=2");
        assert_eq!(request.headers()["x-a"], "true");
        let values = vec![text("a"), Value::Bool(false), Value::Array(Vec::new())];
        let given = encoded(operation(params(), ResultForm::Json), values).unwrap();
        assert_eq!(given.uri(), "/x/a?fixed=1");
        assert_eq!(given.headers()["x-a"], "false");
    }

    #[test]
    fn a_value_cannot_be_several_cookies() {
        let cookie = TextStyle { style: Style::Cookie, ..TextStyle::FORM };
        let operation = operation(vec![target("c", ParamPlace::Cookie(cookie))], ResultForm::Json);
        let fault = encoded(operation, vec![text("1; admin=1")]).unwrap_err();
        assert_eq!(fault.kind, Kind::BadParams, "{fault}");
    }

    #[test]
    fn a_variable_of_the_path_has_a_value_or_its_default() {
        let style = TextStyle::SIMPLE;
        let with = |default: Option<serde_json::Value>| {
            let param = ParamTarget { default, ..target("id", ParamPlace::Path(style)) };
            operation(vec![param], ResultForm::Json)
        };
        let request = encoded(with(Some(serde_json::json!(7))), Vec::new()).unwrap();
        assert_eq!(request.uri().path(), "/x/7");
        for value in [vec![], vec![text("")], vec![text(".")], vec![text("..")], vec![Value::Array(Vec::new())]] {
            assert_eq!(encoded(with(None), value.clone()).unwrap_err().kind, Kind::BadParams, "{value:?}");
        }
        assert_eq!(encoded(with(None), vec![text("...")]).unwrap().uri().path(), "/x/...");
        let line_end = vec![target("X-A", ParamPlace::Header(style)), target("id", ParamPlace::Path(style))];
        assert!(encoded(operation(line_end, ResultForm::Json), vec![text("a\nb"), text("c")]).is_err());
    }

    #[test]
    fn responses_are_read_by_their_media_type() {
        let decoded = |form: ResultForm, media: &str, body: &[u8]| {
            let response = Response::builder().header(header::CONTENT_TYPE, media);
            let response =
                response.header(header::CONTENT_LENGTH, body.len()).body(Bytes::copy_from_slice(body)).unwrap();
            codec(operation(Vec::new(), form)).decode_response(CallTarget::new("m", None), &response).ok()
        };
        let binary = |bytes: &[u8]| Some(Value::Binary(bytes.to_vec()));
        let ints = Value::Array(vec![Value::Int(1), Value::Int(2)]);
        use ResultForm::{Bytes as AsBytes, Json, Nothing, Text, Unknown};
        for (form, media, body, expected) in [
            (Json, "application/json", b"9007199254740993".as_slice(), Some(Value::Int(9_007_199_254_740_993))),
            (Json, "application/vnd.a+json; v=1", b"[1,2]", Some(ints.clone())),
            (Unknown, "application/problem+json", b"[1,2]", Some(ints.clone())),
            (Json, "", b"[1,2]", Some(ints.clone())),
            (Json, "text/plain", b"[1,2]", Some(ints.clone())),
            (Json, "text/plain", b"no", Some(text("no"))),
            (Json, "text/csv", b"1,2", Some(text("1,2"))),
            (Json, "text/html", b"<p>", None),
            (Json, "application/json", b"[1,", None),
            (Json, "application/json", b"{\"a\":1,\"a\":2}", None),
            (Json, "application/x-ndjson", b"1\n\n2\n", Some(ints.clone())),
            (Json, "application/json-seq", b"\x1e1\n\x1e2\n", Some(ints)),
            (Text, "text/plain; charset=iso-8859-1", b"\xe9", Some(text("é"))),
            (Text, "text/plain", b"\xe9", None),
            (Text, "text/plain; charset=nonsense", b"a", None),
            (Text, "application/xml", b"<a/>", Some(text("<a/>"))),
            (AsBytes, "text/plain", b"\xe9", binary(b"\xe9")),
            (AsBytes, "application/pdf", b"%PDF", binary(b"%PDF")),
            (Unknown, "application/octet-stream", b"\0", binary(b"\0")),
            (Unknown, "text/html", b"<p>", Some(text("<p>"))),
            (Nothing, "application/json", b"1", Some(Value::Int(1))),
            (Json, "application/json", b"", Some(Value::Nil)),
        ] {
            assert_eq!(decoded(form, media, body), expected, "{form:?} {media} {body:?}");
        }
    }

    #[test]
    fn a_response_may_be_empty_if_it_says_so() {
        let codec = codec(operation(Vec::new(), ResultForm::Json));
        let decoded = |status: u16, name: &str, value: &str| {
            let response = Response::builder().status(status).header(name, value).body(Bytes::new()).unwrap();
            codec.decode_response(CallTarget::new("m", None), &response)
        };
        for (status, name, value) in
            [(200, "content-length", "0"), (201, "transfer-encoding", "chunked"), (204, "x", "y")]
        {
            assert_eq!(decoded(status, name, value), Ok(Value::Nil), "{status} {name}");
        }
        assert!(matches!(decoded(200, "x", "y"), Err(ResponseError::Malformed(_))));
        assert!(matches!(decoded(302, "location", "/y"), Err(ResponseError::Status { .. })));
        assert!(
            matches!(decoded(404, "x", "y"), Err(ResponseError::Fault(fault)) if fault.kind == Kind::Service(Some(404)))
        );
    }
}
