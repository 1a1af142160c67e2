//! The task that supervises a program: it starts the program for the first message, and again after its end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use super::running::RunningProgram;
use super::{ChildError, Command};
use crate::upstream::transport::error::ProgramError;
use crate::upstream::transport::program::Program;

/// The delay after a start that has failed. It doubles with each further one.
const FIRST_DELAY: Duration = Duration::from_millis(500);
/// The longest delay.
const MAX_DELAY: Duration = Duration::from_secs(30);
/// A program that has run for this long has not failed to start.
const STABLE_AFTER: Duration = Duration::from_secs(10);

/// When the program may be started again.
struct Restart {
    delay: Duration,
    /// With the reason why the last start has failed.
    not_before: Option<(Instant, ProgramError)>,
}

impl Restart {
    /// Notes that the program has ended after this time, or could not be started.
    fn failed(&mut self, ran: Duration, reason: &ProgramError) {
        if ran >= STABLE_AFTER {
            *self = Restart { delay: FIRST_DELAY, not_before: None };
            return;
        }
        self.not_before = Some((Instant::now() + self.delay, reason.clone()));
        self.delay = (2 * self.delay).min(MAX_DELAY);
    }

    /// Why the program is not started now; `None` if it may be.
    fn refusal(&self) -> Option<&ProgramError> {
        self.not_before.as_ref().filter(|(until, _)| Instant::now() < *until).map(|(_, reason)| reason)
    }
}

/// Supervises a program until no [`ChildServer`](super::ChildServer) can send it messages any more, and then ends it.
pub(super) async fn supervise(program: Arc<Program>, group: String, mut commands: UnboundedReceiver<Command>) {
    let mut running: Option<RunningProgram> = None;
    let mut restart = Restart { delay: FIRST_DELAY, not_before: None };
    loop {
        let command = match &mut running {
            None => commands.recv().await,
            Some(program) => tokio::select! {
                command = commands.recv() => command,
                stop = program.work() => {
                    let ran = program.age();
                    // Commands wait from here on: if each of them interrupted this, it might never come to an end.
                    let reason = program.reason(stop).await;
                    program.fail_all(&reason);
                    tracing::warn!(group, program = program.name(), %reason, "the program of an upstream has ended");
                    program.end().await;
                    running = None;
                    restart.failed(ran, &reason);
                    continue;
                }
            },
        };
        match command {
            None => {
                if let Some(mut program) = running.take() {
                    program.end().await;
                }
                return;
            }
            Some(Command::Cancel(id)) => {
                if let Some(program) = &mut running {
                    program.cancel(id);
                }
            }
            Some(Command::Send(message)) => {
                if running.is_none() {
                    let started = match restart.refusal() {
                        Some(reason) => Err(reason.clone()),
                        None => RunningProgram::start(&program, &group).inspect_err(|reason| {
                            tracing::warn!(
                                group,
                                program = program.name(),
                                %reason,
                                "the program of an upstream cannot be started"
                            );
                            restart.failed(Duration::ZERO, reason);
                        }),
                    };
                    match started {
                        Ok(started) => running = Some(started),
                        Err(reason) => {
                            // An error means that the caller has left.
                            let _ = message.respond.send(Err(ChildError::NotSent(reason)));
                            continue;
                        }
                    }
                }
                if let Some(program) = &mut running {
                    program.send(message);
                }
            }
        }
    }
}
