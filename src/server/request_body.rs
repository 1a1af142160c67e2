//! Reads and decompresses the body of a request, within the size limit of its group, its timeout and the memory that
//! all bodies share.

use std::future::poll_fn;
use std::io::Read;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, Version, header};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::runtime::Handle;

use crate::http::rejection::HttpRejection;
use crate::model::text::abridge;
use crate::server::clients::ClientAccount;
use crate::server::pace::Pace;
use crate::server::settings::{ServerSettings, Timeouts};
use crate::service::future::{with_checks, with_timeout};
use crate::service::long_work::LongWork;
use crate::service::memory_pool::{MemoryPool, PooledMemory};

/// A body of at most this many bytes reserves no memory: the limits on connections and requests bound them.
pub(super) const SMALL: usize = 16 * 1024;
/// How many bytes of memory one byte of a request may need, for text, tree, arguments and result together.
const FACTOR: usize = 6;
/// The time between two checks of a body that is arriving.
pub(super) const STEP: Duration = Duration::from_millis(STEP_MILLIS);
const STEP_MILLIS: u64 = 1000;
/// The time over which the pace of a body is measured.
pub(super) const PACE_WINDOW: Duration = Duration::from_secs(15);
/// How long a body waits for memory before it is refused.
const PATIENCE: Duration = Duration::from_secs(2);

/// The memory that all bodies together may use while they are read and their calls run.
#[derive(Debug, Clone)]
pub struct MemoryBudget {
    pool: MemoryPool,
    /// Where large bodies are parsed. A limited number at a time, also because a large body may use more than it has
    /// reserved while it is parsed.
    pub(super) long_work: LongWork,
}

/// Reads the bodies of requests, within a timeout and the memory for all bodies together.
#[derive(Debug, Clone)]
pub struct BodyReader {
    /// The memory for all bodies together (`server.memory`).
    pub memory: MemoryBudget,
    /// How long a body may take to arrive (`timeouts.body`).
    pub timeout: Duration,
    /// How many bytes a second must arrive on average, or 0 (`timeouts.min-rate`).
    pub min_rate: usize,
}

/// How long bodies may take to arrive, and at which pace: those of a [`BodyReader`], until they are changed.
#[derive(Debug, Default)]
pub(super) struct ArrivalLimits {
    /// In milliseconds.
    timeout: AtomicU64,
    min_rate: AtomicUsize,
}

impl ArrivalLimits {
    pub(super) fn of(reader: &BodyReader) -> ArrivalLimits {
        let limits = ArrivalLimits::default();
        limits.set(reader.timeout, reader.min_rate);
        limits
    }

    pub(super) fn set(&self, timeout: Duration, min_rate: usize) {
        self.timeout.store(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX), Relaxed);
        self.min_rate.store(min_rate, Relaxed);
    }

    pub(super) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout.load(Relaxed))
    }

    pub(super) fn min_rate(&self) -> usize {
        self.min_rate.load(Relaxed)
    }
}

/// What is known of a body while it arrives.
#[derive(Debug, Default)]
struct Arrival {
    pace: Pace,
    /// Whether the body waits for memory, and not for its client.
    waits_for_memory: AtomicBool,
    /// How many checks it has passed.
    steps: AtomicU32,
}

/// A complete, decompressed body, and the memory that is reserved for it.
#[derive(Debug, Default)]
pub(super) struct ReadBody {
    /// The body.
    pub(crate) bytes: Bytes,
    /// The reserved memory, to be held as long as anything made from the body is in use; `None` for a small body.
    pub(super) memory: Option<BodyMemory>,
}

/// The memory that is reserved for a body: a part of the share of its client, and of the memory for all bodies.
#[derive(Debug)]
pub(super) struct BodyMemory {
    client: Arc<ClientAccount>,
    of_client: PooledMemory,
    of_all: PooledMemory,
}

/// How many bytes of memory a body of this many bytes reserves.
pub(crate) fn reserved_bytes(bytes: usize) -> usize {
    if bytes <= SMALL { 0 } else { bytes.saturating_mul(FACTOR) }
}

