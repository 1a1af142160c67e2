//! The directory: all groups on one page.

use std::sync::Arc;

use http::Method;
use serde::Serialize;

use super::assets::{SCRIPT, STYLE};
use super::{GroupSummary, PageSummary, claims, methods, root, serve, templates};
use crate::http::public_url::PublicUrl;
use crate::model::interface::Interface;
use crate::protocol::frontend::{Claim, Frontend, FrontendFuture, GroupHead, GroupRequest};
use crate::service::RpcService;

/// The page of all groups, for `GET /`: the first face of what is mounted there, so that the group keeps its calls.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    /// Under which address people know the server.
    pub public_url: Arc<PublicUrl>,
    /// All groups, in the order in which they are listed.
    pub groups: Arc<[GroupSummary]>,
    /// The pages of the operator's own.
    pub pages: Arc<[PageSummary]>,
}

impl Frontend for Directory {
    fn methods(&self, _: &Interface, tail: &str) -> &'static [Method] {
        methods(tail)
    }

    fn claims(&self, head: &GroupHead<'_>) -> Claim {
        // The group may be asked for by another of its paths, which is its own page's.
        let here = head.parts.uri.path().trim_start_matches('/') == head.tail;
        if here { claims(head) } else { Claim::No }
    }

    fn is_page(&self) -> bool {
        true
    }

    fn serve(&self, _: &Arc<dyn RpcService>, request: GroupRequest<'_>) -> FrontendFuture {
        serve(request, || {
            let base = self.public_url.base(request.head, request.context.peer);
            let view = View {
                title: "Services",
                root: root(&base),
                base: &base,
                style: &STYLE.version,
                script: &SCRIPT.version,
                here: "",
                version: env!("CARGO_PKG_VERSION"),
                groups: &self.groups,
                pages: &self.pages,
            };
            templates::render("directory.html", &view)
        })
    }
}

#[derive(Serialize)]
struct View<'a> {
    title: &'a str,
    /// What stands before each path.
    root: &'a str,
    base: &'a str,
    style: &'a str,
    script: &'a str,
    /// The path of the page, without a slash at its end.
    here: &'a str,
    version: &'a str,
    groups: &'a [GroupSummary],
    pages: &'a [PageSummary],
}
