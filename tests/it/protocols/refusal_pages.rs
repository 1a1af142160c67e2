//! Refusals as people with a browser see them, and as programs get them.

use std::io::{Read, Write};
use std::time::Duration;

use bytes::Bytes;
use croupier::config::{Config, Registry};
use croupier::server::gateway::Gateway;
use croupier::server::request_body::BodyReader;
use croupier::server::settings::{PerClient, Timeouts};
use http_body_util::{BodyExt as _, Full};
use tower::ServiceExt as _;

use crate::support::running::{Running, call, post};

/// What Chromium sends.
const BROWSER: &str =
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n";

const CONFIG: &str = "
limits.body = '4 KiB'
public.hosts = ['casino.example']
[group.'/wheel/american']
service = 'wheel'
options = { family = 'american' }
[group.'/wheel/mini']
service = 'wheel'
options = { family = 'mini' }
[group.'/unlisted']
service = 'diagnostics'
protocols = ['xml-rpc']
";

fn config(text: &str) -> Config {
    Config::parse("test.toml", text, &Registry::standard()).unwrap()
}

fn server() -> Running {
    Running::serving(config(CONFIG))
}

/// A request whose client closes the connection, and its response: the head in lower case, and the body.
fn ask(server: &Running, line: &str, headers: &str) -> (String, String) {
    let answer = server.raw(format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n"));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {answer}"));
    (head.to_ascii_lowercase(), body.to_owned())
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Checks what every page about a refusal has.
fn check(head: &str, body: &str, status: u16) {
    assert!(head.starts_with(&format!("http/1.1 {status} ")), "{head}\n{body}");
    assert_eq!(header(head, "content-type"), Some("text/html; charset=utf-8"), "{head}");
    assert_eq!(header(head, "x-content-type-options"), Some("nosniff"), "{head}");
    assert_eq!(header(head, "referrer-policy"), Some("no-referrer"), "{head}");
    assert_eq!(header(head, "cache-control"), Some("no-store"), "{head}");
    let policy = header(head, "content-security-policy").unwrap();
    let nonce = policy.split("style-src 'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    assert!(nonce.len() == 32 && body.contains(&format!("<style nonce=\"{nonce}\">")), "{policy}\n{body}");
    for part in ["default-src 'none'", "form-action 'none'", "base-uri 'none'", "frame-ancestors 'none'"] {
        assert!(policy.contains(part) && !policy.contains("script"), "{policy}");
    }
    for part in ["<h1>", "role=\"alert\"", "name=\"viewport\"", "<dt>Request id</dt>", &format!("<dd>{status} ")] {
        assert!(body.contains(part), "{part}: {body}");
    }
    assert!(!body.contains("unlisted") && !body.contains("<script"), "{body}");
    let length: usize = header(head, "content-length").unwrap().parse().unwrap();
    assert!(body.is_empty() || body.len() == length);
}

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

