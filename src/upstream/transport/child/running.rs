//! A program that runs.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use http::Response;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, sleep_until, timeout};

use super::lines::{Line, Lines};
use super::{ChildError, ReceivedMessage, SentMessage};
use crate::codec::json::members::present;
use crate::model::text::{abridge, printable};
use crate::protocol::mcp::client::handshake;
use crate::protocol::mcp::client::handshake::Agreement;
use crate::protocol::mcp::client::message::MessageId;
use crate::upstream::transport::error::ProgramError;
use crate::upstream::transport::program::{INHERITED, Program};

/// How long a program may take for the handshake. Some install themselves at their first start.
const HANDSHAKE: Duration = Duration::from_secs(60);
/// How long a program may take to end once its input is closed.
const GRACE: Duration = Duration::from_secs(2);
/// How long the last lines of the log of a program that has ended are waited for.
const LAST_LINES: Duration = Duration::from_millis(200);
/// How often is looked whether a program has ended while the thread waits for it.
const LOOK: Duration = Duration::from_millis(10);
/// How many bytes may wait until the program reads them.
const MAX_UNREAD: usize = 16 << 20;
/// How many bytes are read at a time.
const READ_SIZE: usize = 32 << 10;
/// The longest line of the program's log, in bytes.
const LOG_LINE: usize = 1000;
/// How many lines of the program's log are logged within this time.
const LOG_LINES: (u32, Duration) = (100, Duration::from_secs(10));

/// A program that runs, and the messages that wait for its responses.
pub(super) struct RunningProgram {
    child: Child,
    /// `None` once it is closed.
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    /// `None` once it is closed.
    stderr: Option<ChildStderr>,
    lines: Lines,
    log: ProgramLog,
    /// What is to be written, and how many bytes that are.
    unwritten: VecDeque<Bytes>,
    unwritten_bytes: usize,
    state: State,
    waiting: HashMap<u64, SentMessage>,
    begun: Instant,
    name: String,
    max_line: usize,
}

/// How far the handshake has come.
enum State {
    /// The messages wait until the response with this `id` has come.
    Beginning { id: u64, messages: Vec<SentMessage> },
    /// It is over; `None` if the program needs none.
    Ready(Option<Arc<Agreement>>),
}

/// The members of a message of a program that are looked at.
#[derive(Deserialize)]
struct MessageHead<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<std::borrow::Cow<'a, str>>,
}

