//! Reads the files that a configuration names, in bounded time: secrets, templates, certificates, descriptions, and the
//! configuration itself.
//!
//! A file system may never respond: that of an unreachable file server, or a FIFO into which nothing is written. So
//! only regular files are read, within a size and a time, on a thread that may hang without consequences. Nothing else in
//! this crate opens such a file.

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

/// How long reading may take.
const TIMEOUT: Duration = Duration::from_secs(3);
/// How many threads may hang. Further files are then not read at all.
const MAX_HANGING: usize = 4;

/// How many threads hang.
static HANGING: AtomicUsize = AtomicUsize::new(0);

/// Reads a regular file of at most `max` bytes.
///
/// # Errors
/// If it cannot be read within 3 s, is longer, or is a directory, a FIFO, a socket or a device.
pub(crate) fn read(path: &Path, max: usize) -> io::Result<Vec<u8>> {
    let path = path.to_owned();
    within(TIMEOUT, &HANGING, move || read_regular(&path, max))?
}

/// Reads a regular file of at most `max` bytes, in UTF-8.
///
/// # Errors
/// As [`read`], and if it is not UTF-8.
pub(crate) fn read_text(path: &Path, max: usize) -> io::Result<String> {
    String::from_utf8(read(path, max)?).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

/// Runs a function that reads files whose names are not those of the configuration, such as the system's certificates.
///
/// # Errors
/// If it takes longer than 3 s.
#[cfg(feature = "client")]
pub(crate) fn in_bounded_time<T: Send + 'static>(reads: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    within(TIMEOUT, &HANGING, reads)
}

fn within<T: Send + 'static>(
    timeout: Duration,
    hanging: &'static AtomicUsize,
    reads: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let timed_out = |reason: String| io::Error::new(io::ErrorKind::TimedOut, reason);
    let hang = hanging.load(SeqCst);
    if hang >= MAX_HANGING {
        return Err(timed_out(format!("{hang} earlier files are still being read; the file system does not respond")));
    }
    // Without a buffer, sending succeeds only while it is waited for. So the thread knows whether it was counted as hanging.
    let (sender, receiver) = sync_channel(0);
    thread::Builder::new().name("file-reader".to_owned()).spawn(move || {
        if sender.send(reads()).is_err() {
            hanging.fetch_sub(1, SeqCst);
        }
    })?;
    match receiver.recv_timeout(timeout) {
        Ok(result) => Ok(result),
        Err(RecvTimeoutError::Timeout) => {
            hanging.fetch_add(1, SeqCst);
            Err(timed_out(format!("the file system does not respond within {timeout:?}")))
        }
        Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("the thread that reads it has ended")),
    }
}

fn read_regular(path: &Path, max: usize) -> io::Result<Vec<u8>> {
    // Opening a device may have an effect, so what is not a regular file is not even opened. What counts is the check of
    // the open file, because the path may lead to another one by then.
    check_type(fs::metadata(path)?.file_type())?;
    let file = open(path)?;
    let metadata = file.metadata()?;
    check_type(metadata.file_type())?;
    let too_long = || io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {max} bytes"));
    let limit = u64::try_from(max).unwrap_or(u64::MAX);
    if metadata.len() > limit {
        return Err(too_long());
    }
    let mut content = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut content)?;
    if content.len() > max { Err(too_long()) } else { Ok(content) }
}

fn check_type(file_type: FileType) -> io::Result<()> {
    if file_type.is_file() {
        return Ok(());
    }
    let what = if file_type.is_dir() { "a directory" } else { "a FIFO, a socket or a device" };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}, not a regular file")))
}

/// Opens a file without waiting for the writer of a FIFO, and without making a terminal that of this process.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;

    use rustix::fs::OFlags;

    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
    OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).open(path)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_regular_file_is_read_up_to_its_limit() {
        let path = std::env::temp_dir().join(format!("croupier-files-{}", std::process::id()));
        fs::write(&path, "0123456789").unwrap();
        assert_eq!(read_text(&path, 10).unwrap(), "0123456789");
        assert_eq!(read(&path, 9).unwrap_err().to_string(), "it has more than 9 bytes");
        fs::write(&path, b"\xff").unwrap();
        assert_eq!(read_text(&path, 10).unwrap_err().to_string(), "it is not UTF-8");
        fs::remove_file(&path).unwrap();
        assert_eq!(read(&path, 9).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(read(&std::env::temp_dir(), 9).unwrap_err().to_string(), "it is a directory, not a regular file");
    }

    #[test]
    #[cfg(unix)]
    fn neither_fifos_nor_devices_are_read() {
        let path = std::env::temp_dir().join(format!("croupier-fifo-{}", std::process::id()));
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let zero = Path::new("/dev/zero");
        for path in [&path, zero] {
            let error = read(path, 1000).unwrap_err();
            assert_eq!(error.to_string(), "it is a FIFO, a socket or a device, not a regular file");
        }
        // A path that leads to a FIFO by the time that it is opened.
        let begun = std::time::Instant::now();
        assert!(!open(&path).unwrap().metadata().unwrap().is_file());
        assert!(begun.elapsed() < TIMEOUT);
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_file_system_that_hangs_is_an_error_in_bounded_time_and_takes_few_threads() {
        static HANGING: AtomicUsize = AtomicUsize::new(0);
        let timeout = Duration::from_millis(10);
        let mut ends = Vec::new();
        for _ in 0..MAX_HANGING {
            let (end, ended) = channel::<()>();
            ends.push(end);
            let error = within(timeout, &HANGING, move || ended.recv()).unwrap_err();
            assert_eq!(error.to_string(), "the file system does not respond within 10ms");
        }
        let error = within(timeout, &HANGING, || ()).unwrap_err();
        assert_eq!(error.to_string(), "4 earlier files are still being read; the file system does not respond");
        drop(ends);
        while HANGING.load(SeqCst) > 0 {
            thread::yield_now();
        }
        within(Duration::from_secs(60), &HANGING, || ()).unwrap();
    }
}