#[test]
fn a_browser_gets_a_page_and_a_program_what_it_understands() {
    let server = server();
    let large = format!("{FORM}Content-Length: 5000\r\n");
    let coded = format!("{FORM}Transfer-Encoding: gzip, chunked\r\n");
    let foreign = format!("{FORM}Origin: https://other.example\r\nContent-Length: 0\r\n");
    let problem = Some("application/problem+json");
    let plain = Some("text/plain; charset=utf-8");
    for (line, headers, status, sentence, of_programs) in [
        ("GET /nothing", "", 404, "Nothing is at &#x2f;nothing.", plain),
        ("GET /wheel/american/spinn", "", 404, "There is no method <code>spinn</code> here.", problem),
        ("PUT /wheel/american", "", 405, "PUT is not allowed here.", plain),
        ("DELETE /wheel/american/spin", "", 405, "DELETE is not allowed here.", problem),
        ("POST /wheel/american/spin", &large, 413, "The request is larger than 4096 bytes.", problem),
        ("POST /wheel/american", &large, 415, "No protocol of this group has this Content-Type;", plain),
        ("POST /wheel/american/spin", &coded, 501, "The only transfer coding that is supported is chunked.", problem),
        ("POST /wheel/american/spin", &foreign, 403, "Pages of other origins make no calls", problem),
        ("GET /wheel/american?wsdl&style=x", "", 400, "<code>style</code> must be <code>document</code> or", plain),
        ("GET /a/../b", "", 400, "The path has dot segments", plain),
    ] {
        let (head, body) = ask(&server, line, &format!("{BROWSER}{headers}"));
        check(&head, &body, status);
        assert!(body.contains(sentence), "{line}: {body}");
        assert!(body.contains("<a href=\"&#x2f;\">All services</a>"), "{line}: {body}");
        for accept in ["", "Accept: */*\r\n", "Accept: application/json, text/html\r\n", JAVA] {
            let (head, body) = ask(&server, line, &format!("{accept}{headers}"));
            assert!(head.starts_with(&format!("http/1.1 {status} ")), "{line}: {head}");
            assert_eq!(header(&head, "content-type"), of_programs, "{line}: {head}");
            assert!(!body.contains("<html") && header(&head, "content-security-policy").is_none(), "{line}: {body}");
        }
        let (of_page, _) = ask(&server, line, &format!("{BROWSER}{headers}"));
        let (of_program, _) = ask(&server, line, headers);
        assert_eq!(header(&of_page, "allow"), header(&of_program, "allow"), "{line}");
    }
}

const JAVA: &str = "Accept: text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2\r\n";

#[test]
fn a_rest_call_that_fails_in_a_browser_is_a_page() {
    let server = server();
    let (head, body) = ask(&server, "GET /wheel/american/spinList?spins=x", BROWSER);
    check(&head, &body, 400);
    assert!(
        body.contains("spins") && body.contains("<a href=\"&#x2f;wheel&#x2f;american#method-spinList\">"),
        "{body}"
    );
    let (head, body) = ask(&server, "GET /wheel/american/spin", BROWSER);
    assert!(head.starts_with("http/1.1 200 ") && body.starts_with('['), "a result is what it is: {head} {body}");
}

#[test]
fn a_page_shows_what_is_there() {
    let server = server();
    let (_, body) = ask(&server, "GET /nothing", BROWSER);
    for part in
        ["<h2 id=\"there\">Services</h2>", "<a href=\"&#x2f;wheel&#x2f;american\">American wheel</a>", "Mini wheel"]
    {
        assert!(body.contains(part), "{part}: {body}");
    }
    let (_, body) = ask(&server, "GET /wheel/mini/spinn", BROWSER);
    for part in [
        "<h2 id=\"there\">Methods</h2>",
        "<a href=\"&#x2f;wheel&#x2f;mini#method-spin\"><code>spin</code></a>",
        "<a href=\"&#x2f;wheel&#x2f;mini\">Mini wheel</a>",
        "<dt>GET</dt>\n<dd><code>&#x2f;wheel&#x2f;mini&#x2f;spinn</code></dd>",
    ] {
        assert!(body.contains(part), "{part}: {body}");
    }
    assert!(!body.contains("American"), "{body}");
    let (head, body) = ask(&server, "PUT /wheel/mini", BROWSER);
    assert!(body.contains("<dt>Allowed</dt>\n<dd>GET, HEAD, POST</dd>"), "{head} {body}");
    // The methods of a group without a page are not shown.
    let (head, body) = ask(&server, "PUT /unlisted", BROWSER);
    assert!(head.starts_with("http/1.1 405 "), "{head}");
    assert!(!body.contains("validator1") && body.contains("American wheel"), "{body}");
}

#[test]
fn a_page_about_a_wrong_name_tells_a_foreign_site_nothing() {
    let server = server();
    for (host, status) in [("evil.example", 421), ("a\"b", 400)] {
        let answer =
            server.raw(format!("GET /wheel/mini HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{BROWSER}\r\n"));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        check(&head.to_ascii_lowercase(), body, status);
        assert!(!body.contains("a\"b"), "{body}");
        assert_eq!(body.contains("Mini wheel"), status == 400, "{body}");
    }
}

