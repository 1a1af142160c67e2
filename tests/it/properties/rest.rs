//! What holds for every REST request: a response that makes sense, and values that come back unchanged.

use std::sync::{Arc, LazyLock};

use croupier::protocol::frontend::{Frontend, GroupRequest};
use croupier::protocol::rest::server::Rest;
use croupier::service::{Context, RpcService};
use http::response::Parts;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};

use crate::support::random_cases;
use crate::support::rest::{self, Echo, Point};

static SERVICE: LazyLock<Arc<dyn RpcService>> = LazyLock::new(|| Arc::new(rest::service()));
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().build().unwrap());

/// The response to a request, which must make sense whatever was asked.
fn ask(method: Method, path_and_query: &str, headers: &[(&str, &str)], body: &[u8]) -> (Parts, Vec<u8>) {
    let request = Request::builder().method(method).uri(path_and_query);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let (head, ()) = request.body(()).unwrap().into_parts();
    let (tail, context) = (head.uri.path().trim_start_matches('/'), Context::default());
    let reply = Rest::default().serve(&SERVICE, GroupRequest { head: &head, tail, body, context: &context });
    RUNTIME.block_on(async {
        let (head, body) = reply.await.response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        rest::check_body(&head, &body);
        (head, body)
    })
}

/// What may be in the query of a URI unescaped.
fn query() -> impl Strategy<Value = String> {
    let plain = "[ -~&&[^#\"<>\\\\^`{|}]]{0,40}".prop_map(|text| text.replace(' ', "+"));
    let names =
        prop::sample::select(vec!["int", "text", "flag", "ints", "texts", "pair", "table", "point", "maybe", "x"]);
    let values = prop_oneof![
        "-?[0-9]{0,25}(\\.[0-9]{0,3})?(e-?[0-9]{0,3})?",
        "(%[0-9a-fA-F]{2}){0,6}",
        "(%5B|%5D|%7B|%7D|%22|:|,|[a-z0-9]){0,12}",
        prop::sample::select(vec!["true", "false", "null", "", "%", "%f", "%zz", "%ff"]).prop_map(str::to_owned),
    ];
    let pairs = prop::collection::vec((names, values), 0..5)
        .prop_map(|pairs| pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&"));
    prop_oneof![plain, pairs]
}

fn echo() -> impl Strategy<Value = Echo> {
    let point = (-1e300..1e300, any::<f32>().prop_filter("a number", |x| x.is_finite()).prop_map(f64::from));
    let numbers = (any::<i64>(), any::<u8>(), any::<f64>().prop_filter("a number", |x| x.is_finite()), any::<bool>());
    let optional = (prop::option::of(any::<i32>()), prop::option::of(".{0,20}"));
    let lists = (
        prop::collection::vec(any::<i32>(), 0..4),
        prop::collection::vec(".{0,20}", 0..4),
        prop::option::of((any::<i32>(), ".{0,20}")),
        prop::collection::vec(prop::collection::vec(any::<i32>(), 0..3), 0..3),
        prop::option::of(point.prop_map(|(x, y)| Point { x, y })),
    );
    (numbers, any::<String>(), optional, lists).prop_map(|(numbers, text, (maybe, note), lists)| {
        let (int, byte, number, flag) = numbers;
        let (ints, texts, pair, table, point) = lists;
        Echo { int, byte, number, flag, text, maybe, note, ints, texts, pair, table, point }
    })
}

/// Everything but what RFC 3986 leaves unescaped.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The record as a query.
fn written(echo: &Echo) -> String {
    let json = |value: &dyn erased::Json| value.text();
    let mut pairs = vec![
        ("int", echo.int.to_string()),
        ("byte", echo.byte.to_string()),
        ("number", json(&echo.number)),
        ("flag", echo.flag.to_string()),
        ("text", echo.text.clone()),
        ("maybe", echo.maybe.map_or_else(|| "null".to_owned(), |maybe| maybe.to_string())),
        ("table", json(&echo.table)),
        ("point", json(&echo.point)),
    ];
    pairs.extend(echo.note.iter().map(|note| ("note", note.clone())));
    pairs.extend(echo.ints.iter().map(|int| ("ints", int.to_string())));
    pairs.extend(echo.texts.iter().map(|text| ("texts", text.clone())));
    pairs.extend(echo.pair.iter().flat_map(|(int, text)| [("pair", int.to_string()), ("pair", text.clone())]));
    let pairs = pairs.iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, ESCAPED)));
    pairs.collect::<Vec<_>>().join("&")
}

/// Any value as a JSON text.
mod erased {
    pub(crate) trait Json {
        fn text(&self) -> String;
    }

    impl<T: serde::Serialize> Json for T {
        fn text(&self) -> String {
            serde_json::to_string(self).unwrap()
        }
    }
}

proptest! {
    #![proptest_config(random_cases(2000))]

    #[test]
    fn any_query_has_an_answer_that_makes_sense(
        query in query(),
        method in prop::sample::select(vec!["echo", "words", "free", "nothing", "pairs", "sum"]),
    ) {
        let (head, _) = ask(Method::GET, &format!("/{method}?{query}"), &[], b"");
        prop_assert!(matches!(head.status, StatusCode::OK | StatusCode::BAD_REQUEST), "{}", head.status);
    }

    #[test]
    fn any_body_has_an_answer_that_makes_sense(
        body in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            "[\\[\\]{}\",:0-9a-z\\\\ .-]{0,40}".prop_map(String::into_bytes),
        ],
        accept in prop::sample::select(vec!["*/*", "text/csv", "application/x-ndjson", "a/b;q=0", ","]),
    ) {
        let headers = [("content-type", "application/json"), ("accept", accept)];
        let (head, _) = ask(Method::POST, "/pairs", &headers, &body);
        prop_assert!(head.status.is_success() || head.status.is_client_error(), "{}", head.status);
    }

    #[test]
    fn typed_values_come_back_as_they_were(echo in echo()) {
        let (head, body) = ask(Method::GET, &format!("/echo?{}", written(&echo)), &[], b"");
        prop_assert_eq!(head.status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
        prop_assert_eq!(serde_json::from_slice::<Echo>(&body).unwrap(), echo);
    }

    #[test]
    fn a_query_and_a_body_say_the_same(echo in echo()) {
        let body = serde_json::to_vec(&echo).unwrap();
        let by_post = ask(Method::POST, "/echo", &[("content-type", "application/json")], &body);
        let by_get = ask(Method::GET, &format!("/echo?{}", written(&echo)), &[], b"");
        prop_assert_eq!(by_post.1, by_get.1);
    }
}
