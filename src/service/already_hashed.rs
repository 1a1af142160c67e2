//! Maps whose keys are hashes.

use std::hash::{BuildHasherDefault, Hasher};

/// Builds the hasher of a map whose keys are hashes with a secret key. Hashing them again would protect from nothing.
pub(crate) type BuildAlreadyHashed = BuildHasherDefault<AlreadyHashed>;

/// Takes a hash as it is.
#[derive(Debug, Default)]
pub(crate) struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0.rotate_left(8) ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
