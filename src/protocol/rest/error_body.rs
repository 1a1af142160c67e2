//! Faults from responses with an error status: RFC 9457 problems, and the bodies that most REST servers send.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::Value as Json;
use serde_json::value::RawValue;

use crate::codec::DocumentLimits;
use crate::codec::json::check;
use crate::codec::media::is_json;
use crate::http::media_type;
use crate::model::fault::{Fault, Kind};
use crate::model::text::shorten;
#[cfg(feature = "server")]
use crate::protocol::client_codec::error_text;

/// The largest error body that becomes the data of a fault, in bytes.
const MAX_DATA: usize = 64 << 10;
/// The longest message, in characters.
const MAX_MESSAGE: usize = 1000;

/// The places of a message in an error body, the most specific first, as JSON pointers. `/detail` and `/title` are those of
/// RFC 9457, `/error_description` and `/error` those of OAuth (RFC 6749, section 5.2), `/detail/0/msg` is FastAPI's.
const MESSAGES: [&str; 17] = [
    "/detail",
    "/detail/message",
    "/title",
    "/message",
    "/error/message",
    "/error_description",
    "/error",
    "/errors/0/message",
    "/errors/0/detail",
    "/errors/0/title",
    "/errors/0",
    "/detail/0/msg",
    "/Message",
    "/error/description",
    "/description",
    "/reason",
    "/msg",
];

/// The fault for a response with an error status. Its code is the status, and its data is the body if that is JSON. With
/// `any_text`, the message has the beginning of any body.
pub(super) fn fault(response: &Response<Bytes>, any_text: bool) -> Fault {
    let status = response.status();
    let kind = Kind::Service(Some(status.as_u16().into()));
    // The credentials are those of the gateway, of which callers learn nothing.
    let is_about_gateway = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED);
    let body = Some(response).filter(|_| any_text || !is_about_gateway).and_then(json_body);
    let Some((raw, body)) = body else {
        let words = status_words(status);
        #[cfg(feature = "server")]
        let words = error_text(response, any_text).map_or(words.clone(), |text| format!("{words}: {text}"));
        return Fault::new(kind, words);
    };
    let message = message(&body).unwrap_or_else(|| status_words(status));
    match own_fault(&raw, status, &message) {
        Some(own) => own,
        None => Fault::new(kind, message).with_data(raw),
    }
}

fn status_words(status: StatusCode) -> String {
    format!("the upstream server responded with HTTP status {status}")
}

/// The JSON of a body, by its media type.
fn json_body(response: &Response<Bytes>) -> Option<(Box<RawValue>, Json)> {
    let body = response.body();
    let media = media_type::media_type(response.headers());
    if body.len() > MAX_DATA || !(is_json(media) || media.is_empty()) {
        return None;
    }
    let text = check(body, DocumentLimits::default()).ok()?.text().trim();
    let raw = RawValue::from_string(text.to_owned()).ok()?;
    Some((raw, serde_json::from_str(text).ok()?))
}

fn message(body: &Json) -> Option<String> {
    let text = |value: &Json| value.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    let found = text(body).or_else(|| MESSAGES.iter().find_map(|place| text(body.pointer(place)?)));
    found.map(|message| shorten(&message, MAX_MESSAGE).into_owned())
}

/// What croupier adds to a problem.
#[derive(Deserialize)]
struct OwnProblem<'a> {
    status: u16,
    kind: String,
    #[serde(default)]
    code: Option<i32>,
    #[serde(default)]
    parameter: Option<Box<str>>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

/// The fault that another croupier has written, exactly as it was. Its kind matches the status.
fn own_fault(body: &RawValue, status: StatusCode, message: &str) -> Option<Fault> {
    let own: OwnProblem<'_> = serde_json::from_str(body.get()).ok()?;
    let kind = match Kind::from_word(&own.kind, 0)? {
        Kind::Service(_) => Kind::Service(own.code),
        kind => kind,
    };
    if kind.http_status() != status || own.status != status.as_u16() {
        return None;
    }
    let fault = Fault { parameter: own.parameter, ..Fault::new(kind, message.to_owned()) };
    Some(match own.data {
        Some(data) => fault.with_data(data.to_owned()),
        None => fault,
    })
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    fn fault_of(status: u16, media: &str, body: &str) -> Fault {
        let response = Response::builder().status(status).header(header::CONTENT_TYPE, media);
        fault(&response.body(Bytes::from(body.to_owned())).unwrap(), false)
    }

    #[test]
    fn the_message_is_where_servers_write_it() {
        for (body, message) in [
            (r#"{"type":"about:blank","title":"Gone","detail":"no such pet","status":400}"#, "no such pet"),
            (r#"{"title":"Gone"}"#, "Gone"),
            (r#"{"message":"a","code":7}"#, "a"),
            (r#"{"error":{"message":"b","code":"x"}}"#, "b"),
            (r#"{"error":"invalid_grant","error_description":"c"}"#, "c"),
            (r#"{"error":"d"}"#, "d"),
            (r#"{"errors":[{"detail":"e"}]}"#, "e"),
            (r#"{"errors":["f"]}"#, "f"),
            (r#"{"detail":[{"loc":["query","x"],"msg":"Field required","type":"missing"}]}"#, "Field required"),
            (r#"{"detail":{"message":"h","tables":[7]}}"#, "h"),
            (r#""g""#, "g"),
            (r#"{"other":1}"#, "the upstream server responded with HTTP status 409 Conflict"),
            ("[]", "the upstream server responded with HTTP status 409 Conflict"),
        ] {
            let fault = fault_of(409, "application/json", body);
            assert_eq!((fault.kind, &*fault.message), (Kind::Service(Some(409)), message), "{body}");
            assert_eq!(fault.data.as_ref().map(|data| data.json()), Some(body));
        }
    }

    #[test]
    fn pages_and_responses_about_credentials_are_not_passed_on() {
        for (status, media, body, message) in [
            (404, "text/html", "<h1>/srv/app</h1>", "HTTP status 404 Not Found"),
            (404, "text/plain", "no such pet\nat /srv/app.py", "HTTP status 404 Not Found: no such pet"),
            (401, "application/json", r#"{"message":"bad token of gateway"}"#, "HTTP status 401 Unauthorized"),
            (502, "text/plain", "10.0.0.7 refused", "HTTP status 502 Bad Gateway"),
            (500, "application/json", "{\"message\":", "HTTP status 500 Internal Server Error"),
        ] {
            let fault = fault_of(status, media, body);
            let message = format!("the upstream server responded with {message}");
            assert_eq!((fault.message.into_owned(), fault.data), (message, None), "{body}");
        }
    }

    #[test]
    fn a_fault_of_croupier_keeps_its_kind() {
        let problem = |status: u16, kind: &str, further: &str| {
            let body = format!(r#"{{"status":{status},"detail":"no","kind":"{kind}"{further}}}"#);
            fault_of(status, "application/problem+json", &body)
        };
        assert_eq!(problem(400, "bad-params", ",\"parameter\":\"a\"").kind, Kind::BadParams);
        let fault = problem(422, "service", ",\"code\":42,\"data\":{\"free\":3}");
        assert_eq!(fault.kind, Kind::Service(Some(42)));
        assert_eq!(fault.data.map(|data| data.json().to_owned()).as_deref(), Some(r#"{"free":3}"#));
        // The word does not match the status.
        assert_eq!(problem(400, "unreachable", "").kind, Kind::Service(Some(400)));
    }
}
