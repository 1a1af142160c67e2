//! SCGI: the headers of a request as a netstring, then its body; the response is that of a CGI program. Each request has a
//! connection of its own.
//!
//! Sources: <https://python.ca/scgi/protocol.txt> for the request, RFC 3875, section 6 for the response.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use memchr::memmem;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};

use super::connect::ByteStream;
use super::error::{MalformedHead, SendFailure};
use super::outgoing::{OutgoingRequest, arriving};
use super::time_limit::TimeLimit;
use crate::model::fault::BoxError;

/// The largest head of a response, in bytes.
const MAX_HEAD: usize = 64 << 10;
/// How many bytes are read at a time.
const READ_SIZE: usize = 32 << 10;

/// The body of a response.
pub(super) struct ScgiBody {
    stream: ByteStream,
    /// The bytes that were read together with the head.
    buffered: Bytes,
    /// How many bytes are left, if the head has a `Content-Length`. Otherwise the body ends with the connection.
    left: Option<u64>,
}

/// Sends a request and reads the head of its response.
pub(super) async fn send(
    mut stream: ByteStream,
    request: OutgoingRequest,
    limit: TimeLimit,
) -> Result<Response<ScgiBody>, SendFailure> {
    let arriving = arriving(&request);
    let exchange = async {
        // The length precedes everything else.
        let length = match &arriving {
            None => request.body().len() as u64,
            Some(body) => {
                let length = body.size_hint().exact();
                length.ok_or_else(|| SendFailure::sent("SCGI needs a body whose length is known before"))?
            }
        };
        stream.write_all(&encode_head(&request, length)).await.map_err(SendFailure::sent)?;
        stream.write_all(request.body()).await.map_err(SendFailure::sent)?;
        let mut rest = arriving.clone();
        while let Some(body) = &mut rest {
            match body.frame().await {
                None => rest = None,
                Some(frame) => {
                    let data = frame.map_err(SendFailure::sent)?.into_data().unwrap_or_default();
                    stream.write_all(&data).await.map_err(SendFailure::sent)?;
                }
            }
        }
        stream.flush().await.map_err(SendFailure::sent)?;
        let mut read = BytesMut::with_capacity(READ_SIZE);
        let (length, separator) = loop {
            if let Some(end) = end_of_head(&read) {
                break end;
            }
            if read.len() > MAX_HEAD {
                return Err(SendFailure::sent(MalformedHead("the head of the response does not end")));
            }
            if stream.read_buf(&mut read).await.map_err(SendFailure::sent)? == 0 {
                return Err(SendFailure::sent("the connection was closed before the response began"));
            }
        };
        let head = read.split_to(length + separator);
        let (status, headers) = read_head(head.get(..length).unwrap_or_default()).map_err(SendFailure::sent)?;
        Ok((status, headers, read.freeze()))
    };
    let (status, headers, buffered) =
        limit.run_beside(arriving.as_ref(), exchange).await.map_err(SendFailure::sent)??;
    let left = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.trim().parse().ok());
    let mut response = Response::new(ScgiBody { stream, buffered, left });
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    Ok(response)
}

/// The netstring of a request's headers. `CONTENT_LENGTH` is the first of them, as the specification requires.
fn encode_head(request: &Request<Bytes>, length: u64) -> Vec<u8> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let (script, query) = path.split_once('?').unwrap_or((path, ""));
    let length = length.to_string();
    let variables = [
        ("CONTENT_LENGTH", length.as_str()),
        ("SCGI", "1"),
        ("REQUEST_METHOD", request.method().as_str()),
        ("REQUEST_URI", path),
        ("SCRIPT_NAME", ""),
        ("PATH_INFO", script),
        ("QUERY_STRING", query),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
    ];
    let mut headers = Vec::with_capacity(512);
    let mut put = |name: &str, value: &[u8]| {
        headers.extend_from_slice(name.as_bytes());
        headers.push(0);
        headers.extend_from_slice(value);
        headers.push(0);
    };
    for (name, value) in variables {
        put(name, value.as_bytes());
    }
    for (name, value) in request.headers() {
        match *name {
            header::CONTENT_TYPE => put("CONTENT_TYPE", value.as_bytes()),
            header::CONTENT_LENGTH => {}
            _ => put(&format!("HTTP_{}", name.as_str().to_ascii_uppercase().replace('-', "_")), value.as_bytes()),
        }
    }
    let mut head = headers.len().to_string().into_bytes();
    head.push(b':');
    head.append(&mut headers);
    head.push(b',');
    head
}

