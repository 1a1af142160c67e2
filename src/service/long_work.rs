//! Long work, such as parsing a large document, on blocking threads.

use std::num::NonZero;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::service::future::run_blocking;

/// Runs long work on blocking threads. Clones share the limit.
#[derive(Debug, Clone, Default)]
pub(crate) struct LongWork {
    /// `None` if any number may run at a time.
    permits: Option<Arc<Semaphore>>,
    /// The runtime whose blocking threads do the work; `None` for the current one.
    runtime: Option<Handle>,
}

impl LongWork {
    /// Runs half as many at a time as there are processors. The other half is left to short work.
    pub(crate) fn limited() -> LongWork {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        LongWork { permits: Some(Arc::new(Semaphore::new(processors.div_ceil(2)))), runtime: None }
    }

    /// The same, on the blocking threads of this runtime.
    #[cfg(feature = "server")]
    pub(crate) fn on_runtime(self, runtime: Handle) -> LongWork {
        LongWork { runtime: Some(runtime), ..self }
    }

    /// Runs work once there is a permit.
    ///
    /// Work that has begun is finished even if its caller is dropped, and counts until then. Pass it the memory that it
    /// needs.
    pub(crate) async fn run<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> T {
        // The semaphore is never closed. If it were, the work would still be done.
        let permit = match self.permits {
            Some(permits) => permits.acquire_owned().await.ok(),
            None => None,
        };
        let runtime = self.runtime.unwrap_or_else(Handle::current);
        run_blocking(&runtime, move || {
            let done = work();
            drop(permit);
            done
        })
        .await
    }
}
