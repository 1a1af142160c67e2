//! Exchanges with SOAP services as data: a folder with a WSDL document, and files with a call, the message that it must
//! become, the response of the service, and the whole result.
//!
//! An exchange is a file with four parts, each behind a line that begins with `=== `:
//!
//! ```text
//! === call METHOD
//! the arguments, by name, as JSON
//! === request ACTION
//! the message that is sent
//! === response
//! what the service responds
//! === result
//! the result, as JSON; or `=== error`: the error, as JSON-RPC has it
//! ```
//!
//! The call is made over every protocol, unless `over` and names of protocols follow the method.
//!
//! Messages are compared as information sets: by namespaces and names, and with attributes in any order.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use croupier::Value;
use croupier::model::date::DateTime;
use croupier::model::shape::Shapes;
use croupier::protocol::Protocol;
use croupier::protocol::soap::blocks::{PasswordType, SoapHeaders, SoapSecurity};
use croupier::service::RpcService;
use croupier::upstream::transport::{Transport, TransportOptions};
use croupier::upstream::{DescriptionSource, Upstream, UpstreamOptions};
use http::StatusCode;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use roxmltree::{Document, Node};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::calls::{json_of, member, post_to, told, value_of_json};
use super::hello::frontends;
use super::over::{Behind, Over};
use super::upstream::{Act, ScriptedUpstream};

const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
const ENCODING: &str = "http://schemas.xmlsoap.org/soap/encoding/";
const WSSE: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const WSU: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";

/// The settings of a service, in `upstream.toml` beside its document.
#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Settings {
    port: Option<String>,
    headers: Vec<String>,
    username_token: Option<Token>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Token {
    user: String,
    password: String,
    password_type: PasswordType,
    lifetime_seconds: Option<u64>,
}

/// A service: its folder, and what is set for it.
pub(crate) struct SoapService {
    folder: PathBuf,
    settings: Settings,
}

/// A call to a service with everything that is sent and received.
pub(crate) struct Exchange {
    /// The name of its file, for messages.
    pub(crate) name: String,
    method: String,
    over: Vec<Over>,
    arguments: String,
    action: String,
    /// The message that must be sent.
    pub(crate) request: String,
    response: String,
    /// The result, or the error.
    outcome: Result<String, Json>,
}

/// The services in a folder of `tests/fixtures`.
pub(crate) fn services(folder: &str) -> Vec<SoapService> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder);
    let mut folders: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let services = folders.into_iter().map(|folder| {
        let settings = std::fs::read_to_string(folder.join("upstream.toml")).unwrap_or_default();
        let settings = toml::from_str(&settings).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        SoapService { folder, settings }
    });
    services.collect()
}

/// Makes every exchange of the services in a folder, of which there must be at least this many.
pub(crate) async fn check_folder(folder: &str, least: usize) {
    check(folder, least, Some).await;
}

/// Makes the exchanges in a folder whose result is a list once more, with so many items that they are passed on while they
/// arrive. There must be at least this many.
pub(crate) async fn check_long_lists(folder: &str, least: usize) {
    check(folder, least, |exchange| exchange.lengthened()).await;
}

