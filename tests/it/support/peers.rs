//! A gateway in front of servers written by others: the servers as processes that end with the test, and the same call
//! over all four protocols.
use std::fmt;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use croupier::codec::json::TypedJson;
use croupier::codec::xmlrpc::{BigIntegers, Nil, XmlRpcDialect};
use croupier::model::fault::Kind;
use croupier::model::interface::Param;
use croupier::model::shape::Shapes;
use croupier::protocol::client_codec::{CallTarget, ClientCodec, ResponseError};
use croupier::protocol::jsonrpc;
use croupier::protocol::soap;
use croupier::protocol::soap::wsdl::read as wsdl;
use croupier::protocol::xmlrpc;
use croupier::service::args::{ArgValues, KnownParams};
use croupier::{Fault, Value};
use http::{Request, Response};
use serde::Deserialize;
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::over::Over;
use super::process::{Process, ShutdownReport};

/// How long a server may take to start, and to end after a signal.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder that is removed with all that is in it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("croupier-remote-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        Folder(folder)
    }

    /// Writes a file and says where it is.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        std::fs::write(self.0.join(name), text).unwrap();
        self.path(name)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A port without a listener.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Looks again and again until there is something.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited too long: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A server that gets a signal to end when the test does, so that it can end the processes that it has started.
pub(crate) struct Server(Option<Process>);

impl Server {
    /// Starts a server, and waits until something answers where it is said to be.
    pub(crate) fn start(command: &mut Command, answers: impl Fn() -> bool) -> Server {
        let server = Server(Some(Process::start(command)));
        until(&format!("{command:?}"), || answers().then_some(()));
        server
    }

