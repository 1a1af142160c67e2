//! A server that follows a script: it responds, breaks off, drips or floods, and counts its requests.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Barrier, Semaphore};
use tokio::task::JoinSet;

/// The placeholder in a response for the `id` of the request. The `id` is padded with blanks to the same length.
pub(crate) const ID: &str = "@@@@@@@@";

/// What is done about a request.
#[derive(Clone)]
pub(crate) enum Act {
    /// The bytes are sent and the connection is kept.
    Output(Vec<u8>),
    /// The same once as many requests have come as the barrier waits for.
    BatchFuture(Arc<Barrier>, Vec<u8>),
    /// The bytes are sent once the semaphore has a permit for it, and the connection is kept.
    Held(Arc<Semaphore>, Vec<u8>),
    /// The bytes are sent and the connection is closed.
    Cut(Vec<u8>),
    /// Reads this many bytes of the request, then closes the connection.
    Deaf(usize),
    /// The first bytes are sent, then one of the others each second, over and over.
    Drip(Vec<u8>, Vec<u8>),
    /// The first bytes are sent, then the others over and over.
    Flood(Vec<u8>, Vec<u8>),
    /// Nothing is sent.
    Silence,
}

/// A response with the `id` of a request in place of [`ID`].
pub(crate) fn with_id(response: Vec<u8>, request: &[u8]) -> Vec<u8> {
    let Some(at) = memchr::memmem::find(&response, ID.as_bytes()) else { return response };
    let text = String::from_utf8_lossy(request);
    let id = text.split_once("\"id\":").map_or("0", |(_, rest)| rest.split([',', '}']).next().unwrap());
    let (before, after) = (&response[..at], &response[at + ID.len()..]);
    [before, format!("{id:>8}").as_bytes(), after].concat()
}

impl Act {
    /// The same with the `id` of a request in place of [`ID`].
    fn with_id_of(self, request: &[u8]) -> Act {
        let filled = |bytes: Vec<u8>| with_id(bytes, request);
        match self {
            Act::Output(bytes) => Act::Output(filled(bytes)),
            Act::BatchFuture(all, bytes) => Act::BatchFuture(all, filled(bytes)),
            Act::Held(gate, bytes) => Act::Held(gate, filled(bytes)),
            Act::Cut(bytes) => Act::Cut(filled(bytes)),
            Act::Drip(first, others) => Act::Drip(filled(first), others),
            Act::Flood(first, others) => Act::Flood(filled(first), others),
            Act::Deaf(_) | Act::Silence => self,
        }
    }
}

/// How a request is written, and where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speech {
    Http,
    Scgi,
}

/// The server. It ends when it is dropped.
pub(crate) struct ScriptedUpstream {
    address: Option<SocketAddr>,
    script: Arc<Script>,
    _serving: JoinSet<()>,
}

type Decide = Box<dyn Fn(&str) -> Act + Send>;

struct Script {
    speech: Speech,
    /// What is done about the requests to come; the last of it about all further ones.
    acts: Mutex<Vec<Act>>,
    /// Decides what is done about each request, in place of `acts`.
    decide: Mutex<Option<Decide>>,
    /// Of how many requests something was read.
    requests: AtomicUsize,
    /// How many connections there were.
    connections: AtomicUsize,
    /// The last request.
    last: Mutex<Vec<u8>>,
    /// The requests since it was told what to do.
    all: Mutex<Vec<Vec<u8>>>,
    /// How many bytes a flood has sent.
    flooded: AtomicUsize,
}

impl ScriptedUpstream {
    /// A server of HTTP at a port.
    pub(crate) async fn start() -> ScriptedUpstream {
        ScriptedUpstream::tcp(Speech::Http).await
    }

    pub(crate) async fn tcp(speech: Speech) -> ScriptedUpstream {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = Some(listener.local_addr().unwrap());
        let script = Script::new(speech);
        let mut serving = JoinSet::new();
        serving.spawn(serve(script.clone(), async move || Ok(listener.accept().await?.0)));
        ScriptedUpstream { address, script, _serving: serving }
    }

    /// A server at a unix socket.
    pub(crate) fn unix(path: &Path, speech: Speech) -> ScriptedUpstream {
        let listener = UnixListener::bind(path).unwrap();
        let script = Script::new(speech);
        let mut serving = JoinSet::new();
        serving.spawn(serve(script.clone(), async move || Ok(listener.accept().await?.0)));
        ScriptedUpstream { address: None, script, _serving: serving }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address.unwrap()
    }

    /// Does this about the next requests, the last of it about all that follow, and counts anew.
    pub(crate) fn will(&self, acts: impl IntoIterator<Item = Act>) {
        *self.script.acts.lock().unwrap() = acts.into_iter().collect();
        self.script.requests.store(0, SeqCst);
        self.script.all.lock().unwrap().clear();
        self.script.flooded.store(0, SeqCst);
    }

    /// From now on, does about each request what `decide` returns.
    pub(crate) fn will_answer(&self, decide: impl Fn(&str) -> Act + Send + 'static) {
        self.will([Act::Silence]);
        *self.script.decide.lock().unwrap() = Some(Box::new(decide));
    }