#[test]
fn what_a_client_writes_is_only_text() {
    let server = server();
    for path in
        ["/x\"onload=alert(1)", "/%3Cscript%3Ealert(1)%3C/script%3E", "/wheel/mini/%3Cimg%20src=x%3E", "/{{7*99991}}"]
    {
        let (head, body) = ask(&server, &format!("GET {path}"), BROWSER);
        assert!(head.starts_with("http/1.1 404 "), "{head}");
        assert!(!body.contains("\"onload") && !body.contains("<script") && !body.contains("<img"), "{body}");
        assert!(!body.contains("699937"), "{body}");
    }
}

#[test]
fn head_has_the_headers_and_no_body() {
    let server = server();
    let (head, body) = ask(&server, "HEAD /nothing", BROWSER);
    check_head(&head, &body);
    let (head, body) = ask(&server, "HEAD /wheel/mini/spinn", BROWSER);
    check_head(&head, &body);
}

fn check_head(head: &str, body: &str) {
    assert!(head.starts_with("http/1.1 404 ") && body.is_empty(), "{head} {body}");
    assert_eq!(header(head, "content-type"), Some("text/html; charset=utf-8"));
    assert!(header(head, "content-length").unwrap().parse::<usize>().unwrap() > 1000, "{head}");
}

#[test]
fn a_busy_server_and_a_late_client_get_pages_too() {
    let mut config = config(CONFIG);
    config.settings.timeouts = Timeouts { body: Duration::from_millis(200), ..Timeouts::default() };
    config.settings.per_client = PerClient { requests: Some(1), ..PerClient::default() };
    let server = Running::serving(config);
    let mut stream = server.connect();
    let late = format!("POST /wheel/mini/spin HTTP/1.1\r\nHost: localhost\r\n{BROWSER}{FORM}Content-Length: 9\r\n\r\n");
    stream.write_all(late.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    check(&head.to_ascii_lowercase(), body, 408);
    let _open = server.begin_head(&post("/wheel/mini", "Expect: 100-continue\r\n", &call("spin", &[])));
    let (head, body) = ask(&server, "GET /wheel/mini/spin", BROWSER);
    check(&head, &body, 503);
    assert_eq!(header(&head, "retry-after"), Some("1"));
}

#[test]
fn links_have_the_prefix_of_the_public_address_and_lead_to_the_only_group() {
    let one =
        "public.base = 'https://casino.example/rpc'\n[group.'/wheel']\nservice = 'wheel'\noptions.family = 'mini'\n";
    let server = Running::serving(config(one));
    let answer = server.raw(format!("GET /x HTTP/1.1\r\nHost: casino.example\r\nConnection: close\r\n{BROWSER}\r\n"));
    assert!(answer.contains("<a href=\"&#x2f;rpc&#x2f;wheel\">Mini wheel</a>"), "{answer}");
    assert!(!answer.contains("All services"), "{answer}");
}

#[tokio::test]
async fn a_gateway_in_another_server_has_these_pages_too() {
    let config = config(CONFIG);
    let gateway = Gateway::serving(&config.mounts(), BodyReader::new(&config.settings)).unwrap();
    let accept = BROWSER.trim_start_matches("Accept: ").trim_end();
    let request = http::Request::get("/nothing").header("host", "casino.example").header("accept", accept);
    let response = gateway.oneshot(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["content-type"]), (404, &HTML));
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    assert!(body.contains(&id) && body.contains("American wheel"), "{body}");
}

const HTML: http::HeaderValue = http::HeaderValue::from_static("text/html; charset=utf-8");

#[test]
fn a_listener_without_pages_has_no_pages_about_refusals() {
    let text = CONFIG.replace("public.hosts", "listen = [{ address = '127.0.0.1:0', serves = 'api' }]\npublic.hosts");
    let server = Running::serving(config(&text));
    let (head, _) = ask(&server, "GET /nothing", BROWSER);
    assert_eq!(header(&head, "content-type"), Some("text/plain; charset=utf-8"), "{head}");
}
