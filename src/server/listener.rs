//! Listening sockets, and the connections that they accept.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_blocking;

use super::unix_socket::{DetachedUnixStream, UnixSocket, UnixStream};
use crate::http::audience::Audience;
use crate::server::settings::{ConnectionOptions, ListenAddress, ListenerConfig, SocketAccess};
#[cfg(unix)]
use crate::server::socket_access;
use crate::server::tls::handle::ServerTls;
use crate::service::log_throttle::LogThrottle;

/// How long accepting pauses after an error of the system, such as a lack of file descriptors. Without a pause it would
/// fail again at once, and keep a processor busy.
const PAUSE: Duration = Duration::from_millis(100);

/// A listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    /// How its connections are served.
    pub(super) options: ConnectionOptions,
    /// Who may connect, if it is a unix socket.
    access: SocketAccess,
    /// TLS for its connections; `None` for connections without encryption.
    pub(super) tls: Option<ServerTls>,
    /// For the log lines of errors of the system.
    failures: LogThrottle,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixSocket),
}

/// A connection on the runtime that accepted it or that serves it.
#[derive(Debug)]
pub(super) enum Accepted {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

/// A connection on its way from the runtime that accepted it to the one that serves it.
#[derive(Debug)]
pub(super) enum Detached {
    Tcp(std::net::TcpStream, SocketAddr),
    Unix(DetachedUnixStream),
}

/// A socket could not be opened for listening.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {listen}: {}", reason(listen, source))]
pub struct BindError {
    /// The address.
    pub listen: ListenAddress,
    /// The error of the system.
    pub source: io::Error,
}

impl Listener {
    /// Opens a socket for listening. Has to be called inside a tokio runtime.
    ///
    /// # Errors
    /// If the address is in use, is not an address of this machine, or is not permitted. A unix socket on which no process
    /// listens any more is replaced. On other systems than unix, unix sockets are an error.
    pub async fn bind(listen: &ListenAddress) -> Result<Listener, BindError> {
        let bound = match listen {
            ListenAddress::Tcp(address) => TcpListener::bind(address).await.map(Socket::Tcp),
            ListenAddress::Unix(path) => UnixSocket::bind(path).map(Socket::Unix),
        };
        match bound {
            Ok(socket) => Ok(Listener::on(socket)),
            Err(source) => Err(BindError { listen: listen.clone(), source }),
        }
    }

    /// Takes a TCP socket that is listening already, such as one of systemd. Has to be called inside a tokio runtime.
    ///
    /// # Errors
    /// Those of the system.
    pub fn from_tcp(socket: std::net::TcpListener) -> io::Result<Listener> {
        socket.set_nonblocking(true)?;
        TcpListener::from_std(socket).map(|socket| Listener::on(Socket::Tcp(socket)))
    }

    /// Takes a unix socket that is listening already, such as one of systemd. Its file is left when the listener is dropped.
    /// Has to be called inside a tokio runtime.
    ///
    /// # Errors
    /// Those of the system, and if the socket has no path.
    #[cfg(unix)]
    pub fn from_unix(socket: std::os::unix::net::UnixListener) -> io::Result<Listener> {
        UnixSocket::inherit(socket).map(|socket| Listener::on(Socket::Unix(socket)))
    }

    /// Opens a socket for listening, with what is served there and who may connect to it.
    ///
    /// # Errors
    /// Those of [`Listener::bind`], if a unix socket cannot have its mode, owner or group, and if the files of TLS cannot be
    /// used.
    pub async fn open(config: &ListenerConfig) -> Result<Listener, BindError> {
        let tls = Listener::load_tls(config).await?;
        let listener = Listener::bind(&config.listen).await?;
        Listener::set_access(&config.listen, &config.access)?;
        Ok(Listener { access: config.access.clone(), ..listener.options(config.options).tls(tls) })
    }

