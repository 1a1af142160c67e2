//! The rows of a long result in a response that is still arriving.

use bytes::Bytes;
use http::Response;

use super::client_codec::{CallTarget, ClientCodec, ResponseError};
use crate::codec::portions::{RowDocuments, Search};
use crate::model::fault::{Fault, Kind};
use crate::model::value::Value;

/// The rows of a response, which are decoded a portion at a time by the codec that decodes whole responses.
pub(crate) struct ResponseRows {
    codec: ClientCodec,
    /// The head of the response. Each portion is its body in turn.
    response: Response<Bytes>,
    documents: RowDocuments,
}

impl ResponseRows {
    /// Finds the rows in the beginning of a response. There are none unless the first of them can be decoded: it shows
    /// whether a response has to be decoded as a whole.
    pub(crate) fn find(
        codec: &ClientCodec,
        target: CallTarget<'_>,
        head: &Response<Bytes>,
        beginning: &[u8],
    ) -> Search<Box<ResponseRows>> {
        let mut documents = match codec.find_rows(target, head, beginning) {
            Search::Found(documents) => documents,
            Search::Undecided => return Search::Undecided,
            Search::None => return Search::None,
        };
        documents.push(beginning.get(documents.head_length()..).unwrap_or_default());
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = head.status();
        response.headers_mut().clone_from(head.headers());
        let mut rows = ResponseRows { codec: codec.for_portions(), response, documents };
        let empty = rows.documents.empty_document();
        let Ok(is_whole) = rows.find_portion() else { return Search::None };
        if rows.decode(target, empty, 0).is_err() {
            return Search::None;
        }
        match rows.documents.portion() {
            None if is_whole => Search::None,
            None => Search::Undecided,
            Some((document, count)) => match rows.decode(target, document, count) {
                Ok(_) => Search::Found(Box::new(rows)),
                Err(_) => Search::None,
            },
        }
    }

    /// Appends what has arrived.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.documents.push(bytes);
    }

    /// Looks for rows in what has arrived. Returns whether a whole portion is there, or all rows are.
    ///
    /// # Errors
    /// `Malformed` for what cannot be a row, or is too long.
    pub(crate) fn find_portion(&mut self) -> Result<bool, ResponseError> {
        self.documents.find_portion().map_err(ResponseError::Malformed)
    }

    /// Whether there is a complete row.
    pub(crate) fn has_rows(&self) -> bool {
        self.documents.has_rows()
    }

    /// The complete rows that have been found, in the types of the interface; `None` if there are none.
    ///
    /// # Errors
    /// Those of [`ClientCodec::decode_response`].
    pub(crate) fn next_portion(&mut self, target: CallTarget<'_>) -> Result<Option<Vec<Value>>, ResponseError> {
        let Some((document, count)) = self.documents.portion() else { return Ok(None) };
        self.documents.remove_portion();
        self.decode(target, document, count).map(Some)
    }

    /// Checks what surrounds the rows, once they have been decoded and the whole response has arrived.
    ///
    /// # Errors
    /// Those of [`ClientCodec::decode_response`].
    pub(crate) fn finish(&mut self, target: CallTarget<'_>) -> Result<(), ResponseError> {
        let document = self.documents.last_document().map_err(ResponseError::Malformed)?;
        self.decode(target, document, 0).map(|_| ())
    }

    /// Decodes a document with this number of rows.
    fn decode(&mut self, target: CallTarget<'_>, document: Vec<u8>, count: usize) -> Result<Vec<Value>, ResponseError> {
        *self.response.body_mut() = document.into();
        match self.codec.decode_response(target, &self.response)? {
            Value::Array(rows) if rows.len() == count => Ok(rows),
            _ => Err(ResponseError::Malformed(Fault::new(Kind::Structure, "the items of an array are malformed"))),
        }
    }
}
