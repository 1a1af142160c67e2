//! A description that follows others: made anew when one of those has changed.

use std::iter;
use std::ptr;
use std::sync::OnceLock;

use crate::model::interface::Interface;

/// How often a description is made at most. Older ones are kept, since somebody may still look at them.
const MOST: usize = 64;

/// All descriptions that have been made so far.
#[derive(Default)]
pub(super) struct Versions {
    first: OnceLock<Box<Version>>,
}

struct Version {
    /// Where the descriptions lie of which this one is made. None of them ever changes in place, nor is one dropped as
    /// long as its service is there, so another description has another address.
    of: Vec<usize>,
    interface: Interface,
    next: OnceLock<Box<Version>>,
}

impl Versions {
    /// The description made of these others.
    pub(super) fn current<'i>(
        &self,
        seen: impl Iterator<Item = &'i Interface>,
        make: impl Fn() -> Interface,
    ) -> &Interface {
        let of: Vec<usize> = seen.map(|interface| ptr::from_ref(interface).addr()).collect();
        let new = |of| Box::new(Version { of, interface: make(), next: OnceLock::new() });
        let first = self.first.get_or_init(|| new(of.clone()));
        let known = iter::successors(Some(first), |version| version.next.get());
        let Some((count, last)) = known.enumerate().last() else { return &first.interface };
        if last.of == of || count + 1 >= MOST {
            return &last.interface;
        }
        if count + 2 == MOST {
            tracing::warn!("an aggregate describes itself for the last time: what it calls has changed too often");
        }
        &last.next.get_or_init(|| new(of)).interface
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_made_once_for_each_change_and_not_without_end() {
        let others: Vec<Interface> = (0..100).map(|_| Interface::default()).collect();
        let versions = Versions::default();
        let title = |at: usize| {
            versions.current(others.get(at).into_iter(), || Interface { title: at.to_string(), ..Interface::default() })
        };
        assert_eq!((title(0).title.as_str(), ptr::from_ref(title(0))), ("0", ptr::from_ref(title(0))));
        assert_eq!((title(1).title.as_str(), title(0).title.as_str()), ("1", "0"));
        for at in 0..100 {
            title(at);
        }
        assert_eq!(ptr::from_ref(title(99)), ptr::from_ref(title(7)));
    }
}
