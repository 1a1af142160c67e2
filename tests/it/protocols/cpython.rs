//! What CPython's own tests of its XML-RPC modules ask of a server, asked of this one with its built-in configuration.
//!
//! | behaviour | test |
//! |---|---|
//! | every type comes back, dates before 1900 too | `every_type_comes_back_the_way_it_went`; any value: `properties::xmlrpc` |
//! | nothing is refused unless allowed | `nothing_is_answered_only_where_that_is_allowed` |
//! | containers that hold themselves | cannot be made: values own what they hold |
//! | method names beyond ASCII | `a_method_name_beyond_ascii_is_a_fault_and_no_crash` |
//! | documents in ISO-8859-15 | `a_document_in_iso_8859_15_is_read` |
//! | unsupported tags | `an_unsupported_tag_is_a_fault_at_any_depth` |
//! | every tag of Apache's | `every_apache_tag_decodes` |
//! | the limit of an integer's digits | `a_very_long_integer_is_refused_with_a_short_message` |
//! | 404 for a wrong path | `a_wrong_path_is_404_with_its_phrase` |
//! | introspection | `methods_are_listed_with_help_and_signatures` |
//! | multicall, with an unknown method in it | `a_multicall_returns_each_result_and_a_fault_for_an_unknown_method` |
//! | dotted attributes and private names | `names_are_never_walked_as_attributes` |
//! | a POST that breaks off | `a_partial_post_ends`; `server::http1`: `a_body_that_breaks_off_is_no_call` |
//! | several paths | `each_path_has_its_own_methods`, `a_query_changes_nothing` |
//! | keep-alive | `server::http1`: `one_connection_serves_many_calls`, `http_1_0_gets_a_length_and_keeps_...` |
//! | a gzip'd request and its limit | `a_packed_request_is_read_up_to_the_groups_limit`; `server::http1`: `gzip_and_both_kinds_...` |
//! | wrong gzip | `a_body_that_is_not_what_its_coding_says_is_400`; `server::http1`: `bad_packing_is_400_...` |
//! | gzip'd answers | none is sent: `an_answer_is_plain_whatever_the_client_takes` |
//! | headers of the client's own | `headers_of_the_clients_own_are_accepted` |
//! | a server that fails, with and without traceback | `a_failing_handler_shows_no_traceback` |
//! | GET where only POST is answered | `a_get_is_refused_with_what_is_allowed`, of a group without a page |

use std::io::Write;

use croupier::server::settings::ServerSettings;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::running::{Running, call, post, small};

/// The one value of a response, as text.
fn value(answer: &str) -> &str {
    let inner = answer.split_once("<params><param>").and_then(|(_, rest)| rest.split_once("</param></params>"));
    inner.unwrap_or_else(|| panic!("no value in {answer}")).0
}

/// The code of the fault that is the whole answer, whose status must be 200.
fn fault(answer: &str) -> i32 {
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("<methodResponse><fault>"), "{answer}");
    let code = answer.split_once("faultCode</name><value><int>").and_then(|(_, rest)| rest.split_once('<')).unwrap().0;
    code.parse().unwrap()
}

fn status(answer: &str) -> &str {
    answer.lines().next().unwrap_or_default()
}

fn echo(server: &Running, value: &str) -> String {
    server.post("/diagnostics", &call("echo", &[value]))
}

/// The same POST with a body of bytes.
fn post_bytes(server: &Running, path: &str, headers: &str, body: &[u8]) -> String {
    let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    server.raw([head.as_bytes(), body].concat())
}

fn gzip(text: &str) -> Vec<u8> {
    let mut to = GzEncoder::new(Vec::new(), Compression::default());
    to.write_all(text.as_bytes()).unwrap();
    to.finish().unwrap()
}

