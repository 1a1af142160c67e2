//! A guard that cancels a call if its caller leaves, or its deadline passes, before the response has come.

/// Cancels a call when it is dropped, unless the response has come.
pub(super) struct CancelOnDrop(Option<Box<dyn FnOnce() + Send + Sync>>);

impl CancelOnDrop {
    /// `cancel` does not block, and is run on the runtime of the call.
    pub(super) fn new(cancel: impl FnOnce() + Send + Sync + 'static) -> CancelOnDrop {
        CancelOnDrop(Some(Box::new(cancel)))
    }

    /// The response has come, or the call was not sent.
    pub(super) fn disarm(&mut self) {
        self.0 = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(cancel) = self.0.take() {
            cancel();
        }
    }
}
