//! From a JSON text to what it asks for: one call, or several.

use std::borrow::Cow;
use std::collections::HashMap;

use memchr::memchr;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::response::{Frame, Version};
use crate::codec::json::not_well_formed;
use crate::model::fault::{Fault, Kind};
use crate::service::args::Args;
use crate::service::{Call, Context};

/// The members of a request (specification, section 4).
const MEMBERS: [&str; 4] = ["jsonrpc", "method", "params", "id"];

/// What a text asks for.
pub(super) enum CallTarget<'a> {
    /// A request by itself.
    One(Members<'a>),
    /// An array of what should be requests, each unread.
    Batch(Vec<&'a RawValue>),
}

/// The members of a request object, unread.
#[derive(Deserialize)]
pub(super) struct Members<'a> {
    #[serde(borrow, default, deserialize_with = "given")]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "given")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "given")]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "given")]
    id: Option<&'a RawValue>,
}

/// A member that is there, be it `null`.
fn given<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// A call, as a request asks for it.
pub(super) struct Asking<'a> {
    pub(super) method: Cow<'a, str>,
    pub(super) args: Args<'a>,
}

impl Asking<'_> {
    pub(super) fn call<'c>(&'c self, context: &'c Context) -> Call<'c> {
        Call::new(&self.method, self.args, context)
    }
}

impl<'a> CallTarget<'a> {
    /// Takes a text apart, all of which must be JSON.
    pub(super) fn read(text: &'a str) -> Result<CallTarget<'a>, Fault> {
        match text.trim_start_matches([' ', '\t', '\r', '\n']).bytes().next() {
            Some(b'{') => serde_json::from_str(text).map(CallTarget::One).map_err(not_well_formed),
            Some(b'[') => match serde_json::from_str::<Vec<_>>(text).map_err(not_well_formed)? {
                none if none.is_empty() => Err(Fault::new(Kind::Structure, "the batch is empty")),
                requests => Ok(CallTarget::Batch(requests)),
            },
            _ => match serde_json::from_str::<&RawValue>(text) {
                Ok(_) => Err(no_object()),
                Err(error) => Err(not_well_formed(error)),
            },
        }
    }
}

/// Whether a request has no members but those of a request. Of others somebody else might take one for one of these: there
/// are readers for whom `Method` is `method`.
pub(super) fn has_own_members(text: &[u8]) -> bool {
    let members = serde_json::from_slice::<HashMap<String, IgnoredAny>>(text);
    members.is_ok_and(|members| members.keys().all(|name| MEMBERS.contains(&name.as_str())))
}

/// Takes one request of a batch apart.
pub(super) fn members(raw: &RawValue) -> Result<Members<'_>, Fault> {
    match raw.get().bytes().next() {
        Some(b'{') => serde_json::from_str(raw.get()).map_err(not_well_formed),
        _ => Err(no_object()),
    }
}

fn no_object() -> Fault {
    Fault::new(Kind::Structure, "a request is an object")
}

impl<'a> Members<'a> {
    /// What is asked for, and how the answer is framed. Where there is no valid request, there is an answer to it even
    /// if it has no `id` (specification, section 7).
    pub(super) fn read(self, version_1: bool) -> (Frame, Result<Asking<'a>, Fault>) {
        let version = version(self.jsonrpc, version_1);
        let spoken = version.as_ref().map_or(Version::Two, |version| *version);
        let (id, named) = match (spoken, self.id) {
            (Version::Two, Some(id)) if !is_id(id) => {
                (None, Err(structure("`id` is no string, no number and not null")))
            }
            (Version::One, Some(id)) if id.get() == "null" => (None, Ok(())),
            (_, id) => (id, Ok(())),
        };
        let structure = version.and(named).and_then(|()| self.call());
        match structure {
            Err(fault) => (Frame::new(spoken, Some(id.map_or("null", RawValue::get))), Err(fault)),
            Ok(call) => (Frame::new(spoken, id.map(RawValue::get)), Ok(call)),
        }
    }

    fn call(&self) -> Result<Asking<'a>, Fault> {
        let method = self.method.ok_or_else(|| structure("the request has no `method`"))?;
        let method = text(method).ok_or_else(|| structure("`method` is not a string"))?;
        let args = match self.params {
            None => Args::None,
            Some(raw) if raw.get().starts_with(['[', '{']) => Args::Json(raw),
            Some(_) => return Err(structure("`params` is neither an array nor an object")),
        };
        Ok(Asking { method, args })
    }
}

fn version(jsonrpc: Option<&RawValue>, version_1: bool) -> Result<Version, Fault> {
    match jsonrpc.map(text) {
        Some(Some(version)) if version == "2.0" => Ok(Version::Two),
        Some(Some(version)) if version == "1.0" && version_1 => Ok(Version::One),
        None if version_1 => Ok(Version::One),
        None => Err(structure("the request has no `jsonrpc`, which must be \"2.0\"")),
        Some(_) => Err(structure("`jsonrpc` must be \"2.0\"")),
    }
}

/// Whether a value may be an `id`: a string, a number or null.
fn is_id(raw: &RawValue) -> bool {
    raw.get().starts_with(['"', '-', 'n']) || raw.get().starts_with(|c: char| c.is_ascii_digit())
}

/// The text that a value is, if it is one.
fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inside = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    // A string was read already when the value was found: without escapes it is what stands between its quotes.
    match memchr(b'\\', inside.as_bytes()) {
        None => Some(Cow::Borrowed(inside)),
        Some(_) => serde_json::from_str(raw.get()).ok().map(Cow::Owned),
    }
}

fn structure(what: &'static str) -> Fault {
    Fault::new(Kind::Structure, what)
}