impl Arrival {
    /// Checks a body that has been arriving for one more step, or for the whole timeout if that is less. Returns when the
    /// next check is due.
    fn check(&self, limits: &ArrivalLimits) -> Result<Duration, HttpRejection> {
        let (timeout, min_rate) = (limits.timeout(), limits.min_rate());
        let late = |reason: String| HttpRejection::new(StatusCode::REQUEST_TIMEOUT, reason);
        let elapsed = STEP.saturating_mul(self.steps.fetch_add(1, Relaxed) + 1);
        if elapsed >= timeout {
            return Err(late("the request took too long to arrive".to_owned()));
        }
        let waited = if self.waits_for_memory.load(Relaxed) { 0 } else { STEP_MILLIS };
        if min_rate > 0 && self.pace.is_below(min_rate, PACE_WINDOW, waited) {
            return Err(late(format!("the request arrives at less than {min_rate} bytes a second")));
        }
        Ok(STEP.min(timeout.saturating_sub(elapsed)))
    }
}

impl MemoryBudget {
    /// A budget of this many bytes, rounded up to 1 KiB.
    pub fn new(bytes: usize) -> MemoryBudget {
        MemoryBudget { pool: MemoryPool::new(bytes), long_work: LongWork::limited() }
    }

    /// The memory that all bodies share.
    pub(super) fn pool(&self) -> &MemoryPool {
        &self.pool
    }

    /// Parses large bodies on the blocking threads of this runtime, which has to run as long as requests are served.
    /// Without it, they are parsed on those of the runtime that serves the request.
    ///
    /// Set it if several runtimes serve requests. Otherwise each of them starts such threads, and each thread keeps as much
    /// memory as its largest body needed.
    pub fn on_runtime(self, runtime: Handle) -> MemoryBudget {
        MemoryBudget { long_work: self.long_work.on_runtime(runtime), ..self }
    }

    /// The largest body for which there can be memory, in bytes.
    fn largest_body(&self) -> usize {
        SMALL.max(self.pool.bytes() / FACTOR)
    }

    /// Extends `memory` until it is enough for a body of this many bytes.
    pub(super) async fn reserve(
        &self,
        client: &Arc<ClientAccount>,
        memory: &mut Option<BodyMemory>,
        bytes: usize,
    ) -> Result<(), HttpRejection> {
        let wanted = reserved_bytes(bytes);
        if wanted == 0 {
            return Ok(());
        }
        let memory = memory.get_or_insert_with(|| BodyMemory {
            client: client.clone(),
            of_client: PooledMemory::default(),
            of_all: PooledMemory::default(),
        });
        // Boxed, because it is rare and large: otherwise the future of each request would be as large.
        Box::pin(self.extend(memory, wanted)).await
    }

    /// Extends `memory` to this many bytes of memory.
    async fn extend(&self, memory: &mut BodyMemory, wanted: usize) -> Result<(), HttpRejection> {
        // The client's share first: what waits for it holds none of the memory of others.
        let extended = async {
            if let Some(share) = memory.client.body_memory() {
                memory.of_client.extend_to(share, wanted).await;
            }
            memory.of_all.extend_to(&self.pool, wanted).await;
        };
        with_timeout(PATIENCE, pin!(extended)).await.ok_or_else(|| {
            HttpRejection::new(StatusCode::SERVICE_UNAVAILABLE, "too many large requests at once; try again later")
        })
    }

    /// Decompresses at most `body_limit` bytes, in steps. Each step reserves its memory first, however small the
    /// compressed body is.
    async fn decompress(
        &self,
        client: &Arc<ClientAccount>,
        compressed: impl Read + Send + 'static,
        body_limit: usize,
        memory: Option<BodyMemory>,
    ) -> Result<ReadBody, HttpRejection> {
        let mut decompression = Decompression { compressed, decompressed: Vec::new(), memory };
        loop {
            let until = SMALL.max(2 * decompression.decompressed.len()).min(body_limit);
            self.reserve(client, &mut decompression.memory, until).await?;
            // One byte more than is reserved tells whether the end has been reached.
            let step = move || decompression.read_on(until + 1);
            let (rest, whole) = if until > SMALL { self.long_work.clone().run(step).await? } else { step()? };
            if whole {
                return Ok(ReadBody { bytes: rest.decompressed.into(), memory: rest.memory });
            }
            if until == body_limit {
                return Err(too_large(body_limit));
            }
            decompression = rest;
        }
    }
}

