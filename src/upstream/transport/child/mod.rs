//! Programs that serve MCP over standard input and output ("stdio" of the specification).
//!
//! ```text
//! mod.rs            ChildServer: sends a message to the program, and waits for its response
//! supervisor.rs     the task that starts the program, and ends it
//! running.rs        a program that runs: the handshake, messages in, messages out, and its end
//! process_group.rs  the program and what it has started, which end together
//! program_log.rs    what it writes to its standard error
//! lines.rs          lines of a bounded length
//! ```
//!
//! All calls share one program, which the first message starts. If it ends, the calls that run are faults, and the next message starts
//! it again; after a start that has failed, not before a delay has passed. It ends when nothing refers to its [`ChildServer`].

mod lines;
mod process_group;
mod program_log;
mod running;
mod supervisor;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::body::Incoming;
use super::error::{Failed, ProgramError, TransportError};
use super::outgoing::OutgoingRequest;
use super::program::Program;
use super::time_limit::TimeLimit;
use crate::model::fault::BoxError;
use crate::protocol::mcp::client::handshake::Agreement;
use crate::protocol::mcp::client::message::MessageId;
use crate::service::lock::lock;

/// A program, and the way to it.
pub(super) struct ChildServer {
    program: Arc<Program>,
    /// The group whose calls are sent, for log lines.
    group: String,
    /// The way to the task that supervises the program; `None` before the first message.
    supervisor: Mutex<Option<UnboundedSender<Command>>>,
}

/// What the supervisor of the program is to do.
enum Command {
    Send(SentMessage),
    /// The response to this message is of no use any longer.
    Cancel(u64),
}

/// A message that waits for its response.
struct SentMessage {
    id: u64,
    line: Bytes,
    respond: oneshot::Sender<Result<ReceivedMessage, ChildError>>,
}

/// A response, and what was agreed on in the handshake, if there was one.
struct ReceivedMessage {
    line: Bytes,
    agreement: Option<Arc<Agreement>>,
}

/// Why there is no response.
#[derive(Debug)]
enum ChildError {
    /// The program does not run, and was not sent the message.
    NotSent(ProgramError),
    /// The program has ended.
    Ended(ProgramError),
    /// The response is longer than a line may be.
    TooLong(usize),
}

/// Tells the task that a response is not waited for any longer, unless it has come.
struct CancelOnDrop<'c> {
    supervisor: &'c UnboundedSender<Command>,
    id: u64,
    has_response: bool,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if !self.has_response {
            // An error means that the task has ended, and the program with it.
            let _ = self.supervisor.send(Command::Cancel(self.id));
        }
    }
}

impl ChildServer {
    pub(super) fn new(program: Arc<Program>, group: String) -> ChildServer {
        ChildServer { program, group, supervisor: Mutex::new(None) }
    }

    /// Sends a message and waits for its response. Starting the program is a part of the time.
    pub(super) async fn exchange(
        &self,
        request: OutgoingRequest,
        limit: TimeLimit,
    ) -> Result<Response<Incoming>, Failed> {
        let Some(MessageId(id)) = request.extensions().get::<MessageId>().copied() else {
            return Err((self.unreached("a program takes messages of MCP only".into()), None));
        };
        let supervisor = self.supervisor();
        let (respond, response) = oneshot::channel();
        let message = SentMessage { id, line: request.body().clone(), respond };
        if supervisor.send(Command::Send(message)).is_err() {
            return Err((self.unreached("the program is being ended".into()), Some(request)));
        }
        let mut cancelled = CancelOnDrop { supervisor: &supervisor, id, has_response: false };
        let received = limit.run(response).await.map_err(|late| (self.broken(late.into()), None))?;
        cancelled.has_response = true;
        let ReceivedMessage { line, agreement } = match received {
            Ok(Ok(received)) => received,
            Ok(Err(ChildError::NotSent(reason))) => return Err((self.unreached(reason.into()), Some(request))),
            Ok(Err(ChildError::Ended(reason))) => return Err((self.broken(reason.into()), None)),
            Ok(Err(ChildError::TooLong(limit))) => return Err((TransportError::too_large(limit), None)),
            Err(_) => return Err((self.broken("the program was ended".into()), None)),
        };
        let mut response = Response::new(Incoming::whole(line, limit.timeout));
        *response.status_mut() = StatusCode::OK;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(agreement) = agreement {
            response.extensions_mut().insert(agreement);
        }
        Ok(response)
    }

    /// The way to the task, which begins on the runtime of the first message. If that runtime has ended, another task begins.
    fn supervisor(&self) -> UnboundedSender<Command> {
        let mut supervisor = lock(&self.supervisor);
        if let Some(known) = supervisor.as_ref().filter(|known| !known.is_closed()) {
            return known.clone();
        }
        let (sender, commands) = unbounded_channel();
        tokio::spawn(supervisor::supervise(self.program.clone(), self.group.clone(), commands));
        *supervisor = Some(sender.clone());
        sender
    }

    fn unreached(&self, cause: BoxError) -> TransportError {
        TransportError::unreached(self.program.name().to_owned(), cause)
    }

    fn broken(&self, cause: BoxError) -> TransportError {
        TransportError::broken(self.program.name().to_owned(), cause)
    }
}
