//! Other groups that a rule of a group calls.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::service::RpcService;

/// A group that a rule of another group calls, by its path. Its service is set when all groups have been made.
#[derive(Clone)]
pub struct TargetGroup {
    path: Arc<str>,
    service: Arc<OnceLock<Arc<dyn RpcService>>>,
}

impl TargetGroup {
    /// The group at this path, whose service is not known yet. Until [`connect`](TargetGroup::connect) it is not called.
    pub fn at(path: impl Into<Arc<str>>) -> TargetGroup {
        TargetGroup { path: path.into(), service: Arc::default() }
    }

    /// The group at this path with this service, within its limits and layers.
    pub fn new(path: impl Into<Arc<str>>, service: Arc<dyn RpcService>) -> TargetGroup {
        let target = TargetGroup::at(path);
        target.connect(service);
        target
    }

    /// Sets the service, unless it is set already.
    pub fn connect(&self, service: Arc<dyn RpcService>) {
        let _ = self.service.set(service);
    }

    /// The path of the group.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The service; `None` if it is not set.
    pub(crate) fn service(&self) -> Option<&Arc<dyn RpcService>> {
        self.service.get()
    }
}

impl fmt::Debug for TargetGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TargetGroup").field(&self.path).finish()
    }
}

impl PartialEq for TargetGroup {
    /// Whether both are the same group by path.
    fn eq(&self, other: &TargetGroup) -> bool {
        self.path == other.path
    }
}
