//! What a new configuration keeps of the one that is served: the backends that it describes in the same way.
//!
//! The comparison is of what a backend is made from, after inheritance and with the contents of the files that it names, and
//! not of the text of the file. So another order of keys, or a changed comment, changes nothing.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use super::resolved::Backend;
use crate::server::mount::{CallerRules, Fingerprint, GroupMount, Mounts};
use crate::server::settings::GroupLimits;

/// The mounts that are served, if there are any.
#[derive(Clone, Copy)]
pub(super) struct Kept<'m>(pub(super) Option<&'m Mounts>);

impl<'m> Kept<'m> {
    fn group(self, path: &str) -> Option<&'m GroupMount> {
        self.0?.groups.iter().find(|group| group.path == path)
    }

    /// These rules of the group at a path, with the counts of the group that is served there if the rate is the same.
    pub(super) fn counting_on(self, path: &str, rules: CallerRules) -> CallerRules {
        match self.group(path) {
            Some(served) => rules.counting_on(&served.rules),
            None => rules,
        }
    }

    /// The backend of the group that is served at a path, if it has this fingerprint. It has the permits of the old group too, if
    /// the limits on calls are the same.
    pub(super) fn backend(
        self,
        path: &str,
        fingerprint: Fingerprint,
        limits: &GroupLimits,
        rules: &CallerRules,
    ) -> Option<Backend> {
        let (service, upstream) = self.group(path)?.backend_of(fingerprint, limits, rules)?;
        Some(match upstream {
            Some(upstream) => Backend::Upstream { upstream, service },
            None => Backend::Service(service),
        })
    }
}

/// The fingerprint of a backend that is made from these values.
pub(super) fn fingerprint(made_from: impl Hash) -> Fingerprint {
    let mut hasher = DefaultHasher::new();
    made_from.hash(&mut hasher);
    Fingerprint(hasher.finish())
}

/// The fingerprint of a service of this kind with these options; `None` if the options cannot be compared.
pub(super) fn fingerprint_of_service(kind: &str, options: &Spanned<DeValue<'_>>) -> Option<Fingerprint> {
    let options = toml::Value::deserialize(ValueDeserializer::from(options.clone())).ok()?.to_string();
    Some(fingerprint((kind, options)))
}
