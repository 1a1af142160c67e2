//! Programs that serve MCP over standard input and output ("stdio" of the specification).
//!
//! ```text
//! mod.rs            ChildServer: sends a message to the program, and waits for its response
//! supervisor.rs     the task that starts the program, and ends it
//! running.rs        a program that runs: the handshake, messages in, messages out, and its end
//! process_group.rs  the processes of the program, which end together
//! program_log.rs    logs the lines of its standard error
//! lines.rs          splits its output into lines of a bounded length
//! ```
//!
//! All calls share one program, which the first message starts. If the program ends, running calls fail, and the next message starts it
//! again; after a failed start, a delay has to pass before that. The program is ended when its [`ChildServer`] is dropped.

mod lines;
mod process_group;
mod program_log;
mod running;
mod supervisor;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::body::Incoming;
use super::cancel_on_drop::CancelOnDrop;
use super::error::{Failed, ProgramError, TransportError};
use super::outgoing::OutgoingRequest;
use super::program::Program;
use super::time_limit::TimeLimit;
use crate::model::fault::BoxError;
use crate::protocol::mcp::client::handshake::Agreement;
use crate::protocol::mcp::client::message::MessageId;
use crate::service::lock::lock;

/// A server that is a program.
pub(super) struct ChildServer {
    program: Arc<Program>,
    /// The group whose calls are sent, for log lines.
    group: String,
    /// Sends commands to the task that supervises the program; `None` before the first message.
    supervisor: Mutex<Option<UnboundedSender<Command>>>,
}

/// A command for the supervisor of the program.
enum Command {
    Send(SentMessage),
    /// No call waits for the response to this message any longer.
    Cancel(u64),
}

/// A message that waits for its response.
struct SentMessage {
    id: u64,
    line: Bytes,
    respond: oneshot::Sender<Result<ReceivedMessage, ChildError>>,
}

/// A response, and the result of the handshake, if there was one.
struct ReceivedMessage {
    line: Bytes,
    agreement: Option<Arc<Agreement>>,
}

/// Why there is no response.
#[derive(Debug)]
enum ChildError {
    /// The message was not sent: the program does not run, or does not read.
    NotSent(ProgramError),
    /// The program has ended after the message was sent.
    Ended(ProgramError),
    /// The response is longer than this number of bytes, the limit.
    TooLong(usize),
}

impl ChildServer {
    pub(super) fn new(program: Arc<Program>, group: String) -> ChildServer {
        ChildServer { program, group, supervisor: Mutex::new(None) }
    }

    /// Sends a message and waits for its response. The time limit covers the start of the program, too.
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
        let mut cancel = CancelOnDrop::new(move || {
            // An error means that the task has ended, and the program with it.
            let _ = supervisor.send(Command::Cancel(id));
        });
        let received = limit.run(response).await.map_err(|late| (self.broken(late.into()), None))?;
        cancel.disarm();
        let ReceivedMessage { line, agreement } = match received {
            Ok(Ok(received)) => received,
            Ok(Err(ChildError::NotSent(reason))) => return Err((self.unreached(reason.into()), Some(request))),
            Ok(Err(ChildError::Ended(reason))) => return Err((self.broken(reason.into()), None)),
            Ok(Err(ChildError::TooLong(limit))) => return Err((TransportError::too_large(limit), None)),
            Err(_) => return Err((self.broken("the program was ended".into()), None)),
        };
        let mut response = Response::new(Incoming::whole(line));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(agreement) = agreement {
            response.extensions_mut().insert(agreement);
        }
        Ok(response)
    }

    /// The sender to the supervisor. The first message starts that task, on its own runtime. If the runtime has ended, the next message
    /// starts another.
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
