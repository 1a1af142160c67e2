//! What a group shows and says while its upstream is down: its page, its documents, the directory and the log.

use super::admin::{WHEEL, exchange};
use super::commands::{Folder, croupier};
use crate::support::peers::{free_port, until};
use crate::support::process::Process;

const BROWSER: &str = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";
const DOCUMENTS: [&str; 3] = ["/up?wsdl", "/up/openapi.json", "/up/openrpc.json"];

/// Two servers, of which one is in front of the other.
struct Servers {
    folder: Folder,
    front: Process,
    address: String,
    /// The port of the one behind.
    port: u16,
}

impl Servers {
    fn start() -> Servers {
        let (folder, port) = (Folder::new(), free_port());
        let address = format!("127.0.0.1:{}", free_port());
        let up = format!(
            "[group.'/up']\nupstream = {{ urls = ['http://127.0.0.1:{port}/wheel'], protocol = 'json-rpc' }}\n"
        );
        let file = folder.file("front.toml", &format!("listen = ['{address}']\n{WHEEL}{up}"));
        let front = Process::start(croupier(&["serve", "--config", &file]).env("RUST_BACKTRACE", "0"));
        front.wait_for_log(" listens on ");
        Servers { folder, front, address, port }
    }

    fn behind(&self) -> Process {
        let file = self.folder.file("behind.toml", &format!("listen = ['127.0.0.1:{}']\n{WHEEL}", self.port));
        let behind = Process::start(&mut croupier(&["serve", "--config", &file]));
        behind.wait_for_log(" listens on ");
        behind
    }

    fn get(&self, path: &str) -> (u16, String) {
        exchange(&self.address, "GET", path, "", "")
    }

    fn page(&self) -> String {
        let (status, page) = exchange(&self.address, "GET", "/up", BROWSER, "");
        assert_eq!(status, 200, "{page}");
        page
    }

    fn call(&self, body: &str) -> String {
        let media = if body.starts_with('{') { "application/json" } else { "text/xml" };
        exchange(&self.address, "POST", "/up", &format!("Content-Type: {media}\r\n"), body).1
    }

    fn directory_says(&self, state: &str) {
        let directory = exchange(&self.address, "GET", "/", BROWSER, "").1;
        assert!(directory.contains("<p class=\"state\">Available</p>"), "the other group: {directory}");
        assert!(directory.contains(state), "{directory}");
    }
}

const DOWN: &str = "This service has not been available since 20";

#[test]
fn a_group_whose_upstream_is_down_says_so_and_shows_what_is_known() {
    let servers = Servers::start();
    until("the discovery has failed", || servers.page().contains(DOWN).then_some(()));
    let page = servers.page();
    for part in
        ["The upstream server cannot be reached. ", "asked again", "Its methods are not known yet.", "role=\"status\""]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    for path in DOCUMENTS {
        let (status, text) = servers.get(path);
        assert_eq!(status, 503, "{path}: {text}");
        for part in ["are not known yet: ", "cannot be reached", "not been available since 20", "asked again in "] {
            assert!(text.contains(part), "{path}: {text}");
        }
        let (head, _) = head_of(&servers, path, BROWSER);
        assert!(head.contains("content-type: text/html"), "{path}: {head}");
        let seconds: u64 = head.split("retry-after: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
        assert!((1..=30).contains(&seconds), "{path}: {head}");
    }
    assert_eq!(servers.get("/openapi.json").0, 200, "the document of all groups is that of the others");
    let listed = servers.call("<methodCall><methodName>system.listMethods</methodName></methodCall>");
    assert!(listed.contains("<int>-32300</int>") && listed.contains("are not known yet"), "{listed}");
    let discovered = servers.call(r#"{"jsonrpc":"2.0","id":1,"method":"rpc.discover"}"#);
    assert!(discovered.contains("-32030"), "{discovered}");
    servers.directory_says("Not available since 20");

    let behind = servers.behind();
    servers.front.wait_for_log("an upstream is back after");
    until("it has described itself", || (servers.get("/up?wsdl").0 == 200).then_some(()));
    assert!(!servers.page().contains(DOWN) && servers.page().contains("method-spin"));
    drop(behind);

    let failed = servers.call(r#"{"jsonrpc":"2.0","id":1,"method":"spin"}"#);
    assert!(failed.contains("-32030"), "{failed}");
    let page = servers.page();
    for part in [DOWN, "tried again with each call", "method-spin", "Its methods are shown as they were last described"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    for path in DOCUMENTS {
        let (status, text) = servers.get(path);
        assert!(status == 200 && text.contains("spin"), "{path}: {status} {text}");
    }
    servers.directory_says("Not available since 20");

    let behind = servers.behind();
    // Nothing calls it meanwhile.
    servers.front.wait_for_log("an upstream is back after");
    assert!(!servers.page().contains(DOWN));
    drop(behind);
    servers.front.signal("TERM");
    let log = servers.front.end().stderr;
    let requests: Vec<_> =
        log.lines().filter(|line| line.contains("croupier::access") && line.contains("GET")).collect();
    let refused = requests.iter().filter(|line| line.contains("status=503"));
    assert!(refused.clone().count() >= 2 * DOCUMENTS.len(), "{requests:#?}");
    for line in refused {
        assert!(line.contains("ended_by=\"upstream\""), "{line}");
    }
    let directory: Vec<_> = requests.iter().filter(|line| line.contains(" path=\"/\"")).collect();
    assert!(!directory.is_empty() && directory.iter().all(|line| !line.contains(" group=")), "{requests:#?}");
    // Of the changes within a second, only the last has a line.
    let lines: Vec<_> = log.lines().filter(|line| line.contains("an upstream is ")).collect();
    let says = |line: Option<&&str>, text: &str| line.is_some_and(|line| line.contains(text));
    assert!(
        says(lines.first(), "an upstream is down") && says(lines.last(), "an upstream is back after"),
        "{lines:#?}"
    );
    assert!(lines.len() <= 5, "{lines:#?}");
}

fn head_of(servers: &Servers, path: &str, headers: &str) -> (String, String) {
    let stream = std::net::TcpStream::connect(&servers.address).unwrap();
    let (_, head, body) = super::admin::exchange_over(stream, "GET", path, headers, "");
    (head.to_ascii_lowercase(), body)
}
