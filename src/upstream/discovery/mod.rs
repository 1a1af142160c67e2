//! Finds out what an upstream offers. Start-up, refresh and `croupier add` all use this module.
//!
//! Each protocol has its own source of a description:
//!
//! | protocol | source | module |
//! |---|---|---|
//! | XML-RPC | `system.listMethods`, `system.methodSignature`, `system.methodHelp` | `introspection` |
//! | JSON-RPC | `rpc.discover`, or else introspection | `openrpc` |
//! | SOAP | the address with `?wsdl`, and what that document imports | `wsdl` |
//! | REST | `openapi.json` or another usual path, and what that document refers to | `openapi` |
//! | MCP | `server/discover` or a handshake, and `tools/list` | `mcp` |
//!
//! The option `methods` has methods of REST servers, which then need no document. The option `description` names an OpenRPC, WSDL or OpenAPI document, or a list of tools, to use instead. All requests go through a
//! [`DiscoveryClient`](client::DiscoveryClient), which knows the limits and sorts failures into
//! [`DiscoveryError`](client::DiscoveryError)s. The options of the operator (`allow`, `safe`, `params` and so on) are
//! applied to what the server says, and the result is a [`Description`].
//!
//! [`probe`] is for a server of which only the URL is known: it tries the protocols in turn and reports what is unusual.
//! That report is data; `croupier add` turns it into TOML and words. [`caller`] finds out only what a single call needs.

#[cfg(feature = "cli")]
pub(crate) mod caller;
pub(crate) mod client;
mod documents;
pub(crate) mod imported_files;
mod introspection;
pub(crate) mod mcp;
pub(crate) mod openapi;
mod openrpc;
pub(crate) mod probe;
pub(crate) mod wsdl;

use std::fmt;
use std::sync::Arc;

use super::credentials::{GivenCredentials, lacking};
use super::gaps::DescriptionGaps;
use super::transport::{Address, Transport};
use super::version::Description;
use super::{DescriptionFile, DescriptionSource, Upstream, UpstreamOptions};
use crate::model::fault::{Fault, Kind};
use crate::model::interface::{Interface, Method, Param};
use crate::protocol::Protocol;
use crate::protocol::client_codec::ClientCodec;
use crate::protocol::jsonrpc::openrpc::read as openrpc_document;
use crate::protocol::mcp::client::{McpCodec, tools};
use crate::protocol::rest::client::RestCodec;
use crate::protocol::rest::openapi::read::OpenApiDescription;
use crate::protocol::soap;
use crate::protocol::soap::wsdl::read::WsdlOptions;
use client::{DiscoveryClient, DiscoveryError};
use wsdl::ReadDescription;

/// What the server itself says: its methods, whether their parameters are inferred, and how it is called.
type Discovered = (Interface, bool, ClientCodec);

/// How many documents a description may consist of.
const MAX_DOCUMENTS: usize = 500;

impl Upstream {
    /// What the server says of itself, amended by the options.
    pub(super) async fn describe_itself(&self) -> Result<Description, Fault> {
        let options = &self.inner.options;
        let token = options.forwarding.identity_token.as_deref();
        let other_server = self.transport_for_description()?;
        let client = match &other_server {
            // The tokens and headers of the upstream are not for another server.
            Some(transport) => DiscoveryClient::new(transport, None, options.max_response),
            None => DiscoveryClient::new(&self.inner.transport, None, options.max_response).with_token(token),
        };
        let mut gaps = DescriptionGaps::default();
        let (mut interface, inferred, codec) = match (options.protocol, &options.description) {
            (Protocol::Soap, description) => self.discover_soap(&client, description.as_ref(), &mut gaps).await?,
            (Protocol::Rest, description) => self.discover_rest(&client, description.as_ref(), &mut gaps).await?,
            (Protocol::Mcp, description) => self.discover_mcp(&client, description.as_ref(), &mut gaps).await?,
            (_, Some(description)) => {
                let text = self.read_description(&client, description).await?;
                (openrpc_document::read(text.as_bytes())?.interface, false, self.codec()?)
            }
            (Protocol::JsonRpc, None) => self.discover_json_rpc(&client).await?,
            // `Upstream::new` refuses the other protocols.
            (Protocol::XmlRpc | Protocol::Page, None) => self.introspect(&client).await?,
        };
        let unmatched = options.unmatched(&interface);
        amend(&mut interface, options);
        let mut description = Description::new(interface, inferred, unmatched, (codec, options));
        description.gaps = Arc::new(gaps);
        if options.token.is_some() || !options.passthrough {
            // The token has to be put into each call, so no call can be passed on in its original bytes.
            description.clear_messages();
        }
        Ok(description)
    }

