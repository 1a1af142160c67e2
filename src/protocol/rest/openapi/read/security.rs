//! The credentials that a document demands for its operations, and parameters of operations that are credentials.

use serde_json::Value as Json;

use super::OpenApiDescription;
use super::source::{Node, Sources};
use crate::codec::rest::{ParamPlace, PathPart};

/// How many alternatives of one operation are read, and how many schemes of each.
const MAX_SCHEMES: usize = 8;
/// How many different demands are read.
const MAX_DEMANDS: usize = 50;
/// The longest name of a key, in bytes.
const MAX_NAME: usize = 200;

/// The credentials that operations demand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityDemand {
    /// The methods of these operations.
    pub methods: Vec<String>,
    /// Sets of credentials, of which each request needs one.
    pub alternatives: Vec<Vec<SecurityScheme>>,
}

/// A kind of credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecurityScheme {
    /// A key with this name.
    ApiKey {
        /// Where the key is.
        place: KeyPlace,
        /// Its name.
        name: String,
    },
    /// Basic authentication (RFC 7617).
    Basic,
    /// A bearer token (RFC 6750).
    Bearer,
    /// An access token of OAuth 2.0. The URL is that of the token endpoint for client credentials, if the document has one.
    OAuth2(Option<String>),
    /// A token of OpenID Connect.
    OpenIdConnect,
    /// A client certificate.
    MutualTls,
    /// Something else, by its name.
    Other(String),
}

/// Where a key is in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPlace {
    /// In a header.
    Header,
    /// In the query.
    Query,
    /// In a cookie.
    Cookie,
}

/// The demands of operations, by the indices of their methods.
#[derive(Debug, Default)]
pub(super) struct Demands(Vec<(Vec<usize>, Vec<Vec<SecurityScheme>>)>);

impl Demands {
    /// Notes what an operation demands, if it demands anything.
    pub(super) fn add(&mut self, method: usize, sources: &Sources<'_>, operation: Node<'_>) {
        let alternatives = alternatives(sources, operation);
        if alternatives.is_empty() || alternatives.iter().any(Vec::is_empty) {
            return;
        }
        let has_place = self.0.len() < MAX_DEMANDS;
        match self.0.iter_mut().find(|(_, known)| *known == alternatives) {
            Some((methods, _)) => methods.push(method),
            None if has_place => self.0.push((vec![method], alternatives)),
            None => {}
        }
    }

    /// The demands with the names of the methods.
    pub(super) fn named<'n>(self, name: impl Fn(usize) -> Option<&'n str>) -> Vec<SecurityDemand> {
        let demand = |(methods, alternatives): (Vec<usize>, _)| SecurityDemand {
            methods: methods.into_iter().filter_map(&name).map(str::to_owned).collect(),
            alternatives,
        };
        self.0.into_iter().map(demand).collect()
    }
}

/// What an operation demands; an empty set if it needs nothing.
fn alternatives(sources: &Sources<'_>, operation: Node<'_>) -> Vec<Vec<SecurityScheme>> {
    let root = sources.main();
    let Some(list) = operation.get("security").or_else(|| root.get("security")) else { return Vec::new() };
    let alternatives = list.value.as_array().into_iter().flatten().filter_map(Json::as_object).take(MAX_SCHEMES);
    alternatives.map(|schemes| schemes.keys().take(MAX_SCHEMES).map(|name| scheme(sources, name)).collect()).collect()
}

/// The scheme with this name in the document.
fn scheme(sources: &Sources<'_>, name: &str) -> SecurityScheme {
    let root = sources.main();
    let of_openapi = root.get("components").and_then(|components| components.get("securitySchemes"));
    let all = of_openapi.or_else(|| root.get("securityDefinitions"));
    let short = |name: &str| name.chars().take(MAX_NAME).collect::<String>();
    let other = || SecurityScheme::Other(short(name));
    let Some(scheme) = all.and_then(|all| all.get(name)).and_then(|scheme| sources.follow(scheme)) else {
        return other();
    };
    match scheme.text("type") {
        "apiKey" => {
            let place = match scheme.text("in") {
                "header" => KeyPlace::Header,
                "query" => KeyPlace::Query,
                "cookie" => KeyPlace::Cookie,
                _ => return other(),
            };
            match scheme.text("name") {
                name if name.is_empty() || name.len() > MAX_NAME => other(),
                name => SecurityScheme::ApiKey { place, name: name.to_owned() },
            }
        }
        "basic" => SecurityScheme::Basic,
        "http" => match scheme.text("scheme").to_ascii_lowercase().as_str() {
            "basic" => SecurityScheme::Basic,
            "bearer" => SecurityScheme::Bearer,
            named => SecurityScheme::Other(short(named)),
        },
        "oauth2" => {
            let flow = scheme.get("flows").and_then(|flows| flows.get("clientCredentials"));
            let flow = flow.or(Some(scheme).filter(|scheme| scheme.text("flow") == "application"));
            let url = flow.map(|flow| flow.text("tokenUrl")).filter(|url| !url.is_empty() && url.len() <= MAX_NAME);
            SecurityScheme::OAuth2(url.map(str::to_owned))
        }
        "openIdConnect" => SecurityScheme::OpenIdConnect,
        "mutualTLS" => SecurityScheme::MutualTls,
        _ => other(),
    }
}