    /// How many requests there were since it was told what to do.
    pub(crate) fn requests(&self) -> usize {
        self.script.requests.load(SeqCst)
    }

    /// How many connections there were since it is there.
    pub(crate) fn connections(&self) -> usize {
        self.script.connections.load(SeqCst)
    }

    /// The last request that was read to its end.
    pub(crate) fn last(&self) -> Vec<u8> {
        self.script.last.lock().unwrap().clone()
    }

    /// The requests that were read to their ends since it was told what to do.
    pub(crate) fn all(&self) -> Vec<String> {
        self.script.all.lock().unwrap().iter().map(|request| String::from_utf8_lossy(request).into_owned()).collect()
    }

    /// How many bytes of a flood it could send.
    pub(crate) fn flooded(&self) -> usize {
        self.script.flooded.load(SeqCst)
    }
}

async fn serve<S>(script: Arc<Script>, mut accept: impl AsyncFnMut() -> io::Result<S>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut connections = JoinSet::new();
    while let Ok(stream) = accept().await {
        let script = script.clone();
        connections.spawn(async move { script.serve(stream).await });
        while connections.try_join_next().is_some() {}
    }
}

impl Script {
    fn new(speech: Speech) -> Arc<Script> {
        Arc::new(Script {
            speech,
            acts: Mutex::new(vec![Act::Silence]),
            decide: Mutex::new(None),
            requests: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            last: Mutex::new(Vec::new()),
            all: Mutex::new(Vec::new()),
            flooded: AtomicUsize::new(0),
        })
    }

    fn next(&self) -> Act {
        let mut acts = self.acts.lock().unwrap();
        if acts.len() > 1 { acts.remove(0) } else { acts[0].clone() }
    }

    fn now(&self) -> Act {
        self.acts.lock().unwrap()[0].clone()
    }

    async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        self.connections.fetch_add(1, SeqCst);
        loop {
            if let Act::Deaf(bytes) = self.now() {
                self.requests.fetch_add(1, SeqCst);
                let _ = stream.read_exact(&mut vec![0; bytes]).await;
                return;
            }
            let Some(request) = self.speech.read(&mut stream).await else { return };
            self.requests.fetch_add(1, SeqCst);
            self.all.lock().unwrap().push(request.clone());
            let decided = self.decide.lock().unwrap().as_ref().map(|decide| decide(&String::from_utf8_lossy(&request)));
            let act = decided.unwrap_or_else(|| self.next()).with_id_of(&request);
            *self.last.lock().unwrap() = request;
            if !self.act(act, &mut stream).await {
                return;
            }
        }
    }

    /// Answers whether the connection is kept.
    async fn act(&self, act: Act, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> bool {
        match act {
            Act::Output(bytes) => stream.write_all(&bytes).await.is_ok(),
            Act::BatchFuture(all, bytes) => {
                all.wait().await;
                stream.write_all(&bytes).await.is_ok()
            }
            Act::Held(gate, bytes) => {
                gate.acquire().await.unwrap().forget();
                stream.write_all(&bytes).await.is_ok()
            }
            Act::Cut(bytes) => {
                let _ = stream.write_all(&bytes).await;
                false
            }
            Act::Deaf(_) => false,
            Act::Drip(first, others) => {
                let _ = stream.write_all(&first).await;
                for byte in others.iter().cycle() {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    if stream.write_all(&[*byte]).await.is_err() {
                        break;
                    }
                }
                false
            }
            Act::Flood(first, others) => {
                let _ = stream.write_all(&first).await;
                while stream.write_all(&others).await.is_ok() {
                    self.flooded.fetch_add(others.len(), SeqCst);
                }
                false
            }
            Act::Silence => {
                // Until the other side has had enough.
                let _ = stream.read(&mut [0; 1]).await;
                false
            }
        }
    }
}

impl Speech {
    /// Reads a request to its end, if there is one.
    async fn read(self, stream: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
        let mut read = Vec::new();
        loop {
            if self.end(&read).is_some_and(|end| read.len() >= end) {
                return Some(read);
            }
            if stream.read_buf(&mut read).await.ok()? == 0 {
                return None;
            }
        }
    }

    /// How long a request will be that begins like this, as soon as that can be said.
    fn end(self, read: &[u8]) -> Option<usize> {
        let number = |text: &[u8]| std::str::from_utf8(text).unwrap().trim().parse::<usize>().unwrap();
        match self {
            Speech::Http => {
                let head = memchr::memmem::find(read, b"\r\n\r\n")?;
                let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
                let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
                Some(head + 4 + length.map_or(0, |length| number(length.as_bytes())))
            }
            Speech::Scgi => {
                let colon = memchr::memchr(b':', read)?;
                let comma = colon + 1 + number(&read[..colon]);
                let headers = read.get(colon + 1..comma)?;
                let length = headers.strip_prefix(b"CONTENT_LENGTH\0").unwrap().split(|byte| *byte == 0).next()?;
                Some(comma + 1 + number(length))
            }
        }
    }
}
