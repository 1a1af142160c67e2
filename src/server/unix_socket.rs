//! Unix sockets. All code of the server that is specific to unix is in this file. On other systems the same types exist
//! without values, and binding a socket is an error.

#[cfg(not(unix))]
pub(super) use other::{DetachedUnixStream, UnixSocket, UnixStream, peer_process};
#[cfg(unix)]
pub(super) use unix::{DetachedUnixStream, UnixSocket, UnixStream, peer_process};

#[cfg(unix)]
mod unix {
    use std::io;
    use std::os::unix::fs::FileTypeExt;
    use std::path::{Path, PathBuf};

    use tokio::net::UnixListener;
    pub(in crate::server) use tokio::net::UnixStream;

    use crate::server::auth::unix::PeerProcess;

    /// A listening unix socket. The file of one that was bound here is removed when it is dropped.
    #[derive(Debug)]
    pub(in crate::server) struct UnixSocket {
        listener: UnixListener,
        path: PathBuf,
        /// Whether another process made the file, and keeps it.
        inherited: bool,
    }

    /// A connection that belongs to no runtime, on its way from one to another.
    #[derive(Debug)]
    pub(in crate::server) struct DetachedUnixStream(std::os::unix::net::UnixStream);

    impl UnixSocket {
        /// Listens at a path. A socket that a killed server has left there is replaced.
        pub(in crate::server) fn bind(path: &Path) -> io::Result<UnixSocket> {
            let listener = match UnixListener::bind(path) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => replace(path, error)?,
                bound => bound?,
            };
            Ok(UnixSocket { listener, path: path.to_owned(), inherited: false })
        }

        /// Takes a socket that another process has bound.
        pub(in crate::server) fn inherit(listener: std::os::unix::net::UnixListener) -> io::Result<UnixSocket> {
            listener.set_nonblocking(true)?;
            let path = listener.local_addr()?.as_pathname().map(Path::to_owned);
            let path =
                path.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a unix socket without a path"))?;
            Ok(UnixSocket { listener: UnixListener::from_std(listener)?, path, inherited: true })
        }

        pub(in crate::server) fn path(&self) -> &Path {
            &self.path
        }

        pub(in crate::server) async fn accept(&self) -> io::Result<UnixStream> {
            self.listener.accept().await.map(|(stream, _)| stream)
        }
    }

    impl Drop for UnixSocket {
        fn drop(&mut self) {
            if !self.inherited {
                // The file may have been removed already.
                let _ = std::fs::remove_file(&self.path);
            }
        }
    }

    impl DetachedUnixStream {
        /// Takes a connection from the runtime that accepted it.
        pub(in crate::server) fn detach(stream: UnixStream) -> io::Result<DetachedUnixStream> {
            stream.into_std().map(DetachedUnixStream)
        }

        /// Gives the connection to the current runtime.
        pub(in crate::server) fn attach(self) -> io::Result<UnixStream> {
            UnixStream::from_std(self.0)
        }
    }

    /// The user and group of the process that has connected; `None` if the system does not say.
    pub(in crate::server) fn peer_process(stream: &UnixStream) -> Option<PeerProcess> {
        let credentials = stream.peer_cred().ok()?;
        Some(PeerProcess { uid: credentials.uid(), gid: credentials.gid() })
    }

    fn replace(path: &Path, in_use: io::Error) -> io::Result<UnixListener> {
        // Connecting to a file of any other kind is refused as well, and such a file must not be removed.
        if !std::fs::symlink_metadata(path)?.file_type().is_socket() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the path is a file that is not a socket"));
        }
        if !is_abandoned(path) {
            return Err(in_use);
        }
        std::fs::remove_file(path)?;
        UnixListener::bind(path)
    }

    /// Whether no process listens on the socket at a path: a server that was killed leaves such a file behind.
    fn is_abandoned(path: &Path) -> bool {
        let connected = std::os::unix::net::UnixStream::connect(path);
        connected.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    }
}

#[cfg(not(unix))]
mod other {
    use std::io;
    use std::path::Path;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};

    use crate::server::auth::unix::PeerProcess;

    /// A listening unix socket: there are none on this system.
    #[derive(Debug)]
    pub(in crate::server) enum UnixSocket {}

    /// A connection through a unix socket: there are none on this system.
    #[derive(Debug)]
    pub(in crate::server) enum UnixStream {}

    /// A connection between two runtimes: there are none on this system.
    #[derive(Debug)]
    pub(in crate::server) enum DetachedUnixStream {}

    /// There are no such processes.
    pub(in crate::server) fn peer_process(stream: &UnixStream) -> Option<PeerProcess> {
        match *stream {}
    }

    impl UnixSocket {
        pub(in crate::server) fn bind(_: &Path) -> io::Result<UnixSocket> {
            Err(io::Error::new(io::ErrorKind::Unsupported, "unix sockets are not supported on this system"))
        }

        pub(in crate::server) fn path(&self) -> &Path {
            match *self {}
        }

        pub(in crate::server) async fn accept(&self) -> io::Result<UnixStream> {
            match *self {}
        }
    }

    impl DetachedUnixStream {
        pub(in crate::server) fn detach(stream: UnixStream) -> io::Result<DetachedUnixStream> {
            match stream {}
        }

        pub(in crate::server) fn attach(self) -> io::Result<UnixStream> {
            match self {}
        }
    }

    impl UnixStream {
        pub(in crate::server) fn poll_read_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            match *self {}
        }

        pub(in crate::server) async fn ready(&self, _: Interest) -> io::Result<Ready> {
            match *self {}
        }
    }

    impl AsyncRead for UnixStream {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            match *self {}
        }
    }

    impl AsyncWrite for UnixStream {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            match *self {}
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            match *self {}
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            match *self {}
        }
    }
}
