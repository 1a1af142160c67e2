//! What makes two calls equal: the method, the arguments in no wire form, and what of the caller the result may depend on.
//!
//! A key is these facts in an unambiguous form, not a hash of them, so no two calls that differ have the same key. It is
//! written once for each call: members of structs in the order of their names, and numbers with all their digits.

use std::sync::Arc;

use http::header::CONNECTION;
use http::{HeaderMap, HeaderName};

use super::http_rules::is_in_key;
use crate::model::interface::Interface;
use crate::model::shape::{Shape, Shapes};
use crate::model::value::Value;
use crate::service::args::{Args, KnownParams};
use crate::service::passthrough::{HttpCall, RawFormat};
use crate::service::{Call, CallForm, Context, Identity};

/// How many bytes a key may have. Calls with longer arguments are not cached.
const LONGEST: usize = 16 << 10;

/// What makes a call equal to others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct CallKey(pub(super) Arc<[u8]>);

/// The methods of a service, with the types of their parameters.
#[derive(Debug)]
pub(super) struct KnownMethods {
    pub(super) interface: Arc<Interface>,
    shapes: Shapes,
}

impl KnownMethods {
    pub(super) fn new(interface: Arc<Interface>) -> KnownMethods {
        let shapes = Shapes::of(&interface);
        KnownMethods { interface, shapes }
    }

    /// Whether a method returns nothing.
    pub(super) fn is_void(&self, method: &str) -> bool {
        self.shapes.method(method).is_some_and(|method| *self.shapes.follow(&method.result) == Shape::Nil)
    }

    /// Whether a method is known to change nothing.
    pub(super) fn is_safe(&self, method: &str) -> bool {
        self.interface.method(method).is_some_and(|method| method.safe)
    }

    /// The key of a call; `None` if it has none: the arguments cannot be read, do not match the method, or are too long.
    pub(super) fn key(&self, call: &Call<'_>, per_caller: bool) -> Option<CallKey> {
        let mut key = KeyWriter::default();
        key.bytes(call.method.as_bytes());
        match (call.form, call.args) {
            // Equal messages in their original bytes are equal calls, although nothing else is known of them.
            (CallForm::Raw(raw), Args::Unread) if raw.wire == RawFormat::Soap => {
                key.tag(b'r');
                key.bytes(raw.charset.unwrap_or_default().as_bytes());
                key.bytes(raw.body);
            }
            (CallForm::Http(http), _) => key.http(http),
            (_, args) => {
                key.tag(b'a');
                let method = self.shapes.method(call.method)?;
                let known = KnownParams { method, shapes: &self.shapes, inferred: true };
                let mut placed = args.read_values().ok()?.placed(known).ok()?;
                // Arguments that are left out at the end make no difference, whether by position or by name.
                placed.truncate(placed.iter().rposition(Option::is_some).map_or(0, |last| last + 1));
                key.length(placed.len());
                for argument in placed {
                    match argument {
                        Some(value) => key.value(&value),
                        None => key.tag(b'-'),
                    }
                }
            }
        }
        if per_caller {
            key.identity(call.context.identity.as_deref());
            let address = call.context.client.filter(|_| self.interface.reads_client_address);
            key.bytes(address.map(|address| address.to_canonical().to_string()).unwrap_or_default().as_bytes());
        }
        key.request(&self.interface, call.context);
        (key.0.len() <= LONGEST).then(|| CallKey(key.0.into()))
    }
}

/// Writes a key. Each part says its length before its content, so that parts cannot be mistaken for others.
#[derive(Default)]
struct KeyWriter(Vec<u8>);

impl KeyWriter {
    fn tag(&mut self, tag: u8) {
        self.0.push(tag);
    }

