//! Child processes with a bounded life: whatever hangs is killed, and the test sees that it was.
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long any child may take.
const LIMIT: Duration = Duration::from_secs(300);

/// A process that runs until it ends by itself, or this is dropped, or its time is over.
pub(crate) struct Process {
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
    stderr: Option<JoinHandle<String>>,
    /// The lines of standard error, as they come.
    logged: Mutex<Receiver<String>>,
    /// Dropped when the process has ended, which calls the watchdog off.
    _running: Sender<()>,
}

/// How a process ended, and what it printed that was not read before.
#[derive(Debug)]
pub(crate) struct ShutdownReport {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Process {
        Process::start_into(command, Stdio::piped())
    }

    /// Starts with another standard output than a pipe to this process.
    pub(crate) fn start_into(command: &mut Command, stdout: Stdio) -> Process {
        Process::start_between(command, Stdio::null(), stdout)
    }

    /// Starts with this standard input and output.
    pub(crate) fn start_between(command: &mut Command, stdin: Stdio, stdout: Stdio) -> Process {
        let started = command.stdin(stdin).stdout(stdout).stderr(Stdio::piped()).spawn();
        let mut child = started.unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        let stdout = child.stdout.take().map(BufReader::new);
        let mut pipe = BufReader::new(child.stderr.take().expect("standard error is piped"));
        let (log, logged) = channel();
        let stderr = std::thread::spawn(move || {
            let mut text = String::new();
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
                let read = String::from_utf8_lossy(&line).into_owned();
                text.push_str(&read);
                // The test may not look at the lines.
                let _ = log.send(read);
                line.clear();
            }
            text
        });
        let (running, ended) = channel();
        let id = child.id();
        std::thread::spawn(move || kill_late(&ended, id));
        Process { child, stdout, stderr: Some(stderr), logged: Mutex::new(logged), _running: running }
    }

    /// The next line of standard output, without its end; empty when there is none.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.as_mut().expect("standard output was not closed").read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Reads standard error until a line has this text, and returns the line.
    pub(crate) fn wait_for_log(&self, text: &str) -> String {
        loop {
            let line = self
                .logged
                .lock()
                .unwrap()
                .recv_timeout(LIMIT)
                .unwrap_or_else(|error| panic!("{error} before {text:?}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name, such as `INT`.
    pub(crate) fn signal(&self, name: &str) {
        send(name, self.child.id());
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> ShutdownReport {
        let mut stdout = Vec::new();
        if let Some(mut pipe) = self.stdout.take() {
            pipe.read_to_end(&mut stdout).unwrap();
        }
        let status = self.child.wait().unwrap();
        let stderr = self.stderr.take().map(|stderr| stderr.join().unwrap()).unwrap_or_default();
        ShutdownReport { status, stdout: String::from_utf8_lossy(&stdout).into_owned(), stderr }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> ShutdownReport {
    Process::start(command).end()
}

impl ShutdownReport {
    /// The exit code; a process that was killed has none.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

fn kill_late(ended: &Receiver<()>, id: u32) {
    if ended.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
        send("KILL", id);
    }
}

fn send(signal: &str, id: u32) {
    // The shell has `kill` built in, where a small system may lack it as a program.
    let _ = Command::new("sh").args(["-c", &format!("kill -s {signal} {id}")]).status();
}
