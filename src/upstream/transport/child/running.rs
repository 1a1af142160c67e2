//! A program that runs: its messages in both directions, and its end.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http::Response;
use serde_json::value::RawValue;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::lines::{Line, LineBuffer};
use super::process_group::ProcessGroup;
use super::program_log::ProgramLog;
use super::{ChildError, ReceivedMessage, SentMessage};
use crate::model::text::abridge;
use crate::protocol::mcp::client::handshake;
use crate::protocol::mcp::client::handshake::{Agreement, HandshakeError};
use crate::protocol::mcp::client::message::{MessageHead, MessageId, cancelled};
use crate::upstream::transport::error::ProgramError;
use crate::upstream::transport::program::{INHERITED, Program};

/// How long a program may take for the handshake. Some install themselves at their first start.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a program may take to end after its input is closed, and again after it is asked to end.
const GRACE: Duration = Duration::from_secs(2);
/// How long the reader of the log waits for the last lines of a program that has ended.
const LAST_LINES_TIMEOUT: Duration = Duration::from_millis(200);
/// The time between two checks whether the processes of a program have ended.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// How many bytes may wait for the program to read them.
const MAX_UNREAD: usize = 16 << 20;
/// How many bytes are read at a time.
const READ_SIZE: usize = 32 << 10;

/// A program that runs, and the calls that wait for its responses.
pub(super) struct RunningProgram {
    child: Child,
    processes: ProcessGroup,
    /// Whether all its processes have ended.
    is_gone: bool,
    /// `None` once it is closed.
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    /// `None` once it is closed.
    stderr: Option<ChildStderr>,
    lines: LineBuffer,
    log: ProgramLog,
    /// What is still to be written.
    unwritten: VecDeque<Bytes>,
    /// How many bytes that are.
    unwritten_bytes: usize,
    state: State,
    /// The messages that were sent and have no response yet, by their `id`.
    waiting: HashMap<u64, SentMessage>,
    started: Instant,
    name: String,
    max_line: usize,
}

/// How far the handshake has come.
enum State {
    /// The response with this `id` has not come. Messages wait for it.
    Handshake { id: u64, messages: Vec<SentMessage> },
    /// The handshake is over; `None` if the program needs none.
    Ready(Option<Arc<Agreement>>),
}

/// Why a program can no longer be used.
pub(super) enum Stop {
    /// It has closed its output or its input, in most cases because it has ended.
    Closed,
    /// It cannot be read or written, or the handshake has failed.
    Failed(ProgramError),
}

