//! The task that supervises a program: it starts the program for the first message, and again after its end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use super::running::RunningProgram;
use super::{ChildError, Command};
use crate::upstream::transport::error::ProgramError;
use crate::upstream::transport::program::Program;

/// The delay after a failed start. It doubles with each further one.
const FIRST_DELAY: Duration = Duration::from_millis(500);
/// The longest delay.
const MAX_DELAY: Duration = Duration::from_secs(30);
/// A program that has run for this long counts as started.
const STABLE_AFTER: Duration = Duration::from_secs(10);

/// When the program may be started again.
struct Restart {
    delay: Duration,
    /// The end of the delay, and why the last start has failed.
    not_before: Option<(Instant, ProgramError)>,
}

impl Restart {
    /// Notes that the program has ended after this time, which is zero if it could not be started.
    fn note_end(&mut self, ran: Duration, reason: &ProgramError) {
        if ran >= STABLE_AFTER {
            *self = Restart { delay: FIRST_DELAY, not_before: None };
            return;
        }
        self.not_before = Some((Instant::now() + self.delay, reason.clone()));
        self.delay = (2 * self.delay).min(MAX_DELAY);
    }

    /// Starts the program, unless the delay has not passed.
    fn start(&mut self, program: &Program, group: &str) -> Result<RunningProgram, ProgramError> {
        if let Some((until, reason)) = &self.not_before
            && Instant::now() < *until
        {
            return Err(reason.clone());
        }
        RunningProgram::start(program, group).inspect_err(|reason| {
            let name = program.name();
            tracing::warn!(group, program = name, %reason, "the program of an upstream cannot be started");
            self.note_end(Duration::ZERO, reason);
        })
    }
}

/// Supervises a program until its [`ChildServer`](super::ChildServer) is dropped, and then ends it.
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
                    // Commands wait until this is over. If each of them interrupted it, it might never end.
                    let reason = program.reason(stop).await;
                    program.fail_all(&reason);
                    tracing::warn!(group, program = program.name(), %reason, "the program of an upstream has ended");
                    program.end().await;
                    running = None;
                    restart.note_end(ran, &reason);
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
                    match restart.start(&program, &group) {
                        Ok(started) => running = Some(started),
                        Err(reason) => {
                            // An error means that the call was cancelled.
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