impl OpenApiDescription {
    /// The same description without the parameters that are given to every request. `is_given` says so of the place and the name
    /// of a parameter.
    pub fn without_params(mut self, is_given: impl Fn(KeyPlace, &str) -> bool) -> OpenApiDescription {
        for (method, operation) in self.interface.methods.iter_mut().zip(&mut self.binding.operations) {
            let is_kept = |place: &ParamPlace, name: &str| match place {
                ParamPlace::Query(_) => !is_given(KeyPlace::Query, name),
                ParamPlace::Header(_) => !is_given(KeyPlace::Header, name),
                ParamPlace::Cookie(_) => !is_given(KeyPlace::Cookie, name),
                _ => true,
            };
            let kept: Vec<bool> = operation.params.iter().map(|target| is_kept(&target.place, &target.name)).collect();
            if kept.iter().all(|kept| *kept) || kept.len() != method.params.len() {
                continue;
            }
            retain(&mut operation.params, &kept);
            retain(&mut method.params, &kept);
            for part in &mut operation.path {
                if let PathPart::Param(at) = part {
                    *at = kept.iter().take(*at).filter(|kept| **kept).count();
                }
            }
        }
        self
    }
}

fn retain<T>(items: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    items.retain(|_| kept.next().copied().unwrap_or(true));
}

#[cfg(test)]
mod tests {
    use super::super::{Document, read};
    use super::*;

    #[test]
    fn demands_are_those_of_the_operation_or_of_the_document() {
        let text = r##"{ "openapi": "3.1.0", "security": [{ "key": [] }], "paths": {
            "/a": { "get": { "operationId": "a" }, "put": { "operationId": "b", "security": [] } },
            "/b": { "get": { "operationId": "c", "security": [{ "key": [], "tls": [] }, { "token": ["read"] }] },
                "put": { "operationId": "d", "security": [{ "key": [] }, {}] }, "post": { "operationId": "e" } },
            "/c": { "get": { "operationId": "f", "security": [{ "basic": [] }, { "digest": [] }, { "none": [] }, { "id": [] }] } } },
            "components": { "securitySchemes": {
                "key": { "type": "apiKey", "in": "query", "name": "api_key" },
                "tls": { "type": "mutualTLS" }, "id": { "type": "openIdConnect" },
                "token": { "type": "oauth2", "flows": { "clientCredentials": { "tokenUrl": "https://login.example/" } } },
                "basic": { "type": "http", "scheme": "Basic" }, "digest": { "type": "http", "scheme": "Digest" } } } }"##;
        let demands = read(Document { location: "", text }).unwrap().demands;
        let key = || SecurityScheme::ApiKey { place: KeyPlace::Query, name: "api_key".into() };
        let other = |name: &str| vec![SecurityScheme::Other(name.into())];
        let token = SecurityScheme::OAuth2(Some("https://login.example/".into()));
        let expected = [
            (vec!["a", "e"], vec![vec![key()]]),
            (vec!["c"], vec![vec![key(), SecurityScheme::MutualTls], vec![token]]),
            (
                vec!["f"],
                vec![vec![SecurityScheme::Basic], other("digest"), other("none"), vec![SecurityScheme::OpenIdConnect]],
            ),
        ];
        let expected = expected.map(|(methods, alternatives)| SecurityDemand {
            methods: methods.into_iter().map(str::to_owned).collect(),
            alternatives,
        });
        assert_eq!(demands, expected);
    }

    #[test]
    fn swagger_has_definitions_of_its_own() {
        let text = r#"{ "swagger": "2.0", "paths": { "/a": { "get": { "operationId": "a", "security": [{ "b": [] }, { "o": [] }] } } },
            "securityDefinitions": { "b": { "type": "basic" },
                "o": { "type": "oauth2", "flow": "application", "tokenUrl": "https://login.example/" } } }"#;
        let demands = read(Document { location: "", text }).unwrap().demands;
        let token = SecurityScheme::OAuth2(Some("https://login.example/".into()));
        assert_eq!(demands[0].alternatives, [vec![SecurityScheme::Basic], vec![token]]);
    }

    #[test]
    fn parameters_that_are_given_are_left_out() {
        let text = r#"{ "openapi": "3.0.0", "paths": { "/a/{id}/{other}": { "get": { "operationId": "a", "parameters": [
            { "name": "token", "in": "query", "required": true }, { "name": "id", "in": "query" } ] } } } }"#;
        let described = read(Document { location: "", text }).unwrap();
        let described = described.without_params(|place, name| place == KeyPlace::Query && name == "token");
        let names: Vec<&str> = described.interface.methods[0].params.iter().map(|param| param.name.as_str()).collect();
        assert_eq!(names, ["id_path", "other", "id_query"]);
        assert_eq!(described.binding.operations[0].params.len(), 3);
    }
}
