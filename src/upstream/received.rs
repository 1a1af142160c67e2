//! Responses that have been read as a whole, and their way to a result: row by row if the result is a long array, decoded
//! as a whole if not.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::Response;

use super::version::Description;
use crate::model::coerce::{coerce, item_shape};
use crate::model::fault::{BoxError, Fault};
use crate::model::value::{SizeBudget, Value, value_of};
use crate::protocol::client_codec::{DecodingMemory, ResponseItems};
use crate::service::result_memory::{ReservedMemory, SMALL};
use crate::service::rows::{end, separate};
use crate::service::{Encode, Format, RowSource, Rows, WHOLE_IF_DONE};

/// Responses of this size and more are decoded on a blocking thread, so that they do not delay other calls. Their arrays
/// are passed on row by row.
const LARGE: usize = 256 << 10;
/// The memory for rows beyond the text that they are read from: those that are sent as a whole, and a large row.
const ROWS: usize = WHOLE_IF_DONE + (512 << 10);
/// How many rows are made in a turn of work, in less than a millisecond.
const TURN: usize = 1000;

/// A response that has been read as a whole, and the memory that is reserved for it.
pub(super) struct ReceivedResponse {
    pub(super) response: Response<Bytes>,
    pub(super) memory: ReservedMemory,
    pub(super) deadline: Option<Instant>,
}

/// How the method of a call is described; `description` is that with which the call was encoded.
#[derive(Clone)]
pub(super) struct CalledMethod {
    pub(super) name: Arc<str>,
    pub(super) description: Arc<Description>,
}

impl ReceivedResponse {
    fn size(&self) -> usize {
        self.response.body().len()
    }

    fn is_large(&self) -> bool {
        self.size() >= LARGE
    }

    /// The result row by row, if it is a long array whose rows can be read one by one; otherwise the response, which has
    /// to be decoded as a whole.
    ///
    /// # Errors
    /// Those of [`ReservedMemory::extend_to`].
    pub(super) async fn into_rows(
        mut self,
        method: CalledMethod,
    ) -> Result<Result<Rows, Box<ReceivedResponse>>, Fault> {
        if !self.is_large() {
            return Ok(Err(Box::new(self)));
        }
        self.memory.extend_to(self.size() + ROWS, self.deadline).await?;
        let long_work = self.memory.long_work();
        let find = move || {
            let ReceivedResponse { response, memory, deadline } = self;
            let found = match &method.description.codec {
                Some(codec) => codec.find_items(response),
                None => Err(Box::new(response)),
            };
            match found {
                Ok(items) => Ok(DecodedRows { items, method, next: 0, memory }),
                Err(response) => Err(Box::new(ReceivedResponse { response: *response, memory, deadline })),
            }
        };
        Ok(long_work.run(find).await.map(Rows::of_done_call))
    }

    /// Decodes the response as a whole, once there is memory for it. Returns the memory that the result needs, too.
    pub(super) async fn decode<T: Send + 'static>(
        mut self,
        description: Arc<Description>,
        decode: impl FnOnce(&Description, &Response<Bytes>) -> T + Send + 'static,
    ) -> Result<(T, ReservedMemory), Fault> {
        if self.size() <= SMALL {
            return Ok((decode(&description, &self.response), self.memory));
        }
        let (large, long_work) = (self.is_large(), self.memory.long_work());
        let needed = if large {
            let (body, description) = (self.response.body().clone(), description.clone());
            let count = move || decoding_memory(&description, &body);
            long_work.clone().run(count).await
        } else {
            decoding_memory(&description, self.response.body())
        };
        self.memory.extend_to(self.size().saturating_add(needed.peak), self.deadline).await?;
        let work = move || {
            let ReceivedResponse { response, mut memory, .. } = self;
            let decoded = decode(&description, &response);
            drop(response);
            memory.shrink_to(needed.result);
            (decoded, memory)
        };
        Ok(if large { long_work.run(work).await } else { work() })
    }
}

fn decoding_memory(description: &Description, body: &[u8]) -> DecodingMemory {
    description.codec.as_ref().map(|codec| codec.decoding_memory(body)).unwrap_or_default()
}

/// The rows of a response. Only its text is in memory.
struct DecodedRows {
    items: ResponseItems,
    method: CalledMethod,
    /// The index of the next row.
    next: usize,
    memory: ReservedMemory,
}

impl DecodedRows {
    /// Passes rows, in the types of the interface, to `take` until it returns `false`. Returns whether there may be more.
    fn read(&mut self, mut take: impl FnMut(Value, bool) -> Result<bool, BoxError>) -> Result<bool, BoxError> {
        let DecodedRows { items, method, next, .. } = self;
        let shapes = &method.description.shapes;
        let result = shapes.method(&method.name).map(|method| &method.result);
        items.read(|value| {
            let shape = result.and_then(|result| item_shape(result, *next, shapes));
            let value = match shape {
                Some(shape) => coerce(value, shape, shapes),
                None => value,
            };
            let is_first = *next == 0;
            *next += 1;
            take(value, is_first)
        })
    }
}

impl RowSource for DecodedRows {
    fn fill(&mut self, format: Format<'_>, to: &mut Vec<u8>, until: usize) -> Result<bool, BoxError> {
        let mut left = TURN;
        if to.len() >= until {
            return Ok(true);
        }
        self.read(|value, mut is_first| {
            separate(format, to, &mut is_first);
            value.encode(format, to)?;
            end(format, to);
            left -= 1;
            Ok(left > 0 && to.len() < until)
        })
    }

    fn values(&mut self, to: &mut Vec<Value>, most: usize, room: &mut SizeBudget) -> Result<bool, BoxError> {
        let mut left = most;
        if left == 0 {
            return Ok(true);
        }
        self.read(|value, _| {
            to.push(value_of(&value, room)?);
            left -= 1;
            Ok(left > 0)
        })
    }

    fn take_memory(&mut self) -> Option<ReservedMemory> {
        Some(std::mem::take(&mut self.memory))
    }
}
