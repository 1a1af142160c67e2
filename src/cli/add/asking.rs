//! Harmless questions to one server, each within its time, and why there may be no answer.

use std::cell::Cell;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method as Verb, Request, Response, StatusCode, header};
use tokio::time::timeout;

use super::place::Place;
use crate::model::fault::Fault;
use crate::model::interface::Interface;
use crate::model::text::shorten;
use crate::model::value::Value;
use crate::protocol::client_codec::{CallTarget, ClientCodec, ResponseError};
use crate::service::RpcService as _;
use crate::service::args::ArgValues;
use crate::upstream::transport;
use crate::upstream::transport::{Repeat, Transport, TransportError};
use crate::upstream::{DescriptionSource, Upstream, UpstreamOptions, UpstreamProtocol};

/// How many bytes an answer may have.
const LARGEST: usize = 16 << 20;
/// How many times as long as for one answer a server may take to describe itself.
const ANSWERS: u32 = 6;

/// A server that is asked.
pub(super) struct Asking<'p> {
    pub(super) place: &'p Place,
    transport: Transport,
    limit: Duration,
    /// Whether an integer of 64 bits has come.
    i8_seen: Cell<bool>,
}

/// Why a question has no answer.
#[derive(Debug)]
pub(super) enum Silence {
    /// The server is not there, or does not say anything: there is no sense in asking on.
    Gone(String),
    /// The connection broke.
    Broke(String),
    /// It wants to know who asks; with the header that says how.
    Locked(String),
    /// There is an answer, but none of this protocol.
    Other(String),
    /// A failure in the protocol's own words.
    Fault(Fault),
}

impl Silence {
    /// Why, for people.
    pub(super) fn reason(&self) -> String {
        match self {
            Silence::Gone(reason) | Silence::Broke(reason) | Silence::Other(reason) => reason.clone(),
            Silence::Locked(_) => "HTTP 401".to_owned(),
            Silence::Fault(fault) => format!("the fault {}: {}", fault.kind.xmlrpc_code(), fault.message),
        }
    }
}