impl BodyReader {
    /// A reader with the memory and the timeout of these settings.
    pub fn new(settings: &ServerSettings) -> BodyReader {
        let Timeouts { body: timeout, min_rate, .. } = settings.timeouts;
        BodyReader { memory: MemoryBudget::new(settings.memory), timeout, min_rate }
    }

    /// Reads a body of at most `body_limit` bytes (`limits.body`), both as sent and after decompression; of fewer, if there is no
    /// memory for as many.
    ///
    /// # Errors
    /// 408, 411, 413, 415 or 503; 400 if the body breaks off or does not match its `Content-Encoding`.
    pub(super) async fn read<B>(
        &self,
        client: &Arc<ClientAccount>,
        head: &Parts,
        mut body: Pin<&mut B>,
        (body_limit, arrival_limits): (usize, &ArrivalLimits),
    ) -> Result<ReadBody, HttpRejection>
    where
        B: Body<Data = Bytes>,
    {
        let coding = Coding::from_headers(&head.headers)?;
        let body_limit = body_limit.min(self.memory.largest_body());
        check_length(head, &*body, body_limit)?;
        // Most bodies have arrived with their head, in one frame.
        let mut bytes = Bytes::new();
        if !body.is_end_stream() {
            match poll_fn(|cx| Poll::Ready(body.as_mut().poll_frame(cx))).await {
                Poll::Ready(Some(frame)) => bytes = data_of(frame)?,
                Poll::Ready(None) | Poll::Pending => {}
            }
        }
        if coding.is_none() && bytes.len() <= SMALL.min(body_limit) && body.is_end_stream() {
            return Ok(ReadBody { bytes, memory: None });
        }
        // Boxed, because it is rare and large: otherwise the future of each request would be as large.
        Box::pin(self.read_rest(client, bytes, body, (body_limit, arrival_limits), coding)).await
    }

    /// Reads a body whose first frame has been read, and decompresses it.
    async fn read_rest<B>(
        &self,
        client: &Arc<ClientAccount>,
        first: Bytes,
        body: Pin<&mut B>,
        (body_limit, limits): (usize, &ArrivalLimits),
        coding: Option<Coding>,
    ) -> Result<ReadBody, HttpRejection>
    where
        B: Body<Data = Bytes>,
    {
        let arrival = Arrival::default();
        let collecting = pin!(self.collect(client, first, body, body_limit, &arrival));
        let first_check = limits.timeout().min(STEP);
        let read = with_checks(first_check, collecting, || arrival.check(limits)).await??;
        match coding {
            Some(coding) => self.memory.decompress(client, coding.reader(read.bytes), body_limit, read.memory).await,
            None => Ok(read),
        }
    }

    /// Reads a body to its end. `begin` is what has been read of it.
    async fn collect<B>(
        &self,
        client: &Arc<ClientAccount>,
        begin: Bytes,
        mut body: Pin<&mut B>,
        body_limit: usize,
        arrival: &Arrival,
    ) -> Result<ReadBody, HttpRejection>
    where
        B: Body<Data = Bytes>,
    {
        let announced = begin.len().saturating_add(usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX));
        let mut first = Bytes::new();
        let mut all = BytesMut::new();
        let mut memory = None;
        let mut next = Some(begin);
        while let Some(data) = next {
            arrival.pace.moved(data.len());
            let length = first.len().max(all.len()) + data.len();
            if length > body_limit {
                return Err(too_large(body_limit));
            }
            // Memory is reserved as the bytes come, twice as much as there are: what a client only announces reserves
            // nothing.
            let until = length.saturating_mul(2).min(announced.max(length));
            if length > SMALL {
                arrival.waits_for_memory.store(true, Relaxed);
                self.memory.reserve(client, &mut memory, until).await?;
                arrival.waits_for_memory.store(false, Relaxed);
            }
            if first.is_empty() {
                first = data;
            } else {
                if all.is_empty() {
                    all.reserve(until);
                    all.extend_from_slice(&first);
                }
                all.extend_from_slice(&data);
            }
            // The error of a body need not be `Send`, so it is dropped before the next await.
            next = body.frame().await.map(data_of).transpose()?;
        }
        let bytes = if all.is_empty() { first } else { all.freeze() };
        Ok(ReadBody { bytes, memory })
    }
}

