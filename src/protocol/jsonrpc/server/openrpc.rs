//! The OpenRPC document of a group: the method `rpc.discover`, and the same document at `openrpc.json` below its path.

use std::sync::Arc;

use http::Method;

use super::{address, json};
use crate::http::body::Body;
use crate::http::public_url::PublicUrl;
use crate::model::fault::Fault;
use crate::model::interface::Interface;
use crate::protocol::document::GroupDocument;
use crate::protocol::frontend::{Claim, Frontend, FrontendFuture, FrontendResponse, GroupHead, GroupRequest};
use crate::protocol::jsonrpc::openrpc::write as openrpc;
use crate::protocol::{Protocol, frontend};
use crate::service::args::Args;
use crate::service::future::MaybeReady;
use crate::service::{Output, RpcService};

/// The name of the method (OpenRPC 1.3, section "Service Discovery Method").
const DISCOVER: &str = "rpc.discover";
/// The path of the document below that of the group.
const TAIL: &str = "openrpc.json";

/// The result of a call of `rpc.discover`; `None` for all other methods.
pub(super) fn call(
    interface: &Interface,
    method: &str,
    args: Args<'_>,
    url: impl FnOnce() -> String,
) -> Option<Result<Output, Fault>> {
    let document = |()| match frontend::undescribed(interface) {
        Some(fault) => Err(fault),
        None => Ok(Output::One(Box::new(openrpc::document(interface, &url())))),
    };
    is_builtin(method).then(|| args.read_record::<()>().and_then(document))
}

/// Whether a method belongs to the protocol itself.
pub(super) fn is_builtin(method: &str) -> bool {
    method == DISCOVER
}

/// The frontend for the OpenRPC document of a group, by GET.
#[derive(Debug, Clone, Default)]
pub struct OpenRpc {
    /// The public address of the server.
    pub public_url: Arc<PublicUrl>,
}

impl Frontend for OpenRpc {
    fn protocol(&self) -> Protocol {
        Protocol::JsonRpc
    }

    fn verbs(&self, _: &Interface, tail: &str) -> &'static [Method] {
        verbs(tail)
    }

    fn claims(&self, head: &GroupHead<'_>) -> Claim {
        if verbs(head.tail).contains(&head.parts.method) { Claim::Yes } else { Claim::No }
    }

    fn serve(&self, service: &Arc<dyn RpcService>, request: GroupRequest<'_>) -> FrontendFuture {
        let response = match frontend::refuse_undescribed(service.as_ref()) {
            Some(rejection) => rejection.into_response(),
            None => {
                let url = address(&self.public_url, &request);
                json(Body::whole(self.text(&service.interface_for(request.context), &url)))
            }
        };
        MaybeReady::now(FrontendResponse { response, method: Box::from(""), fault: None })
    }
}

impl GroupDocument for OpenRpc {
    fn name(&self) -> &'static str {
        TAIL
    }

    fn title(&self) -> &'static str {
        "OpenRPC document"
    }

    fn media_type(&self) -> &'static str {
        "application/json"
    }

    fn text(&self, interface: &Interface, url: &str) -> String {
        format!("{:#}\n", openrpc::document(interface, url))
    }
}

fn verbs(tail: &str) -> &'static [Method] {
    if tail == TAIL { &[Method::GET, Method::HEAD] } else { &[] }
}
