//! A server asked what it is: by introspection, for an OpenRPC document, or for its WSDL and what that refers to.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method as Verb, Request, StatusCode, Uri};

use super::version::Description;
use super::{DescriptionSource, Upstream, UpstreamOptions, UpstreamProtocol};
use crate::model::fault::{Fault, Kind};
use crate::model::interface::Interface;
use crate::model::value::Value;
use crate::protocol::client_codec::{CallTarget, ClientCodec, ResponseError};
use crate::protocol::jsonrpc;
use crate::protocol::jsonrpc::openrpc::read as openrpc;
use crate::protocol::soap;
use crate::protocol::soap::wsdl::read as wsdl;
use crate::protocol::xmlrpc::introspection;
use crate::service::args::ArgValues;
use crate::upstream::transport::Repeat;

/// How many methods are asked for their signatures and help; of others only the names are known.
const ASKED: usize = 2000;
/// How many methods are asked for in one request.
const AT_ONCE: usize = 100;
/// How many documents a WSDL document may be made of.
const DOCUMENTS: usize = 64;

impl Upstream {
    /// What the server says of itself, amended by what the operator says of it.
    pub(super) async fn describe_itself(&self) -> Result<Description, Fault> {
        let options = &self.inner.options;
        let (mut interface, inferred, codec) = match (options.protocol, &options.description) {
            (UpstreamProtocol::Soap, description) => self.wsdl(description.as_ref()).await?,
            (_, Some(description)) => {
                let text = self.description(description).await?;
                let openrpc::OpenRpcDescription { interface, .. } = openrpc::read(text.as_bytes())?;
                (interface, false, self.codec()?)
            }
            (UpstreamProtocol::JsonRpc, None) => self.discover_json_rpc().await?,
            (UpstreamProtocol::XmlRpc, None) => {
                let codec = self.codec()?;
                (self.introspect(&codec).await?, true, codec)
            }
        };
        let unmatched = options.unmatched(&interface);
        amend(&mut interface, options);
        let mut description = Description::new(interface, inferred, unmatched, codec);
        if options.token.is_some() {
            // The token has to be put into each call, so none can be passed on in its original bytes.
            description.forget_messages();
        }
        Ok(description)
    }

    fn codec(&self) -> Result<ClientCodec, Fault> {
        self.offer().codec.clone().ok_or_else(|| Fault::new(Kind::Internal, "there is no way to ask the server"))
    }

    /// An OpenRPC document, or, of servers that have none, what introspection tells.
    async fn discover_json_rpc(&self) -> Result<(Interface, bool, ClientCodec), Fault> {
        let codec = self.codec()?;
        let asked = CallTarget { method: "rpc.discover", known: None };
        let request = codec.encode_call(asked, ArgValues::default())?;
        let response = self.exchange(request, Repeat::Harmless).await?;
        match codec.decode_response(asked, &response) {
            Ok(document) => {
                let document = serde_json::to_value(document).map_err(|error| unsaid(&error))?;
                let discovered = openrpc::document(&document)?;
                let by_name = !discovered.by_name.is_empty();
                Ok((discovered.interface, false, passing_names(codec, by_name)))
            }
            Err(ResponseError::Fault(_) | ResponseError::Status { .. }) => {
                Ok((self.introspect(&codec).await?, true, codec))
            }
            Err(other) => Err(other.into_fault()),
        }
    }

    /// What `system.listMethods`, `system.methodSignature` and `system.methodHelp` tell.
    async fn introspect(&self, codec: &ClientCodec) -> Result<Interface, Fault> {
        let listed = self.ask(codec, "system.listMethods", Vec::new()).await.map_err(ResponseError::into_fault)?;
        let names = introspection::names(&listed)?;
        let mut description: Vec<introspection::Described> =
            names.into_iter().map(|name| introspection::Described { name, signature: None, help: None }).collect();
        let asked = description.len().min(ASKED);
        for methods in description.get_mut(..asked).unwrap_or_default().chunks_mut(AT_ONCE) {
            if !self.describe(codec, methods).await? {
                break;
            }
        }
        Ok(introspection::interface(&description))
    }