    /// Starts a script in `tests/peers`, which prints the port on which it listens.
    pub(crate) fn script(interpreter: &str, name: &str, words: &[&str]) -> (Server, u16) {
        let script = format!("{}/tests/peers/{name}", env!("CARGO_MANIFEST_DIR"));
        let mut process = Process::start(Command::new(interpreter).arg(script).args(words));
        let line = process.line();
        let port = line.parse();
        let server = Server(Some(process));
        match port {
            Ok(port) => (server, port),
            Err(_) => panic!("{name} printed {line:?}: {:?}", server.end()),
        }
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> ShutdownReport {
        let process = self.0.take().unwrap();
        process.signal("TERM");
        process.end()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(process) = self.0.take() else { return };
        process.signal("TERM");
        let running = Path::new("/proc").join(process.id().to_string()).join("stat");
        let end = Instant::now() + Duration::from_secs(10);
        // A process that has ended and has not been waited for is a zombie.
        while std::fs::read_to_string(&running).is_ok_and(|stat| !stat.contains(") Z ")) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Whether a port has a listener.
pub(crate) fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// `croupier serve` with a configuration.
pub(crate) struct Croupier {
    server: Server,
    address: SocketAddr,
}

impl Croupier {
    /// Serves what a file says, on a port of its own, with these variables in its environment.
    pub(crate) fn start(config: &str, environment: &[(&str, &str)]) -> Croupier {
        let mut command = Command::new(env!("CARGO_BIN_EXE_croupier"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--config", config]).envs(environment.iter().copied());
        let mut process = Process::start(&mut command);
        let line = process.line();
        let server = Server(Some(process));
        match line.split_once(" listens on http://").and_then(|(_, address)| address.parse().ok()) {
            Some(address) => Croupier { server, address },
            None => panic!("no address in {line:?}: {:?}", server.end()),
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it and gives all that it has printed.
    pub(crate) fn end(self) -> ShutdownReport {
        self.server.end()
    }

    /// The response to a request, over HTTP/1.0, so that nothing is left of the way but the body.
    pub(crate) fn send(&self, verb: &str, path: &str, headers: &str, body: &[u8]) -> Response<Bytes> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = body.len();
        let head = format!("{verb} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {length}\r\n{headers}\r\n");
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let (status, fields) = head.split_once("\r\n").unwrap();
        let mut response = Response::builder().status(status.split(' ').nth(1).unwrap());
        for (name, value) in fields.split("\r\n").map(|field| field.split_once(':').unwrap()) {
            response = response.header(name, value.trim());
        }
        response.body(Bytes::copy_from_slice(&answer[end + 4..])).unwrap()
    }

    fn sent(&self, path: &str, request: &Request<Bytes>) -> Response<Bytes> {
        let fields = request.headers().iter().filter(|(name, _)| *name != "content-length");
        let headers: String = fields.map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap())).collect();
        self.send("POST", path, &headers, request.body())
    }

    /// The status and the JSON of a response over REST.
    pub(crate) fn rest(&self, verb: &str, path: &str, body: &str) -> (u16, Json) {
        let headers = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let response = self.send(verb, path, headers, body.as_bytes());
        (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap_or_default())
    }

    /// The JSON of a response over JSON-RPC.
    pub(crate) fn json_rpc(&self, path: &str, body: &str) -> Json {
        let response = self.send("POST", path, "Content-Type: application/json\r\n", body.as_bytes());
        serde_json::from_slice(response.body()).unwrap()
    }

    /// What a group offers, as its WSDL document has it, once it has this method.
    pub(crate) fn group(&self, path: &str, method: &str) -> Group<'_> {
        let discovered = until(&format!("{method} at {path}"), || {
            let response = self.send("GET", &format!("{path}?wsdl"), "", b"");
            // Until the upstream has described itself, there is no document.
            if response.status() == http::StatusCode::SERVICE_UNAVAILABLE {
                return None;
            }
            let text = response.into_body();
            let document = wsdl::Document { location: "own.wsdl", text: std::str::from_utf8(&text).unwrap() };
            let discovered = wsdl::read(&[document], None).unwrap();
            discovered.interface.methods.iter().any(|own| own.name == method).then_some(discovered)
        });
        let codec = soap::client::SoapCodec::new(Arc::new(discovered.binding.clone()));
        let shapes = Shapes::of(&discovered.interface);
        Group { croupier: self, path: path.to_owned(), discovered, shapes, soap: ClientCodec::Soap(codec) }
    }
}

/// A group behind a gateway, as callers see it.
pub(crate) struct Group<'c> {
    croupier: &'c Croupier,
    path: String,
    pub(crate) discovered: wsdl::WsdlDescription,
    shapes: Shapes,
    soap: ClientCodec,
}

/// What a call came back with, in no protocol's words.
#[derive(Clone, PartialEq)]
pub(crate) enum Outcome {
    Value(Json),
    Fault(Kind, String),
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Value(value) => write!(f, "{value}"),
            Outcome::Fault(kind, message) => write!(f, "{kind:?}: {message}"),
        }
    }
}

impl Outcome {
    pub(crate) fn value(self) -> Json {
        match self {
            Outcome::Value(value) => value,
            fault @ Outcome::Fault(..) => panic!("{fault:?}"),
        }
    }
}

