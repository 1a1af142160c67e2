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

/// Calls that are being gathered for one request.
pub struct Multicall<'p> {
    proxy: &'p Client,
    calls: Result<Calls, Unwritable>,
}

/// The results of a multicall, in the order of its calls.
#[derive(Debug, Clone)]
pub struct Results(codec::Results);

impl<'p> Multicall<'p> {
    pub(super) fn new(proxy: &'p Client) -> Multicall<'p> {
        Multicall { proxy, calls: Ok(Calls::new(proxy.inner.codec.dialect)) }
    }

    /// Adds a call; `params` is as for [`Client::call`].
    pub fn add(mut self, method: &str, params: impl Serialize) -> Multicall<'p> {
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
    /// Where the request as a whole has no answer; a call that fails on its own is among the results. `Unwritable`
    /// where that is so for any call; none is then sent.
    pub async fn send(self) -> Result<Results, CallError> {
        let (calls, codec) = (self.calls?, self.proxy.inner.codec);
        let response = self.proxy.exchange(codec.encode_batch(&calls)).await?;
        Ok(Results(codec.decode_batch(&response, &calls)?))
    }
}

impl Results {
    /// How many results are left.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether all results were taken.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the next result.
    ///
    /// # Errors
    /// `Fault` where this call failed, `WrongType` where its result is no `T` or where none is left. The results
    /// after it are not affected.
    pub fn take<T: DeserializeOwned>(&mut self) -> Result<T, CallError> {
        let none = || CallError::WrongType(<Mismatch as serde::de::Error>::custom("all results are taken"));
        Ok(self.0.take().ok_or_else(none)??)
    }

    /// All results that are left, whatever their types.
    pub fn into_values(self) -> Vec<Result<Value, Fault>> {
        self.0.into_values()
    }
}
