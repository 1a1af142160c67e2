//! Where the document says that the server is.

use serde_json::Value as Json;
use url::Url;

use super::source::{Node, Version};

/// The address of a server as a document has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct StatedServer {
    /// Its URL; `None` if the document does not say on which host it is.
    pub(super) url: Option<String>,
    /// Its path, without a slash at its end.
    pub(super) path: String,
}

/// The server of a whole document, which is at a location: the first, if there are several.
pub(super) fn of_document(version: Version, document: Node<'_>, location: &str) -> StatedServer {
    if version == Version::Swagger2 {
        let path = document.text("basePath").trim_end_matches('/');
        let path = if path.is_empty() || path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let host = document.text("host");
        let scheme = |scheme: &str| document.items("schemes").any(|known| known.value == scheme);
        let scheme = if scheme("https") || !scheme("http") { "https" } else { "http" };
        let url = (!host.is_empty()).then(|| format!("{scheme}://{host}{path}"));
        return StatedServer { url, path };
    }
    // Some documents say it for each path only.
    let of_paths = || document.members("paths").find_map(|(_, item)| item.items("servers").next());
    let server = document.items("servers").next().or_else(of_paths);
    server.map(|server| of_server(server, location)).unwrap_or_default()
}

/// The server of an operation, if that is not the one of the document.
pub(super) fn of_operation(item: Node<'_>, operation: Node<'_>, location: &str) -> Option<StatedServer> {
    let server = operation.items("servers").next().or_else(|| item.items("servers").next())?;
    Some(of_server(server, location))
}

fn of_server(server: Node<'_>, location: &str) -> StatedServer {
    let text = with_defaults(server.text("url"), server);
    // The host is only a stand-in for that of the document.
    let Ok(root) = Url::parse("http://document.invalid/") else { return StatedServer::default() };
    let base =
        root.join(location).ok().filter(|base| base.scheme().starts_with("http")).unwrap_or_else(|| root.clone());
    let Ok(url) = base.join(&text) else { return StatedServer::default() };
    let path = url.path().trim_end_matches('/').to_owned();
    let is_absolute = url.host_str() != base.host_str() && matches!(url.scheme(), "http" | "https");
    StatedServer { url: is_absolute.then(|| url.as_str().trim_end_matches('/').to_owned()), path }
}

/// The URL of a server with the default values of its variables.
fn with_defaults(url: &str, server: Node<'_>) -> String {
    let mut text = url.trim().to_owned();
    for (name, variable) in server.members("variables").take(50) {
        let default = match variable.value.get("default") {
            Some(Json::String(text)) => text.clone(),
            Some(Json::Number(number)) => number.to_string(),
            _ => continue,
        };
        text = text.replace(&format!("{{{name}}}"), &default);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stated(version: Version, document: &Json) -> (Option<String>, String) {
        let server = of_document(version, Node { document: 0, value: document }, "/docs/openapi.json");
        (server.url, server.path)
    }

    #[test]
    fn the_first_server_counts_with_its_variables() {
        for (url, expected) in [
            ("https://api.example/v1/", (Some("https://api.example/v1"), "/v1")),
            ("/api/v3", (None, "/api/v3")),
            ("v3", (None, "/docs/v3")),
            ("", (None, "/docs/openapi.json")),
            ("https://{region}.example:{port}/{v}", (Some("https://eu.example:8443/2"), "/2")),
        ] {
            let variables =
                json!({ "region": { "default": "eu" }, "port": { "default": 8443 }, "v": { "default": "2" } });
            let document =
                json!({ "servers": [{ "url": url, "variables": variables }, { "url": "https://test.example" }] });
            let (stated_url, path) = stated(Version::V30, &document);
            if !url.is_empty() {
                assert_eq!((stated_url.as_deref(), path.as_str()), expected, "{url}");
            }
        }
        assert_eq!(stated(Version::V31, &json!({})), (None, String::new()));
        let swagger = json!({ "host": "api.example:81", "basePath": "/v2/", "schemes": ["http"] });
        assert_eq!(stated(Version::Swagger2, &swagger), (Some("http://api.example:81/v2".into()), "/v2".into()));
        assert_eq!(stated(Version::Swagger2, &json!({ "basePath": "v2" })), (None, "/v2".into()));
    }
}
