//! Reads JSON texts as requests: one request or a batch.

use std::borrow::Cow;
use std::collections::HashMap;

use memchr::memchr;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::response::{JsonRpcVersion, ResponseFrame};
use crate::codec::json::not_well_formed;
use crate::model::fault::{Fault, Kind};
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

/// The members of a request object. Their values are not read yet.
#[derive(Deserialize)]
pub(super) struct RequestMembers<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
}

/// A member that is present, even if its value is `null`.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
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

/// Whether a request has no members other than [`MEMBERS`]. Another reader could mistake such a member for one of them: some
/// readers ignore case and read `Method` as `method`.
pub(super) fn has_only_request_members(text: &[u8]) -> bool {
    let members = serde_json::from_slice::<HashMap<String, IgnoredAny>>(text);
    members.is_ok_and(|members| members.keys().all(|name| MEMBERS.contains(&name.as_str())))
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
    /// The call, and the frame of its response. An invalid request has a response even without an `id` (specification,
    /// section 5.1).
    pub(super) fn read(self, version_1: bool) -> (ResponseFrame, Result<JsonRpcCall<'a>, Fault>) {
        let version = version(self.jsonrpc, version_1);
        let response_version = version.as_ref().map_or(JsonRpcVersion::Two, |version| *version);
        let (id, id_check) = match (response_version, self.id) {
            (JsonRpcVersion::Two, Some(id)) if !is_id(id) => {
                (None, Err(malformed("`id` must be a string, a number or null")))
            }
            (JsonRpcVersion::One, Some(id)) if id.get() == "null" => (None, Ok(())),
            (_, id) => (id, Ok(())),
        };
        let structure = version.and(id_check).and_then(|()| self.call());
        match structure {
            Err(fault) => (ResponseFrame::new(response_version, Some(id.map_or("null", RawValue::get))), Err(fault)),
            Ok(call) => (ResponseFrame::new(response_version, id.map(RawValue::get)), Ok(call)),
        }
    }

    fn call(&self) -> Result<JsonRpcCall<'a>, Fault> {
        let method = self.method.ok_or_else(|| malformed("the request has no `method`"))?;
        let method = text(method).ok_or_else(|| malformed("`method` is not a string"))?;
        let args = match self.params {
            None => Args::None,
            Some(raw) if raw.get().starts_with(['[', '{']) => Args::Json(raw),
            Some(_) => return Err(malformed("`params` is neither an array nor an object")),
        };
        Ok(JsonRpcCall { method, args })
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
fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
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
