//! Reads JSON texts as requests: one request or a batch.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use memchr::memchr;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::response::{JsonRpcVersion, ResponseFrame};
use crate::codec::json::not_well_formed;
use crate::model::fault::{Fault, Kind};
use crate::model::name_patterns::NamePatterns;
use crate::model::text::abridge;
use crate::service::args::Args;
use crate::service::{Call, Context};

/// The members of a request (specification, section 4).
const MEMBERS: [&str; 4] = ["jsonrpc", "method", "params", "id"];

/// The content of a request body.
pub(super) enum RequestBody<'a> {
    /// A single request.
    One(RequestMembers<'a>),
    /// A batch: the items of an array, of which none is read yet.
    Batch(Vec<&'a RawValue>),
}

/// What becomes of members of a request beyond the four of the specification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum FurtherMembers {
    /// They are passed over: a service in this process has no use for them.
    #[default]
    Ignore,
    /// Those with these names are passed on to a JSON-RPC upstream, and a request with any other is refused.
    Pass(NamePatterns),
}

/// The members of a request object. Their values are not read yet.
#[derive(Default)]
pub(super) struct RequestMembers<'a> {
    jsonrpc: Option<&'a RawValue>,
    method: Option<&'a RawValue>,
    params: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
    /// The names of all others.
    further: Vec<String>,
}

/// The name of a member.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum MemberName {
    Jsonrpc,
    Method,
    Params,
    Id,
    Further(String),
}

impl<'de: 'a, 'a> Deserialize<'de> for RequestMembers<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = RequestMembers<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a request object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RequestMembers<'de>, A::Error> {
                let mut members = RequestMembers::default();
                while let Some(name) = map.next_key()? {
                    let value = map.next_value()?;
                    // No name occurs twice: the text has been checked.
                    match name {
                        MemberName::Jsonrpc => members.jsonrpc = Some(value),
                        MemberName::Method => members.method = Some(value),
                        MemberName::Params => members.params = Some(value),
                        MemberName::Id => members.id = Some(value),
                        MemberName::Further(name) => members.further.push(name),
                    }
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}

/// The method and the arguments of a request.
pub(super) struct JsonRpcCall<'a> {
    pub(super) method: Cow<'a, str>,
    pub(super) args: Args<'a>,
}

impl JsonRpcCall<'_> {
    pub(super) fn call<'c>(&'c self, context: &'c Context) -> Call<'c> {
        Call::new(&self.method, self.args, context)
    }
}

impl<'a> RequestBody<'a> {
    /// Reads a text, which must be one JSON value.
    pub(super) fn read(text: &'a str) -> Result<RequestBody<'a>, Fault> {
        match text.trim_start_matches([' ', '\t', '\r', '\n']).bytes().next() {
            Some(b'{') => serde_json::from_str(text).map(RequestBody::One).map_err(not_well_formed),
            Some(b'[') => match serde_json::from_str::<Vec<_>>(text).map_err(not_well_formed)? {
                none if none.is_empty() => Err(Fault::new(Kind::Structure, "the batch is empty")),
                requests => Ok(RequestBody::Batch(requests)),
            },
            _ => match serde_json::from_str::<&RawValue>(text) {
                Ok(_) => Err(not_an_object()),
                Err(error) => Err(not_well_formed(error)),
            },
        }
    }
}

/// Whether every reader finds the same members in a request: it has no others than [`MEMBERS`] and those that are passed on, of
/// which none looks like one of the four. Some readers ignore case and read `Method` as `method`.
pub(super) fn is_unambiguous(text: &[u8], further: &FurtherMembers) -> bool {
    let members = serde_json::from_slice::<HashMap<String, IgnoredAny>>(text);
    let looks_alike = |name: &str| MEMBERS.iter().any(|own| own.eq_ignore_ascii_case(name));
    members.is_ok_and(|members| {
        members.keys().all(|name| MEMBERS.contains(&name.as_str()) || further.pass(name) && !looks_alike(name))
    })
}

impl FurtherMembers {
    fn pass(&self, name: &str) -> bool {
        matches!(self, FurtherMembers::Pass(names) if names.has(name))
    }
}

/// Reads the members of one request of a batch.
pub(super) fn members(raw: &RawValue) -> Result<RequestMembers<'_>, Fault> {
    match raw.get().bytes().next() {
        Some(b'{') => serde_json::from_str(raw.get()).map_err(not_well_formed),
        _ => Err(not_an_object()),
    }
}

