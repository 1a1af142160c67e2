//! Pages: golden ones, their headers, which requests they answer, and that nothing they show becomes mark-up.
//!
//! The golden pages are in `tests/golden/page`; `UPDATE_GOLDEN=1` writes those that are given instead of comparing.

use std::path::Path;

use croupier::http::public_url::PublicUrl;
use croupier::server::settings::ServerSettings;

use crate::support::every_type;
use crate::support::pages;
use crate::support::running::{Running, call};

fn gateway() -> Running {
    let public_url = PublicUrl { base: Some("https://casino.example/rpc".into()), ..PublicUrl::default() };
    Running::router(pages::router(public_url), ServerSettings::default())
}

/// A response, its head and its body.
fn ask(gateway: &Running, verb: &str, path: &str, headers: &str) -> (String, String) {
    let response =
        gateway.raw(format!("{verb} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n"));
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

fn get(gateway: &Running, path: &str) -> String {
    let (head, body) = ask(gateway, "GET", path, "");
    assert!(head.starts_with("http/1.1 200 "), "{path}: {head}");
    body
}

/// A value of a response's header.
fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[test]
fn pages_are_as_they_were() {
    let gateway = gateway();
    for (name, path) in [("wheel", "/wheel/american"), ("types", "/types"), ("directory", "/")] {
        let page = without_versions(&get(&gateway, path));
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/page/{name}.html"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&file, &page).unwrap();
        }
        let golden = std::fs::read_to_string(&file).unwrap();
        let at = page.lines().zip(golden.lines()).find(|(page, golden)| page != golden);
        assert!(page == golden, "{name} differs from its golden page, first at {at:#?}");
    }
}

/// A page without what changes with the style sheet, the script and the release.
fn without_versions(page: &str) -> String {
    let mut page = page.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    for part in ["page.css?", "page.js?"] {
        let at = page.find(part).unwrap() + part.len();
        page.replace_range(at..at + 16, "HASH");
    }
    page
}

#[test]
fn a_page_has_a_strict_policy_and_is_revalidated() {
    let gateway = gateway();
    let (head, page) = ask(&gateway, "GET", "/wheel/american", "");
    let policy = header(&head, "content-security-policy").unwrap();
    for part in
        ["default-src 'none'", "script-src 'self'", "form-action 'none'", "base-uri 'none'", "frame-ancestors 'none'"]
    {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(header(&head, "content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(header(&head, "x-content-type-options"), Some("nosniff"));
    assert_eq!(header(&head, "referrer-policy"), Some("no-referrer"));
    let tag = header(&head, "etag").unwrap();
    for given in [tag.replace("w/", "W/"), format!("\"other\", {}", tag.trim_start_matches("w/")), "*".to_owned()] {
        let (head, body) = ask(&gateway, "GET", "/wheel/american", &format!("If-None-Match: {given}\r\n"));
        assert!(head.starts_with("http/1.1 304 ") && body.is_empty(), "{given}: {head}");
        assert!(header(&head, "content-security-policy").is_some(), "{head}");
    }
    let (head, body) = ask(&gateway, "HEAD", "/wheel/american", "");
    assert_eq!((header(&head, "content-length"), body.len()), (Some(page.len().to_string().as_str()), 0));
}

#[test]
fn assets_of_a_page_are_cached_and_addressed_by_content() {
    let gateway = gateway();
    for (path, below) in [("/wheel/american", "/rpc/wheel/american"), ("/", "/rpc"), ("/types", "/rpc/types")] {
        let page = get(&gateway, path);
        for (part, kind) in [("page.css", "text/css"), ("page.js", "text/javascript")] {
            let address = format!("{}/{part}?", below.replace('/', "&#x2f;"));
            assert!(page.contains(&address), "{address}");
            let (head, text) = ask(&gateway, "GET", &format!("{}/{part}", path.trim_end_matches('/')), "");
            assert!(header(&head, "content-type").unwrap().starts_with(kind), "{head}");
            assert!(header(&head, "cache-control").unwrap().contains("immutable"), "{head}");
            assert!(text.len() > 1000);
        }
        for inline in ["<style", " style=", "<script>", " onclick", "http://", "//cdn"] {
            let outside = page.replace("http://www.w3.org/2000/svg", "");
            assert!(!outside.contains(inline), "{path} has {inline}");
        }
    }
}

#[test]
fn the_directory_leaves_the_rest_of_its_path_to_the_group_there() {
    let gateway = gateway();
    let directory = get(&gateway, "/");
    for text in ["American wheel", "European wheel", "Every type", "spinList(spins: int = 1) -&gt; array"] {
        assert!(directory.contains(text), "{text}\n{directory}");
    }
    assert!(gateway.post("/", &call("spin", &[])).contains("<methodResponse>"));
    let (head, _) = ask(&gateway, "GET", "/?wsdl", "");
    assert!(!header(&head, "content-type").unwrap_or_default().starts_with("text/html"), "{head}");
    let (head, _) = ask(&gateway, "PUT", "/", "Content-Length: 0\r\n");
    assert!(head.starts_with("http/1.1 405 "), "{head}");
    assert!(["get", "head", "post"].iter().all(|verb| header(&head, "allow").unwrap().contains(verb)), "{head}");
    assert!(ask(&gateway, "GET", "/nothing", "").0.starts_with("http/1.1 404 "));
}

#[test]
fn hostile_texts_are_only_text() {
    let gateway = gateway();
    for path in ["/hostile", "/", "/types"] {
        let page = get(&gateway, path);
        for markup in ["<img", "onerror=alert(1)>", "<svg onload", "</script></title>", "</textarea></main>", "x=49"] {
            assert!(!page.contains(markup), "{path} has {markup}");
        }
        assert!(!page.contains('\u{202e}') && !page.contains('\0'), "{path}");
    }
    let page = get(&gateway, "/hostile");
    let document = page.matches("&lt;img src=x onerror=alert(1)&gt;").count();
    assert!(document > 20, "{document}");
    assert!(page.contains("{{ 7 * 7 }}{% raw %}"));
}

#[test]
fn only_what_the_group_speaks_is_offered() {
    use croupier::protocol::Protocol;
    use croupier::protocol::frontend::{Frontend, GroupRequest};
    use croupier::protocol::page::Page;
    use croupier::service::{Context, RpcService};
    use http_body_util::BodyExt;

    let service = std::sync::Arc::new(every_type::service()) as std::sync::Arc<dyn RpcService>;
    let page = |protocols: &[Protocol]| {
        let page = Page { protocols: protocols.to_vec(), ..Page::default() };
        let (head, ()) = http::Request::get("/types").body(()).unwrap().into_parts();
        let context = Context::default();
        let reply = page.serve(&service, GroupRequest { head: &head, tail: "", body: b"", context: &context });
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let body = runtime.block_on(async { reply.await.response.into_body().collect().await.unwrap().to_bytes() });
        String::from_utf8(body.to_vec()).unwrap()
    };
    let xml = page(&[Protocol::XmlRpc]);
    assert!(xml.contains("value=\"xml-rpc\"") && !xml.contains("value=\"soap\"") && !xml.contains("openapi.json"));
    assert!(page(&[Protocol::XmlRpc, Protocol::JsonRpc, Protocol::Rest, Protocol::Soap]).contains("openapi.json"));
    let none = page(&[]);
    assert!(none.contains("<h3") && !none.contains("<button type=\"submit\"") && !none.contains("<input"));
}
