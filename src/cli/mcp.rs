//! `croupier mcp`: serves MCP over standard input and output, for clients that start a program instead of calling a URL.
//!
//! ```text
//! stdin ──thread──▶ Session ──task per message──▶ Gateway
//! stdout ◀──thread──────────── responses ◀────────────
//! ```
//!
//! Each line is a request to the gateway of this process, so the rules and limits of the group hold. Without `--group`, the endpoint is
//! that of `[mcp]`, or that of the only group with MCP. No listener is opened.

use std::collections::HashMap;
use std::future::pending;
use std::io::{self, BufRead, Read as _};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::thread;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, Version};
use http_body_util::{BodyExt as _, Collected, Full};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};
use tower_service::Service as _;

use super::args::McpArgs;
use super::load::load;
use super::output::{Console, write_all};
use super::target::credential_headers;
use super::{Failure, logging, memory_limit, signals};
use crate::config::{Config, LogFormat, Registry};
use crate::http::body::Body;
use crate::http::media_type::is_event_stream;
use crate::model::fault::BoxError;
use crate::protocol::Protocol;
use crate::protocol::mcp::request_id::{IdFinder, id_key};
use crate::protocol::mcp::server::stdio::{self, StdioKind, StdioMessage, event_message};
use crate::server::Server;
use crate::server::gateway::Gateway;
use crate::server::mount::GroupMount;
use crate::server::request_body::{BodyReader, MemoryBudget};
use crate::server::runtime::Runtime;
use crate::service::lock::lock;

/// How many messages are served at the same time. Further lines are read when one of these has its response.
const MAX_RUNNING: usize = 64;

/// A line of standard input, without its end.
#[derive(Debug)]
enum InputLine {
    Message(Vec<u8>),
    /// A message that is longer than the limit, with its `id` if it has one.
    TooLong(Option<Box<str>>),
}

/// Where messages are sent.
struct Endpoint {
    uri: Uri,
    /// Headers of each request, for groups that require credentials.
    headers: HeaderMap,
    /// The most bytes of a message.
    longest: usize,
}

/// What serves the messages of the client.
struct Session {
    gateway: Gateway,
    endpoint: Endpoint,
    /// The revision that the handshake has agreed on.
    agreed: Mutex<Option<HeaderValue>>,
}

/// The messages that are being served.
#[derive(Default)]
struct Running {
    tasks: JoinSet<()>,
    /// The requests that a notification can cancel, by the [keys](id_key) of their ids.
    requests: HashMap<Box<str>, AbortHandle>,
}

/// Serves one endpoint until standard input ends, or a signal to stop is received.
pub(super) fn mcp(args: &McpArgs, registry: &Registry) -> ExitCode {
    Console::run(|console| run(args, registry, console))
}

fn run(args: &McpArgs, registry: &Registry, console: &mut Console) -> Result<(), Failure> {
    let config = load(args.config.path(), registry)?;
    console.is_for_people = config.log.format == LogFormat::Text;
    logging::start(&config.log, &console.stderr);
    logging::log_remarks(&config.remarks);
    memory_limit::check(&config);
    let joined = config.mcp.as_ref().filter(|_| args.group.is_none());
    let (path, longest) = match joined {
        Some(mcp) => (mcp.path.clone(), mcp.body_limit(&config.groups)),
        None => {
            let group = find_group(&config.groups, args.group.as_deref())?;
            (stdio::endpoint(&group.path), group.limits().body)
        }
    };
    let endpoint = Endpoint { uri: path.parse()?, headers: credential_headers(&args.credentials)?, longest };
    tracing::info!("the tools of {path} are served over standard input and output");
    let tokio_runtime = Builder::new_current_thread().enable_all().build()?;
    let served = tokio_runtime.block_on(serve(&config, endpoint));
    // Does not wait for blocking threads: one may still run a method.
    tokio_runtime.shutdown_background();
    served
}

/// The group at a path, or without a path the only group with MCP.
fn find_group<'c>(groups: &'c [GroupMount], path: Option<&str>) -> Result<&'c GroupMount, Failure> {
    let with_mcp: Vec<&GroupMount> = groups.iter().filter(|group| group.protocols.has(Protocol::Mcp)).collect();
    let paths = || with_mcp.iter().map(|group| group.path.as_str()).collect::<Vec<_>>().join(", ");
    let usage = |message: String| Err(Failure::usage(format!("croupier: {message}")));
    let Some(path) = path else {
        return match with_mcp[..] {
            [only] => Ok(only),
            [] => usage("no group has MCP among its `protocols`".to_owned()),
            _ => usage(format!("more than one group has MCP; choose one with --group: {}", paths())),
        };
    };
    let is_meant = |group: &&GroupMount| group.path == path || group.aliases.iter().any(|alias| alias == path);
    match (with_mcp.iter().find(|group| is_meant(group)), groups.iter().any(|group| is_meant(&group))) {
        (Some(group), _) => Ok(group),
        (None, true) => usage(format!("the group `{path}` has no MCP among its `protocols`")),
        (None, false) => usage(format!("there is no group `{path}`; those with MCP are {}", paths())),
    }
}

