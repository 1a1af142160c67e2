//! The command of an upstream that is a program, and its environment.

use std::fmt;
use std::path::{Path, PathBuf};

/// A program that serves MCP over standard input and output.
///
/// From the environment of this process, it inherits only what programs need to run: `PATH`, `HOME`, `LANG` and the like.
#[derive(Clone, PartialEq, Eq)]
pub struct Program {
    /// The name of the program, or its path.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Further variables of its environment.
    pub env: Vec<(String, String)>,
    /// The folder in which it runs; that of this process if there is none.
    pub directory: Option<PathBuf>,
    /// The longest line of its output, in bytes (64 MiB by default).
    pub max_line: usize,
}

/// The variables of the environment that a program inherits.
pub(super) const INHERITED: [&str; 14] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TERM",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "XDG_RUNTIME_DIR",
];

impl Program {
    /// A program without arguments.
    pub fn new(program: impl Into<String>) -> Program {
        Program { program: program.into(), args: Vec::new(), env: Vec::new(), directory: None, max_line: 64 << 20 }
    }

    /// Whether both are the same server: the same command in the same folder, with the same environment.
    pub(super) fn is_same_server(&self, other: &Program) -> bool {
        let Program { program, args, env, directory, max_line: _ } = self;
        (program, args, env, directory) == (&other.program, &other.args, &other.env, &other.directory)
    }

    /// The name of the program without its path, for messages.
    pub(super) fn name(&self) -> &str {
        let name = Path::new(&self.program).file_name().and_then(|name| name.to_str());
        name.unwrap_or(&self.program)
    }
}

impl fmt::Debug for Program {
    /// Omits the arguments and the environment, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.program)
    }
}