async fn check(folder: &str, least: usize, chosen: impl Fn(Exchange) -> Option<Exchange>) {
    let server = ScriptedUpstream::start().await;
    let (mut count, mut differences) = (0, Vec::new());
    for service in services(folder) {
        let behind = service.behind(&server).await;
        for exchange in service.exchanges().into_iter().filter_map(&chosen) {
            differences.extend(exchange.differences(&service, &behind, &server).await);
            count += 1;
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
    assert!(count >= least, "{count} exchanges in {folder}");
}

impl SoapService {
    /// The path of the WSDL document.
    pub(crate) fn document(&self) -> PathBuf {
        self.folder.join("service.wsdl")
    }

    /// The exchanges, by their names.
    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        let mut files: Vec<_> = std::fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "exchange"));
        files.sort();
        let folder = self.folder.file_name().unwrap().to_string_lossy();
        let read = files.iter().map(|path| {
            let name = format!("{folder}/{}", path.file_stem().unwrap().to_string_lossy());
            Exchange::read(name, &std::fs::read_to_string(path).unwrap())
        });
        read.collect()
    }

    fn security(&self) -> Option<SoapSecurity> {
        self.settings.username_token.as_ref().map(|token| SoapSecurity {
            user: token.user.clone(),
            password: token.password.clone(),
            password_type: token.password_type,
            lifetime: token.lifetime_seconds.map(Duration::from_secs),
        })
    }

    /// The service behind a group, over every protocol.
    pub(crate) async fn behind(&self, server: &ScriptedUpstream) -> Behind {
        let text = std::fs::read_to_string(self.document()).unwrap();
        let address = format!("http://{}/service", server.address()).parse().unwrap();
        let headers = self.settings.headers.iter().map(String::as_str);
        let options = UpstreamOptions {
            description: Some(DescriptionSource::Text { name: self.document().display().to_string(), text }),
            wsdl_port: self.settings.port.clone(),
            soap_headers: SoapHeaders::new(headers, self.security()).unwrap(),
            ..UpstreamOptions::new(Protocol::Soap)
        };
        let transport = Transport::new(vec![address], TransportOptions::default()).unwrap();
        let upstream = Upstream::new(transport, options).unwrap();
        let discovered = upstream.discover().await;
        discovered.unwrap_or_else(|error| panic!("{}: {error}", self.document().display()));
        Behind { shapes: Shapes::of(&upstream.interface()), service: Arc::new(upstream), frontends: frontends() }
    }
}

impl Exchange {
    fn read(name: String, text: &str) -> Exchange {
        let parts: Vec<_> = text.split("=== ").skip(1).map(|part| part.split_once('\n').unwrap()).collect();
        let [(call, arguments), (request, message), ("response", response), (kind, outcome)] = parts.as_slice() else {
            panic!("{name} has not the four parts of an exchange")
        };
        let call = call.strip_prefix("call ").unwrap();
        let (method, over) = call.split_once(" over ").unwrap_or((call, "Rest JsonRpc XmlRpc Soap"));
        Exchange {
            method: method.to_owned(),
            over: Over::ALL.into_iter().filter(|it| over.contains(&format!("{it:?}"))).collect(),
            arguments: arguments.trim().to_owned(),
            action: request.strip_prefix("request").unwrap().trim().to_owned(),
            request: message.trim().to_owned(),
            response: response.trim().to_owned(),
            outcome: match *kind {
                "result" => Ok((*outcome).to_owned()),
                "error" => Err(serde_json::from_str(outcome).unwrap_or_else(|error| panic!("{name}: {error}"))),
                kind => panic!("{name}: there is no part `{kind}`"),
            },
            name,
        }
    }

    /// The same exchange with a response of 300 KiB, if its result is a list: with all items again and again. The rows are the
    /// same for every protocol, so one without types and one with types do.
    fn lengthened(&self) -> Option<Exchange> {
        let Value::Array(items) = value_of_json(self.outcome.as_ref().ok()?) else { return None };
        let document = Document::parse(&self.response).unwrap();
        let body = elements(document.root_element()).into_iter().find(|it| it.tag_name().name() == "Body")?;
        let [wrapper] = elements(body)[..] else { return None };
        let inside = elements(wrapper);
        let found = match inside.as_slice() {
            [only] if elements(*only).len() == items.len() && items.len() > 1 => elements(*only),
            _ => inside,
        };
        let (start, end) = (found.first()?.range().start, found.last()?.range().end);
        let (before, once, after) = (&self.response[..start], &self.response[start..end], &self.response[end..]);
        let times = (300 << 10) / once.len() + 1;
        let all: Vec<_> = std::iter::repeat_n(items, times).flatten().collect();
        (found.len() * times == all.len()).then(|| Exchange {
            name: format!("{}, long", self.name),
            method: self.method.clone(),
            over: self.over.iter().copied().filter(|over| matches!(over, Over::Rest | Over::Soap)).collect(),
            arguments: self.arguments.clone(),
            action: self.action.clone(),
            request: self.request.clone(),
            response: format!("{before}{}{after}", once.repeat(times)),
            outcome: Ok(json_of(&Value::Array(all))),
        })
    }

