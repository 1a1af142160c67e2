//! Headers that a call adds to the response of its request.

use std::fmt;
use std::sync::{Arc, Mutex};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::service::lock::lock;

/// Headers for the response, which layers and upstreams add to while a call runs. Clones share the headers.
///
/// The gateway makes one for each request of a group whose interface says that it
/// [sets response headers](crate::model::interface::Interface::sets_response_headers), and adds the headers to the response,
/// in place of those of the same names, whether the call succeeds or fails. Headers that are added after the response has
/// begun, such as while rows are sent, are lost.
#[derive(Clone, Default)]
pub struct ResponseHeaders(Arc<Mutex<HeaderMap>>);

impl ResponseHeaders {
    /// Adds a header, in place of those of this name that have been added before.
    pub fn insert(&self, name: HeaderName, value: HeaderValue) {
        lock(&self.0).insert(name, value);
    }

    /// Adds a header to those of this name.
    pub fn append(&self, name: HeaderName, value: HeaderValue) {
        lock(&self.0).append(name, value);
    }

    /// Adds a header in place of those of its name whose values satisfy `is_replaced`.
    #[cfg(feature = "server")]
    pub(crate) fn replace(&self, name: HeaderName, is_replaced: impl Fn(&HeaderValue) -> bool, value: HeaderValue) {
        let mut headers = lock(&self.0);
        let others: Vec<_> = headers.get_all(&name).iter().filter(|value| !is_replaced(value)).cloned().collect();
        headers.remove(&name);
        for value in others.into_iter().chain([value]) {
            headers.append(name.clone(), value);
        }
    }

    /// Takes out all headers that have been added.
    pub fn take(&self) -> HeaderMap {
        std::mem::take(&mut *lock(&self.0))
    }
}

impl fmt::Debug for ResponseHeaders {
    /// Omits the headers, which may have secrets such as cookies.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseHeaders").finish_non_exhaustive()
    }
}
