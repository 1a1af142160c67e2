//! What is known of a server, one version after the other, while calls go on.

use std::sync::{Mutex, OnceLock, PoisonError};

use crate::model::interface::Interface;
use crate::model::shape::Shapes;
use crate::protocol::client_codec::ClientCodec;

/// What a server offers, as far as is known at some time.
#[derive(Clone)]
pub(super) struct Description {
    pub(super) interface: Interface,
    pub(super) shapes: Shapes,
    /// How many parameters methods take is a guess.
    pub(super) inferred: bool,
    /// Whether there are no methods beside those of the interface.
    pub(super) complete: bool,
    /// What the operator says of methods that are not there: a slip, or of another version of the server.
    pub(super) unmatched: Vec<String>,
    /// How the server is asked; `None` as long as nobody knows.
    pub(super) codec: Option<ClientCodec>,
}

/// Versions of what is known, of which the last counts. All are kept, since some may still be looked at; there is a new
/// one only where something has changed, and few of those.
pub(super) struct Versions {
    first: Version,
    adding: Mutex<usize>,
}

struct Version {
    offer: Description,
    next: OnceLock<Box<Version>>,
}

/// How many versions there may be in a process's life.
const MOST: usize = 1000;

impl Versions {
    pub(super) fn new(offer: Description) -> Versions {
        Versions { first: Version { offer, next: OnceLock::new() }, adding: Mutex::new(1) }
    }

    /// What is known now.
    pub(super) fn last(&self) -> &Description {
        &self.end().1.offer
    }

    /// The number of what is known now, for whoever looks at it later.
    pub(super) fn count(&self) -> usize {
        self.end().0
    }

    /// What was known under a number.
    pub(super) fn at(&self, number: usize) -> &Description {
        let mut version = &self.first;
        for _ in 0..number {
            version = version.next.get().map_or(version, Box::as_ref);
        }
        &version.offer
    }

    fn end(&self) -> (usize, &Version) {
        let (mut number, mut version) = (0, &self.first);
        while let Some(next) = version.next.get() {
            (number, version) = (number + 1, next);
        }
        (number, version)
    }

    /// Makes this the last version; answers whether there was room for it.
    pub(super) fn add(&self, offer: Description) -> bool {
        let mut count = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        if *count == MOST {
            return false;
        }
        *count += 1;
        self.end().1.next.set(Box::new(Version { offer, next: OnceLock::new() })).is_ok()
    }
}