    /// Calls the service over every protocol, and compares what is sent and what comes back. Returns the differences.
    async fn differences(&self, service: &SoapService, behind: &Behind, server: &ScriptedUpstream) -> Vec<String> {
        let status = if self.response.contains("Fault>") { "500 Internal Server Error" } else { "200 OK" };
        let (media, length) = ("text/xml; charset=utf-8", self.response.len());
        let head = format!("HTTP/1.1 {status}\r\nContent-Type: {media}\r\nContent-Length: {length}\r\n\r\n");
        let response = format!("{head}{}", self.response).into_bytes();
        let mut found = Vec::new();
        // By position, a parameter that is null is one that is left out.
        let given = value_of_json(&self.arguments);
        let by_name_only = matches!(given, Value::Struct(members) if members.iter().any(|(_, it)| *it == Value::Nil));
        for over in self.over.iter().copied().filter(|over| !(by_name_only && over.has_types())) {
            server.will([Act::Output(response.clone())]);
            let returned = match over {
                Over::Rest => self.over_rest(behind).await,
                Over::JsonRpc => self.over_json_rpc(behind).await,
                typed => self.over_typed(behind, typed).await,
            };
            let mut add = |result: Result<(), String>| {
                found.extend(result.err().map(|difference| format!("{} over {over:?}: {difference}", self.name)));
            };
            add(self.check_request(service, &server.all()));
            add(returned);
        }
        found
    }

    async fn over_rest(&self, behind: &Behind) -> Result<(), String> {
        let arguments = self.arguments.as_bytes();
        let (status, text) =
            post_to(&behind.service, &behind.frontends, &self.method, "application/json", arguments).await;
        match &self.outcome {
            Ok(result) if status == StatusCode::OK => same_value(&value_of_json(&text), result),
            Ok(result) if status == StatusCode::NO_CONTENT => same_value(&Value::Nil, result),
            Ok(_) => Err(text),
            Err(error) => {
                let problem: Json = serde_json::from_str(&text).unwrap();
                let own = json!({ "message": problem["detail"], "data": problem.get("data") });
                // Where the service gives no data, JSON-RPC has the kind of the error in that place.
                let data = error.get("data").filter(|data| data.get("kind").is_none());
                same_text(&own.to_string(), &json!({ "message": error["message"], "data": data }).to_string())
            }
        }
    }

