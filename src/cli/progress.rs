//! Says on the terminal what a command waits for.

use std::io::{self, IsTerminal as _, Write as _};
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long nothing is said, and the time between two updates.
const TICK: Duration = Duration::from_secs(1);

/// Waits for some work. If it takes longer than a second and standard error is a terminal, a line there says what is waited
/// for and for how long; the line is removed at the end.
pub(super) async fn waiting<T>(text: &str, work: impl Future<Output = T>) -> T {
    if !io::stderr().is_terminal() {
        return work.await;
    }
    let mut work = pin!(work);
    let (start, mut said) = (Instant::now(), false);
    loop {
        tokio::select! {
            biased;
            done = &mut work => {
                if said {
                    say("");
                }
                return done;
            }
            () = sleep(TICK) => {
                say(&format!("{text} … {} s", start.elapsed().as_secs()));
                said = true;
            }
        }
    }
}

/// Replaces the line of the terminal.
fn say(line: &str) {
    let mut stderr = io::stderr();
    // A terminal that is gone is no failure of the work.
    let _ = write!(stderr, "\r\x1b[K{line}").and_then(|()| stderr.flush());
}
