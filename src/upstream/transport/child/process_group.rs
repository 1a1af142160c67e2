//! The processes of a program: the program itself, and those that it has started.

#[cfg(unix)]
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::process::Child;

/// The process group that a program leads. On systems without process groups, it counts as empty, and only the program itself is ended.
pub(super) struct ProcessGroup {
    /// Noted at the start: a program that has ended has no id any more, but the other processes of its group still have it as theirs.
    #[cfg(unix)]
    id: Option<Pid>,
}

#[cfg(unix)]
impl ProcessGroup {
    /// The group of a program that was started as its leader.
    pub(super) fn led_by(leader: &Child) -> ProcessGroup {
        ProcessGroup { id: leader.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) }
    }

    /// Asks all processes to end (SIGTERM).
    pub(super) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends all processes (SIGKILL).
    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Whether there is a process in the group. A process that has ended counts until its parent has waited for it.
    pub(super) fn has_processes(&self) -> bool {
        self.id.is_some_and(|id| test_kill_process_group(id).is_ok())
    }

    fn signal(&self, signal: Signal) {
        if let Some(id) = self.id {
            // An error means that all have ended.
            let _ = kill_process_group(id, signal);
        }
    }
}

#[cfg(not(unix))]
impl ProcessGroup {
    pub(super) fn led_by(_: &Child) -> ProcessGroup {
        ProcessGroup {}
    }

    pub(super) fn terminate(&self) {}

    pub(super) fn kill(&self) {}

    pub(super) fn has_processes(&self) -> bool {
        false
    }
}
