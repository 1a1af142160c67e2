//! The signals that stop and reload the server. What only unix has is behind `cfg(unix)` here; on other systems Ctrl-C
//! stops the server and nothing reloads it.

use std::future::Future;
use std::io;

pub(super) use system::Hangup;
use system::Interrupts;

/// Ready at the first signal to stop, or when `asked` is ready. The next signal ends the process at once. `on_first` learns
/// whether it was a signal. Has to be called inside a tokio runtime.
///
/// # Errors
/// If the system cannot register a handler.
pub(super) fn stop(
    asked: impl Future<Output = ()>,
    on_first: impl FnOnce(bool) + Send,
) -> io::Result<impl Future<Output = ()>> {
    let mut interrupts = Interrupts::register()?;
    Ok(async move {
        let by_signal = tokio::select! {
            _ = interrupts.next() => true,
            () = asked => false,
        };
        on_first(by_signal);
        tokio::spawn(async move { std::process::exit(interrupts.next().await) });
    })
}

#[cfg(unix)]
mod system {
    use std::io;

    use tokio::signal::unix::{Signal, SignalKind, signal};

    /// SIGINT and SIGTERM.
    pub(super) struct Interrupts {
        interrupt: Signal,
        terminate: Signal,
    }

    /// SIGHUP.
    pub(in crate::cli) struct Hangup(Signal);

    impl Interrupts {
        pub(super) fn register() -> io::Result<Interrupts> {
            let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
            Ok(Interrupts { interrupt, terminate })
        }

        /// Waits for one of them. Returns the exit code of a process that it ends, which is 128 plus its number.
        pub(super) async fn next(&mut self) -> i32 {
            tokio::select! {
                _ = self.interrupt.recv() => 130,
                _ = self.terminate.recv() => 143,
            }
        }
    }

    impl Hangup {
        pub(in crate::cli) fn register() -> io::Result<Hangup> {
            signal(SignalKind::hangup()).map(Hangup)
        }

        /// Waits for the next one; `None` if there can be no more.
        pub(in crate::cli) async fn recv(&mut self) -> Option<()> {
            self.0.recv().await
        }
    }
}

#[cfg(not(unix))]
mod system {
    use std::io;

    /// Ctrl-C.
    pub(super) struct Interrupts;

    /// There is no such signal here.
    pub(in crate::cli) struct Hangup;

    impl Interrupts {
        pub(super) fn register() -> io::Result<Interrupts> {
            Ok(Interrupts)
        }

        /// Waits for Ctrl-C. Returns the exit code of a process that it ends.
        pub(super) async fn next(&mut self) -> i32 {
            if tokio::signal::ctrl_c().await.is_err() {
                // Without a handler the system ends the process itself.
                std::future::pending::<()>().await;
            }
            130
        }
    }

    impl Hangup {
        pub(in crate::cli) fn register() -> io::Result<Hangup> {
            Ok(Hangup)
        }

        /// `None`, always.
        pub(in crate::cli) async fn recv(&mut self) -> Option<()> {
            None
        }
    }
}