#[test]
fn every_type_comes_back_the_way_it_went() {
    let server = Running::built_in();
    for sent in [
        "<value><int>-7</int></value>",
        "<value><i8>4294967296</i8></value>",
        "<value><boolean>1</boolean></value>",
        "<value><double>1.5</double></value>",
        "<value><string>é &lt;&amp; </string></value>",
        "<value><dateTime.iso8601>00010203T04:05:06</dateTime.iso8601></value>",
        "<value><dateTime.iso8601>18991231T23:59:59</dateTime.iso8601></value>",
        "<value><base64>AAH/</base64></value>",
        "<value><array><data><value><array><data></data></array></value></data></array></value>",
        "<value><struct><member><name>a</name><value><string></string></value></member></struct></value>",
    ] {
        assert_eq!(value(&echo(&server, sent)), sent);
    }
}

#[test]
fn nothing_is_answered_only_where_that_is_allowed() {
    let nil = "<value><nil/></value>";
    assert_eq!(value(&echo(&Running::built_in(), nil)), nil);
    let refusing = Running::configured("[group.\"/diagnostics\"]\nservice = \"diagnostics\"\n");
    assert_eq!(fault(&echo(&refusing, nil)), -32500);
}

#[test]
fn a_method_name_beyond_ascii_is_a_fault_and_no_crash() {
    let server = Running::built_in();
    let named = |name: &str| server.post("/", &call(name, &[]));
    for name in ["têšt", "t&#xea;&#x161;t", "方法", "spin\u{301}", "🎲"] {
        assert_eq!(fault(&named(name)), -32601, "{name}");
    }
    assert!(named("têšt").contains("`têšt`"));
    let body =
        b"<?xml version='1.0' encoding='iso-8859-15'?><methodCall><methodName>t\xea\xa8t</methodName></methodCall>";
    let answer = post_bytes(&server, "/", "Content-Type: text/xml\r\n", body);
    assert_eq!(fault(&answer), -32601);
    assert!(answer.contains("`têšt`"), "{answer}");
}

#[test]
fn a_document_in_iso_8859_15_is_read() {
    let body = b"<?xml version='1.0' encoding='iso-8859-15'?><methodCall><methodName>echo</methodName>\
        <params><param><value>\xa4 \xa8 \xe9</value></param></params></methodCall>";
    let answer = post_bytes(&Running::built_in(), "/diagnostics", "Content-Type: text/xml\r\n", body);
    assert_eq!(value(&answer), "<value><string>€ š é</string></value>");
}

#[test]
fn an_unsupported_tag_is_a_fault_at_any_depth() {
    let server = Running::built_in();
    for sent in [
        "<value><unsupported/></value>",
        "<value><array><data><value><unsupported>a</unsupported></value></data></array></value>",
        "<value><struct><member><name>a</name><value><unsupported/></value></member></struct></value>",
        "<value><Int>1</Int></value>",
    ] {
        assert_eq!(fault(&echo(&server, sent)), -32600, "{sent}");
    }
}

#[test]
fn every_apache_tag_decodes() {
    let server = Running::built_in();
    for (tag, text, expected) in [
        ("nil", "", "<nil/>"),
        ("i1", "-128", "<int>-128</int>"),
        ("i2", "32767", "<int>32767</int>"),
        ("i8", "-9223372036854775808", "<i8>-9223372036854775808</i8>"),
        ("float", "1.5", "<double>1.5</double>"),
        ("bigdecimal", "-7.25", "<double>-7.25</double>"),
        ("biginteger", "42", "<int>42</int>"),
        ("dateTime", "20070614T13:02:00", "<dateTime.iso8601>20070614T13:02:00</dateTime.iso8601>"),
    ] {
        let tagged = |prefix: &str, declared: &str| {
            let call = call("echo", &[&format!("<value><{prefix}:{tag}>{text}</{prefix}:{tag}></value>")]);
            let call = call.replace("<methodCall>", &format!("<methodCall{declared}>"));
            server.post("/diagnostics", &call)
        };
        let namespace = "http://ws.apache.org/xmlrpc/namespaces/extensions";
        for answer in [
            tagged("ex", ""),
            tagged("ex", &format!(" xmlns:ex='{namespace}'")),
            tagged("a", &format!(" xmlns:a='{namespace}'")),
        ] {
            assert_eq!(value(&answer), format!("<value>{expected}</value>"), "{tag}");
        }
    }
}