    async fn over_json_rpc(&self, behind: &Behind) -> Result<(), String> {
        let call =
            format!(r#"{{"jsonrpc": "2.0", "method": {}, "params": {}, "id": 7}}"#, json!(self.method), self.arguments);
        let (_, text) = post_to(&behind.service, &behind.frontends, "", "application/json", call.as_bytes()).await;
        let response = value_of_json(&text);
        match &self.outcome {
            Ok(result) => same_value(member(&response, "result").ok_or(text)?, result),
            Err(error) => {
                let response: Json = serde_json::from_str(&text).unwrap();
                same_text(&response["error"].to_string(), &error.to_string())
            }
        }
    }

    /// Calls by position over a protocol in which values have their types.
    async fn over_typed(&self, behind: &Behind, over: Over) -> Result<(), String> {
        let given = value_of_json(&self.arguments);
        let interface = behind.service.interface();
        let method = interface.methods.iter().find(|method| method.name == self.method).unwrap();
        let names = method.params.iter().map(|param| param.name.as_str());
        let mut arguments: Vec<_> = names.map(|name| member(&given, name).cloned().unwrap_or(Value::Nil)).collect();
        while arguments.last() == Some(&Value::Nil) {
            arguments.pop();
        }
        match (over.ask(behind, &self.method, &arguments).await, &self.outcome) {
            (Ok(value), Ok(expected)) if over == Over::XmlRpc => {
                same(&value_of_json(&json_of(&value)), &without_zones(value_of_json(expected)))
            }
            // croupier's own documents have no element for a member that is null.
            (Ok(value), Ok(expected)) => same(&told(value_of_json(&json_of(&value))), &told(value_of_json(expected))),
            (Err(_), Err(_)) => Ok(()),
            (outcome, _) => Err(format!("{outcome:?}")),
        }
    }

    /// Compares the only request with the message that must be sent.
    fn check_request(&self, service: &SoapService, requests: &[String]) -> Result<(), String> {
        let [request] = requests else { return Err(format!("{} requests", requests.len())) };
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let action = format!("\"{}\"", self.action);
        let [in_header, in_media] = [format!("\r\nsoapaction: {action}"), format!("action={action}")];
        if !(head.contains(&in_header) || head.contains(&in_media) || self.action.is_empty()) {
            return Err(format!("expected the action {action}, not {head}"));
        }
        same_text(&infoset_with(body, service.security().as_ref()), &infoset(&self.request))
    }
}

fn elements<'x, 'i>(parent: Node<'x, 'i>) -> Vec<Node<'x, 'i>> {
    parent.children().filter(|child| child.is_element()).collect()
}

fn same_value(value: &Value, expected: &str) -> Result<(), String> {
    same(value, &value_of_json(expected))
}

fn same(value: &Value, expected: &Value) -> Result<(), String> {
    let [mut own, mut wanted] = [String::new(), String::new()];
    write_value(&mut own, value, 0);
    write_value(&mut wanted, expected, 0);
    same_text(&own, &wanted)
}

/// The same value with its dates and times as XML-RPC has them: in UTC, which it does not say, and without fractions.
fn without_zones(value: Value) -> Value {
    match value {
        Value::Text(text) => match text.strip_suffix('Z').filter(|bare| bare.contains('T')) {
            Some(bare) if text.parse::<DateTime>().is_ok() => {
                Value::Text(bare.split_once('.').map_or(bare, |(seconds, _)| seconds).to_owned())
            }
            _ => Value::Text(text),
        },
        Value::Array(items) => Value::Array(items.into_iter().map(without_zones).collect()),
        Value::Struct(members) => {
            Value::Struct(members.into_iter().map(|(name, value)| (name, without_zones(value))).collect())
        }
        value => value,
    }
}

/// A difference, with the lines before it that both have.
fn same_text(text: &str, expected: &str) -> Result<(), String> {
    if text == expected {
        return Ok(());
    }
    let common = text.lines().zip(expected.lines()).take_while(|(one, other)| one == other).count();
    let shown = |text: &str| text.lines().skip(common.saturating_sub(3)).take(9).collect::<Vec<_>>().join("\n");
    Err(format!("expected\n{}\nnot\n{}", shown(expected), shown(text)))
}

/// A value with a line for each member, in the order of their names, and for each item.
fn write_value(to: &mut String, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Struct(members) => {
            to.push_str("{\n");
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            for (name, value) in members {
                write!(to, "{indent}  {name:?}: ").unwrap();
                write_value(to, value, depth + 1);
            }
            writeln!(to, "{indent}}}").unwrap();
        }
        Value::Array(items) => {
            to.push_str("[\n");
            for item in items {
                write!(to, "{indent}  ").unwrap();
                write_value(to, item, depth + 1);
            }
            writeln!(to, "{indent}]").unwrap();
        }
        Value::Text(text) => writeln!(to, "{text:?}").unwrap(),
        value => writeln!(to, "{}", json_of(value)).unwrap(),
    }
}

/// A document as one line for each element and text, in which prefixes and the order of attributes do not matter.
pub(crate) fn infoset(text: &str) -> String {
    infoset_with(text, None)
}

