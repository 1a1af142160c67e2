//! The directory: all groups on one page.

use std::borrow::Cow;
use std::sync::Arc;

use http::Method;
use serde::Serialize;

use super::assets::{SCRIPT, STYLE};
use super::outage::OutageView;
use super::{GroupSummary, PageSummary, claims, root, serve, templates, verbs};
use crate::http::public_url::PublicUrl;
use crate::model::interface::Interface;
use crate::protocol::Protocol;
use crate::protocol::frontend::{Claim, Frontend, FrontendFuture, GroupHead, GroupRequest};
use crate::service::RpcService;

/// The page with all groups, for `GET /`. It precedes the frontends of a group at `/`, which still serves its calls.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    /// The public address of the server.
    pub public_url: Arc<PublicUrl>,
    /// All groups, in the order of the list.
    pub groups: Arc<[GroupSummary]>,
    /// The pages made from the operator's templates.
    pub pages: Arc<[PageSummary]>,
    /// The path of the MCP endpoint with the tools of several groups, if there is one.
    pub mcp: Option<Arc<str>>,
}

impl Frontend for Directory {
    fn verbs(&self, _: &Interface, tail: &str) -> &'static [Method] {
        verbs(tail)
    }

    fn claims(&self, head: &GroupHead<'_>) -> Claim {
        // At another path of the same group, its own page is shown.
        let here = head.parts.uri.path().trim_start_matches('/') == head.tail;
        if here { claims(head) } else { Claim::No }
    }

    fn protocol(&self) -> Protocol {
        Protocol::Page
    }

    fn serve(&self, _: &Arc<dyn RpcService>, request: GroupRequest<'_>) -> FrontendFuture {
        serve(request, None, || {
            let base = self.public_url.base(request.head, request.context.peer);
            // The credentials of the request are those of another group, if there are any.
            let anyone = request.context.without_identity();
            let view = DirectoryView {
                title: "Services",
                root: root(&base),
                base: &base,
                style: &STYLE.version,
                script: &SCRIPT.version,
                here: "",
                version: env!("CARGO_PKG_VERSION"),
                groups: self.groups.iter().map(|group| GroupLine::new(group.shown_to(&anyone))).collect(),
                pages: &self.pages,
                mcp_name: self.mcp.as_ref().map(|_| "croupier"),
                mcp_url: self.mcp.as_ref().map(|path| format!("{base}{path}")),
            };
            templates::render("directory.html", &view)
        })
    }
}

#[derive(Serialize)]
struct DirectoryView<'a> {
    title: &'a str,
    /// The prefix of all paths.
    root: &'a str,
    base: &'a str,
    style: &'a str,
    script: &'a str,
    /// The path of the page, without a slash at its end.
    here: &'a str,
    version: &'a str,
    groups: Vec<GroupLine<'a>>,
    pages: &'a [PageSummary],
    /// The name under which MCP clients know the server; `None` if there is no MCP endpoint with the tools of several groups.
    mcp_name: Option<&'a str>,
    /// The URL of that endpoint.
    mcp_url: Option<String>,
}

/// A group with its state.
#[derive(Serialize)]
struct GroupLine<'a> {
    #[serde(flatten)]
    group: Cow<'a, GroupSummary>,
    outage: Option<OutageView>,
}

impl GroupLine<'_> {
    fn new(group: Cow<'_, GroupSummary>) -> GroupLine<'_> {
        let outage = group.outage().map(|outage| OutageView::new(&outage, true));
        GroupLine { group, outage }
    }
}