#[test]
fn a_very_long_integer_is_refused_with_a_short_message() {
    let server = Running::built_in();
    let digits = "9".repeat(100_000);
    for tag in ["int", "i4", "i8", "ex:biginteger"] {
        let answer = server.post("/", &call("spinList", &[&format!("<value><{tag}>{digits}</{tag}></value>")]));
        assert!(answer.len() < 1000, "{tag}: {} bytes", answer.len());
        assert_eq!(fault(&answer), -32602, "{tag}");
    }
}

#[test]
fn a_wrong_path_is_404_with_its_phrase() {
    let server = Running::built_in();
    for path in ["/this-is-not-valid", "/RPC2x", "/rpc2", "/RPC2/more", "/wheel", "/wheel/americans"] {
        assert_eq!(status(&server.post(path, &call("spin", &[]))), "HTTP/1.1 404 Not Found", "{path}");
    }
}

#[test]
fn methods_are_listed_with_help_and_signatures() {
    let server = Running::built_in();
    let of = |method: &str, name: &str| server.post("/", &call(method, &[&format!("<value>{name}</value>")]));
    let listed = server.post("/", &call("system.listMethods", &[]));
    for name in ["spin", "spinList", "pockets", "system.listMethods", "system.methodHelp", "system.methodSignature"] {
        assert!(value(&listed).contains(&format!("<value><string>{name}</string></value>")), "{name}: {listed}");
        assert!(value(&of("system.methodHelp", name)).len() > "<value><string></string></value>".len(), "{name}");
        assert!(value(&of("system.methodSignature", name)).starts_with("<value><array><data><value><array>"), "{name}");
    }
    for method in ["system.methodHelp", "system.methodSignature"] {
        assert!(fault(&of(method, "this_is_not_there")) < 0, "{method}");
    }
}

