//! Standard output and standard error of a running server. Each is written by a thread of its own.
//!
//! Writing to a pipe that is not read blocks the thread. So the threads that serve only append their lines to a queue, which
//! never blocks. If the queue is full, lines are dropped and counted, and the count is written as soon as the pipe is read
//! again.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write};
use std::mem;
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

use super::Failure;

/// How many bytes may wait to be written. Further lines are dropped and counted.
const MAX_WAITING: usize = 4 << 20;
/// The capacity that a queue keeps after a burst of lines, in bytes.
const KEPT_CAPACITY: usize = 64 << 10;
/// How long writing pauses if the stream is in non-blocking mode, as a terminal may be, and takes nothing.
const PAUSE: Duration = Duration::from_millis(10);
/// How long the end of the program waits for the last lines.
const PATIENCE: Duration = Duration::from_millis(500);

/// Both streams of a running server. Standard error has the log. Standard output has hints for people, and only if the log
/// is text: programs that read the log may read both streams.
#[derive(Debug, Clone)]
pub(super) struct Console {
    pub(super) stdout: OutputStream,
    pub(super) stderr: OutputStream,
    /// Whether lines may be written that are not in the format of the log.
    pub(super) is_for_people: bool,
}

/// One stream. Clones append to the same queue.
#[derive(Debug, Clone)]
pub(super) struct OutputStream(Arc<OutputQueue>);

#[derive(Debug, Default)]
struct OutputQueue {
    state: Mutex<QueueState>,
    /// Notified when lines begin to wait.
    filled: Condvar,
    /// Notified when all lines have been written.
    emptied: Condvar,
    writer: OnceLock<ThreadId>,
}

#[derive(Debug, Default)]
struct QueueState {
    waiting: Vec<u8>,
    /// How many lines were dropped since the last time that the number was told.
    dropped: u64,
    /// Whether the thread is writing lines that it has taken from the queue.
    writing: bool,
    /// Whether the last write was an error.
    failed: bool,
}

impl Console {
    /// Runs a command that writes to both streams and logs. Its failure is written to standard error.
    pub(super) fn run(command: impl FnOnce(&mut Console) -> Result<(), Failure>) -> ExitCode {
        let mut console = match Console::start() {
            Ok(console) => console,
            Err(error) => {
                eprintln!("croupier: cannot write: {error}");
                return ExitCode::FAILURE;
            }
        };
        let ended = command(&mut console);
        if let Err(failure) = &ended {
            let message = failure.message.trim_end();
            if console.is_for_people {
                console.stderr.write_line(message);
            } else {
                tracing::error!("{}", message.strip_prefix("croupier: ").unwrap_or(message));
            }
        }
        console.flush();
        ended.map_or_else(|failure| ExitCode::from(failure.code), |()| ExitCode::SUCCESS)
    }

    /// Starts the threads that write to the streams of this process.
    ///
    /// # Errors
    /// If the system has no thread or file descriptor left.
    pub(super) fn start() -> io::Result<Console> {
        let stdout = OutputStream::start("stdout", system::stdout()?, |output, count| {
            output.write_line(format_args!("croupier: {count} lines dropped, because standard output was not read"));
        })?;
        let stderr = OutputStream::start("stderr", system::stderr()?, |_, count| {
            tracing::warn!(count, "lines dropped, because standard error was not read");
        })?;
        Ok(Console { stdout, stderr, is_for_people: true })
    }

    /// The streams that are terminals.
    pub(super) fn terminals(&self) -> Vec<OutputStream> {
        let streams = [(io::stdout().is_terminal(), &self.stdout), (io::stderr().is_terminal(), &self.stderr)];
        streams.into_iter().filter(|(is_terminal, _)| *is_terminal).map(|(_, stream)| stream.clone()).collect()
    }

    /// Writes a hint for people to standard output.
    pub(super) fn hint(&self, line: impl Display) {
        if self.is_for_people {
            self.stdout.write_line(line);
        }
    }

    /// Tells why something has failed: in colours at a terminal, and otherwise as `plain` in the log.
    pub(super) fn report(&self, for_terminal: &str, plain: &str) {
        let plain = plain.trim_end();
        if self.is_for_people && io::stderr().is_terminal() {
            self.stderr.write_line(for_terminal.trim_end());
        } else {
            tracing::error!("{plain}");
        }
    }

    /// Waits until all lines have been written, but not for longer than half a second: a reader that has stopped reading
    /// must not keep the program from ending.
    pub(super) fn flush(&self) {
        let deadline = Instant::now() + PATIENCE;
        self.stderr.flush(deadline);
        self.stdout.flush(deadline);
    }
}

impl OutputStream {
    /// Starts a thread that writes to `stream`, and calls `tell` with the number of dropped lines.
    fn start(
        name: &str,
        stream: impl Write + Send + 'static,
        tell: impl Fn(&OutputStream, u64) + Send + 'static,
    ) -> io::Result<OutputStream> {
        let output = OutputStream(Arc::default());
        let writer = output.clone();
        thread::Builder::new().name(name.to_owned()).spawn(move || writer.write_forever(stream, tell))?;
        Ok(output)
    }

    /// Appends a line, with its line break.
    pub(super) fn write_line(&self, line: impl Display) {
        self.append(format!("{line}\n").as_bytes());
    }