    fn codec(&self) -> Result<ClientCodec, Fault> {
        self.description().codec.clone().ok_or_else(|| Fault::new(Kind::Internal, "there is no way to call the server"))
    }

    /// An OpenRPC document or, of a server without one, what introspection says.
    async fn discover_json_rpc(&self, client: &DiscoveryClient<'_>) -> Result<Discovered, Fault> {
        let codec = self.codec()?;
        match openrpc::discover(client, &codec).await {
            Ok(description) => {
                let description = description?;
                let codec = openrpc::with_param_structure(codec, &description);
                Ok((description.interface, false, codec))
            }
            Err(DiscoveryError::Fault(_) | DiscoveryError::Status(_)) => self.introspect(client).await,
            Err(other) => Err(self.discovery_fault(other)),
        }
    }

    async fn introspect(&self, client: &DiscoveryClient<'_>) -> Result<Discovered, Fault> {
        let codec = self.codec()?;
        let names =
            introspection::list_methods(client, &codec).await.map_err(|error| self.discovery_fault(error))??;
        let described = introspection::describe_methods(client, &codec, names).await;
        Ok((described.map_err(|error| self.discovery_fault(error))?, true, codec))
    }

    async fn discover_soap(
        &self,
        client: &DiscoveryClient<'_>,
        description: Option<&DescriptionSource>,
        gaps: &mut DescriptionGaps,
    ) -> Result<Discovered, Fault> {
        let usual = DescriptionSource::At("?wsdl".to_owned());
        let first = description.unwrap_or(&usual);
        let options = WsdlOptions {
            port: self.inner.options.wsdl_port.as_deref(),
            response_headers: self.inner.options.soap_response_headers,
        };
        let read = match first {
            DescriptionSource::Files(files) => wsdl::describe_files(client, files, options).await?,
            DescriptionSource::Text { name, text } => {
                wsdl::describe(client, name.clone(), text.clone(), options).await?
            }
            DescriptionSource::At(url) => {
                let text = self.read_description(client, first).await?;
                wsdl::describe(client, documents::resolve(client.path(), url)?, text, options).await?
            }
        };
        let ReadDescription { description, unread } = read;
        *gaps = DescriptionGaps { left_out: description.left_out, unread, ..DescriptionGaps::default() };
        let codec = soap::client::SoapCodec {
            headers: self.inner.options.soap_headers.clone(),
            ..soap::client::SoapCodec::new(Arc::new(description.binding))
        };
        Ok((description.interface, description.inferred, ClientCodec::Soap(codec)))
    }

    async fn discover_rest(
        &self,
        client: &DiscoveryClient<'_>,
        description: Option<&DescriptionSource>,
        gaps: &mut DescriptionGaps,
    ) -> Result<Discovered, Fault> {
        let methods = &self.inner.options.methods;
        let read = match description {
            None if !methods.is_empty() => {
                openapi::ReadOpenApi { description: OpenApiDescription::of_methods(&[])?, unread: Vec::new() }
            }
            None => {
                let fetched = openapi::fetch_usual(client).await.map_err(|error| self.discovery_fault(error))?;
                openapi::describe(client, fetched.location, fetched.text).await?
            }
            Some(DescriptionSource::Files(files)) => openapi::describe_files(client, files).await?,
            Some(DescriptionSource::Text { name, text }) => {
                let file = DescriptionFile { name: name.clone(), text: text.clone() };
                openapi::describe_files(client, &[file]).await?
            }
            Some(at @ DescriptionSource::At(url)) => {
                let text = self.read_description(client, at).await?;
                openapi::describe(client, documents::resolve(client.path(), url)?, text).await?
            }
        };
        let openapi::ReadOpenApi { description, unread } = read;
        let given = GivenCredentials::of(&self.inner.transport, &self.inner.options);
        let description = description.with_methods(methods)?.without_params(|place, name| given.has_key(place, name));
        let credentials = lacking(&description.demands, &given, |method| self.inner.options.allows(method));
        *gaps = DescriptionGaps { left_out: description.left_out, unread, credentials };
        let codec = RestCodec {
            return_error_text: self.inner.options.return_error_text,
            fault_kinds: self.inner.options.fault_kinds.clone(),
            ..RestCodec::new(Arc::new(description.binding))
        };
        Ok((description.interface, false, ClientCodec::Rest(codec)))
    }