impl RunningProgram {
    /// Starts a program, and begins the handshake. Programs of older revisions refuse all other messages before it. A
    /// program that refuses the handshake needs none.
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
        // Ctrl-C in a terminal signals the process group of croupier. The program gets a group of its own, because croupier ends it.
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
            processes: ProcessGroup::led_by(&child),
            is_gone: false,
            child,
            stdin: Some(stdin),
            stdout,
            stderr,
            lines: LineBuffer::new(program.max_line),
            log: ProgramLog::new(group, &name),
            unwritten: VecDeque::new(),
            unwritten_bytes: 0,
            state: State::Handshake { id, messages: Vec::new() },
            waiting: HashMap::new(),
            started: Instant::now(),
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
        self.started.elapsed()
    }

    /// Sends a message, once the handshake is over.
    pub(super) fn send(&mut self, message: SentMessage) {
        if let State::Handshake { messages, .. } = &mut self.state {
            messages.push(message);
            return;
        }
        if message.respond.is_closed() {
            return;
        }
        if self.unwritten_bytes > MAX_UNREAD {
            let reason = "its program does not read its messages";
            let reason = ProgramError::new(reason, reason);
            // An error means that the call was cancelled; here and below.
            let _ = message.respond.send(Err(ChildError::NotSent(reason)));
            return;
        }
        self.write(message.line.clone());
        self.waiting.insert(message.id, message);
    }

    /// Cancels a message, and notifies the program of that if the message was sent (specification, "Cancellation").
    pub(super) fn cancel(&mut self, id: u64) {
        if let State::Handshake { messages, .. } = &mut self.state {
            messages.retain(|message| message.id != id);
        }
        if self.waiting.remove(&id).is_some() {
            self.write(cancelled(MessageId(id)).into_body());
        }
    }

    /// Reads and writes until the program can no longer be used. It is cancel-safe: what was read and written is noted in `self`, and the
    /// deadline of the handshake does not move.
    pub(super) async fn work(&mut self) -> Stop {
        loop {
            let until = self.started + HANDSHAKE_TIMEOUT;
            let in_handshake = matches!(self.state, State::Handshake { .. });
            let Self { stdin, stdout, stderr, lines, log, unwritten, .. } = self;
            let first = unwritten.front().map(Bytes::as_ref).unwrap_or_default();
            lines.buffer.reserve(READ_SIZE);
            tokio::select! {
                read = stdout.read_buf(&mut lines.buffer) => match read {
                    Ok(0) => return Stop::Closed,
                    Ok(_) => {
                        if let Err(reason) = self.read_lines() {
                            return Stop::Failed(reason);
                        }
                    }
                    Err(error) => return Stop::failed(format!("its output cannot be read: {error}")),
                },
                written = write_some(stdin, first), if !first.is_empty() => match written {
                    Ok(length) => self.has_written(length),
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Stop::Closed,
                    Err(error) => return Stop::failed(format!("its input cannot be written: {error}")),
                },
                read = log.read(stderr), if stderr.is_some() => {
                    if !read {
                        self.stderr = None;
                    }
                },
                () = sleep_until(until), if in_handshake => {
                    return Stop::failed(format!("no handshake within {HANDSHAKE_TIMEOUT:?}"));
                },
            }
        }
    }

    /// Fails all calls that wait for a response.
    pub(super) fn fail_all(&mut self, reason: &ProgramError) {
        if let State::Handshake { messages, .. } = &mut self.state {
            for message in messages.drain(..) {
                let _ = message.respond.send(Err(ChildError::NotSent(reason.clone())));
            }
        }
        for (_, message) in self.waiting.drain() {
            let _ = message.respond.send(Err(ChildError::Ended(reason.clone())));
        }
    }

    /// Why the program can no longer be used. If it has closed its output, this waits for its end, for the grace at most.
    pub(super) async fn reason(&mut self, stop: Stop) -> ProgramError {
        if let Stop::Failed(reason) = stop {
            return reason;
        }
        let how = match timeout(GRACE, self.child.wait()).await {
            Ok(Ok(status)) => how_ended(status),
            _ => "it has closed its output".to_owned(),
        };
        let Self { log, stderr, .. } = self;
        let rest = async { while log.read(stderr).await {} };
        // A process that the program has started may keep its standard error open.
        let _ = timeout(LAST_LINES_TIMEOUT, rest).await;
        has_ended(match &log.last {
            Some(last) => format!("{how}; its last line is: {last}"),
            None => how,
        })
    }

    /// Ends the program (specification, "Shutdown"): closes its input, asks it to end if it still runs after a grace, and kills it after
    /// another. The processes that it has started are asked to end as soon as the program has ended.
    pub(super) async fn end(&mut self) {
        self.stdin = None;
        // An error means that the time is over.
        let _ = timeout(GRACE, self.child.wait()).await;
        self.processes.terminate();
        let all_ended = async {
            let _ = self.child.wait().await;
            while self.processes.has_processes() {
                sleep(POLL_INTERVAL).await;
            }
        };
        if timeout(GRACE, all_ended).await.is_err() {
            self.kill();
            // Reaps the killed program.
            let _ = self.child.wait().await;
        }
        self.is_gone = true;
    }

    /// Kills the program, and the processes that it has started.
    fn kill(&mut self) {
        self.processes.kill();
        // An error means that it has ended.
        let _ = self.child.start_kill();
    }

    /// Whether the program itself runs.
    fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
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

    fn read_lines(&mut self) -> Result<(), ProgramError> {
        while let Some(line) = self.lines.next() {
            match line {
                Line::Whole(line) => self.read_message(line)?,
                Line::TooLong(id) => {
                    let id = id.and_then(|id| MessageId::read(&id));
                    if let Some(message) = id.and_then(|MessageId(id)| self.waiting.remove(&id)) {
                        let _ = message.respond.send(Err(ChildError::TooLong(self.max_line)));
                    }
                }
            }
        }
        Ok(())
    }

    /// Handles a message of the program. A response goes to the call that waits for it, and a request gets a response. Notifications
    /// are ignored.
    ///
    /// # Errors
    /// If the handshake has failed.
    fn read_message(&mut self, line: Bytes) -> Result<(), ProgramError> {
        let Ok(MessageHead { id, method, .. }) = serde_json::from_slice::<MessageHead<'_>>(&line) else {
            if !line.trim_ascii().is_empty() {
                self.log.log(&line, "the program of an upstream has written a line that is not a message");
            }
            return Ok(());
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
                let Some(MessageId(id)) = MessageId::read(id) else { return Ok(()) };
                if matches!(self.state, State::Handshake { id: own, .. } if own == id) {
                    return self.end_handshake(id, line);
                }
                if let Some(message) = self.waiting.remove(&id) {
                    let agreement = match &self.state {
                        State::Ready(agreement) => agreement.clone(),
                        State::Handshake { .. } => None,
                    };
                    let _ = message.respond.send(Ok(ReceivedMessage { line, agreement }));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Ends the handshake with its response. A program that refuses the handshake needs none.
    ///
    /// # Errors
    /// Why the response does not begin a session.
    fn end_handshake(&mut self, id: u64, line: Bytes) -> Result<(), ProgramError> {
        let mut response = Response::new(line);
        response.extensions_mut().insert(MessageId(id));
        let agreement = match handshake::read_agreement(&response) {
            Ok(agreement) => Some(Arc::new(agreement)),
            Err(HandshakeError::Refused(_)) => None,
            Err(reason @ HandshakeError::Unusable(_)) => {
                return Err(ProgramError::new("it has not agreed to a session", reason.to_string()));
            }
        };
        if agreement.is_some() {
            self.write(handshake::initialized().into_body());
        }
        if let State::Handshake { messages, .. } = std::mem::replace(&mut self.state, State::Ready(agreement)) {
            for message in messages {
                self.send(message);
            }
        }
        Ok(())
    }
}

impl Stop {
    fn failed(detail: String) -> Stop {
        Stop::Failed(has_ended(detail))
    }
}

impl Drop for RunningProgram {
    /// Ends the program if the runtime ends before the task. Blocks the thread for two graces at most.
    fn drop(&mut self) {
        if self.is_gone {
            return;
        }
        self.stdin = None;
        wait_while(|| self.is_running());
        self.processes.terminate();
        if !wait_while(|| self.is_running() || self.processes.has_processes()) {
            self.kill();
        }
    }
}

/// Blocks the thread while a condition holds, for the grace at most. Returns whether the condition no longer holds.
fn wait_while(mut holds: impl FnMut() -> bool) -> bool {
    let until = std::time::Instant::now() + GRACE;
    while holds() {
        if std::time::Instant::now() >= until {
            return false;
        }
        thread::sleep(POLL_INTERVAL);
    }
    true
}

async fn write_some(stdin: &mut Option<ChildStdin>, bytes: &[u8]) -> io::Result<usize> {
    match stdin {
        Some(stdin) => stdin.write(bytes).await,
        None => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

fn has_ended(detail: String) -> ProgramError {
    ProgramError::new("its program has ended", detail)
}

fn how_ended(status: ExitStatus) -> String {
    format!("it has ended ({status})")
}