/// The length of the head, and of the empty line between head and body; `None` if the head is not complete.
fn end_of_head(bytes: &[u8]) -> Option<(usize, usize)> {
    let ends = [(b"\r\n\r\n".as_slice(), 4), (b"\n\n".as_slice(), 2)];
    ends.into_iter().filter_map(|(end, skip)| Some((memmem::find(bytes, end)?, skip))).min()
}

/// Reads status and headers. A response without a `Status` has status 200 (RFC 3875, section 6.3.3).
fn read_head(head: &[u8]) -> Result<(StatusCode, HeaderMap), MalformedHead> {
    let mut headers = HeaderMap::new();
    let mut status = StatusCode::OK;
    for line in head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()) {
        let colon = memchr::memchr(b':', line).ok_or(MalformedHead("the response does not begin with headers"))?;
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"Status") {
            let code = value.get(..3).and_then(|code| StatusCode::from_bytes(code).ok());
            status = code.ok_or(MalformedHead("the response has an invalid status"))?;
            continue;
        }
        let (name, value) = (HeaderName::from_bytes(name).ok(), HeaderValue::from_bytes(value).ok());
        let (Some(name), Some(value)) = (name, value) else {
            return Err(MalformedHead("the response has a malformed header"));
        };
        headers.append(name, value);
    }
    Ok((status, headers))
}

impl ScgiBody {
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.left == Some(0) {
            return Poll::Ready(None);
        }
        let mut data = std::mem::take(&mut self.buffered);
        if data.is_empty() {
            let mut buffer = vec![0; READ_SIZE];
            let mut read = ReadBuf::new(&mut buffer);
            if let Err(error) = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read)) {
                return Poll::Ready(Some(Err(error.into())));
            }
            let length = read.filled().len();
            buffer.truncate(length);
            data = buffer.into();
        }
        match (&mut self.left, data.len()) {
            (None, 0) => return Poll::Ready(None),
            (Some(_), 0) => return Poll::Ready(Some(Err("the response ends before its length".into()))),
            (Some(left), length) => {
                let length = u64::try_from(length).unwrap_or(u64::MAX).min(*left);
                data.truncate(usize::try_from(length).unwrap_or(usize::MAX));
                *left -= length;
            }
            (None, _) => {}
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_comes_first_and_the_netstring_says_its_own() {
        let request = Request::post("/RPC2?a=b").header("content-type", "text/xml").header("x-y", "z");
        let head = encode_head(&request.body(Bytes::from_static(b"<a/>")).unwrap(), 4);
        let text = String::from_utf8(head).unwrap();
        let (length, rest) = text.split_once(':').unwrap();
        assert_eq!(length.parse::<usize>().unwrap() + 1, rest.len());
        assert!(rest.starts_with("CONTENT_LENGTH\x004\0SCGI\x001\0REQUEST_METHOD\0POST\0") && rest.ends_with("\0,"));
        assert!(
            rest.contains("PATH_INFO\0/RPC2\0QUERY_STRING\0a=b\0")
                && rest.contains("CONTENT_TYPE\0text/xml\0HTTP_X_Y\0z\0")
        );
    }

    #[test]
    fn heads_are_read_with_either_line_end() {
        assert_eq!(end_of_head(b"Status: 200 OK\r\nA: b\r\n\r\nbody"), Some((20, 4)));
        assert_eq!(end_of_head(b"A: b\n\nbody\r\n\r\n"), Some((4, 2)));
        assert_eq!(end_of_head(b"A: b\r\n"), None);
        let (status, headers) = read_head(b"Status: 404 Not Found\r\nContent-Type: text/xml").unwrap();
        assert_eq!(
            (status, &headers[header::CONTENT_TYPE]),
            (StatusCode::NOT_FOUND, &HeaderValue::from_static("text/xml"))
        );
        assert_eq!(read_head(b"A: b").unwrap().0, StatusCode::OK);
        for wrong in [b"<html>".as_slice(), b"Status: no", b"a b: c"] {
            assert!(read_head(wrong).is_err());
        }
    }
}
