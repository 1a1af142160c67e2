//! Logs what a program writes to its standard error.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncReadExt as _;
use tokio::process::ChildStderr;
use tokio::time::Instant;

use crate::model::text::printable;

/// How many bytes are read at a time.
const READ_SIZE: usize = 4 << 10;
/// The longest line, in bytes. A longer one is logged in parts.
const MAX_LINE: usize = 1000;
/// How many lines are logged in each period. Further ones are counted.
const MAX_LINES: u32 = 100;
/// The period.
const PERIOD: Duration = Duration::from_secs(10);

/// The log of one program.
pub(super) struct ProgramLog {
    group: String,
    name: String,
    buffer: BytesMut,
    /// The last line, which may tell why the program has ended.
    pub(super) last: Option<String>,
    /// When the period began.
    since: Instant,
    /// How many lines there were in it.
    count: u32,
    /// How many of them were not logged.
    left_out: u32,
}

impl ProgramLog {
    pub(super) fn new(group: &str, name: &str) -> ProgramLog {
        ProgramLog {
            group: group.to_owned(),
            name: name.to_owned(),
            buffer: BytesMut::new(),
            last: None,
            since: Instant::now(),
            count: 0,
            left_out: 0,
        }
    }

    /// Reads and logs some lines. Returns whether there may be more.
    pub(super) async fn read(&mut self, stderr: &mut Option<ChildStderr>) -> bool {
        let Some(stderr) = stderr else { return false };
        self.buffer.reserve(READ_SIZE);
        let is_open = matches!(stderr.read_buf(&mut self.buffer).await, Ok(length) if length > 0);
        loop {
            let end = memchr::memchr(b'\n', &self.buffer);
            let (length, used) = match end {
                Some(end) => (end, end + 1),
                None if self.buffer.len() >= MAX_LINE || !is_open && !self.buffer.is_empty() => {
                    (self.buffer.len(), self.buffer.len())
                }
                None => return is_open,
            };
            let line = self.buffer.split_to(used);
            self.log(
                line.get(..length).unwrap_or_default(),
                "the program of an upstream has written to its standard error",
            );
        }
    }

    /// Logs a line with this message, unless there were too many.
    pub(super) fn log(&mut self, line: &[u8], message: &str) {
        let text = String::from_utf8_lossy(line.get(..MAX_LINE).unwrap_or(line));
        let text = printable(text.trim(), MAX_LINE).into_owned();
        if text.is_empty() {
            return;
        }
        let (group, program) = (self.group.as_str(), self.name.as_str());
        if self.since.elapsed() >= PERIOD {
            if self.left_out > 0 {
                let count = self.left_out;
                tracing::warn!(group, program, count, "lines of the program of an upstream were not logged");
            }
            (self.since, self.count, self.left_out) = (Instant::now(), 0, 0);
        }
        if self.count < MAX_LINES {
            tracing::info!(group, program, line = text, "{message}");
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
        self.count = self.count.saturating_add(1);
        self.last = Some(text);
    }
}
