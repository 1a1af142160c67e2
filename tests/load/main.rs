//! Tests that load the whole machine, apart from the others so that they do not disturb each other: one measures how
//! long a call takes, the other how much memory the server needs. They run one at a time, against the program.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

// Calls are answered in time while hostile clients keep the server busy.
mod hostile_clients;
// The program returns the memory that large requests took. It is read from `/proc`.
#[cfg(target_os = "linux")]
mod memory;

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a client waits for the next bytes of a response.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program, with its built-in configuration or another, until this is dropped. Only one runs at a time.
struct Program {
    child: Child,
    address: String,
    _alone: MutexGuard<'static, ()>,
}

impl Program {
    fn start() -> Program {
        Program::start_with(&[])
    }

    /// The program with further arguments.
    fn start_with(arguments: &[&std::ffi::OsStr]) -> Program {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut command = Command::new(env!("CARGO_BIN_EXE_croupier"));
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(arguments).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut greeting = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = greeting.next().unwrap().unwrap();
        // Were the pipe closed, the program could not write its last line.
        std::thread::spawn(move || greeting.count());
        let (_, address) = line.split_once(" listens on http://").unwrap_or_else(|| panic!("no address in {line:?}"));
        Program { child, address: address.trim_end_matches('/').to_owned(), _alone: alone }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
