//! What a program writes to its standard error.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncReadExt as _;
use tokio::process::ChildStderr;
use tokio::time::Instant;

use crate::model::text::printable;

/// How many bytes are read at a time.
const READ_SIZE: usize = 4 << 10;
/// The longest line, in bytes.
const LOG_LINE: usize = 1000;
/// How many lines are logged within this time.
const LOG_LINES: (u32, Duration) = (100, Duration::from_secs(10));

/// The lines that a program writes to its standard error, which are logged.
pub(super) struct ProgramLog {
    group: String,
    name: String,
    buffer: BytesMut,
    /// The last line, for the reason of its end.
    pub(super) last: Option<String>,
    /// Since when lines are counted, how many there were, and how many of them were not logged.
    since: Instant,
    count: u32,
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
                // A longer line is logged in parts.
                None if self.buffer.len() >= LOG_LINE || !is_open && !self.buffer.is_empty() => {
                    (self.buffer.len(), self.buffer.len())
                }
                None => return is_open,
            };
            let line = self.buffer.split_to(used);
            self.line(line.get(..length).unwrap_or_default(), "the program of an upstream says");
        }
    }

    pub(super) fn line(&mut self, line: &[u8], what: &str) {
        let text = String::from_utf8_lossy(line.get(..LOG_LINE).unwrap_or(line));
        let text = printable(text.trim(), LOG_LINE).into_owned();
        if text.is_empty() {
            return;
        }
        let (most, within) = LOG_LINES;
        let (group, program) = (self.group.as_str(), self.name.as_str());
        if self.since.elapsed() >= within {
            if self.left_out > 0 {
                let count = self.left_out;
                tracing::warn!(group, program, count, "lines of the program of an upstream were not logged");
            }
            (self.since, self.count, self.left_out) = (Instant::now(), 0, 0);
        }
        if self.count < most {
            tracing::info!(group, program, line = text, "{what}");
        }
        self.left_out += u32::from(self.count >= most);
        self.count = self.count.saturating_add(1);
        self.last = Some(text);
    }
}
