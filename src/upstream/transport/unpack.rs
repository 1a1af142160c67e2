//! Compressed bodies of responses, unpacked while they arrive.
//!
//! A request has no `Accept-Encoding`, so a server may use any coding (RFC 9110, section 12.5.3), and some compress in any case.

use std::io::{self, Write};

use bytes::{Buf, Bytes};
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, header};

/// How many compressed bytes are unpacked at once: no more than about a thousand times as many come of them.
const PIECE: usize = 1 << 10;

/// Unpacks a body.
pub(super) struct Unpacker {
    decoder: Decoder,
    /// What has arrived and is still to be unpacked.
    packed: Bytes,
    /// Whether all has been unpacked.
    ended: bool,
}

enum Decoder {
    Gzip(MultiGzDecoder<Vec<u8>>),
    /// The first byte says which of the two dialects of `deflate` this is, once it has arrived.
    UnknownDeflate,
    /// `deflate` as the specification has it: zlib (RFC 1950).
    Zlib(ZlibDecoder<Vec<u8>>),
    /// `deflate` as some servers have it: without the frame of zlib (RFC 1951).
    Deflate(DeflateDecoder<Vec<u8>>),
}

impl Unpacker {
    /// The unpacker for the `Content-Encoding` of a response, which is removed with the `Content-Length`. `None` if the body is not
    /// compressed, or in another way.
    pub(super) fn for_response(headers: &mut HeaderMap) -> Option<Unpacker> {
        let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
        let (Some(coding), None) = (codings.next(), codings.next()) else { return None };
        let coding = coding.as_bytes().trim_ascii();
        let decoder = if coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip") {
            Decoder::Gzip(MultiGzDecoder::new(Vec::new()))
        } else if coding.eq_ignore_ascii_case(b"deflate") {
            Decoder::UnknownDeflate
        } else {
            return None;
        };
        headers.remove(header::CONTENT_ENCODING);
        headers.remove(header::CONTENT_LENGTH);
        Some(Unpacker { decoder, packed: Bytes::new(), ended: false })
    }

    /// Takes what has arrived.
    pub(super) fn push(&mut self, packed: Bytes) {
        self.packed = packed;
    }

    /// The next piece of the body; `None` if more has to arrive.
    ///
    /// # Errors
    /// If the body is damaged.
    pub(super) fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        while !self.packed.is_empty() {
            if let (Decoder::UnknownDeflate, Some(first)) = (&self.decoder, self.packed.first()) {
                // The method of zlib is 8. Without the frame these bits would be those of a block that no encoder begins with.
                self.decoder = match first & 0x0f {
                    8 => Decoder::Zlib(ZlibDecoder::new(Vec::new())),
                    _ => Decoder::Deflate(DeflateDecoder::new(Vec::new())),
                };
            }
            let length = self.packed.len().min(PIECE);
            let piece = self.packed.get(..length).unwrap_or_default();
            let (taken, unpacked) = match &mut self.decoder {
                Decoder::Gzip(decoder) => (decoder.write(piece)?, decoder.get_mut()),
                Decoder::Zlib(decoder) => (decoder.write(piece)?, decoder.get_mut()),
                Decoder::Deflate(decoder) => (decoder.write(piece)?, decoder.get_mut()),
                Decoder::UnknownDeflate => return Ok(None),
            };
            if taken == 0 {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "there is more behind the compressed body"));
            }
            self.packed.advance(taken);
            if !unpacked.is_empty() {
                return Ok(Some(std::mem::take(unpacked).into()));
            }
        }
        Ok(None)
    }

    /// The rest of the body, of which all has arrived; `None` at its end.
    ///
    /// # Errors
    /// If the body ends too early.
    pub(super) fn finish(&mut self) -> io::Result<Option<Bytes>> {
        if std::mem::replace(&mut self.ended, true) {
            return Ok(None);
        }
        let rest = match &mut self.decoder {
            Decoder::Gzip(decoder) => decoder.try_finish().map(|()| std::mem::take(decoder.get_mut()))?,
            Decoder::Zlib(decoder) => decoder.try_finish().map(|()| std::mem::take(decoder.get_mut()))?,
            Decoder::Deflate(decoder) => decoder.try_finish().map(|()| std::mem::take(decoder.get_mut()))?,
            Decoder::UnknownDeflate => Vec::new(),
        };
        Ok(Some(rest.into()).filter(|rest: &Bytes| !rest.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    fn unpack(coding: &str, packed: &[u8], size: usize) -> io::Result<Vec<u8>> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, coding.parse().unwrap());
        headers.insert(header::CONTENT_LENGTH, packed.len().into());
        let mut unpacker = Unpacker::for_response(&mut headers).unwrap();
        assert!(headers.is_empty());
        let mut unpacked = Vec::new();
        for piece in packed.chunks(size) {
            unpacker.push(Bytes::copy_from_slice(piece));
            while let Some(piece) = unpacker.next_piece()? {
                unpacked.extend(piece);
            }
        }
        while let Some(piece) = unpacker.finish()? {
            unpacked.extend(piece);
        }
        Ok(unpacked)
    }

    #[test]
    fn each_dialect_is_unpacked_however_it_arrives() {
        let text: Vec<u8> = (0..50_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&text).unwrap();
        zlib.write_all(&text).unwrap();
        deflate.write_all(&text).unwrap();
        for (codings, packed) in [
            (&["gzip", "x-gzip", "GZIP"][..], gzip.finish().unwrap()),
            (&["deflate"], zlib.finish().unwrap()),
            (&["Deflate"], deflate.finish().unwrap()),
        ] {
            for coding in codings {
                for size in [1, 2, 1000, packed.len()] {
                    assert!(unpack(coding, &packed, size).unwrap() == text, "{coding} in pieces of {size}");
                }
                assert!(unpack(coding, &packed[..packed.len() / 2], 100).is_err(), "{coding}");
            }
        }
        assert!(unpack("gzip", b"plain text", 100).is_err());
        assert_eq!(unpack("deflate", b"", 1).unwrap(), b"");
    }

    #[test]
    fn other_codings_are_left_alone() {
        for coding in ["br", "zstd", "identity", "gzip, gzip", ""] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_ENCODING, coding.parse().unwrap());
            assert!(Unpacker::for_response(&mut headers).is_none() && headers.len() == 1, "{coding}");
        }
    }
}
