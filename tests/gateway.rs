//! The gateway over real sockets: HTTP as old and odd clients speak it, dispatch, limits and deadlines.

mod support;

use croupier::settings::Settings;
use support::{Running, call, post, small};

#[test]
fn a_call_is_answered() {
    let server = Running::start(small(), Settings::default());
    let answer = server.post("/test", &call("hello", &[]));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\r\ncontent-type: text/xml\r\n"), "{answer}");
    assert!(answer.ends_with("<value><string>world</string></value></param></params></methodResponse>\n"), "{answer}");
}
