//! Reads the body of a request: within its size limit, its timeout and the memory that all bodies share; decompressed.

use std::io::Read;
use std::num::NonZero;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, Version, header};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::rejection::HttpRejection;
use crate::model::text::abridge;
use crate::server::settings::Settings;
use crate::service::future::{run_blocking, with_timeout};

/// A body of at most this many bytes reserves no memory: the limits on connections and requests bound them.
const SMALL: usize = 16 * 1024;
/// How many bytes of memory a byte of a request may come to use, as text, tree, arguments and result together.
const FACTOR: usize = 6;
/// How long a body waits for memory before it is refused.
const PATIENCE: Duration = Duration::from_secs(2);
/// The memory is counted in units of this many bytes.
const UNIT: usize = 1024;

/// The memory that all bodies together may use while they are read and their calls run.
#[derive(Debug, Clone)]
pub struct MemoryBudget {
    units: Arc<Semaphore>,
    /// How many large bodies are parsed at the same time: half as many as there are processors. The other half is left to
    /// small documents; and while a large one is parsed, it may use more than it has reserved.
    turns: Arc<Semaphore>,
    /// The runtime whose blocking threads parse large bodies; `None` for the current one.
    runtime: Option<Handle>,
}

/// Reads bodies.
#[derive(Debug, Clone)]
pub struct BodyReader {
    /// The memory for all bodies together.
    pub memory: MemoryBudget,
    /// How long a body may take to arrive.
    pub deadline: Duration,
}

/// A body, whole and decompressed, and the memory that it has reserved.
#[derive(Debug)]
pub struct Taken {
    /// The body.
    pub bytes: Bytes,
    /// The reserved memory, to be held as long as anything made from the body is in use.
    pub share: Option<OwnedSemaphorePermit>,
}

/// How many bytes of memory a body of this size reserves.
pub fn counted(bytes: usize) -> usize {
    if bytes <= SMALL { 0 } else { bytes.saturating_mul(FACTOR) }
}

impl MemoryBudget {
    /// A budget of this many bytes, rounded up to 1 KiB.
    pub fn new(bytes: usize) -> MemoryBudget {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        MemoryBudget {
            units: Arc::new(Semaphore::new(bytes.div_ceil(UNIT).min(Semaphore::MAX_PERMITS))),
            turns: Arc::new(Semaphore::new(processors.div_ceil(2))),
            runtime: None,
        }
    }

    /// The same memory, where the work on large bodies is done beside this runtime, which has to run as long as requests
    /// are answered; without it, beside the runtime that answers the request.
    ///
    /// For where several runtimes answer requests: otherwise each of them comes to have such threads of its own, and
    /// each thread keeps what memory its largest body took.
    pub fn on_runtime(self, runtime: Handle) -> MemoryBudget {
        MemoryBudget { runtime: Some(runtime), ..self }
    }

    /// Does what takes long for a large body when its turn has come, on a thread beside those that answer small ones.
    ///
    /// Work that was begun is finished even if nobody waits for it any more, and holds its turn until then.
    pub async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        // The turns are never closed; without one the work is done all the same.
        let turn = self.turns.clone().acquire_owned().await;
        let runtime = self.runtime.clone().unwrap_or_else(Handle::current);
        run_blocking(&runtime, move || {
            let done = work();
            drop(turn);
            done
        })
        .await
    }

    /// Extends `share` until it covers a body of this many bytes.
    async fn cover(&self, share: &mut Option<OwnedSemaphorePermit>, bytes: usize) -> Result<(), HttpRejection> {
        let held = share.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = counted(bytes).div_ceil(UNIT).saturating_sub(held);
        if missing == 0 {
            return Ok(());
        }
        let more = Box::pin(self.acquire(missing)).await?;
        match share {
            Some(share) => share.merge(more),
            None => *share = Some(more),
        }
        Ok(())
    }

    async fn acquire(&self, units: usize) -> Result<OwnedSemaphorePermit, HttpRejection> {
        let wanted = u32::try_from(units).unwrap_or(u32::MAX);
        let more = with_timeout(PATIENCE, self.units.clone().acquire_many_owned(wanted)).await;
        more.and_then(Result::ok).ok_or_else(|| {
            HttpRejection::new(StatusCode::SERVICE_UNAVAILABLE, "too many large requests at once; try again later")
        })
    }

    /// Reads at most `limit` bytes, step by step: no step before its bytes are covered, however small the packed
    /// body was.
    async fn unpack(
        &self,
        packed: impl Read + Send + 'static,
        limit: usize,
        share: Option<OwnedSemaphorePermit>,
    ) -> Result<Taken, HttpRejection> {
        let mut unpacking = Unpacking { packed, unpacked: Vec::new(), share };
        loop {
            let until = SMALL.max(2 * unpacking.unpacked.len()).min(limit);
            self.cover(&mut unpacking.share, until).await?;
            // One byte more than is covered tells whether this is all.
            let step = move || unpacking.read_on(until + 1);
            let (rest, whole) = if until > SMALL { self.in_turn(step).await? } else { step()? };
            if whole {
                return Ok(Taken { bytes: rest.unpacked.into(), share: rest.share });
            }
            if until == limit {
                return Err(too_large(limit));
            }
            unpacking = rest;
        }
    }
}

impl BodyReader {
    /// A reader with the memory and the time that the settings allow.
    pub fn new(settings: &Settings) -> BodyReader {
        BodyReader { memory: MemoryBudget::new(settings.memory), deadline: settings.timeouts.body }
    }