    fn length(&mut self, length: usize) {
        self.0.extend_from_slice(&(length as u64).to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        // A key that is too long is not used.
        if self.0.len() <= LONGEST {
            self.0.extend_from_slice(bytes.get(..=LONGEST).unwrap_or(bytes));
        }
    }

    fn tagged(&mut self, tag: u8, bytes: &[u8]) {
        self.tag(tag);
        self.bytes(bytes);
    }

    fn value(&mut self, value: &Value) {
        if self.0.len() > LONGEST {
            return;
        }
        match value {
            Value::Nil => self.tag(b'0'),
            Value::Bool(value) => self.tagged(b'b', &[u8::from(*value)]),
            Value::Int(value) => self.tagged(b'i', &value.to_le_bytes()),
            Value::Double(value) => self.tagged(b'd', &value.to_bits().to_le_bytes()),
            Value::Number(value) => self.tagged(b'n', value.as_str().as_bytes()),
            Value::Text(value) => self.tagged(b't', value.as_bytes()),
            Value::Date(value) => self.tagged(b'z', value.to_string().as_bytes()),
            Value::Binary(value) => self.tagged(b'x', value),
            Value::Array(items) => {
                self.tag(b'l');
                self.length(items.len());
                items.iter().for_each(|item| self.value(item));
            }
            Value::Struct(members) => {
                let mut members: Vec<&(String, Value)> = members.iter().collect();
                members.sort_by(|(a, _), (b, _)| a.cmp(b));
                self.tag(b's');
                self.length(members.len());
                for (name, value) in members {
                    self.bytes(name.as_bytes());
                    self.value(value);
                }
            }
        }
    }

    fn identity(&mut self, identity: Option<&Identity>) {
        let Some(Identity { name, roles, scopes, proven_by, attributes }) = identity else { return self.tag(b'-') };
        self.tagged(b'c', name.as_bytes());
        self.bytes(proven_by.as_bytes());
        for set in [roles, scopes] {
            self.length(set.len());
            set.iter().for_each(|item| self.bytes(item.as_bytes()));
        }
        self.length(attributes.len());
        for (name, value) in attributes {
            self.bytes(name.as_bytes());
            self.bytes(value.as_bytes());
        }
    }

    /// Writes what the service reads of the request besides the call.
    fn request(&mut self, interface: &Interface, context: &Context) {
        if let Some(headers) = &context.headers {
            for name in &interface.request_headers {
                self.header(name, headers);
            }
        }
        if let Some(target) = context.target.as_ref().filter(|_| interface.reads_request_target) {
            self.bytes(target.scheme.as_bytes());
            self.bytes(target.host.as_bytes());
            self.bytes(target.query.as_deref().unwrap_or_default().as_bytes());
        }
    }

    /// Writes a request that is passed on as it is: all of it that reaches the upstream or is a part of the addresses in the
    /// response, except for what is only about the program of the client.
    fn http(&mut self, http: &HttpCall<'_>) {
        self.tagged(b'q', http.verb.as_str().as_bytes());
        self.bytes(http.group_url.as_bytes());
        self.length(http.path_values.len());
        http.path_values.iter().for_each(|value| self.bytes(value.as_bytes()));
        self.bytes(http.query.as_bytes());
        let is_written = |name: &&HeaderName| is_in_key(name) && !http.credentials.contains(name);
        let mut names: Vec<&HeaderName> = http.headers.keys().filter(is_written).collect();
        names.sort_by_key(|name| name.as_str());
        self.length(names.len());
        // Headers that it names are not passed on.
        self.header(&CONNECTION, http.headers);
        names.into_iter().for_each(|name| self.header(name, http.headers));
    }

    fn header(&mut self, name: &HeaderName, headers: &HeaderMap) {
        self.tagged(b'h', name.as_str().as_bytes());
        for value in headers.get_all(name) {
            // It says whether the connection stays open, unless it names headers that are not passed on.
            let words: [&[u8]; 2] = [b"keep-alive", b"close"];
            let is_usual = words.iter().any(|word| value.as_bytes().trim_ascii().eq_ignore_ascii_case(word));
            if !(*name == CONNECTION && is_usual) {
                self.tagged(b'v', value.as_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use schemars::Schema;
    use serde_json::json;
    use serde_json::value::RawValue;

    use super::*;
    use crate::codec::tape::Tape;
    use crate::model::interface::{Method, Param};

    fn known(change: impl FnOnce(&mut Interface)) -> KnownMethods {
        let param = |name: &str, schema: serde_json::Value| Param {
            name: name.to_owned(),
            doc: String::new(),
            schema: Schema::try_from(schema).unwrap(),
            required: false,
        };
        let params = vec![
            param("spins", json!({ "type": "integer" })),
            param("when", json!({ "type": "string", "format": "date-time" })),
            param("free", json!(true)),
        ];
        let method =
            Method { name: "get".to_owned(), doc: String::new(), params, result: Schema::default(), safe: true };
        let other = Method { name: "put".to_owned(), safe: false, ..method.clone() };
        let mut interface = Interface { methods: vec![method, other], ..Interface::default() };
        change(&mut interface);
        KnownMethods::new(Arc::new(interface))
    }

    fn json_key(known: &KnownMethods, json: &str, context: &Context) -> Option<CallKey> {
        let raw = RawValue::from_string(json.to_owned()).unwrap();
        known.key(&Call::new("get", Args::Json(&raw), context), true)
    }

    #[test]
    fn calls_are_equal_whatever_form_their_arguments_have() {
        let (known, context) = (known(|_| {}), Context::default());
        let when = Value::Date("2026-11-30T02:30:00Z".parse().unwrap());
        let record = Value::Struct(vec![("b".into(), Value::Int(2)), ("a".into(), Value::Int(1))]);
        let values = [Value::Double(7.0), when, record];
        let tape = Tape::of(&values).unwrap();
        let of_document = known.key(&Call::new("get", Args::Values(tape.values()), &context), true);
        assert!(of_document.is_some());
        for json in [
            r#"[7, "2026-11-30T02:30:00Z", {"a": 1, "b": 2}]"#,
            r#"{"free": {"b": 2, "a": 1}, "when": "20261130T02:30:00Z", "spins": 7}"#,
            r#"[7.0, "2026-11-30T02:30:00Z", {"b": 2, "a": 1}]"#,
        ] {
            assert_eq!(json_key(&known, json, &context), of_document, "{json}");
        }
        assert_eq!(json_key(&known, "[]", &context), json_key(&known, "{}", &context));
    }

    #[test]
    fn calls_that_differ_have_different_keys() {
        let (known, context) = (known(|_| {}), Context::default());
        let all = [
            "[]",
            "[1]",
            "[2]",
            "[null]",
            r#"{"free": 1}"#,
            r#"{"free": 1.0}"#,
            r#"{"free": true}"#,
            r#"{"free": "1"}"#,
            r#"{"free": ""}"#,
            r#"{"free": null}"#,
            r#"{"free": []}"#,
            r#"{"free": {}}"#,
            r#"{"free": [[]]}"#,
            r#"{"free": [1, 2]}"#,
            r#"{"free": [12]}"#,
            r#"{"free": 12345678901234567890}"#,
            r#"{"free": 12345678901234567891}"#,
            r#"{"free": 0.1}"#,
            r#"{"free": 0.1000000000000000000001}"#,
            r#"{"free": {"a": 1}}"#,
            r#"{"free": {"a": {"a": 1}}}"#,
            r#"{"free": ["ab", "c"]}"#,
            r#"{"free": ["a", "bc"]}"#,
        ];
        let keys: Vec<CallKey> = all.iter().map(|json| json_key(&known, json, &context).unwrap()).collect();
        for (index, key) in keys.iter().enumerate() {
            let same: Vec<_> =
                keys.iter().enumerate().filter(|(_, other)| *other == key).map(|(at, _)| all[at]).collect();
            assert_eq!(same, [all[index]]);
        }
        let put = Call::new("put", Args::None, &context);
        assert_ne!(known.key(&put, true), Some(keys[0].clone()));
        assert!(known.is_safe("get") && !known.is_safe("put") && !known.is_safe("other"));
    }

    #[test]
    fn what_cannot_be_compared_has_no_key() {
        let (known, context) = (known(|_| {}), Context::default());
        assert_eq!(known.key(&Call::new("other", Args::None, &context), true), None);
        assert_eq!(known.key(&Call::new("get", Args::Unread, &context), true), None);
        assert_eq!(json_key(&known, r#"{"spin": 1}"#, &context), None);
        for long in [LONGEST - 1000, LONGEST, 10 * LONGEST] {
            let json = format!(r#"{{"free": "{}"}}"#, "x".repeat(long));
            assert_eq!(json_key(&known, &json, &context).is_some(), long < LONGEST, "{long}");
        }
        let many = format!(r#"{{"free": [{}0]}}"#, "0,".repeat(LONGEST));
        assert_eq!(json_key(&known, &many, &context), None);
    }

    #[test]
    fn callers_are_told_apart_as_far_as_results_may_depend_on_them() {
        let identity = |name: &str| Identity::new(name).with_role("staff");
        let header = |name: &str, value: &str| {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
            Some(Arc::new(headers))
        };
        let contexts = [
            Context::default(),
            Context { identity: Some(Arc::new(identity("ada"))), ..Context::default() },
            Context { identity: Some(Arc::new(identity("bob"))), ..Context::default() },
            Context { identity: Some(Arc::new(identity("ada").with_role("admin"))), ..Context::default() },
            Context { identity: Some(Arc::new(identity("ada").with("tenant", "x"))), ..Context::default() },
            Context { client: "192.0.2.1".parse().ok(), ..Context::default() },
            Context { headers: header("x-tenant", "1"), ..Context::default() },
            Context { headers: header("connection", "x-tenant"), ..Context::default() },
        ];
        let reading = known(|interface| {
            interface.request_headers = vec![HeaderName::from_static("x-tenant"), CONNECTION];
            interface.reads_client_address = true;
        });
        let plain = known(|_| {});
        let distinct = |known: &KnownMethods, per_caller: bool| {
            let keys = contexts.iter().map(|context| known.key(&Call::new("get", Args::None, context), per_caller));
            keys.collect::<std::collections::HashSet<_>>().len()
        };
        // The first context has no headers at all, unlike one whose headers are not among those that are read.
        assert_eq!((distinct(&reading, true), distinct(&reading, false)), (8, 3));
        assert_eq!((distinct(&plain, true), distinct(&plain, false)), (5, 1));
        let with = |value| Context { headers: header("connection", value), ..Context::default() };
        assert_eq!(json_key(&reading, "[]", &with("keep-alive")), json_key(&reading, "[]", &with("Close")));
    }
}