impl<'p> Asking<'p> {
    pub(super) fn new(place: &'p Place, limit: Duration) -> Result<Asking<'p>, Silence> {
        Ok(Asking { place, transport: transport(place, limit)?, limit, i8_seen: Cell::new(false) })
    }

    /// Whether an integer of 64 bits has come in an answer of XML-RPC.
    pub(super) fn has_i8(&self) -> bool {
        self.i8_seen.get()
    }

    /// The path that the server is asked at, without its query.
    pub(super) fn path(&self) -> &str {
        self.transport.path().split('?').next().unwrap_or("/")
    }

    /// Calls a method of those that change nothing.
    pub(super) async fn ask(&self, codec: &ClientCodec, method: &str, arguments: ArgValues) -> Result<Value, Silence> {
        let asked = CallTarget { method, known: None };
        let response = self.exchange(codec.encode_call(asked, arguments).map_err(Silence::Fault)?).await?;
        let heard = codec.decode_response(asked, &response);
        heard.map_err(|no_answer| match no_answer {
            ResponseError::Fault(fault) if is_rpc(codec, response.body()) => Silence::Fault(fault),
            _ if response.status() == StatusCode::UNAUTHORIZED => locked(response.headers()),
            ResponseError::Fault(_) => Silence::Other(format!("HTTP {}, and no answer of JSON-RPC", response.status())),
            ResponseError::Malformed(_) => Silence::Other(beginning(&response)),
            other => Silence::Other(format!("{other}{}", elsewhere(response.headers()))),
        })
    }

    /// Fetches a document.
    pub(super) async fn get(&self, path: &str) -> Result<Response<Bytes>, Silence> {
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = Verb::GET;
        *request.uri_mut() = path.parse().map_err(|error| Silence::Other(format!("{path} is no path: {error}")))?;
        let response = self.exchange(request).await?;
        match response.status() {
            StatusCode::OK => Ok(response),
            StatusCode::UNAUTHORIZED => Err(locked(response.headers())),
            status => Err(Silence::Other(format!("HTTP {status}{}", elsewhere(response.headers())))),
        }
    }

    /// What the server says of itself, all of it.
    pub(super) async fn discover(&self, protocol: UpstreamProtocol) -> Result<Interface, Silence> {
        self.learn_at(protocol, None).await
    }

    /// What the server says of itself in a document at a path of its own.
    pub(super) async fn learn_at(
        &self,
        protocol: UpstreamProtocol,
        path: Option<String>,
    ) -> Result<Interface, Silence> {
        let options = UpstreamOptions {
            max_response: LARGEST,
            description: path.map(DescriptionSource::At),
            ..UpstreamOptions::new(protocol)
        };
        let remote = Upstream::new(transport(self.place, self.limit)?, options);
        match timeout(self.limit * ANSWERS, remote.discover()).await {
            Ok(Ok(_)) => Ok((*remote.interface()).clone()),
            Ok(Err(fault)) => Err(Silence::Other(fault.message.into_owned())),
            Err(_) => Err(Silence::Other(format!("no description within {:?}", self.limit * ANSWERS))),
        }
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Silence> {
        let answer = self.transport.exchange(request, Repeat::Harmless, LARGEST, None);
        let response = match timeout(self.limit, answer).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(silence(&error)),
            Err(_) => {
                return Err(Silence::Gone(format!("{} gives no whole answer within {:?}", self.place.url, self.limit)));
            }
        };
        if response.body().windows(4).any(|tag| tag == b"<i8>") {
            self.i8_seen.set(true);
        }
        Ok(response)
    }
}

fn transport(place: &Place, limit: Duration) -> Result<Transport, Silence> {
    let address = place.address().map_err(|error| Silence::Gone(error.to_string()))?;
    // Whoever asks has a clock of his own for the whole answer, which is to be the one that strikes.
    let options = transport::TransportOptions { response: limit * 2, ..transport::TransportOptions::default() };
    Transport::new(vec![address], options).map_err(|error| Silence::Gone(error.to_string()))
}

fn silence(error: &TransportError) -> Silence {
    match error.connected() && !error.is_late() && !error.is_too_large() {
        true => Silence::Broke(error.to_string()),
        false => Silence::Gone(error.to_string()),
    }
}

/// Other interfaces of JSON have members called `error` too; those of JSON-RPC stand beside an `id` or a version.
fn is_rpc(codec: &ClientCodec, body: &[u8]) -> bool {
    let ClientCodec::JsonRpc(_) = codec else { return true };
    let answer: Result<serde_json::Value, _> = serde_json::from_slice(body);
    answer.is_ok_and(|answer| answer.get("jsonrpc").is_some() || answer.get("id").is_some())
}

fn locked(headers: &HeaderMap) -> Silence {
    Silence::Locked(text(headers, header::WWW_AUTHENTICATE))
}

/// What an answer is that is none of the protocol.
fn beginning(response: &Response<Bytes>) -> String {
    let media = text(response.headers(), header::CONTENT_TYPE);
    let body = String::from_utf8_lossy(response.body().get(..400).unwrap_or(response.body())).into_owned();
    let words: Vec<&str> = body.split_whitespace().collect();
    let (status, start) = (response.status(), words.join(" "));
    let media = if media.is_empty() { media } else { format!(", {media}") };
    match start.is_empty() {
        true => format!("HTTP {status}{media}, and nothing in it"),
        false => format!("HTTP {status}{media}: {}", shorten(&start, 100)),
    }
}

/// Where an answer says that the server is.
fn elsewhere(headers: &HeaderMap) -> String {
    match text(headers, header::LOCATION) {
        none if none.is_empty() => none,
        location => format!(" (it points to {location})"),
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> String {
    let value = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    shorten(&value.unwrap_or_default(), 200).into_owned()
}
