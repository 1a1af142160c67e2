//! The keys of an upstream that are for REST only, except for its methods: what becomes of error statuses, and keys by which a
//! server knows a call that it has already.

use std::collections::BTreeMap;

use http::HeaderName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::forwarding::plain;
use super::problem::Problem;
use crate::model::fault::Kind;
use crate::model::text::abridge;
use crate::protocol::rest::methods::is_reserved_header;

/// The header with the key of a call, if there is no other name.
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// The kind of a fault, as REST problems name it.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub(super) enum FaultKindFile {
    Service,
    BadParams,
    Limit,
    Unauthenticated,
    Forbidden,
    RateLimited,
    Busy,
    Late,
    Unreachable,
}

impl FaultKindFile {
    fn kind(self, status: u16) -> Kind {
        match self {
            FaultKindFile::Service => Kind::Service(Some(status.into())),
            FaultKindFile::BadParams => Kind::BadParams,
            FaultKindFile::Limit => Kind::Limit,
            FaultKindFile::Unauthenticated => Kind::Unauthenticated,
            FaultKindFile::Forbidden => Kind::Forbidden,
            FaultKindFile::RateLimited => Kind::RateLimited,
            FaultKindFile::Busy => Kind::Busy,
            FaultKindFile::Late => Kind::Late,
            FaultKindFile::Unreachable => Kind::Unreachable,
        }
    }
}

/// Whether calls have a key, or the name of its header.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum IdempotencyKeyFile {
    /// Whether the header `Idempotency-Key` has a key.
    Usual(bool),
    /// The name of the header.
    Header(String),
}

/// The kinds of faults by statuses.
pub(super) fn fault_kinds(
    file: &BTreeMap<Spanned<String>, FaultKindFile>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<u16, Kind> {
    let mut kinds = BTreeMap::new();
    for (status, kind) in file {
        let text = status.get_ref();
        match text.parse::<u16>().ok().filter(|number| (400..600).contains(number) && number.to_string() == *text) {
            Some(status) => drop(kinds.insert(status, kind.kind(status))),
            None => {
                let message = format!("`{}` is not an error status of HTTP", abridge(text));
                problems.push(Problem::at(status.span(), message).hint("it is a number from 400 to 599"));
            }
        }
    }
    kinds
}

/// The header with the key of a call. `taken` are the names of headers that the configuration sets itself.
pub(super) fn idempotency_key<'f>(
    file: &Spanned<IdempotencyKeyFile>,
    mut taken: impl Iterator<Item = &'f str>,
    problems: &mut Vec<Problem>,
) -> Option<HeaderName> {
    let name = match file.get_ref() {
        IdempotencyKeyFile::Usual(false) => return None,
        IdempotencyKeyFile::Usual(true) => IDEMPOTENCY_KEY,
        IdempotencyKeyFile::Header(name) => name,
    };
    let mut wrong = |message: String| {
        problems.push(Problem::at(file.span(), message));
        None
    };
    let shown = abridge(name);
    match name.parse::<HeaderName>() {
        Err(_) => wrong(format!("`{shown}` is not a valid name of a header")),
        Ok(_) if is_reserved_header(name) || plain(name) == "cookie" => {
            wrong(format!("the header `{shown}` cannot have a key"))
        }
        Ok(_) if taken.any(|other| plain(other) == plain(name)) => {
            wrong(format!("the header `{shown}` is one of `headers` or `set-headers` too"))
        }
        Ok(header) => Some(header),
    }
}
