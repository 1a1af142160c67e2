//! A request's body into memory: within its limit, its time and its share of the memory, and unpacked.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::request::Parts;
use http::{HeaderMap, StatusCode, Version, header};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::refusal::Refusal;
use crate::text::abridge;
use crate::wait::within;

/// Up to this many bytes a body takes no share of the memory: the limit on connections bounds them all.
const SMALL: usize = 16 * 1024;
/// How much memory a byte of a request may come to take, as text, tree, arguments and answer together.
const FACTOR: usize = 6;
/// How long a body waits for its share before it is refused.
const PATIENCE: Duration = Duration::from_secs(2);
/// The memory is counted in units of so many bytes.
const UNIT: usize = 1024;

/// The memory that all bodies together may take while they are read, parsed and answered.
#[derive(Debug, Clone)]
pub struct Memory {
    units: Arc<Semaphore>,
}

/// How bodies are taken in.
#[derive(Debug, Clone)]
pub struct Intake {
    /// The memory for all of them together.
    pub memory: Memory,
    /// How long one may take to arrive.
    pub deadline: Duration,
}

/// A body, whole and unpacked, and its share of the memory.
#[derive(Debug)]
pub struct Taken {
    /// The body.
    pub bytes: Bytes,
    /// Its share, to be held as long as anything made of the body lives.
    pub share: Option<OwnedSemaphorePermit>,
}

/// The share of the memory that a body of so many bytes takes, in bytes.
pub fn counted(bytes: usize) -> usize {
    if bytes <= SMALL { 0 } else { bytes.saturating_mul(FACTOR) }
}

impl Memory {
    /// So many bytes, rounded up to 1 KiB.
    pub fn new(bytes: usize) -> Memory {
        Memory { units: Arc::new(Semaphore::new(bytes.div_ceil(UNIT).min(Semaphore::MAX_PERMITS))) }
    }

    /// Makes `share` cover a body of so many bytes.
    async fn cover(&self, share: &mut Option<OwnedSemaphorePermit>, bytes: usize) -> Result<(), Refusal> {
        let held = share.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = counted(bytes).div_ceil(UNIT).saturating_sub(held);
        if missing == 0 {
            return Ok(());
        }
        let wanted = u32::try_from(missing).unwrap_or(u32::MAX);
        let more = within(PATIENCE, self.units.clone().acquire_many_owned(wanted)).await;
        let more = more.and_then(Result::ok).ok_or_else(|| {
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "too many large requests at once; try again later")
        })?;
        match share {
            Some(share) => share.merge(more),
            None => *share = Some(more),
        }
        Ok(())
    }
}

impl Intake {
    /// Takes in a body of at most `limit` bytes, as sent and as unpacked.
    ///
    /// # Errors
    /// 408, 411, 413, 415, 503, or 400 where the body breaks off or is not what its `Content-Encoding` says.
    pub async fn take<B>(&self, head: &Parts, body: B, limit: usize) -> Result<Taken, Refusal>
    where
        B: Body<Data = Bytes>,
    {
        let coding = Coding::of(&head.headers)?;
        if head.version == Version::HTTP_10 && !head.headers.contains_key(header::CONTENT_LENGTH) {
            return Err(Refusal::new(StatusCode::LENGTH_REQUIRED, "an HTTP/1.0 request needs a Content-Length"));
        }
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > limit {
            return Err(too_large(limit));
        }
        let taken = within(self.deadline, self.collect(body, limit)).await;
        let mut taken =
            taken.ok_or_else(|| Refusal::new(StatusCode::REQUEST_TIMEOUT, "the request took too long to arrive"))??;
        if let Some(coding) = coding {
            taken.bytes = coding.unpack(&taken.bytes, limit)?;
            self.memory.cover(&mut taken.share, taken.bytes.len()).await?;
        }
        Ok(taken)
    }

    async fn collect<B>(&self, body: B, limit: usize) -> Result<Taken, Refusal>
    where
        B: Body<Data = Bytes>,
    {
        let mut body = std::pin::pin!(body);
        let (mut first, mut rest, mut share) = (Bytes::new(), BytesMut::new(), None);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "the request broke off"))?;
            let Ok(data) = frame.into_data() else { continue };
            let length = first.len() + rest.len() + data.len();
            if length > limit {
                return Err(too_large(limit));
            }
            self.memory.cover(&mut share, length).await?;
            if first.is_empty() {
                first = data;
            } else {
                rest.extend_from_slice(&data);
            }
        }
        let bytes = if rest.is_empty() { first } else { [first, rest.freeze()].concat().into() };
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
    fn of(headers: &HeaderMap) -> Result<Option<Coding>, Refusal> {
        let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
        let Some(value) = values.next() else { return Ok(None) };
        let name = value.to_str().unwrap_or("?").trim().to_ascii_lowercase();
        match name.as_str() {
            _ if values.next().is_some() => {}
            "identity" | "" => return Ok(None),
            "gzip" | "x-gzip" => return Ok(Some(Coding::Gzip)),
            "deflate" => return Ok(Some(Coding::Deflate)),
            _ => {}
        }
        let reason = format!("the content coding `{}` is not supported; gzip and deflate are", abridge(&name));
        Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason))
    }

    /// Unpacks at most `limit` bytes. `deflate` is zlib by its specification and raw by many a client's mistake.
    fn unpack(self, packed: &[u8], limit: usize) -> Result<Bytes, Refusal> {
        match self {
            Coding::Gzip => read(MultiGzDecoder::new(packed), limit),
            Coding::Deflate if is_zlib(packed) => read(ZlibDecoder::new(packed), limit),
            Coding::Deflate => read(DeflateDecoder::new(packed), limit),
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

fn read(packed: impl Read, limit: usize) -> Result<Bytes, Refusal> {
    let mut unpacked = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    match packed.take(most).read_to_end(&mut unpacked) {
        Ok(_) if unpacked.len() > limit => Err(too_large(limit)),
        Ok(_) => Ok(unpacked.into()),
        Err(_) => Err(Refusal::new(StatusCode::BAD_REQUEST, "the body is not what its Content-Encoding says")),
    }
}

fn too_large(limit: usize) -> Refusal {
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the request is larger than {limit} bytes"))
}
