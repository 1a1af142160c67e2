//! Several calls in one request.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{CallError, Client};
use crate::codec::tape::Mismatch;
use crate::codec::xmlrpc::Unwritable;
use crate::model::fault::Fault;
use crate::model::value::Value;
use crate::protocol::xmlrpc::client as codec;
use crate::protocol::xmlrpc::client::Calls;

/// Calls that are collected for one request.
pub struct Multicall<'c> {
    client: &'c Client,
    /// The first call that could not be written makes the whole request an error.
    calls: Result<Calls, Unwritable>,
}

/// The results of a multicall, in the order of its calls.
#[derive(Debug, Clone)]
pub struct MulticallResults(codec::Results);

impl<'c> Multicall<'c> {
    pub(super) fn new(client: &'c Client) -> Multicall<'c> {
        Multicall { client, calls: Ok(Calls::new(client.inner.codec.dialect)) }
    }

    /// Adds a call; `params` is as for [`Client::call`].
    pub fn add(mut self, method: &str, params: impl Serialize) -> Multicall<'c> {
        if let Ok(calls) = &mut self.calls
            && let Err(unwritable) = calls.add(method, &params)
        {
            self.calls = Err(unwritable);
        }
        self
    }

    /// Sends the calls and waits for all results.
    ///
    /// # Errors
    /// If the request as a whole has no result. A call that fails on its own is among the results instead. `Unwritable` if
    /// any call cannot be written; then no call is sent.
    pub async fn send(self) -> Result<MulticallResults, CallError> {
        let calls = self.calls?;
        let codec = self.client.inner.codec;
        let response = self.client.exchange(codec.encode_batch(&calls)).await?;
        Ok(MulticallResults(codec.decode_batch(&response, &calls)?))
    }
}

impl MulticallResults {
    /// How many results are left.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether all results have been taken.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the next result.
    ///
    /// # Errors
    /// `Fault` if this call failed; `WrongType` if its result is not a `T`, or if no result is left. The results after it
    /// are not affected.
    pub fn take<T: DeserializeOwned>(&mut self) -> Result<T, CallError> {
        let exhausted = || CallError::WrongType(<Mismatch as serde::de::Error>::custom("all results are taken"));
        Ok(self.0.take().ok_or_else(exhausted)??)
    }

    /// All results that are left, of any type.
    pub fn into_values(self) -> Vec<Result<Value, Fault>> {
        self.0.into_values()
    }
}
