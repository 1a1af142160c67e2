//! The revisions of the protocol.

/// A revision of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Revision {
    November2024,
    March2025,
    June2025,
    November2025,
    July2026,
}

impl Revision {
    /// From the oldest to the newest.
    pub(crate) const ALL: [Revision; 5] =
        [Revision::November2024, Revision::March2025, Revision::June2025, Revision::November2025, Revision::July2026];

    /// The name of the revision on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Revision::November2024 => "2024-11-05",
            Revision::March2025 => "2025-03-26",
            Revision::June2025 => "2025-06-18",
            Revision::November2025 => "2025-11-25",
            Revision::July2026 => "2026-07-28",
        }
    }

    /// The revision with this name on the wire.
    pub(crate) fn of_name(name: &str) -> Option<Revision> {
        Revision::ALL.into_iter().find(|revision| revision.name() == name)
    }

    /// Whether each request names its revision, so that there is no handshake.
    pub(crate) fn is_stateless(self) -> bool {
        self >= Revision::July2026
    }

    /// The revisions without a handshake.
    pub(crate) fn stateless() -> impl Iterator<Item = Revision> {
        Revision::ALL.into_iter().filter(|revision| revision.is_stateless())
    }

    /// The revision that a handshake agrees on: the one that the client asks for, or 2025-11-25 if that is not known or has no
    /// handshake.
    pub(crate) fn for_handshake(asked: &str) -> Revision {
        Revision::of_name(asked).filter(|revision| !revision.is_stateless()).unwrap_or(Revision::November2025)
    }
}