    /// Reads the files of TLS, if the listener has it.
    pub(crate) async fn load_tls(config: &ListenerConfig) -> Result<Option<ServerTls>, BindError> {
        let Some(settings) = config.tls.clone() else { return Ok(None) };
        let failed = |source: io::Error| BindError { listen: config.listen.clone(), source };
        if matches!(config.listen, ListenAddress::Unix(_)) {
            return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "a unix socket has no TLS")));
        }
        // Reading may take until the time limit for each file.
        let loaded = spawn_blocking(move || ServerTls::load(&settings)).await.map_err(io::Error::other);
        loaded.and_then(|loaded| loaded.map_err(io::Error::other)).map(Some).map_err(failed)
    }

    /// Sets who may connect to a unix socket.
    #[cfg(unix)]
    pub(crate) fn set_access(listen: &ListenAddress, access: &SocketAccess) -> Result<(), BindError> {
        let ListenAddress::Unix(path) = listen else { return Ok(()) };
        socket_access::apply(path, access).map_err(|source| BindError { listen: listen.clone(), source })
    }

    /// There are no unix sockets here.
    #[cfg(not(unix))]
    pub(crate) fn set_access(_: &ListenAddress, _: &SocketAccess) -> Result<(), BindError> {
        Ok(())
    }

    fn on(socket: Socket) -> Listener {
        let (options, access) = (ConnectionOptions::default(), SocketAccess::default());
        Listener { socket, options, access, tls: None, failures: LogThrottle::default() }
    }

    /// Sets how its connections are served.
    #[must_use]
    pub fn options(self, options: ConnectionOptions) -> Listener {
        Listener { options, ..self }
    }

    /// Sets the TLS of its connections; `None` for connections without encryption. A unix socket has none.
    #[must_use]
    pub fn tls(self, tls: Option<ServerTls>) -> Listener {
        Listener { tls, ..self }
    }

    /// The TLS of its connections.
    #[cfg(feature = "cli")]
    pub(crate) fn server_tls(&self) -> Option<&ServerTls> {
        self.tls.as_ref()
    }

    /// Restricts what is served to the clients of this socket; `None` for everything.
    #[must_use]
    pub fn serves(self, serves: Option<Audience>) -> Listener {
        Listener { options: ConnectionOptions { serves, ..self.options }, ..self }
    }

    /// The address, and what is served there.
    pub fn config(&self) -> ListenerConfig {
        let tls = self.tls.as_ref().map(|tls| tls.settings().clone());
        ListenerConfig { listen: self.address(), options: self.options, access: self.access.clone(), tls }
    }

    /// The address, with the port that the system chose.
    pub fn address(&self) -> ListenAddress {
        match &self.socket {
            Socket::Tcp(socket) => {
                ListenAddress::Tcp(socket.local_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0))))
            }
            Socket::Unix(socket) => ListenAddress::Unix(socket.path().to_owned()),
        }
    }

    /// Waits for the next connection. An error of one connection is skipped; an error of the system is logged, and
    /// accepting goes on after a pause.
    pub(in crate::server) async fn accept(&self) -> Accepted {
        loop {
            let accepted = match &self.socket {
                Socket::Tcp(socket) => socket.accept().await.map(|(stream, peer)| Accepted::Tcp(stream, peer)),
                Socket::Unix(socket) => socket.accept().await.map(Accepted::Unix),
            };
            match accepted {
                Ok(accepted) => return accepted,
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    self.failures.log(move |count| tracing::warn!(%error, count, "cannot accept a connection"));
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

impl Accepted {
    /// The address of the client; `None` for a unix socket.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        match self {
            Accepted::Tcp(_, peer) => Some(*peer),
            Accepted::Unix(_) => None,
        }
    }

    /// Takes the connection from the runtime that accepted it.
    pub(super) fn detach(self) -> io::Result<Detached> {
        Ok(match self {
            Accepted::Tcp(stream, peer) => Detached::Tcp(stream.into_std()?, peer),
            Accepted::Unix(stream) => Detached::Unix(DetachedUnixStream::detach(stream)?),
        })
    }
}

impl Detached {
    /// Gives the connection to the current runtime.
    pub(super) fn attach(self) -> io::Result<Accepted> {
        Ok(match self {
            Detached::Tcp(stream, peer) => Accepted::Tcp(TcpStream::from_std(stream)?, peer),
            Detached::Unix(stream) => Accepted::Unix(stream.attach()?),
        })
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

fn reason(listen: &ListenAddress, error: &io::Error) -> String {
    // An error with a text of its own says more.
    if error.get_ref().is_some() {
        return error.to_string();
    }
    #[cfg(unix)]
    if let (ListenAddress::Unix(path), io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound) =
        (listen, error.kind())
        && let Some(reason) = socket_access::missing_permission(path)
    {
        return reason;
    }
    match error.kind() {
        io::ErrorKind::AddrInUse => "another process listens there already".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
        io::ErrorKind::PermissionDenied if matches!(listen, ListenAddress::Tcp(_)) => {
            "permission denied: ports below 1024 need root or the capability CAP_NET_BIND_SERVICE".to_owned()
        }
        _ => error.to_string(),
    }
}