impl RunningProgram {
    /// Starts a program, and begins the handshake: old programs refuse every other message before it, and those that need none say so.
    ///
    /// # Errors
    /// Why it cannot be started.
    pub(super) fn start(program: &Program, group: &str) -> Result<RunningProgram, ProgramError> {
        let mut command = Command::new(&program.program);
        command.args(&program.args).env_clear().kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.envs(INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.envs(program.env.iter().map(|(name, value)| (name, value)));
        if let Some(directory) = &program.directory {
            command.current_dir(directory);
        }
        // A signal of the terminal is for this process, which ends the program itself, with all that the program has started.
        #[cfg(unix)]
        command.process_group(0);
        let name = program.name().to_owned();
        let failed = |detail: String| ProgramError::new("its program cannot be started", detail);
        let spawned = command.spawn();
        let mut child = spawned.map_err(|error| failed(format!("`{}` cannot be started: {error}", abridge(&name))))?;
        let (Some(stdin), Some(stdout), stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take()) else {
            return Err(failed("it has no standard input and output".to_owned()));
        };
        tracing::info!(group, program = name, process = child.id(), "the program of an upstream was started");
        let request = handshake::initialize();
        let id = request.extensions().get::<MessageId>().map_or(0, |MessageId(id)| *id);
        let mut running = RunningProgram {
            child,
            stdin: Some(stdin),
            stdout,
            stderr,
            lines: Lines::new(program.max_line),
            log: ProgramLog::new(group, &name),
            unwritten: VecDeque::new(),
            unwritten_bytes: 0,
            state: State::Beginning { id, messages: Vec::new() },
            waiting: HashMap::new(),
            begun: Instant::now(),
            name,
            max_line: program.max_line,
        };
        running.write(request.into_body());
        Ok(running)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn age(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Sends a message, once the handshake is over.
    pub(super) fn send(&mut self, message: SentMessage) {
        if let State::Beginning { messages, .. } = &mut self.state {
            messages.push(message);
            return;
        }
        if message.respond.is_closed() {
            return;
        }
        if self.unwritten_bytes > MAX_UNREAD {
            let reason = "its program does not read its messages";
            let reason = ProgramError::new(reason, reason);
            // An error means that the caller has left.
            let _ = message.respond.send(Err(ChildError::NotSent(reason)));
            return;
        }
        self.write(message.line.clone());
        self.waiting.insert(message.id, message);
    }

    /// Tells the program that a response is of no use any longer (specification, "Cancellation").
    pub(super) fn cancel(&mut self, id: u64) {
        if let State::Beginning { messages, .. } = &mut self.state {
            messages.retain(|message| message.id != id);
        }
        if self.waiting.remove(&id).is_some() {
            let text =
                format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#);
            self.write(text.into());
        }
    }

    /// Reads and writes until the program has ended, and returns how. It can be dropped and called again at any time.
    pub(super) async fn work(&mut self) -> ProgramError {
        loop {
            let until = self.begun + HANDSHAKE;
            let is_beginning = matches!(self.state, State::Beginning { .. });
            let Self { child, stdin, stdout, stderr, lines, log, unwritten, .. } = self;
            let first = unwritten.front().map(Bytes::as_ref).unwrap_or_default();
            lines.buffer.reserve(READ_SIZE);
            tokio::select! {
                read = stdout.read_buf(&mut lines.buffer) => match read {
                    Ok(0) => return ended(child, log, stderr).await,
                    Ok(_) => self.read_lines(),
                    Err(error) => return has_ended(format!("its output cannot be read: {error}")),
                },
                written = write_some(stdin, first), if !first.is_empty() => match written {
                    Ok(length) => self.has_written(length),
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return ended(child, log, stderr).await,
                    Err(error) => return has_ended(format!("its input cannot be written: {error}")),
                },
                read = log.read(stderr), if stderr.is_some() => {
                    if !read {
                        self.stderr = None;
                    }
                },
                () = sleep_until(until), if is_beginning => {
                    return has_ended(format!("no handshake within {HANDSHAKE:?}"));
                },
            }
        }
    }

    /// Says to all who wait that the program has ended.
    pub(super) fn fail_all(&mut self, reason: &ProgramError) {
        if let State::Beginning { messages, .. } = &mut self.state {
            for message in messages.drain(..) {
                // An error means that the caller has left; here and below.
                let _ = message.respond.send(Err(ChildError::NotSent(reason.clone())));
            }
        }
        for (_, message) in self.waiting.drain() {
            let _ = message.respond.send(Err(ChildError::Ended(reason.clone())));
        }
    }

    /// Ends the program: closes its input, and kills it if it still runs after a grace.
    pub(super) async fn end(&mut self) {
        self.stdin = None;
        if timeout(GRACE, self.child.wait()).await.is_err() {
            self.kill();
            // It is gone once it has been waited for.
            let _ = self.child.wait().await;
        }
    }

    /// Kills the program, and what it has started.
    fn kill(&mut self) {
        #[cfg(unix)]
        if let Some(group) =
            self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw)
        {
            // An error means that it has ended.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.child.start_kill();
    }

    fn write(&mut self, message: Bytes) {
        self.unwritten_bytes += message.len() + 1;
        self.unwritten.extend([message, Bytes::from_static(b"\n")]);
    }

    fn has_written(&mut self, length: usize) {
        self.unwritten_bytes = self.unwritten_bytes.saturating_sub(length);
        if let Some(first) = self.unwritten.front_mut() {
            first.advance(length.min(first.len()));
            if first.is_empty() {
                self.unwritten.pop_front();
            }
        }
    }

    fn read_lines(&mut self) {
        while let Some(line) = self.lines.next() {
            match line {
                Line::Whole(line) => self.read_message(line),
                Line::TooLong(id) => {
                    let id = id.and_then(|id| number(&id));
                    if let Some(message) = id.and_then(|id| self.waiting.remove(&id)) {
                        let _ = message.respond.send(Err(ChildError::TooLong(self.max_line)));
                    }
                }
            }
        }
    }

    /// Reads a message of the program: a response, a request, or a notice, of which none is needed.
    fn read_message(&mut self, line: Bytes) {
        let Ok(MessageHead { id, method }) = serde_json::from_slice::<MessageHead<'_>>(&line) else {
            if !line.trim_ascii().is_empty() {
                self.log.line(&line, "the program of an upstream has written what is no message");
            }
            return;
        };
        match (id.map(RawValue::get), method) {
            (Some(id), Some(method)) if self.unwritten_bytes <= MAX_UNREAD => {
                let response = match &*method {
                    "ping" => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#),
                    _ => format!(
                        r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"message":"there is no such method"}}}}"#
                    ),
                };
                self.write(response.into());
            }
            (Some(id), None) => {
                let Some(id) = number(id) else { return };
                if matches!(self.state, State::Beginning { id: own, .. } if own == id) {
                    self.end_handshake(id, line);
                } else if let Some(message) = self.waiting.remove(&id) {
                    let agreement = match &self.state {
                        State::Ready(agreement) => agreement.clone(),
                        State::Beginning { .. } => None,
                    };
                    let _ = message.respond.send(Ok(ReceivedMessage { line, agreement }));
                }
            }
            _ => {}
        }
    }

    /// Ends the handshake with its response. A program that refuses it is one that needs none.
    fn end_handshake(&mut self, id: u64, line: Bytes) {
        let mut response = Response::new(line);
        response.extensions_mut().insert(MessageId(id));
        let agreement = handshake::agreement(&response).ok().map(Arc::new);
        if agreement.is_some() {
            self.write(handshake::initialized().into_body());
        }
        if let State::Beginning { messages, .. } = std::mem::replace(&mut self.state, State::Ready(agreement)) {
            for message in messages {
                self.send(message);
            }
        }
    }
}