    /// Asks for the signatures and the help of some methods: all at once if the server takes that, otherwise one by one.
    /// Answers whether there is any sense in asking for more.
    async fn describe(&self, codec: &ClientCodec, methods: &mut [introspection::Described]) -> Result<bool, Fault> {
        let mut told = match self.ask_at_once(codec, methods).await? {
            Some(told) => told.into_iter(),
            None => self.ask_one_by_one(codec, methods).await?.into_iter(),
        };
        let mut any = false;
        for method in methods {
            (method.signature, method.help) = (told.next().flatten(), told.next().flatten());
            any |= method.signature.is_some() || method.help.is_some();
        }
        Ok(any)
    }

    async fn ask_at_once(
        &self,
        codec: &ClientCodec,
        methods: &[introspection::Described],
    ) -> Result<Option<Vec<Option<Value>>>, Fault> {
        let named = |name: &str| ArgValues::ByPosition(vec![Value::Text(name.to_owned())]);
        let asked: Vec<CallTarget<'_>> = methods
            .iter()
            .flat_map(|_| ["system.methodSignature", "system.methodHelp"])
            .map(|method| CallTarget { method, known: None })
            .collect();
        let arguments = methods.iter().flat_map(|method| [named(&method.name), named(&method.name)]);
        let calls = asked.iter().copied().zip(arguments).collect();
        let Some(request) = codec.encode_batch(calls)? else { return Ok(None) };
        let response = self.exchange(request, Repeat::Harmless).await?;
        let Ok(answers) = codec.decode_batch(&asked, &response) else { return Ok(None) };
        Ok(Some(answers.into_iter().map(Result::ok).collect()))
    }

    /// Ends early where the first few know nothing: a server that answers none of these to one method has them for none.
    async fn ask_one_by_one(
        &self,
        codec: &ClientCodec,
        methods: &[introspection::Described],
    ) -> Result<Vec<Option<Value>>, Fault> {
        let mut told = Vec::with_capacity(2 * methods.len());
        for (at, method) in methods.iter().enumerate() {
            if at == 3 && told.iter().all(Option::is_none) {
                break;
            }
            for question in ["system.methodSignature", "system.methodHelp"] {
                told.push(match self.ask(codec, question, vec![Value::Text(method.name.clone())]).await {
                    Ok(answer) => Some(answer),
                    Err(ResponseError::Fault(fault)) if matches!(fault.kind, Kind::Unreachable | Kind::Late) => {
                        return Err(fault);
                    }
                    Err(_) => None,
                });
            }
        }
        Ok(told)
    }

    async fn wsdl(&self, description: Option<&DescriptionSource>) -> Result<(Interface, bool, ClientCodec), Fault> {
        let own = DescriptionSource::At("?wsdl".to_owned());
        let first = description.unwrap_or(&own);
        let name = match first {
            DescriptionSource::At(url) => self.resolve(url)?,
            DescriptionSource::Text { name, .. } => name.clone(),
        };
        let mut documents = vec![(name, self.description(first).await?)];
        let mut next = 0;
        while let Some((location, text)) = documents.get(next) {
            let imports = wsdl::imports(wsdl::Document { location, text })?;
            let wanted: BTreeSet<String> =
                imports.iter().map(|import| relative(location, import)).collect::<Result<_, _>>()?;
            for location in wanted {
                if documents.iter().any(|(known, _)| *known == location) {
                    continue;
                }
                if documents.len() == DOCUMENTS {
                    return Err(Fault::new(
                        Kind::Limit,
                        format!("the description is of more than {DOCUMENTS} documents"),
                    ));
                }
                let text = self.fetch(&location).await?;
                documents.push((location, text));
            }
            next += 1;
        }
        let documents: Vec<_> = documents.iter().map(|(location, text)| wsdl::Document { location, text }).collect();
        let wsdl::WsdlDescription { interface, binding, inferred } =
            wsdl::read(&documents, self.inner.options.wsdl_port.as_deref())?;
        Ok((interface, inferred, ClientCodec::Soap(soap::client::SoapCodec::new(Arc::new(binding)))))
    }

