//! Responses that have been read as a whole, and how they are decoded.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::Response;

use super::version::Description;
use crate::model::fault::Fault;
use crate::model::value::Value;
use crate::protocol::client_codec::DecodingMemory;
use crate::service::Encode;
use crate::service::result_memory::{ReservedMemory, SMALL};

/// Responses of this size and more are decoded on a blocking thread, so that they do not delay other calls.
pub(super) const LARGE: usize = 256 << 10;

/// A response that has been read as a whole, and the memory that is reserved for it.
pub(super) struct ReceivedResponse {
    pub(super) response: Response<Bytes>,
    pub(super) memory: ReservedMemory,
    pub(super) deadline: Option<Instant>,
}

impl ReceivedResponse {
    fn size(&self) -> usize {
        self.response.body().len()
    }

    fn is_large(&self) -> bool {
        self.size() >= LARGE
    }

    /// Decodes the response as a whole, once there is memory for it. Returns the memory that the result needs, too.
    pub(super) async fn decode<T: Send + 'static>(
        mut self,
        description: Arc<Description>,
        decode: impl FnOnce(&Response<Bytes>) -> T + Send + 'static,
    ) -> Result<(T, ReservedMemory), Fault> {
        if self.size() <= SMALL {
            return Ok((decode(&self.response), self.memory));
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
            let decoded = decode(&response);
            drop(response);
            memory.shrink_to(needed.result);
            (decoded, memory)
        };
        Ok(if large { long_work.run(work).await } else { work() })
    }
}

/// A result as it is written. One without a value is that of a method without a result in every protocol.
pub(super) fn encodable(result: Option<Value>) -> Box<dyn Encode> {
    match result {
        Some(value) => Box::new(value),
        None => Box::new(()),
    }
}

fn decoding_memory(description: &Description, body: &[u8]) -> DecodingMemory {
    description.codec.as_ref().map(|codec| codec.decoding_memory(body)).unwrap_or_default()
}
