//! What is known of a server, one version after the other, while calls go on.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::faces::tongue::Tongue;
use crate::interface::Interface;
use crate::shape::Shapes;

/// What a server offers, as far as is known at some time.
pub(super) struct Offer {
    pub(super) interface: Interface,
    pub(super) shapes: Shapes,
    /// How many parameters methods take is a guess.
    pub(super) guessed: bool,
    /// Whether there are no methods beside those of the interface.
    pub(super) complete: bool,
    /// How the server is asked; `None` as long as nobody knows.
    pub(super) tongue: Option<Tongue>,
}

/// Versions of what is known, of which the last counts. All are kept, since some may still be looked at; there is a new
/// one only where something has changed, and few of those.
pub(super) struct Versions {
    first: Version,
    adding: Mutex<usize>,
}

struct Version {
    offer: Arc<Offer>,
    next: OnceLock<Box<Version>>,
}

/// How many versions there may be in a process's life.
const MOST: usize = 1000;

impl Versions {
    pub(super) fn new(offer: Offer) -> Versions {
        Versions { first: Version { offer: Arc::new(offer), next: OnceLock::new() }, adding: Mutex::new(1) }
    }

    pub(super) fn last(&self) -> &Arc<Offer> {
        let mut version = &self.first;
        while let Some(next) = version.next.get() {
            version = next;
        }
        &version.offer
    }

    /// Makes this the last version; answers whether there was room for it.
    pub(super) fn add(&self, offer: Offer) -> bool {
        let mut count = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        if *count == MOST {
            return false;
        }
        *count += 1;
        let mut version = &self.first;
        while let Some(next) = version.next.get() {
            version = next;
        }
        version.next.set(Box::new(Version { offer: Arc::new(offer), next: OnceLock::new() })).is_ok()
    }
}