/// Checks what the head of a request says of the length of its body.
pub(super) fn check_length(head: &Parts, body: &impl Body, body_limit: usize) -> Result<(), HttpRejection> {
    let bodiless = matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE);
    let lengthless = !bodiless && !head.headers.contains_key(header::CONTENT_LENGTH);
    if head.version == Version::HTTP_10 && lengthless {
        return Err(HttpRejection::new(StatusCode::LENGTH_REQUIRED, "an HTTP/1.0 request needs a Content-Length"));
    }
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > body_limit { Err(too_large(body_limit)) } else { Ok(()) }
}

/// The data of a frame of a body; none for trailers.
fn data_of<E>(frame: Result<Frame<Bytes>, E>) -> Result<Bytes, HttpRejection> {
    let frame = frame.map_err(|_| HttpRejection::new(StatusCode::BAD_REQUEST, "the request broke off"))?;
    Ok(frame.into_data().unwrap_or_default())
}

/// A `Content-Encoding` other than none.
#[derive(Debug, Clone, Copy)]
enum Coding {
    Gzip,
    Deflate,
}

impl Coding {
    fn from_headers(headers: &HeaderMap) -> Result<Option<Coding>, HttpRejection> {
        let Some(value) = headers.get(header::CONTENT_ENCODING) else { return Ok(None) };
        let several = headers.get_all(header::CONTENT_ENCODING).iter().nth(1).is_some();
        let name = value.to_str().unwrap_or("?").trim().to_ascii_lowercase();
        match name.as_str() {
            _ if several => {}
            "identity" | "" => return Ok(None),
            "gzip" | "x-gzip" => return Ok(Some(Coding::Gzip)),
            "deflate" => return Ok(Some(Coding::Deflate)),
            _ => {}
        }
        let reason = format!("the content coding `{}` is not supported; gzip and deflate are", abridge(&name));
        Err(HttpRejection::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason))
    }

    /// Reads the decompressed bytes. `deflate` means zlib (RFC 9110, section 8.4.1.2), but some clients send it without the
    /// zlib header.
    fn reader(self, compressed: Bytes) -> Box<dyn Read + Send> {
        match self {
            Coding::Gzip => Box::new(MultiGzDecoder::new(compressed.reader())),
            Coding::Deflate if is_zlib(&compressed) => Box::new(ZlibDecoder::new(compressed.reader())),
            Coding::Deflate => Box::new(DeflateDecoder::new(compressed.reader())),
        }
    }
}

/// Whether the first two bytes are a zlib header (RFC 1950, section 2.2).
fn is_zlib(bytes: &[u8]) -> bool {
    match bytes {
        [method, flags, ..] => method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31),
        _ => false,
    }
}

/// A body that is being decompressed, with the memory that it has reserved.
struct Decompression<R> {
    compressed: R,
    decompressed: Vec<u8>,
    memory: Option<BodyMemory>,
}