async fn serve(config: &Config, endpoint: Endpoint) -> Result<(), Failure> {
    let stop = signals::stop(pending(), |_| ())?;
    let memory = MemoryBudget::new(config.settings.memory).on_runtime(Handle::current());
    let body_reader = BodyReader { memory, ..BodyReader::new(&config.settings) };
    let runtime = Runtime::start(config.mounts(), body_reader).await?;
    // It is not run: it applies the limits of the server to the gateway.
    let gateway = Server::new(runtime.gateway(), config.settings, None).gateway();
    let (lines, received) = mpsc::channel(1);
    let (responses, waiting) = mpsc::channel(1);
    let (written, all_written) = oneshot::channel();
    let longest = endpoint.longest;
    // Threads, because reading standard input cannot be interrupted: the program ends while this one still reads.
    thread::Builder::new()
        .name("mcp-stdin".into())
        .spawn(move || read_lines(&mut io::stdin().lock(), longest, &lines))?;
    thread::Builder::new().name("mcp-stdout".into()).spawn(move || {
        write_lines(waiting);
        // An error means that the program ends already, because standard output is closed.
        let _ = written.send(());
    })?;
    let session = Arc::new(Session { gateway, endpoint, agreed: Mutex::default() });
    let mut running = Running::default();
    let serving = async {
        session.serve(received, &responses, &mut running).await;
        drop(responses);
        let finish = async {
            while running.tasks.join_next().await.is_some() {}
            // An error means that standard output is closed.
            let _ = all_written.await;
        };
        tokio::time::timeout(config.settings.timeouts.drain, finish).await
    };
    tokio::select! {
        () = stop => tracing::info!("stopped by a signal"),
        ended = serving => match ended {
            Ok(()) => tracing::info!("stopped: standard input has ended, or standard output is closed"),
            Err(_) => tracing::warn!("stopped: calls were still running after the drain time and were cut"),
        },
    }
    Ok(())
}

impl Session {
    /// Begins to serve each line until there are no more, or until responses cannot be written.
    async fn serve(
        self: &Arc<Session>,
        mut lines: mpsc::Receiver<InputLine>,
        responses: &mpsc::Sender<Vec<u8>>,
        running: &mut Running,
    ) {
        loop {
            tokio::select! {
                () = responses.closed() => {
                    // No response can be written any more.
                    running.tasks.abort_all();
                    return;
                }
                Some(_) = running.tasks.join_next() => running.requests.retain(|_, task| !task.is_finished()),
                line = lines.recv(), if running.tasks.len() < MAX_RUNNING => match line {
                    Some(line) => self.begin(line, responses, running),
                    None => return,
                },
            }
        }
    }

    fn begin(self: &Arc<Session>, line: InputLine, responses: &mpsc::Sender<Vec<u8>>, running: &mut Running) {
        let (session, responses) = (self.clone(), responses.clone());
        let line = match line {
            InputLine::Message(line) => line,
            InputLine::TooLong(id) => {
                let refusal = stdio::refuse_long(id.as_deref(), self.endpoint.longest);
                running.tasks.spawn(async move { drop(responses.send(refusal).await) });
                return;
            }
        };
        let agreed = lock(&self.agreed).clone();
        let message = StdioMessage::read(&line, agreed.as_ref());
        if let StdioKind::Cancellation(key) = &message.kind {
            if let Some(request) = key.as_ref().and_then(|key| running.requests.remove(key)) {
                request.abort();
            }
            return;
        }
        let key = message.id.as_deref().filter(|_| message.kind == StdioKind::Request).map(id_key);
        let task = running.tasks.spawn(async move {
            if let Some(response) = session.respond(&message, line.into(), &responses).await {
                // An error means that standard output is closed, which ends the program.
                let _ = responses.send(response).await;
            }
        });
        running.requests.extend(key.map(|key| (key, task)));
    }