fn not_an_object() -> Fault {
    Fault::new(Kind::Structure, "a request must be an object")
}

impl<'a> RequestMembers<'a> {
    /// Whether the request has members that have to be passed on with the call.
    ///
    /// # Errors
    /// `Structure` if it has one that is not passed on.
    pub(super) fn has_further(&self, policy: &FurtherMembers) -> Result<bool, Fault> {
        if self.further.is_empty() || *policy == FurtherMembers::Ignore {
            return Ok(false);
        }
        match self.further.iter().find(|name| !policy.pass(name)) {
            Some(name) => {
                let name = abridge(name);
                Err(Fault::new(Kind::Structure, format!("the member `{name}` of the request is not passed on")))
            }
            None => Ok(true),
        }
    }

    /// The call, and the frame of its response. An invalid request has a response even without an `id` (specification,
    /// section 5.1).
    pub(super) fn read(self, version_1: bool) -> (ResponseFrame, Result<JsonRpcCall<'a>, Fault>) {
        let version = version(self.jsonrpc, version_1);
        let response_version = version.as_ref().map_or(JsonRpcVersion::Two, |version| *version);
        let (id, id_check) = match (response_version, self.id) {
            (JsonRpcVersion::Two, Some(id)) if !is_id(id) => {
                (None, Err(malformed("`id` must be a string, a number or null")))
            }
            (_, id) => (id, Ok(())),
        };
        // In version 1.0 a notification has the id `null`, and a request without an id is none (specification of 1.0,
        // section 1.3). In version 2.0 it has none.
        let answered = match response_version {
            JsonRpcVersion::One => id.map_or(Some("null"), |id| Some(id.get()).filter(|id| *id != "null")),
            JsonRpcVersion::Two => id.map(RawValue::get),
        };
        let structure = version.and(id_check).and_then(|()| self.call());
        match structure {
            Err(fault) => (ResponseFrame::new(response_version, Some(id.map_or("null", RawValue::get))), Err(fault)),
            Ok(call) => (ResponseFrame::new(response_version, answered), Ok(call)),
        }
    }

    fn call(&self) -> Result<JsonRpcCall<'a>, Fault> {
        let method = self.method.ok_or_else(|| malformed("the request has no `method`"))?;
        let method = text(method).ok_or_else(|| malformed("`method` is not a string"))?;
        Ok(JsonRpcCall { method, args: arguments(self.params)? })
    }
}

/// The arguments in the member `params`.
pub(super) fn arguments(params: Option<&RawValue>) -> Result<Args<'_>, Fault> {
    match params {
        None => Ok(Args::None),
        Some(raw) if raw.get().starts_with(['[', '{']) => Ok(Args::Json(raw)),
        Some(_) => Err(malformed("`params` is neither an array nor an object")),
    }
}

fn version(jsonrpc: Option<&RawValue>, version_1: bool) -> Result<JsonRpcVersion, Fault> {
    match jsonrpc.map(text) {
        Some(Some(version)) if version == "2.0" => Ok(JsonRpcVersion::Two),
        Some(Some(version)) if version == "1.0" && version_1 => Ok(JsonRpcVersion::One),
        None if version_1 => Ok(JsonRpcVersion::One),
        None => Err(malformed("the request has no `jsonrpc`, which must be \"2.0\"")),
        Some(_) => Err(malformed("`jsonrpc` must be \"2.0\"")),
    }
}

/// Whether a value is a valid `id`: a string, a number or null.
fn is_id(raw: &RawValue) -> bool {
    raw.get().starts_with(['"', '-', 'n']) || raw.get().starts_with(|c: char| c.is_ascii_digit())
}

/// The text of a JSON string; `None` for other values.
pub(super) fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inside = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    // The parser has checked the string already: without escapes, its text is what is between the quotes.
    match memchr(b'\\', inside.as_bytes()) {
        None => Some(Cow::Borrowed(inside)),
        Some(_) => serde_json::from_str(raw.get()).ok().map(Cow::Owned),
    }
}

fn malformed(what: &'static str) -> Fault {
    Fault::new(Kind::Structure, what)
}
