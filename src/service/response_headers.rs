//! Headers that a call adds to the response of its request.

use std::fmt;
use std::sync::{Arc, Mutex};

use http::{HeaderMap, HeaderName, HeaderValue};

#[cfg(feature = "server")]
use crate::service::limit_headers::LimitState;
use crate::service::lock::lock;

/// Headers for the response, which layers and upstreams add to while a call runs. Clones share the headers.
///
/// The gateway makes one for each request of a group whose interface says that it
/// [sets response headers](crate::model::interface::Interface::sets_response_headers), and adds the headers to the response,
/// in place of those of the same names, whether the call succeeds or fails. Headers that are added after the response has
/// begun, such as while rows are sent, are lost.
#[derive(Clone, Default)]
pub struct ResponseHeaders(Arc<Mutex<AddedHeaders>>);

#[derive(Default)]
struct AddedHeaders {
    headers: HeaderMap,
    /// What each limit of the group leaves to the caller: its rate and its quota.
    #[cfg(feature = "server")]
    limits: [Option<LimitState>; 2],
    /// Whether the result of the call is kept in a cache.
    #[cfg(feature = "server")]
    has_kept_result: bool,
}

impl ResponseHeaders {
    /// Adds a header, in place of those of this name that have been added before.
    pub fn insert(&self, name: HeaderName, value: HeaderValue) {
        lock(&self.0).headers.insert(name, value);
    }

    /// Adds a header to those of this name.
    pub fn append(&self, name: HeaderName, value: HeaderValue) {
        lock(&self.0).headers.append(name, value);
    }

    /// Notes that the result of the call is kept in a cache.
    #[cfg(feature = "server")]
    pub(super) fn note_kept_result(&self) {
        lock(&self.0).has_kept_result = true;
    }

    /// Whether the result of the call is kept in a cache.
    #[cfg(feature = "server")]
    pub(crate) fn has_kept_result(&self) -> bool {
        lock(&self.0).has_kept_result
    }

    /// Notes what a limit leaves to the caller. In a batch, what it leaves after the last call remains.
    #[cfg(feature = "server")]
    pub(super) fn set_limit(&self, state: LimitState) {
        let limits = &mut lock(&self.0).limits;
        let place = limits.iter_mut().find(|place| place.as_ref().is_none_or(|other| other.is_of_limit(&state)));
        if let Some(place) = place {
            *place = Some(state);
        }
    }

    /// Moves everything that has been added to `other` here.
    #[cfg(feature = "server")]
    pub(super) fn take_all_of(&self, other: &ResponseHeaders) {
        let added = std::mem::take(&mut *lock(&other.0));
        {
            let mut own = lock(&self.0);
            own.headers.extend(added.headers);
            own.has_kept_result |= added.has_kept_result;
        }
        added.limits.into_iter().flatten().for_each(|state| self.set_limit(state));
    }

    /// Moves all headers that have been added to those of a response, in place of those of the same names.
    pub fn move_to(&self, response: &mut HeaderMap) {
        let added = std::mem::take(&mut *lock(&self.0));
        if !added.headers.is_empty() {
            response.extend(added.headers);
        }
        #[cfg(feature = "server")]
        for state in added.limits.into_iter().flatten() {
            state.add_to(response);
        }
    }
}

impl fmt::Debug for ResponseHeaders {
    /// Omits the headers, which may have secrets such as cookies.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseHeaders").finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "server"))]
mod tests {
    use super::*;
    use crate::service::limit_headers::LimitPolicy;

    #[test]
    fn each_limit_has_one_item_in_each_field() {
        let headers = ResponseHeaders::default();
        let set = |name, remaining, wait| {
            headers.set_limit(LimitState { policy: LimitPolicy::new(name, 9, 60), remaining, wait });
        };
        set("default", 8, None);
        set("quota", 5, None);
        set("quota", 4, None);
        set("default", 0, Some(7));
        headers.insert(HeaderName::from_static("x-a"), HeaderValue::from_static("1"));
        let mut response = HeaderMap::new();
        response.insert("x-a", HeaderValue::from_static("0"));
        headers.move_to(&mut response);
        let values =
            |name: &str| response.get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!(values("ratelimit"), ["\"default\";r=0;t=7", "\"quota\";r=4"]);
        assert_eq!(values("ratelimit-policy"), ["\"default\";q=9;w=60", "\"quota\";q=9;w=60"]);
        assert_eq!(values("retry-after"), ["7"]);
        assert_eq!(values("x-a"), ["1"]);
    }
}