    /// The line for the response to a message, if there is one. Progress reports are sent to `responses` before.
    async fn respond(&self, message: &StdioMessage, line: Bytes, responses: &mpsc::Sender<Vec<u8>>) -> Option<Vec<u8>> {
        let mut request = Request::post(self.endpoint.uri.clone()).body(Full::new(line)).ok()?;
        // Only this version of HTTP needs no `Host`, and there is none.
        *request.version_mut() = Version::HTTP_2;
        request.headers_mut().extend(self.endpoint.headers.clone());
        request.headers_mut().extend(message.headers.clone());
        #[cfg(unix)]
        request.extensions_mut().insert(own_process());
        let Ok(response) = self.gateway.clone().call(request).await;
        let status = response.status();
        let body = match is_event_stream(response.headers()) {
            true => last_message(response.into_body(), responses).await,
            false => response.into_body().collect().await.map(Collected::to_bytes),
        };
        let (status, body) = match body {
            Ok(body) => (status, body),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, Bytes::from(format!("the response broke off: {error}"))),
        };
        if message.kind == StdioKind::Handshake
            && let Some(revision) = stdio::agreed_revision(&body)
        {
            *lock(&self.agreed) = Some(revision);
        }
        message.response(status, &body)
    }
}

/// The message of the last event of a stream, which is the response. Sends the messages before it, which are notifications.
async fn last_message(mut stream: Body, responses: &mpsc::Sender<Vec<u8>>) -> Result<Bytes, BoxError> {
    let mut last = Bytes::new();
    while let Some(frame) = stream.frame().await {
        let Ok(event) = frame?.into_data() else { continue };
        let before = std::mem::replace(&mut last, event_message(&event));
        if !before.is_empty() {
            responses.send(before.into()).await?;
        }
    }
    Ok(last)
}

/// The user of this process, who is the caller.
#[cfg(unix)]
fn own_process() -> crate::server::auth::unix::PeerProcess {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    crate::server::auth::unix::PeerProcess { uid, gid }
}

/// Reads lines until the input ends or their receiver is dropped. Of a line that is longer than `longest` bytes, only the `id` is kept.
fn read_lines(input: &mut impl BufRead, longest: usize, lines: &mpsc::Sender<InputLine>) {
    loop {
        match read_line(input, longest) {
            Ok(Some(InputLine::Message(line))) if line.trim_ascii().is_empty() => {}
            Ok(Some(line)) => {
                if lines.blocking_send(line).is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => return tracing::error!("standard input cannot be read: {error}"),
        }
    }
}

/// Reads a line; `None` at the end of the input. The last line may have no end.
fn read_line(input: &mut impl BufRead, longest: usize) -> io::Result<Option<InputLine>> {
    let mut line = Vec::new();
    let limit = u64::try_from(longest).unwrap_or(u64::MAX).saturating_add(1);
    input.by_ref().take(limit).read_until(b'\n', &mut line)?;
    match line.last() {
        None => return Ok(None),
        Some(b'\n') => {
            line.pop();
            return Ok(Some(InputLine::Message(line)));
        }
        Some(_) if line.len() <= longest => return Ok(Some(InputLine::Message(line))),
        Some(_) => {}
    }
    let mut finder = IdFinder::default();
    finder.read(&line);
    drop(line);
    loop {
        let available = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            available => available?,
        };
        let (rest, used, ended) = match memchr::memchr(b'\n', available) {
            Some(end) => (available.get(..end).unwrap_or_default(), end + 1, true),
            None => (available, available.len(), available.is_empty()),
        };
        finder.read(rest);
        input.consume(used);
        if ended {
            return Ok(Some(InputLine::TooLong(finder.id().map(Into::into))));
        }
    }
}

/// Writes responses until there are no more, or standard output is closed.
fn write_lines(mut responses: mpsc::Receiver<Vec<u8>>) {
    let mut output = io::stdout();
    while let Some(mut line) = responses.blocking_recv() {
        line.push(b'\n');
        if let Err(error) = write_all(&mut output, &line) {
            return tracing::info!("standard output is closed: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_leaves_its_id_and_the_next_line() {
        let long = format!(r#"{{"params":"{}","id":"x9"}}"#, "x".repeat(100));
        let text = format!("short\n{long}\n0123456789\n0123456789A\nlast");
        let mut input = io::BufReader::with_capacity(7, text.as_bytes());
        let mut read = Vec::new();
        while let Some(line) = read_line(&mut input, 10).unwrap() {
            read.push(match line {
                InputLine::Message(line) => String::from_utf8(line).unwrap(),
                InputLine::TooLong(id) => format!("too long: {id:?}"),
            });
        }
        assert_eq!(read, ["short", r#"too long: Some("\"x9\"")"#, "0123456789", "too long: None", "last"]);
    }
}
