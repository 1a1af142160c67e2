//! Where connections come from: TCP ports and unix sockets.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::http::audience::Audience;
use crate::server::settings::{ListenAddress, ListenerConfig};

/// How long accepting rests when the process has no file descriptor left.
const REST: Duration = Duration::from_millis(100);

/// A socket that is listening.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    /// What is answered to whoever comes through it, where that is not everything.
    pub(super) serves: Option<Audience>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    /// A unix socket, and the path to remove when it closes.
    Unix(UnixListener, PathBuf),
}

/// A connection as it was accepted.
#[derive(Debug)]
pub(super) enum Accepted {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

/// A connection between two runtimes: it has left the one that accepted it for the one that will serve it.
#[derive(Debug)]
pub(super) enum Moving {
    Tcp(std::net::TcpStream, SocketAddr),
    Unix(std::os::unix::net::UnixStream),
}

/// A socket could not be opened for listening.
#[derive(Debug)]
pub struct BindError {
    /// Where it should have listened.
    pub listen: ListenAddress,
    /// What the system said.
    pub source: io::Error,
}

impl Listener {
    /// Opens a socket for listening. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// Where the address is in use, not this machine's, or not allowed. The path of a unix socket that nobody
    /// listens on any more is taken over.
    pub async fn bind(listen: &ListenAddress) -> Result<Listener, BindError> {
        let bound = match listen {
            ListenAddress::Tcp(address) => TcpListener::bind(address).await.map(Socket::Tcp),
            ListenAddress::Unix(path) => bind_unix(path).map(|socket| Socket::Unix(socket, path.clone())),
        };
        match bound {
            Ok(socket) => Ok(Listener { socket, serves: None }),
            Err(source) => Err(BindError { listen: listen.clone(), source }),
        }
    }

    /// The same socket, through which only some of what there is can be reached.
    #[must_use]
    pub fn serves(self, serves: Option<Audience>) -> Listener {
        Listener { serves, ..self }
    }

    /// Where it listens, and for what.
    pub fn entrance(&self) -> ListenerConfig {
        ListenerConfig { listen: self.address(), serves: self.serves }
    }

    /// Where it listens, the port being the one that the system chose.
    pub fn address(&self) -> ListenAddress {
        match &self.socket {
            Socket::Tcp(socket) => {
                ListenAddress::Tcp(socket.local_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0))))
            }
            Socket::Unix(_, path) => ListenAddress::Unix(path.clone()),
        }
    }

    /// The next connection. What goes wrong with one connection is that connection's matter; when the process has
    /// no descriptor left, accepting rests a moment instead of spinning.
    pub(super) async fn accept(&self) -> Accepted {
        loop {
            let accepted = match &self.socket {
                Socket::Tcp(socket) => socket.accept().await.map(|(stream, peer)| Accepted::Tcp(stream, peer)),
                Socket::Unix(socket, _) => socket.accept().await.map(|(stream, _)| Accepted::Unix(stream)),
            };
            match accepted {
                Ok(accepted) => return accepted,
                Err(error) if is_the_connections(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }
}

impl Accepted {
    /// Takes the connection from the runtime that accepted it.
    pub(super) fn leave(self) -> io::Result<Moving> {
        Ok(match self {
            Accepted::Tcp(stream, peer) => Moving::Tcp(stream.into_std()?, peer),
            Accepted::Unix(stream) => Moving::Unix(stream.into_std()?),
        })
    }
}

impl Moving {
    /// Gives the connection to the runtime that this is called on.
    pub(super) fn arrive(self) -> io::Result<Accepted> {
        Ok(match self {
            Moving::Tcp(stream, peer) => Accepted::Tcp(TcpStream::from_std(stream)?, peer),
            Moving::Unix(stream) => Accepted::Unix(UnixStream::from_std(stream)?),
        })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Socket::Unix(_, path) = self {
            // Somebody may have removed it already, which is as well.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn is_the_connections(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            // Connecting to any other kind of file is refused as well, and that file is not ours to remove.
            if !std::fs::symlink_metadata(path)?.file_type().is_socket() {
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file that is no socket"));
            }
            if !is_deserted(path) {
                return Err(error);
            }
            std::fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        bound => bound,
    }
}

/// Whether the socket at a path is one that nobody listens on: a server that was killed leaves one behind.
fn is_deserted(path: &Path) -> bool {
    let refused = std::os::unix::net::UnixStream::connect(path);
    refused.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: ", self.listen)?;
        match self.source.kind() {
            io::ErrorKind::AddrInUse => f.write_str("another process listens there already"),
            io::ErrorKind::AddrNotAvailable => f.write_str("this machine does not have that address"),
            io::ErrorKind::PermissionDenied => f.write_str("permission denied (ports below 1024 are privileged)"),
            _ => self.source.fmt(f),
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
