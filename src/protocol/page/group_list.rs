//! Groups and pages in lists.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::prose::{Paragraph, prose};
use crate::model::interface::Interface;
use crate::protocol::xmlrpc::signature;
use crate::service::outage::Outage;
use crate::service::{Context, RpcService};

/// A group in the directory and in the list of other services on a page.
#[derive(Debug, Clone, Serialize)]
pub struct GroupSummary {
    /// Its path.
    pub path: String,
    /// Its other paths.
    pub aliases: Vec<String>,
    title: String,
    doc: Vec<Paragraph>,
    methods: Vec<MethodLine>,
    /// The service whose state is shown.
    #[serde(skip)]
    service: Option<ListedService>,
    /// Whether each caller sees only the methods that this caller may call.
    #[serde(skip)]
    varies_by_caller: bool,
}

/// The service of a group in a list.
#[derive(Clone)]
struct ListedService(Arc<dyn RpcService>);

impl fmt::Debug for ListedService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListedService").finish_non_exhaustive()
    }
}

/// A page made from an operator's template, in the directory.
#[derive(Debug, Clone, Serialize)]
pub struct PageSummary {
    /// Its path.
    pub path: String,
    /// Its title.
    pub title: String,
}

/// A method on one line.
#[derive(Debug, Clone, Serialize)]
struct MethodLine {
    name: String,
    signature: String,
    /// The first paragraph of its documentation.
    doc: Option<Paragraph>,
}

impl GroupSummary {
    /// A group of this interface.
    pub fn new(path: impl Into<String>, aliases: Vec<String>, interface: &Interface) -> GroupSummary {
        let methods = interface.methods.iter().map(|method| MethodLine {
            name: method.name.clone(),
            signature: signature::signature_line(interface, method),
            doc: prose(&method.doc).into_iter().next(),
        });
        let (path, doc) = (path.into(), prose(&interface.doc));
        let title = if interface.title.is_empty() { path.clone() } else { interface.title.clone() };
        GroupSummary { title, path, aliases, doc, methods: methods.collect(), service: None, varies_by_caller: false }
    }

    /// The same group with the state of its service.
    pub fn with_state_of(self, service: Arc<dyn RpcService>) -> GroupSummary {
        GroupSummary { service: Some(ListedService(service)), ..self }
    }

    /// The same group, whose methods are those that its service shows to each caller.
    pub fn varying_by_caller(self) -> GroupSummary {
        GroupSummary { varies_by_caller: true, methods: Vec::new(), ..self }
    }

    /// The group as this caller may see it.
    pub(super) fn shown_to(&self, caller: &Context) -> Cow<'_, GroupSummary> {
        match self.service.as_ref().filter(|_| self.varies_by_caller) {
            None => Cow::Borrowed(self),
            Some(ListedService(service)) => {
                let shown = GroupSummary::new(&self.path, self.aliases.clone(), &service.interface_for(caller));
                Cow::Owned(shown.with_state_of(service.clone()))
            }
        }
    }

    /// Why calls of the group cannot succeed at the moment; `None` if they can.
    pub(super) fn outage(&self) -> Option<Outage> {
        self.service.as_ref().and_then(|ListedService(service)| service.outage())
    }

    /// Whether a path is one of the group's.
    pub(super) fn is_at(&self, path: &str) -> bool {
        self.path == path || self.aliases.iter().any(|alias| alias == path)
    }
}