/// The same of the Body of a message.
pub(crate) fn body_infoset(text: &str) -> String {
    let document = Document::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let body = document.root_element().children().find(|it| it.is_element() && it.tag_name().name() == "Body").unwrap();
    let mut lines = String::new();
    write_element(&mut lines, body, 0, None);
    lines
}

/// The same, with the parts of a token that are made for each message as `NONCE`, `CREATED`, `EXPIRES` and `DIGEST`, if they
/// are what they must be.
fn infoset_with(text: &str, security: Option<&SoapSecurity>) -> String {
    let document = Document::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let mut lines = String::new();
    write_element(&mut lines, document.root_element(), 0, security);
    lines
}

fn write_element(to: &mut String, element: Node<'_, '_>, depth: usize, security: Option<&SoapSecurity>) {
    let name = |namespace: Option<&str>, local: &str| match namespace.filter(|it| !it.is_empty()) {
        Some(namespace) => format!("{{{namespace}}}{local}"),
        None => local.to_owned(),
    };
    let tag = element.tag_name();
    let indent = "  ".repeat(depth);
    write!(to, "{indent}{}", name(tag.namespace(), tag.name())).unwrap();
    let attributes = element.attributes().map(|attribute| {
        let value = match (attribute.namespace(), attribute.name()) {
            (Some(INSTANCE), "type") | (Some(ENCODING), "arrayType") => expanded(element, attribute.value()),
            _ => attribute.value().to_owned(),
        };
        format!(" {}={value:?}", name(attribute.namespace(), attribute.name()))
    });
    let mut attributes: Vec<_> = attributes.collect();
    attributes.sort();
    to.push_str(&attributes.concat());
    to.push('\n');
    let has_elements = element.children().any(|child| child.is_element());
    if let Some(text) = security.and_then(|security| token_text(element, security)) {
        writeln!(to, "{indent}  {text:?}").unwrap();
        return;
    }
    let mut text = String::new();
    for child in element.children() {
        if child.is_text() {
            text.push_str(child.text().unwrap());
        } else if child.is_element() {
            write_text(to, &mut text, depth, has_elements);
            write_element(to, child, depth + 1, security);
        }
    }
    write_text(to, &mut text, depth, has_elements);
}

/// Writes a text. White space between elements only makes a document readable.
fn write_text(to: &mut String, text: &mut String, depth: usize, has_elements: bool) {
    let text = std::mem::take(text);
    if !(text.is_empty() || has_elements && text.trim().is_empty()) {
        writeln!(to, "{}  {text:?}", "  ".repeat(depth)).unwrap();
    }
}

/// A qualified name in a value, with its namespace in place of its prefix.
fn expanded(element: Node<'_, '_>, value: &str) -> String {
    match value.split_once(':') {
        Some((prefix, local)) => {
            let namespace = element.lookup_namespace_uri(Some(prefix));
            format!("{{{}}}{local}", namespace.unwrap_or_else(|| panic!("no namespace for {value}")))
        }
        None => format!("{{{}}}{value}", element.lookup_namespace_uri(None).unwrap_or_default()),
    }
}

/// What stands for a text of a token that is another one in each message.
fn token_text(element: Node<'_, '_>, security: &SoapSecurity) -> Option<&'static str> {
    let tag = element.tag_name();
    let sibling = |namespace: &str, local: &str| {
        let found = element.parent()?.children().find(|it| it.has_tag_name((namespace, local)));
        found.and_then(|it| it.text())
    };
    match (tag.namespace(), tag.name()) {
        (Some(WSSE), "Nonce") => Some("NONCE"),
        (Some(WSU), "Created") => Some("CREATED"),
        (Some(WSU), "Expires") => Some("EXPIRES"),
        (Some(WSSE), "Password") if security.password_type == PasswordType::Digest => {
            let nonce = STANDARD.decode(sibling(WSSE, "Nonce")?).ok()?;
            let parts = [&nonce, sibling(WSU, "Created")?.as_bytes(), security.password.as_bytes()].concat();
            let expected = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &parts));
            (element.text() == Some(&expected)).then_some("DIGEST")
        }
        _ => None,
    }
}