    /// The tools of the server as an interface, and the codec that calls them.
    async fn discover_mcp(
        &self,
        client: &DiscoveryClient<'_>,
        description: Option<&DescriptionSource>,
        gaps: &mut DescriptionGaps,
    ) -> Result<Discovered, Fault> {
        let description = match description {
            None => mcp::discover(client).await.map_err(|error| self.discovery_fault(error))??,
            Some(description) => tools::read_text(self.read_description(client, description).await?.as_bytes())?,
        };
        *gaps = DescriptionGaps { left_out: description.left_out, ..DescriptionGaps::default() };
        Ok((description.interface, false, ClientCodec::Mcp(McpCodec::new(Arc::new(description.tools)))))
    }

    /// A transport to the server of the description, if the options name another one than the upstream's own.
    fn transport_for_description(&self) -> Result<Option<Transport>, Fault> {
        let Some(DescriptionSource::At(url)) = &self.inner.options.description else { return Ok(None) };
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Ok(None);
        }
        let address: Address = url.parse().map_err(|error| unusable(&error))?;
        self.inner.transport.to_other_server(address).map_err(|error| unusable(&error))
    }

    /// The text of a document that the options name, from the server or from the options themselves.
    async fn read_description(
        &self,
        client: &DiscoveryClient<'_>,
        description: &DescriptionSource,
    ) -> Result<String, Fault> {
        match description {
            DescriptionSource::At(url) => {
                let path = documents::resolve(client.path(), url)?;
                client.get(&path).await.map_err(|error| match error {
                    error @ DiscoveryError::Transport(_) => self.discovery_fault(error),
                    other => unusable(&format_args!("{path}: {other}")),
                })
            }
            DescriptionSource::Text { text, .. } => Ok(text.clone()),
            DescriptionSource::Files(files) => Ok(files.first().map(|file| file.text.clone()).unwrap_or_default()),
        }
    }

    fn discovery_fault(&self, error: DiscoveryError) -> Fault {
        error.into_fault(self.inner.options.protocol)
    }
}

/// Applies the options, which take precedence over what the server says.
fn amend(interface: &mut Interface, options: &UpstreamOptions) {
    interface.methods.retain(|method| options.allows(&method.name));
    options.declare_in(interface);
    match &options.title {
        Some(title) => interface.title.clone_from(title),
        None if interface.title.is_empty() => interface.title.clone_from(&options.group),
        None => {}
    }
    for method in &mut interface.methods {
        method.safe |= options.safe.has(&method.name);
        if options.token.is_some() && method.params.first().is_some_and(|first| first.name == "arg1") {
            // The signature includes the secret, which the gateway adds to each call.
            method.params.remove(0);
        }
        if let Some(names) = options.params.get(&method.name) {
            rename_params(method, names);
        }
    }
}

/// Names parameters in their order. Those that the server does not mention are added as optional ones of any type.
fn rename_params(method: &mut Method, names: &[String]) {
    if method.has_free_arguments() {
        method.params.clear();
    }
    for (index, name) in names.iter().enumerate() {
        match method.params.get_mut(index) {
            Some(param) => param.name.clone_from(name),
            None => method.params.push(Param {
                name: name.clone(),
                doc: String::new(),
                schema: schemars::Schema::default(),
                required: false,
            }),
        }
    }
}

/// The server has no description that can be used.
fn unusable(reason: &dyn fmt::Display) -> Fault {
    Fault::new(Kind::Unreachable, format!("the upstream server does not describe itself: {reason}"))
}
