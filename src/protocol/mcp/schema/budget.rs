//! How many bytes of a schema may still be written.

/// The bytes that may still be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    left: usize,
    is_exhausted: bool,
}

impl Budget {
    pub(super) fn new(bytes: usize) -> Budget {
        Budget { left: bytes, is_exhausted: false }
    }

    /// Whether there was no room for something.
    pub(super) fn is_exhausted(self) -> bool {
        self.is_exhausted
    }

    /// Counts bytes before they are written. Returns whether there is room for them.
    pub(super) fn spend(&mut self, bytes: usize) -> bool {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                true
            }
            None => {
                // Each failure has taken time, which has to be limited as well.
                self.left /= 2;
                self.is_exhausted = true;
                false
            }
        }
    }
}
