//! What an interface looks like to each protocol: pure functions from the neutral description.
