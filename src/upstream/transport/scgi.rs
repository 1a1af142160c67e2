//! SCGI: a request with a few headers in a netstring, a response as a CGI program writes it, one a connection.
//!
//! Source: <https://python.ca/scgi/protocol.txt>; the response is that of RFC 3875, section 6.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body::{Frame, SizeHint};
use memchr::memmem;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

use super::body::Incoming;
use super::connect::Stream;
use super::error::{Failed, Late};
use crate::model::fault::BoxError;

/// How long the head of a response may be, in bytes.
const HEAD: usize = 64 << 10;
/// How much of a body is read at a time.
const PIECE: usize = 32 << 10;

/// What is left of a response.
pub(super) struct Rest {
    stream: Stream,
    /// What came with the head.
    begun: Bytes,
    /// How much is still to come, where the head says it.
    left: Option<u64>,
}

/// Sends a request and reads the head of its response.
pub(super) async fn send(
    mut stream: Stream,
    request: Request<Bytes>,
    limit: Duration,
) -> Result<Response<Incoming>, Failed> {
    let exchange = async {
        stream.write_all(&head_of(&request)).await.map_err(Failed::sent)?;
        stream.write_all(request.body()).await.map_err(Failed::sent)?;
        stream.flush().await.map_err(Failed::sent)?;
        let mut read = BytesMut::with_capacity(PIECE);
        let (length, skip) = loop {
            if let Some(end) = end_of_head(&read) {
                break end;
            }
            if read.len() > HEAD {
                return Err(Failed::sent("the head of the answer does not end"));
            }
            if stream.read_buf(&mut read).await.map_err(Failed::sent)? == 0 {
                return Err(Failed::sent("the connection was closed before the answer began"));
            }
        };
        let head = read.split_to(length + skip);
        let (status, headers) = read_head(head.get(..length).unwrap_or_default()).map_err(Failed::sent)?;
        Ok((status, headers, read.freeze()))
    };
    let (status, headers, begun) = timeout(limit, exchange).await.map_err(|_| Failed::sent(Late(limit)))??;
    let left = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.trim().parse().ok());
    let mut response = Response::new(Incoming::scgi(Rest { stream, begun, left }, limit));
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    Ok(response)
}

/// The netstring of a request's headers, `CONTENT_LENGTH` first.
fn head_of(request: &Request<Bytes>) -> Vec<u8> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let (script, query) = path.split_once('?').unwrap_or((path, ""));
    let length = request.body().len().to_string();
    let own = [
        ("CONTENT_LENGTH", length.as_str()),
        ("SCGI", "1"),
        ("REQUEST_METHOD", request.method().as_str()),
        ("REQUEST_URI", path),
        ("SCRIPT_NAME", ""),
        ("PATH_INFO", script),
        ("QUERY_STRING", query),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
    ];
    let mut named = Vec::with_capacity(512);
    let mut put = |name: &str, value: &[u8]| {
        named.extend_from_slice(name.as_bytes());
        named.push(0);
        named.extend_from_slice(value);
        named.push(0);
    };
    for (name, value) in own {
        put(name, value.as_bytes());
    }
    for (name, value) in request.headers() {
        match *name {
            header::CONTENT_TYPE => put("CONTENT_TYPE", value.as_bytes()),
            header::CONTENT_LENGTH => {}
            _ => put(&format!("HTTP_{}", name.as_str().to_ascii_uppercase().replace('-', "_")), value.as_bytes()),
        }
    }
    let mut head = named.len().to_string().into_bytes();
    head.push(b':');
    head.append(&mut named);
    head.push(b',');
    head
}

/// How long the head is, and what stands between it and the body.
fn end_of_head(bytes: &[u8]) -> Option<(usize, usize)> {
    let ends = [(b"\r\n\r\n".as_slice(), 4), (b"\n\n".as_slice(), 2)];
    ends.into_iter().filter_map(|(end, skip)| Some((memmem::find(bytes, end)?, skip))).min()
}

fn read_head(head: &[u8]) -> Result<(StatusCode, HeaderMap), &'static str> {
    let mut headers = HeaderMap::new();
    let mut status = StatusCode::OK;
    for line in head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()) {
        let colon = memchr::memchr(b':', line).ok_or("the answer does not begin with headers")?;
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"Status") {
            let code = value.get(..3).and_then(|code| StatusCode::from_bytes(code).ok());
            status = code.ok_or("the answer's status is none")?;
            continue;
        }
        let (name, value) = (HeaderName::from_bytes(name).ok(), HeaderValue::from_bytes(value).ok());
        let (Some(name), Some(value)) = (name, value) else { return Err("the answer has a malformed header") };
        headers.append(name, value);
    }
    Ok((status, headers))
}

impl Rest {
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.left == Some(0) {
            return Poll::Ready(None);
        }
        let mut data = std::mem::take(&mut self.begun);
        if data.is_empty() {
            let mut room = vec![0; PIECE];
            let mut read = ReadBuf::new(&mut room);
            if let Err(error) = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read)) {
                return Poll::Ready(Some(Err(error.into())));
            }
            let length = read.filled().len();
            room.truncate(length);
            data = room.into();
        }
        match (&mut self.left, data.len()) {
            (None, 0) => return Poll::Ready(None),
            (Some(_), 0) => return Poll::Ready(Some(Err("the answer ends before its length".into()))),
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
        let head = head_of(&request.body(Bytes::from_static(b"<a/>")).unwrap());
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
