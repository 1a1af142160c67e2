//! Pages: golden ones, their headers, which requests they answer, and that nothing they show becomes mark-up.
//!
//! The golden pages are in `tests/golden/page`; `UPDATE_GOLDEN=1` writes those that are given instead of comparing.

use std::path::Path;

use croupier::http::public_url::PublicUrl;
use croupier::server::settings::ServerSettings;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::support::every_type;
use crate::support::hostile_service;
use crate::support::large_service;
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
    let own = format!("/hostile?method={}", utf8_percent_encode(hostile_service::TEXT, NON_ALPHANUMERIC));
    for path in ["/hostile", "/", "/types", &own, "/hostile?method=echo"] {
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

/// No page may be larger than this, in bytes.
const LARGEST: usize = 300_000;

fn large() -> Running {
    Running::of_mounts(pages::large_mounts())
}

/// The page of a method of the large service.
fn address(number: usize) -> String {
    format!("/large?method={}", large_service::name(number))
}

#[test]
fn a_service_of_many_methods_has_a_list_and_a_page_for_each() {
    let gateway = large();
    let list = get(&gateway, "/large");
    assert!(list.len() < LARGEST, "{} bytes", list.len());
    assert_eq!(list.matches("<li id=\"method-").count(), large_service::METHODS);
    assert!(!list.contains("<form class=\"call\""));
    assert!(
        list.contains("<p>Reads the stock of article 1499.") && list.contains("Reads the stock of article 1500."),
        "{list}"
    );
    assert_eq!(list.matches("<i>safe</i>").count(), large_service::METHODS / 2);
    for number in [1, 750, large_service::METHODS] {
        let name = large_service::name(number);
        let address = format!("href=\"?method={name}\"");
        assert!(list.contains(&address) && list.contains(&format!("id=\"method-{name}\"")), "{address}");
        let page = get(&gateway, &self::address(number));
        assert!(page.len() < LARGEST, "{} bytes", page.len());
        for part in [
            format!("<title>Warehouse: {name}</title>"),
            format!("<article class=\"method\" id=\"method-{name}\" aria-labelledby=\"m{number}\">"),
            "<a href=\"&#x2f;large\">Warehouse</a>".to_owned(),
            "<p>Nothing is changed.</p>".to_owned(),
            "value=\"soap\"".to_owned(),
        ] {
            assert!(page.contains(&part), "{part} is not in {page}");
        }
        assert_eq!(page.matches("<form class=\"call\"").count(), 1);
    }
}

#[test]
fn the_directory_has_a_part_of_the_methods_of_a_large_service() {
    let directory = get(&large(), "/");
    assert!(directory.len() < LARGEST, "{} bytes", directory.len());
    assert!(directory.contains(&large_service::name(100)) && !directory.contains(&large_service::name(101)));
    assert!(directory.contains("<p><a href=\"&#x2f;large\">1400 more methods</a></p>"), "{directory}");
}

#[test]
fn the_data_of_a_page_have_the_types_that_its_parameters_need() {
    let data = |path: &str| -> serde_json::Value {
        let page = get(&large(), path);
        let text = page.split("data-interface='").nth(1).unwrap().split('\'').next().unwrap();
        serde_json::from_str(text).unwrap()
    };
    let list = data("/large");
    assert_eq!((list["methods"].as_array().unwrap().len(), list["definitions"].as_object().unwrap().len()), (0, 0));
    let one = data(&address(5));
    assert_eq!(one["methods"][0]["params"][1]["form"], serde_json::json!({ "named": "Tree" }));
    assert_eq!(one["definitions"]["Tree"], serde_json::json!({ "list": { "named": "Tree" } }));
    // 40 members each: the definitions end before there are 2,000 members, and what lies deeper has no type.
    let definitions = one["definitions"].as_object().unwrap();
    assert!((40..60).contains(&definitions.len()), "{}", definitions.len());
    let last = format!("Level{}", definitions.keys().filter(|name| name.starts_with("Level")).count() - 1);
    assert_eq!(definitions[&last]["record"][0]["form"], "deep", "{last}");
}

#[test]
fn the_page_of_a_method_is_sent_as_every_page_is() {
    let gateway = large();
    let path = address(7);
    let (head, page) = ask(&gateway, "GET", &path, "");
    let (group, _) = ask(&gateway, "GET", "/large", "");
    for name in
        ["content-security-policy", "content-type", "x-content-type-options", "referrer-policy", "cache-control"]
    {
        assert!(header(&head, name).is_some() && header(&head, name) == header(&group, name), "{name}: {head}");
    }
    let tag = header(&head, "etag").unwrap();
    assert_ne!(Some(tag), header(&group, "etag"));
    assert_ne!(Some(tag), header(&ask(&gateway, "GET", &address(8), "").0, "etag"));
    let given = tag.replace("w/", "W/");
    let (head, body) = ask(&gateway, "GET", &path, &format!("If-None-Match: {given}\r\n"));
    assert!(head.starts_with("http/1.1 304 ") && body.is_empty(), "{head}");
    let (head, body) = ask(&gateway, "HEAD", &path, "");
    assert_eq!((header(&head, "content-length"), body.len()), (Some(page.len().to_string().as_str()), 0));
    // Anything else at this address is none of the page's.
    let (head, _) = ask(&gateway, "PUT", &path, "Content-Length: 0\r\n");
    assert!(head.starts_with("http/1.1 405 "), "{head}");
    let (head, _) = ask(&gateway, "GET", &format!("{path}&wsdl"), "");
    assert_eq!(header(&head, "content-type"), Some("text/xml; charset=utf-8"));
}

#[test]
fn a_method_that_does_not_exist_has_no_page() {
    let gateway = large();
    const BROWSER: &str = "Accept: text/html\r\n";
    for (query, status, reason) in [
        ("method=nothing", 404, "there is no method `nothing` here"),
        ("method=", 404, "there is no method `` here"),
        ("method", 404, "there is no method `` here"),
        ("method=%3Cb%3E", 404, "there is no method `<b>` here"),
        ("method=%ff", 400, "the query has a malformed escape at `method`"),
        ("method=%zz", 400, "the query has a malformed escape at `method`"),
        ("method=a&method=b", 400, "the query names several methods"),
    ] {
        let path = format!("/large?{query}");
        let (head, body) = ask(&gateway, "GET", &path, "");
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{query}: {head}");
        assert_eq!(body, format!("{reason}\n"), "{query}");
        let (head, body) = ask(&gateway, "GET", &path, BROWSER);
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{query}: {head}");
        assert_eq!(header(&head, "content-type"), Some("text/html; charset=utf-8"), "{query}");
        assert!(body.contains("and 1450 more") && !body.contains("<b>"), "{query}: {body}");
    }
    // Names are escaped as in every query, and other parameters mean nothing.
    let escaped = address(3).replace("read", "re%61d").replace('.', "%2E");
    assert!(get(&gateway, &format!("{escaped}&from=elsewhere")).contains("<form class=\"call\""));
}

#[test]
fn a_small_group_has_pages_of_its_methods_too() {
    let gateway = gateway();
    let page = get(&gateway, "/types?method=moment");
    assert!(page.contains("id=\"method-moment\"") && !page.contains("id=\"method-numbers\""));
    // The section of a service is on the page of its group only.
    assert!(get(&gateway, "/wheel/american").contains("data-ring"));
    assert!(!get(&gateway, "/wheel/american?method=spin").contains("data-ring"));
}

#[test]
fn only_what_the_group_speaks_is_offered() {
    use croupier::http::audience::Audience;
    use croupier::protocol::Protocol;
    use croupier::protocol::frontend::{Frontend, GroupRequest};
    use croupier::protocol::page::Page;
    use croupier::service::{Context, RpcService};
    use http_body_util::BodyExt;

    let service = std::sync::Arc::new(every_type::service()) as std::sync::Arc<dyn RpcService>;
    let page_at = |path: &str, audience: Option<Audience>, protocols: &[Protocol]| {
        let page = Page { protocols: protocols.to_vec(), ..Page::default() };
        let (mut head, ()) = http::Request::get(path).body(()).unwrap().into_parts();
        audience.map(|audience| head.extensions.insert(audience));
        let context = Context::default();
        let reply = page.serve(&service, GroupRequest { head: &head, tail: "", body: b"", context: &context });
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let body = runtime.block_on(async { reply.await.response.into_body().collect().await.unwrap().to_bytes() });
        String::from_utf8(body.to_vec()).unwrap()
    };
    let page = |protocols: &[Protocol]| page_at("/types", None, protocols);
    let xml = page(&[Protocol::XmlRpc]);
    assert!(xml.contains("value=\"xml-rpc\"") && !xml.contains("value=\"soap\"") && !xml.contains("openapi.json"));
    assert!(page(&[Protocol::XmlRpc, Protocol::JsonRpc, Protocol::Rest, Protocol::Soap]).contains("openapi.json"));
    let none = page(&[]);
    assert!(none.contains("<h3") && !none.contains("<button type=\"submit\"") && !none.contains("<input"));
    let one = page_at("/types?method=moment", None, &[Protocol::XmlRpc]);
    assert!(one.contains("value=\"xml-rpc\"") && one.contains("<button type=\"submit\""));
    let pages_only = page_at("/types?method=moment", Some(Audience::Pages), &[Protocol::XmlRpc]);
    assert!(pages_only.contains("<h3") && !pages_only.contains("<button type=\"submit\""));
}