impl Drop for RunningProgram {
    /// Ends the program if the runtime ends before the task: the thread waits, for the grace at most.
    fn drop(&mut self) {
        self.stdin = None;
        let until = std::time::Instant::now() + GRACE;
        while let Ok(None) = self.child.try_wait() {
            if std::time::Instant::now() >= until {
                self.kill();
                return;
            }
            thread::sleep(LOOK);
        }
    }
}

/// The `id` of a message, which a program may write as a text.
fn number(id: &str) -> Option<u64> {
    id.trim_matches('"').parse().ok()
}

async fn write_some(stdin: &mut Option<ChildStdin>, bytes: &[u8]) -> io::Result<usize> {
    match stdin {
        Some(stdin) => stdin.write(bytes).await,
        None => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

/// How a program has ended that has closed its output, with the last line of its log.
async fn ended(child: &mut Child, log: &mut ProgramLog, stderr: &mut Option<ChildStderr>) -> ProgramError {
    let how = match timeout(GRACE, child.wait()).await {
        Ok(Ok(status)) => how_ended(status),
        _ => "it has closed its output".to_owned(),
    };
    let rest = async { while log.read(stderr).await {} };
    // What the program has started may keep its log open.
    let _ = timeout(LAST_LINES, rest).await;
    has_ended(match &log.last {
        Some(last) => format!("{how}; its last line is: {last}"),
        None => how,
    })
}

fn has_ended(detail: String) -> ProgramError {
    ProgramError::new("its program has ended", detail)
}

fn how_ended(status: ExitStatus) -> String {
    format!("it has ended ({status})")
}

/// What a program writes to its standard error.
struct ProgramLog {
    group: String,
    name: String,
    buffer: BytesMut,
    /// The last line, for the reason of its end.
    last: Option<String>,
    /// Since when lines are counted, how many there were, and how many of them were not logged.
    since: Instant,
    count: u32,
    left_out: u32,
}

impl ProgramLog {
    fn new(group: &str, name: &str) -> ProgramLog {
        ProgramLog {
            group: group.to_owned(),
            name: name.to_owned(),
            buffer: BytesMut::new(),
            last: None,
            since: Instant::now(),
            count: 0,
            left_out: 0,
        }
    }

    /// Reads and logs some lines. Returns whether there may be more.
    async fn read(&mut self, stderr: &mut Option<ChildStderr>) -> bool {
        let Some(stderr) = stderr else { return false };
        self.buffer.reserve(READ_SIZE);
        let is_open = matches!(stderr.read_buf(&mut self.buffer).await, Ok(length) if length > 0);
        loop {
            let end = memchr::memchr(b'\n', &self.buffer);
            let (length, used) = match end {
                Some(end) => (end, end + 1),
                // A longer line is logged in parts.
                None if self.buffer.len() >= LOG_LINE || !is_open && !self.buffer.is_empty() => {
                    (self.buffer.len(), self.buffer.len())
                }
                None => return is_open,
            };
            let line = self.buffer.split_to(used);
            self.line(line.get(..length).unwrap_or_default(), "the program of an upstream says");
        }
    }

    fn line(&mut self, line: &[u8], what: &str) {
        let text = String::from_utf8_lossy(line.get(..LOG_LINE).unwrap_or(line));
        let text = printable(text.trim(), LOG_LINE).into_owned();
        if text.is_empty() {
            return;
        }
        let (most, within) = LOG_LINES;
        let (group, program) = (self.group.as_str(), self.name.as_str());
        if self.since.elapsed() >= within {
            if self.left_out > 0 {
                let count = self.left_out;
                tracing::warn!(group, program, count, "lines of the program of an upstream were not logged");
            }
            (self.since, self.count, self.left_out) = (Instant::now(), 0, 0);
        }
        if self.count < most {
            tracing::info!(group, program, line = text, "{what}");
        }
        self.left_out += u32::from(self.count >= most);
        self.count = self.count.saturating_add(1);
        self.last = Some(text);
    }
}