    /// Waits until all lines have been written, or until the deadline.
    fn flush(&self, deadline: Instant) {
        let mut state = self.0.lock();
        while !state.waiting.is_empty() || state.writing {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.0.emptied.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until all lines have been written, but at most half a second. Returns whether writing has failed, as it does
    /// after a terminal has been closed.
    pub(super) fn has_failed(&self) -> bool {
        self.flush(Instant::now() + PATIENCE);
        self.0.lock().failed
    }

    fn append(&self, lines: &[u8]) {
        let mut state = self.0.lock();
        // The writing thread itself only appends the number of dropped lines, which must not be dropped.
        if state.waiting.len() + lines.len() > MAX_WAITING && self.0.writer.get() != Some(&thread::current().id()) {
            state.dropped += count_lines(lines);
            return;
        }
        state.waiting.extend_from_slice(lines);
        drop(state);
        self.0.filled.notify_one();
    }

    fn write_forever(&self, mut stream: impl Write, tell: impl Fn(&OutputStream, u64)) {
        // Nothing else sets it.
        let _ = self.0.writer.set(thread::current().id());
        let mut lines = Vec::new();
        loop {
            self.0.take_waiting(&mut lines);
            let written = write_all(&mut stream, &lines);
            let dropped = self.0.note_written(written.is_ok(), &lines);
            if dropped > 0 {
                tell(self, dropped);
            }
            lines.clear();
            lines.shrink_to(KEPT_CAPACITY);
        }
    }
}

impl OutputQueue {
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for lines, and moves them into `lines`, which is empty.
    fn take_waiting(&self, lines: &mut Vec<u8>) {
        let mut state = self.lock();
        state.writing = false;
        if state.waiting.is_empty() {
            self.emptied.notify_all();
        }
        while state.waiting.is_empty() {
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.writing = true;
        mem::swap(&mut state.waiting, lines);
    }

    /// Notes whether lines could be written. Returns how many lines were dropped before, if that can be told now.
    fn note_written(&self, written: bool, lines: &[u8]) -> u64 {
        let mut state = self.lock();
        state.failed = !written;
        if written {
            return mem::take(&mut state.dropped);
        }
        state.dropped += count_lines(lines);
        0
    }
}

impl Write for &OutputStream {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.append(lines);
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for OutputStream {
    type Writer = &'a OutputStream;

    fn make_writer(&'a self) -> &'a OutputStream {
        self
    }
}

fn count_lines(lines: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', lines).count() as u64
}

/// Like [`Write::write_all`], but also for a stream in non-blocking mode.
pub(super) fn write_all(stream: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(PAUSE),
            Err(error) => return Err(error),
        }
    }
    stream.flush()
}

/// The streams of the process, without the lock that the standard library holds while it writes.
#[cfg(unix)]
mod system {
    use std::fs::File;
    use std::io;
    use std::os::fd::AsFd;

    pub(super) fn stdout() -> io::Result<File> {
        io::stdout().as_fd().try_clone_to_owned().map(File::from)
    }

    pub(super) fn stderr() -> io::Result<File> {
        io::stderr().as_fd().try_clone_to_owned().map(File::from)
    }
}

#[cfg(not(unix))]
mod system {
    use std::io;

    pub(super) fn stdout() -> io::Result<io::Stdout> {
        Ok(io::stdout())
    }

    pub(super) fn stderr() -> io::Result<io::Stderr> {
        Ok(io::stderr())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// A stream whose reader takes one write at a time.
    struct Slow(SyncSender<Vec<u8>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow() -> (OutputStream, Receiver<Vec<u8>>) {
        let (sender, receiver) = sync_channel(0);
        let tell = |output: &OutputStream, count| output.write_line(format_args!("{count} dropped"));
        (OutputStream::start("test", Slow(sender), tell).unwrap(), receiver)
    }

    #[test]
    fn a_stream_that_is_not_read_costs_lines_and_their_number_is_told() {
        let (output, reader) = slow();
        let line = "x".repeat(MAX_WAITING / 8);
        // Of these, at most 8 are being written and 8 wait.
        for _ in 0..100 {
            output.write_line(&line);
        }
        let (mut kept, mut told) = (0, None);
        while told.is_none() {
            for text in String::from_utf8(reader.recv().unwrap()).unwrap().lines() {
                match text.strip_suffix(" dropped") {
                    Some(count) => told = count.parse::<usize>().ok(),
                    None => kept += 1,
                }
            }
        }
        assert!((7..=16).contains(&kept), "{kept}");
        assert_eq!(kept + told.unwrap(), 100);
        output.write_line("and on");
        assert_eq!(reader.recv().unwrap(), b"and on\n");
    }

    #[test]
    fn flushing_waits_for_the_lines_but_not_for_long() {
        let (output, reader) = slow();
        output.write_line("one");
        let begun = Instant::now();
        assert!(!output.has_failed());
        assert!(begun.elapsed() >= PATIENCE);
        assert!(begun.elapsed() < PATIENCE * 4);
        assert_eq!(reader.recv().unwrap(), b"one\n");
        let read = thread::spawn(move || reader.recv().unwrap());
        output.write_line("two");
        output.flush(Instant::now() + Duration::from_secs(60));
        assert_eq!(read.join().unwrap(), b"two\n");
    }

    #[test]
    fn lines_that_could_not_be_written_are_counted_as_dropped() {
        /// Fails as often as it says.
        struct Full(u8, SyncSender<String>);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                if self.0 > 0 {
                    self.0 -= 1;
                    return Err(io::ErrorKind::StorageFull.into());
                }
                self.1.send(String::from_utf8_lossy(bytes).into_owned()).map_err(|_| io::ErrorKind::BrokenPipe)?;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (sender, reader) = sync_channel(10);
        let tell = |output: &OutputStream, count| output.write_line(format_args!("{count} dropped"));
        let output = OutputStream::start("test", Full(2, sender), tell).unwrap();
        for line in ["one", "two"] {
            output.write_line(line);
            assert!(output.has_failed(), "{line}");
        }
        output.write_line("three");
        assert!(!output.has_failed());
        assert_eq!([reader.recv().unwrap(), reader.recv().unwrap()], ["three\n", "2 dropped\n"]);
    }
}
