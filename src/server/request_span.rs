//! The span of a request, by the semantic conventions of OpenTelemetry for HTTP and RPC.

use std::borrow::Cow;
use std::net::IpAddr;

use http::Method;

use crate::model::text::printable;
use crate::service::spans::Attribute;

/// How many characters of a method that is not known a span has.
const LONGEST_METHOD: usize = 80;

/// How many characters of the name of a caller a span has.
const LONGEST_USER: usize = 256;

/// What is known of a request that has ended.
pub(super) struct EndedRequest<'r> {
    pub(super) method: &'r Method,
    /// Whether it has come over TLS.
    pub(super) is_https: bool,
    pub(super) path: &'r str,
    /// 0 if there was no response.
    pub(super) status: u16,
    pub(super) client: Option<IpAddr>,
    pub(super) request_id: String,
    pub(super) protocol: Option<&'static str>,
    pub(super) group: Option<&'r str>,
    /// The method that was called, by the name that the client has given.
    pub(super) rpc_method: Option<&'r str>,
    /// Whether the group is known to have it.
    pub(super) has_rpc_method: bool,
    /// The name of the caller, if it is known.
    pub(super) user: Option<&'r str>,
    /// How many calls the batch has begun, and how many of them have failed.
    pub(super) batch: Option<(u32, u32)>,
    /// The reason for which the request has failed.
    pub(super) error: Option<Cow<'static, str>>,
}

impl EndedRequest<'_> {
    /// The name of the span. It has no text of a client, which could be any: collectors make a series of each name.
    pub(super) fn name(&self) -> String {
        match (self.group, self.rpc_method.filter(|_| self.has_rpc_method)) {
            (Some(group), Some(method)) => format!("{}/{method}", group.trim_end_matches('/')),
            (Some(group), None) => format!("{} {group}", self.known_method()),
            (None, _) => self.known_method().to_owned(),
        }
    }

    pub(super) fn attributes(&self) -> Vec<Attribute> {
        let known = self.known_method();
        let mut attributes: Vec<Attribute> = vec![
            ("http.request.method", known.to_owned().into()),
            ("url.scheme", if self.is_https { "https" } else { "http" }.into()),
            ("url.path", self.path.to_owned().into()),
            ("croupier.request.id", self.request_id.clone().into()),
        ];
        if known == OTHER_METHOD {
            attributes.push((
                "http.request.method_original",
                printable(self.method.as_str(), LONGEST_METHOD).into_owned().into(),
            ));
        }
        if self.status > 0 {
            attributes.push(("http.response.status_code", self.status.into()));
        }
        attributes.extend(self.client.map(|client| ("client.address", client.into())));
        attributes.extend(self.user.map(|user| ("enduser.id", printable(user, LONGEST_USER).into_owned().into())));
        attributes.extend(self.protocol.map(|protocol| ("rpc.system", rpc_system(protocol).into())));
        attributes.extend(self.group.map(|group| ("rpc.service", group.to_owned().into())));
        match self.rpc_method {
            Some(method) if self.has_rpc_method => attributes.push(("rpc.method", method.to_owned().into())),
            Some(other) => attributes.extend([
                ("rpc.method", OTHER_METHOD.into()),
                ("rpc.method_original", printable(other, LONGEST_METHOD).into_owned().into()),
            ]),
            None => {}
        }
        if let Some((calls, faults)) = self.batch {
            attributes.extend([("croupier.batch.calls", calls.into()), ("croupier.batch.faults", faults.into())]);
        }
        attributes.extend(self.error.as_ref().map(|error| ("error.type", error.clone().into_owned().into())));
        attributes
    }

    fn known_method(&self) -> &str {
        let is_known = matches!(
            *self.method,
            Method::GET
                | Method::HEAD
                | Method::POST
                | Method::PUT
                | Method::PATCH
                | Method::DELETE
                | Method::OPTIONS
                | Method::CONNECT
                | Method::TRACE
        );
        if is_known { self.method.as_str() } else { OTHER_METHOD }
    }
}

/// The method of a request whose own method is none of HTTP, and of a call whose method the group is not known to have.
const OTHER_METHOD: &str = "_OTHER";

/// The name of a protocol in the semantic conventions, which have one for JSON-RPC only.
fn rpc_system(protocol: &'static str) -> &'static str {
    match protocol {
        "json-rpc" => "jsonrpc",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended<'r>(method: &'r Method, group: Option<&'r str>, rpc_method: Option<&'r str>) -> EndedRequest<'r> {
        EndedRequest {
            method,
            is_https: false,
            path: "/a",
            status: 0,
            client: None,
            request_id: "7".to_owned(),
            protocol: None,
            group,
            rpc_method,
            has_rpc_method: true,
            user: None,
            batch: None,
            error: None,
        }
    }

    #[test]
    fn a_name_has_nothing_that_a_client_may_choose() {
        let odd = Method::from_bytes(b"ODD").unwrap();
        for (method, group, rpc_method, name) in [
            (&Method::POST, Some("/wheel"), Some("spin"), "/wheel/spin"),
            (&Method::POST, Some("/"), Some("spin"), "/spin"),
            (&Method::GET, Some("/wheel"), None, "GET /wheel"),
            (&Method::GET, None, None, "GET"),
            (&odd, Some("/wheel"), None, "_OTHER /wheel"),
        ] {
            assert_eq!(ended(method, group, rpc_method).name(), name);
        }
        let unknown = EndedRequest { has_rpc_method: false, ..ended(&Method::POST, Some("/wheel"), Some("no")) };
        assert_eq!(unknown.name(), "POST /wheel");
        let attributes = unknown.attributes();
        assert!(attributes.contains(&("rpc.method", "_OTHER".into())));
        assert!(attributes.contains(&("rpc.method_original", "no".to_owned().into())));
        let attributes = ended(&odd, None, None).attributes();
        assert!(attributes.contains(&("http.request.method", "_OTHER".to_owned().into())));
        assert!(attributes.contains(&("http.request.method_original", "ODD".to_owned().into())));
        let long = Method::from_bytes(&[b'X'; 5000]).unwrap();
        let original = ("http.request.method_original", format!("{}…", "X".repeat(LONGEST_METHOD)).into());
        assert!(ended(&long, None, None).attributes().contains(&original));
    }
}