    /// Takes in a body of at most `limit` bytes, as sent and as unpacked.
    ///
    /// # Errors
    /// 408, 411, 413, 415, 503, or 400 where the body breaks off or is not what its `Content-Encoding` says.
    pub async fn take<B>(&self, head: &Parts, body: B, limit: usize) -> Result<Taken, HttpRejection>
    where
        B: Body<Data = Bytes>,
    {
        let coding = Coding::of(&head.headers)?;
        let bodiless = matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE);
        let lengthless = !bodiless && !head.headers.contains_key(header::CONTENT_LENGTH);
        if head.version == Version::HTTP_10 && lengthless {
            return Err(HttpRejection::new(StatusCode::LENGTH_REQUIRED, "an HTTP/1.0 request needs a Content-Length"));
        }
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > limit {
            return Err(too_large(limit));
        }
        let taken = with_timeout(self.deadline, pin!(self.collect(body, limit))).await;
        let taken = taken
            .ok_or_else(|| HttpRejection::new(StatusCode::REQUEST_TIMEOUT, "the request took too long to arrive"))??;
        match coding {
            // Rare and large, so it is boxed: otherwise each request's future would have room for it.
            Some(coding) => Box::pin(self.memory.unpack(coding.reader(taken.bytes), limit, taken.share)).await,
            None => Ok(taken),
        }
    }

    async fn collect<B>(&self, body: B, limit: usize) -> Result<Taken, HttpRejection>
    where
        B: Body<Data = Bytes>,
    {
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        let mut body = pin!(body);
        let (mut first, mut all, mut share) = (Bytes::new(), BytesMut::new(), None);
        // The error of a body need not be `Send`, so it is dropped before anything is waited for.
        while let Some(frame) = body.frame().await.map(|frame| frame.map_err(drop)) {
            let frame = frame.map_err(|()| HttpRejection::new(StatusCode::BAD_REQUEST, "the request broke off"))?;
            let Ok(data) = frame.into_data() else { continue };
            let length = first.len().max(all.len()) + data.len();
            if length > limit {
                return Err(too_large(limit));
            }
            // Reserve memory for the whole announced length at once: two half-reserved bodies would deadlock. It is done
            // only after more than `SMALL` bytes have come, so that an announcement alone reserves nothing.
            let until = if length > SMALL { length.max(announced) } else { length };
            self.memory.cover(&mut share, until).await?;
            if first.is_empty() {
                first = data;
                continue;
            }
            if all.is_empty() {
                all.reserve(until);
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&data);
        }
        let bytes = if all.is_empty() { first } else { all.freeze() };
        Ok(Taken { bytes, share })
    }
}

/// A `Content-Encoding` other than none.
#[derive(Debug, Clone, Copy)]
enum Coding {
    Gzip,
    Deflate,
}

impl Coding {
    fn of(headers: &HeaderMap) -> Result<Option<Coding>, HttpRejection> {
        // Looked for once more where there is one: that is seldom.
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

    /// What is packed. `deflate` is zlib by its specification and raw by many a client's mistake.
    fn reader(self, packed: Bytes) -> Box<dyn Read + Send> {
        match self {
            Coding::Gzip => Box::new(MultiGzDecoder::new(packed.reader())),
            Coding::Deflate if is_zlib(&packed) => Box::new(ZlibDecoder::new(packed.reader())),
            Coding::Deflate => Box::new(DeflateDecoder::new(packed.reader())),
        }
    }
}

/// Whether the first two bytes are a zlib header (RFC 1950, section 2.2).
fn is_zlib(packed: &[u8]) -> bool {
    match packed {
        [method, flags, ..] => method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31),
        _ => false,
    }
}

/// A body that is being decompressed, with the memory that it has reserved.
struct Unpacking<R> {
    packed: R,
    unpacked: Vec<u8>,
    share: Option<OwnedSemaphorePermit>,
}

impl<R: Read> Unpacking<R> {
    /// Reads on until there are `until` bytes. Returns whether the end came first.
    fn read_on(mut self, until: usize) -> Result<(Self, bool), HttpRejection> {
        let room = until.saturating_sub(self.unpacked.len());
        let read = self.packed.by_ref().take(u64::try_from(room).unwrap_or(u64::MAX)).read_to_end(&mut self.unpacked);
        match read {
            Ok(_) => {
                let whole = self.unpacked.len() < until;
                Ok((self, whole))
            }
            Err(_) => {
                Err(HttpRejection::new(StatusCode::BAD_REQUEST, "the body is not what its Content-Encoding says"))
            }
        }
    }
}

fn too_large(limit: usize) -> HttpRejection {
    HttpRejection::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the request is larger than {limit} bytes"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

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
    async fn nothing_is_unpacked_before_there_is_memory_for_it() {
        let (memory, zeros) = (MemoryBudget::new(FACTOR << 20), Zeros::default());
        let unpacked = memory.unpack(zeros.clone(), 64 << 20, None).await;
        assert_eq!(unpacked.unwrap_err().status, StatusCode::SERVICE_UNAVAILABLE, "it waits in vain");
        let read = zeros.0.load(Relaxed);
        assert!((1 << 19..=1 << 20).contains(&read), "{read} bytes");
    }

    #[tokio::test]
    async fn what_is_unpacked_ends_at_the_limit() {
        let memory = MemoryBudget::new(64 << 20);
        for (length, limit, fits) in [(0, 0, true), (1, 0, false), (70_000, 70_000, true), (70_001, 70_000, false)] {
            let unpacked = memory.unpack(Zeros::default().take(length), limit, None).await;
            assert_eq!(unpacked.is_ok(), fits, "{length} of {limit} bytes");
            assert!(unpacked.is_err() || unpacked.is_ok_and(|taken| taken.bytes.len() as u64 == length));
        }
    }
}