    async fn description(&self, description: &DescriptionSource) -> Result<String, Fault> {
        match description {
            DescriptionSource::At(url) => self.fetch(&self.resolve(url)?).await,
            DescriptionSource::Text { text, .. } => Ok(text.clone()),
        }
    }

    /// A path on the server, from a URL that may be relative to the server's own path.
    fn resolve(&self, url: &str) -> Result<String, Fault> {
        relative(self.inner.transport.path(), url)
    }

    /// A document of the server's. Nobody else is asked: what a description refers to is on the server that it is of.
    async fn fetch(&self, path: &str) -> Result<String, Fault> {
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = Verb::GET;
        *request.uri_mut() = path.parse().map_err(|error| unsaid(&error))?;
        let response = self.exchange(request, Repeat::Harmless).await?;
        if response.status() != StatusCode::OK {
            return Err(unsaid(&format_args!("{path}: HTTP {}", response.status())));
        }
        crate::protocol::client_codec::document(&response)
    }
}

/// JSON-RPC where some methods take their parameters by name only: then all are asked so.
fn passing_names(codec: ClientCodec, by_name: bool) -> ClientCodec {
    match codec {
        ClientCodec::JsonRpc(codec) if by_name => ClientCodec::JsonRpc(jsonrpc::client::JsonRpcCodec {
            param_structure: jsonrpc::client::ParamStructure::ByName,
            ..codec
        }),
        codec => codec,
    }
}

/// A path from a reference that stands in the document at `base` (RFC 3986, section 5.2), as far as it may go: a URL of
/// another host is read as the same path on this one.
fn relative(base: &str, reference: &str) -> Result<String, Fault> {
    let reference = reference.split('#').next().unwrap_or_default();
    let (base_path, _) = base.split_once('?').unwrap_or((base, ""));
    let absolute = reference.parse::<Uri>().ok().filter(|uri| uri.scheme().is_some());
    let path = match absolute {
        Some(uri) => uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        None if reference.starts_with('/') => reference.to_owned(),
        None if reference.starts_with('?') => format!("{base_path}{reference}"),
        None => {
            let folder = base_path.rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{folder}/{reference}")
        }
    };
    let (path, query) = path.split_once('?').map_or((path.as_str(), None), |(path, query)| (path, Some(query)));
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Ok(format!("/{}{query}", segments.join("/")))
}

/// What the operator says of methods comes before what the server says.
fn amend(interface: &mut Interface, options: &UpstreamOptions) {
    interface.methods.retain(|method| options.allows(&method.name));
    match &options.title {
        Some(title) => interface.title.clone_from(title),
        None if interface.title.is_empty() => interface.title.clone_from(&options.name),
        None => {}
    }
    for method in &mut interface.methods {
        method.safe |= options.safe.has(&method.name);
        if options.token.is_some() && method.params.first().is_some_and(|first| first.name == "arg1") {
            // The signature counts the secret, which callers do not give.
            method.params.remove(0);
        }
        if let Some(names) = options.params.get(&method.name) {
            rename(method, names);
        }
    }
}

fn rename(method: &mut crate::model::interface::Method, names: &[String]) {
    use crate::model::interface::Param;
    for (at, name) in names.iter().enumerate() {
        match method.params.get_mut(at) {
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

fn unsaid(error: &dyn std::fmt::Display) -> Fault {
    Fault::new(Kind::Unreachable, format!("the server does not describe itself: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_paths_on_the_same_server() {
        for (base, reference, path) in [
            ("/a/service", "?wsdl", "/a/service?wsdl"),
            ("/a/service?wsdl", "types.xsd", "/a/types.xsd"),
            ("/a/service?wsdl", "../types.xsd?x=1", "/types.xsd?x=1"),
            ("/a/service", "http://other.example/b/types.xsd#c", "/b/types.xsd"),
            ("/a/b/c", "/d", "/d"),
            ("/", "../../e", "/e"),
        ] {
            assert_eq!(relative(base, reference).unwrap(), path, "{base} {reference}");
        }
    }
}