impl<R: Read> Decompression<R> {
    /// Reads on until there are `until` bytes. Returns whether the end came first.
    fn read_on(mut self, until: usize) -> Result<(Self, bool), HttpRejection> {
        let missing = until.saturating_sub(self.decompressed.len());
        let read = self
            .compressed
            .by_ref()
            .take(u64::try_from(missing).unwrap_or(u64::MAX))
            .read_to_end(&mut self.decompressed);
        match read {
            Ok(_) => {
                let whole = self.decompressed.len() < until;
                Ok((self, whole))
            }
            Err(_) => Err(HttpRejection::new(StatusCode::BAD_REQUEST, "the body does not match its Content-Encoding")),
        }
    }
}

pub(super) fn too_large(body_limit: usize) -> HttpRejection {
    HttpRejection::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the request is larger than {body_limit} bytes"))
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::atomic::AtomicUsize;
    use std::task::{Context, Poll};

    use http_body::Frame;

    use super::*;

    /// Endless zeros, counted as they are read.
    #[derive(Clone, Default)]
    struct Zeros(Arc<AtomicUsize>);

    impl Read for Zeros {
        fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
            to.fill(0);
            self.0.fetch_add(to.len(), Relaxed);
            Ok(to.len())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_decompressed_before_its_memory_is_reserved() {
        let (memory, zeros) = (MemoryBudget::new(FACTOR << 20), Zeros::default());
        // The one body that may exceed the memory.
        let mut other = PooledMemory::default();
        other.extend_to(&memory.pool, 1).await;
        other.extend_to(&memory.pool, 64 << 20).await;
        let result = memory.decompress(&Arc::default(), zeros.clone(), 64 << 20, None).await;
        assert_eq!(result.unwrap_err().status, StatusCode::SERVICE_UNAVAILABLE, "there is never enough memory");
        let read = zeros.0.load(Relaxed);
        assert!((1 << 19..=1 << 20).contains(&read), "{read} bytes");
    }

    /// A body of which as many bytes come every second, without end.
    struct Dripping {
        drops: tokio::time::Interval,
        bytes: usize,
    }

    impl Body for Dripping {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            let bytes = self.bytes;
            self.drops.poll_tick(cx).map(|_| Some(Ok(Frame::data(vec![0; bytes].into()))))
        }
    }

    /// Why a body of as many bytes a second is refused, and after how many seconds.
    async fn refused(bytes: usize, timeouts: Timeouts) -> (HttpRejection, u64) {
        let begun = tokio::time::Instant::now();
        let reader = BodyReader::new(&ServerSettings { timeouts, ..ServerSettings::default() });
        let (head, ()) = http::Request::post("/").body(()).unwrap().into_parts();
        let body = Dripping { drops: tokio::time::interval(Duration::from_secs(1)), bytes };
        let refused =
            reader.read(&Arc::default(), &head, pin!(body), (1 << 20, &ArrivalLimits::of(&reader))).await.unwrap_err();
        (refused, begun.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_arrives_too_slowly_is_refused_before_its_timeout() {
        let timeouts = Timeouts { body: Duration::from_secs(100), ..Timeouts::default() };
        let (refusal, seconds) = refused(100, timeouts).await;
        assert_eq!(refusal.status, StatusCode::REQUEST_TIMEOUT);
        assert_eq!(refusal.reason, "the request arrives at less than 500 bytes a second");
        assert!((16..25).contains(&seconds), "{seconds}");
        for (bytes, min_rate) in [(600, 500), (1, 0)] {
            let (refusal, seconds) = refused(bytes, Timeouts { min_rate, ..timeouts }).await;
            assert_eq!(refusal.reason, "the request took too long to arrive", "{bytes} bytes a second");
            assert_eq!(seconds, 100);
        }
    }

    #[tokio::test]
    async fn decompression_ends_at_the_limit() {
        let memory = MemoryBudget::new(64 << 20);
        for (length, limit, fits) in [(0, 0, true), (1, 0, false), (70_000, 70_000, true), (70_001, 70_000, false)] {
            let result = memory.decompress(&Arc::default(), Zeros::default().take(length), limit, None).await;
            assert_eq!(result.is_ok(), fits, "{length} of {limit} bytes");
            assert!(result.is_err() || result.is_ok_and(|body| body.bytes.len() as u64 == length));
        }
    }
}