#[test]
fn a_multicall_returns_each_result_and_a_fault_for_an_unknown_method() {
    let entry = |name: &str| {
        format!(
            "<value><struct><member><name>methodName</name><value>{name}</value></member>\
             <member><name>params</name><value><array><data></data></array></value></member></struct></value>"
        )
    };
    let calls: String = ["spin", "this_is_not_there", "pockets", "_private"].map(entry).concat();
    let body = call("system.multicall", &[&format!("<value><array><data>{calls}</data></array></value>")]);
    let answer = Running::built_in().post("/wheel/mini", &body);
    let results = value(&answer);
    assert_eq!(results.matches("<name>faultCode</name><value><int>-32601</int></value>").count(), 2, "{answer}");
    assert!(results.starts_with("<value><array><data><value><array><data><value><array><data><value><string>"));
    assert!(results.contains("`this_is_not_there`"), "{answer}");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[test]
fn names_are_never_walked_as_attributes() {
    let server = Running::built_in();
    for name in [
        "spin.__class__",
        "__class__",
        "_spin",
        "system",
        "system.",
        "system._private",
        "system.listMethods.__globals__",
        "spin.spin",
        ".spin",
        "spin.",
        "Spin",
        "wheel.spin",
        "validator1.easyStructTest",
    ] {
        assert_eq!(fault(&server.post("/", &call(name, &[]))), -32601, "{name}");
    }
    assert_eq!(fault(&server.post("/diagnostics", &call("validator1", &[]))), -32601);
}

#[test]
fn a_partial_post_ends() {
    let server = Running::built_in();
    let answer = server.raw("POST /RPC2 HTTP/1.0\r\nContent-Length: 100\r\n\r\nbye");
    assert!(answer.is_empty() || status(&answer) == "HTTP/1.0 400 Bad Request", "{answer}");
    assert!(value(&server.post("/RPC2", &call("spin", &[]))).starts_with("<value><array>"));
}

#[test]
fn each_path_has_its_own_methods() {
    let server = Running::built_in();
    let pockets = |path: &str| {
        let answer = server.post(path, &call("pockets", &[]));
        value(&answer).matches("<value><array>").count() - 1
    };
    for (path, expected) in [
        ("/", 38),
        ("/RPC2", 38),
        ("/wheel/american", 38),
        ("/wheel/european", 37),
        ("/wheel/french", 37),
        ("/wheel/triple-zero", 39),
        ("/wheel/mini", 13),
    ] {
        assert_eq!(pockets(path), expected, "{path}");
        assert_eq!(fault(&server.post(path, &call("echo", &["<value>a</value>"]))), -32601, "{path}");
    }
    assert_eq!(value(&echo(&server, "<value>a</value>")), "<value><string>a</string></value>");
    assert_eq!(fault(&server.post("/diagnostics", &call("spin", &[]))), -32601);
}

#[test]
fn a_query_changes_nothing() {
    let server = Running::built_in();
    for path in ["/?k=v", "/RPC2?", "/wheel/american?k=v&/diagnostics", "/wheel/american/?k"] {
        assert!(value(&server.post(path, &call("spin", &[]))).starts_with("<value><array>"), "{path}");
    }
}

#[test]
fn a_packed_request_is_read_up_to_the_groups_limit() {
    let server = Running::built_in();
    let packed = |length: usize| {
        let body = gzip(&call("echo", &[&format!("<value>{}</value>", "a".repeat(length))]));
        post_bytes(&server, "/diagnostics", "Content-Type: text/xml\r\nContent-Encoding: gzip\r\n", &body)
    };
    assert_eq!(value(&packed(1_000_000)).len(), 1_000_000 + "<value><string></string></value>".len());
    assert_eq!(status(&packed(4 << 20)), "HTTP/1.1 413 Payload Too Large");
}

#[test]
fn a_body_that_is_not_what_its_coding_says_is_400() {
    let server = Running::built_in();
    let headers = "Content-Type: text/xml\r\nContent-Encoding: gzip\r\n";
    for body in [call("spin", &[]).as_bytes(), b"", &gzip(&call("spin", &[]))[..40]] {
        assert_eq!(status(&post_bytes(&server, "/", headers, body)), "HTTP/1.1 400 Bad Request");
    }
}

#[test]
fn an_answer_is_plain_whatever_the_client_takes() {
    let body = call("spinList", &["<value><int>100</int></value>"]);
    let answer = Running::built_in().raw(post("/", "Accept-Encoding: gzip\r\n", &body));
    assert!(!answer.to_lowercase().contains("content-encoding"), "{answer}");
    assert_eq!(value(&answer).matches("<array>").count(), 101);
}

#[test]
fn headers_of_the_clients_own_are_accepted() {
    let server = Running::built_in();
    for headers in ["X-Test: foo\r\n", "X-Test: foo\r\nX-Test-Second: bar\r\nX-Test: again\r\n", "X-Test:\r\n"] {
        let answer = server.raw(post("/", headers, &call("spin", &[])));
        assert!(value(&answer).starts_with("<value><array>"), "{headers}");
    }
}

#[test]
fn a_failing_handler_shows_no_traceback() {
    let server = Running::start(small(), ServerSettings::default());
    let answer = server.post("/test", &call("panics", &[]));
    assert_eq!(fault(&answer), -32603);
    let shown = answer.to_lowercase();
    for word in ["traceback", "backtrace", "x-exception", "panicked", "as it was told to", ".rs"] {
        assert!(!shown.contains(word), "{word}: {answer}");
    }
}

#[test]
fn a_get_is_refused_with_what_is_allowed() {
    let server = Running::start(small(), ServerSettings::default());
    let answer = server.raw("GET /test HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!(status(&answer), "HTTP/1.1 405 Method Not Allowed");
    assert!(answer.contains("\r\nallow: POST\r\n"), "{answer}");
}