impl Group<'_> {
    /// The names of the methods.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.discovered.interface.methods.iter().map(|method| method.name.as_str()).collect()
    }

    /// A call over one of the protocols, with arguments by position.
    pub(crate) fn call(&self, over: Over, method: &str, args: &[Value]) -> Result<Value, Fault> {
        if over == Over::Rest {
            return self.rest(method, args);
        }
        let dialect = XmlRpcDialect { nil: Nil::Nil, big_integers: BigIntegers::ExI8, ..XmlRpcDialect::default() };
        let (codec, known) = match over {
            Over::XmlRpc => (ClientCodec::XmlRpc(xmlrpc::client::XmlRpcCodec { dialect, ..Default::default() }), None),
            Over::JsonRpc => (ClientCodec::JsonRpc(jsonrpc::client::JsonRpcCodec::default()), None),
            _ => {
                let shape = self.shapes.method(method).unwrap_or_else(|| panic!("{method} in {:?}", self.names()));
                (self.soap.clone(), Some(KnownParams { method: shape, shapes: &self.shapes, inferred: true }))
            }
        };
        let asked = CallTarget::new(method, known);
        let args = if over == Over::Soap { self.named(method, args) } else { args.to_vec() };
        let request = codec.encode_call(asked, ArgValues::ByPosition(args)).unwrap();
        let response = self.croupier.sent(&self.path, &request);
        match codec.decode_response(asked, &response) {
            Ok(value) => Ok(value),
            Err(ResponseError::Fault(fault)) => Err(fault),
            Err(other) => panic!("{over:?} {method}: {other}\n{response:?}"),
        }
    }

    /// The arguments of the parameters: of a method whose parameters nobody knows, one list of all of them.
    fn named(&self, method: &str, args: &[Value]) -> Vec<Value> {
        let own = self.discovered.interface.methods.iter().find(|own| own.name == method).unwrap();
        match own.params.as_slice() {
            [only] if only.name == Param::FREE_NAME => vec![Value::Array(args.to_vec())],
            _ => args.to_vec(),
        }
    }

    fn rest(&self, method: &str, args: &[Value]) -> Result<Value, Fault> {
        let own = self.discovered.interface.methods.iter().find(|own| own.name == method).unwrap();
        let args = self.named(method, args);
        let named = own.params.iter().zip(args).map(|(param, value)| (param.name.clone(), value));
        let body = serde_json::to_string(&Value::Struct(named.collect())).unwrap();
        let headers = "Content-Type: application/json\r\n";
        let response = self.croupier.send("POST", &format!("{}/{method}", self.path), headers, body.as_bytes());
        match response.status().as_u16() {
            204 => Ok(Value::Nil),
            200 => {
                let json: &RawValue = serde_json::from_slice(response.body()).unwrap();
                Ok(Value::deserialize(TypedJson(json)).unwrap())
            }
            _ => {
                let problem: Json = serde_json::from_slice(response.body()).unwrap();
                let code = problem["code"].as_i64().map_or(-32500, |code| i32::try_from(code).unwrap());
                let kind = Kind::from_word(problem["kind"].as_str().unwrap(), code);
                Err(Fault::new(kind.unwrap(), problem["detail"].as_str().unwrap().to_owned()))
            }
        }
    }

    /// The same as [`call`](Group::call), for comparison.
    pub(crate) fn outcome(&self, over: Over, method: &str, args: &[Value]) -> Outcome {
        match self.call(over, method, args) {
            Ok(value) => Outcome::Value(serde_json::to_value(digits(value)).unwrap()),
            Err(fault) => {
                // Over XML-RPC a fault always has a code, and so has one with data over JSON-RPC.
                let none = Kind::Service(None);
                let codes = [none.xmlrpc_code(), none.jsonrpc_code()].map(|code| Kind::Service(Some(code)));
                let kind = if codes.contains(&fault.kind) { none } else { fault.kind };
                // The data of these faults are objects, which XML-RPC has behind the message.
                let message = fault.message.split(" ({").next().unwrap_or_default();
                Outcome::Fault(kind, message.to_owned())
            }
        }
    }

    /// The outcome of a call, which is the same over all protocols.
    pub(crate) fn agreed(&self, method: &str, args: &[Value]) -> Outcome {
        let outcomes = Over::ALL.map(|over| self.outcome(over, method, args));
        for (over, outcome) in Over::ALL.iter().zip(&outcomes) {
            assert_eq!(outcome, &outcomes[0], "{method} over {over:?}, and over XML-RPC");
        }
        let [first, ..] = outcomes;
        first
    }
}

/// Integers beyond 64 bits as the text of their digits, which is how some protocols have to write them.
fn digits(value: Value) -> Value {
    match value {
        Value::Number(value) => Value::Text(value.to_string()),
        Value::Array(items) => Value::Array(items.into_iter().map(digits).collect()),
        Value::Struct(members) => {
            Value::Struct(members.into_iter().map(|(name, value)| (name, digits(value))).collect())
        }
        other => other,
    }
}

/// A text as an argument.
pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}
