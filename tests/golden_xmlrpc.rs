//! Requests to the XML-RPC face and its whole answers, byte for byte.
//!
//! The cases stand in `tests/golden/xmlrpc/*.cases`, each as
//!
//! ```text
//! === name of the case
//! about: what it shows
//! type: text/xml; charset=utf-8        (the Content-Type; none if left out)
//! dialect: reading = "strict"          (settings that differ from the default)
//! limits: depth = 3, elements = 20, multicall = 2
//! as: utf-16le                         (how the request is encoded; UTF-8 if left out)
//! >>>
//! the request, without the line end before `<<<`; \r, \n, \t, \\, \u{1F600} and bytes as \xE9
//! <<<
//! the answer
//! ```
//!
//! `UPDATE_GOLDEN=1` writes the answers that are given instead of comparing them. `SEEDS=DIR` writes the requests
//! into a directory, for a fuzzer to begin with.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/specimen.rs"]
mod specimen;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use croupier::faces::face::{Face, GroupRequest};
use croupier::faces::xmlrpc::XmlRpc;
use croupier::service::{Context, Service};
use croupier::wire::Limits;
use croupier::wire::xml::Reading;
use croupier::wire::xmlrpc::{Dialect, Document, Root};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde::Deserialize;

/// How many cases there are at least.
const CASES: usize = 160;

#[test]
fn every_request_has_its_golden_answer() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let service = Arc::new(specimen::service()) as Arc<dyn Service>;
    let (mut count, mut wrong) = (0, String::new());
    for path in files() {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut rewritten = String::new();
        for mut case in cases(&text) {
            println!("{}", case.name());
            let answer = case.answer(&service);
            if answer != case.expected && !update {
                write!(wrong, "{}\n  expected: {}\n  answered: {answer}\n", case.name(), case.expected).unwrap();
            }
            case.expected = answer;
            case.write(&mut rewritten);
            count += 1;
        }
        if update {
            std::fs::write(&path, rewritten).unwrap();
        } else {
            assert!(!wrong.is_empty() || rewritten == text, "{} is not in its canonical form", path.display());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(count >= CASES, "only {count} cases were found");
}

#[test]
fn no_two_cases_have_one_name() {
    let texts: Vec<_> = files().iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let mut names: Vec<_> =
        texts.iter().flat_map(|text| text.lines()).filter(|line| line.starts_with("=== ")).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn requests_become_seeds_where_that_is_asked_for() {
    let Some(directory) = std::env::var_os("SEEDS").map(PathBuf::from) else { return };
    for target in ["face", "charset", "readers_agree", "answer", "date"] {
        std::fs::create_dir_all(directory.join(target)).unwrap();
    }
    for path in files() {
        let text = std::fs::read_to_string(&path).unwrap();
        for case in cases(&text) {
            let name = case.name().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
            let write = |target: &str, seed: &[u8]| std::fs::write(directory.join(target).join(&name), seed).unwrap();
            let request = case.request_bytes();
            write("face", &request);
            write("charset", &request);
            write("readers_agree", &request);
            write("answer", case.expected.as_bytes());
            if let Some((_, date)) = case.request.split_once("<dateTime.iso8601>") {
                write("date", date.split('<').next().unwrap_or_default().as_bytes());
            }
        }
    }
}

fn files() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/xmlrpc");
    let mut files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "cases"));
    files.sort();
    files
}

/// One request and its answer, as they stand in the file.
struct Case<'a> {
    /// The lines from the name to before `>>>`.
    head: &'a str,
    request: &'a str,
    expected: String,
}

fn cases(text: &str) -> impl Iterator<Item = Case<'_>> {
    let text = text.strip_prefix("=== ").expect("a file begins with a case");
    text.split("\n=== ").map(|case| {
        let (head, rest) = case.split_once("\n>>>\n").expect("a case has a request");
        let (request, expected) = rest.split_once("\n<<<\n").expect("a case has an answer, if only an empty one");
        Case { head, request, expected: expected.trim_end_matches('\n').to_owned() }
    })
}

/// The settings that a case may make.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Bounds {
    depth: Option<usize>,
    elements: Option<usize>,
    multicall: Option<usize>,
}

#[derive(Deserialize)]
struct Table<T> {
    it: T,
}

impl Case<'_> {
    fn name(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    fn line(&self, key: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
    }

    fn table<T: serde::de::DeserializeOwned + Default>(&self, key: &str) -> T {
        let read = |line| toml::from_str::<Table<T>>(&format!("it = {{ {line} }}")).expect("a table of settings");
        self.line(key).map_or_else(T::default, |line| read(line).it)
    }

    fn face(&self) -> XmlRpc {
        let (bounds, default): (Bounds, _) = (self.table("limits"), Limits::default());
        XmlRpc {
            dialect: self.table("dialect"),
            limits: Limits {
                depth: bounds.depth.unwrap_or(default.depth),
                elements: bounds.elements.unwrap_or(default.elements),
            },
            multicall: bounds.multicall.unwrap_or(XmlRpc::default().multicall),
        }
    }

    fn request_bytes(&self) -> Vec<u8> {
        let bytes = unescaped(self.request);
        let utf16 = || String::from_utf8(bytes.clone()).unwrap().encode_utf16().collect::<Vec<_>>();
        match self.line("as") {
            None => bytes,
            Some("utf-16le") => utf16().into_iter().flat_map(u16::to_le_bytes).collect(),
            Some("utf-16be") => utf16().into_iter().flat_map(u16::to_be_bytes).collect(),
            Some(other) => panic!("no way to write {other}"),
        }
    }

    /// The answer, which must be sound XML-RPC whatever is expected.
    fn answer(&self, service: &Arc<dyn Service>) -> String {
        let mut request = Request::builder().method(Method::POST).uri("/");
        if let Some(value) = self.line("type") {
            request = request.header(header::CONTENT_TYPE, value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let reply = self.face().serve(
            service,
            GroupRequest { head: &head, tail: "", body: &self.request_bytes(), context: &Context::default() },
        );
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (fault, bytes) = runtime.block_on(async {
            let replied = reply.await;
            assert_eq!(replied.response.status(), StatusCode::OK);
            assert_eq!(replied.response.headers()[header::CONTENT_TYPE], "text/xml");
            (replied.fault, replied.response.into_body().collect().await.unwrap().to_bytes())
        });
        let text = String::from_utf8(bytes.to_vec()).expect("an answer in UTF-8");
        roxmltree::Document::parse(&text).expect("a well-formed answer");
        let dialect: Dialect = self.table("dialect");
        assert!(!dialect.ascii || text.is_ascii());
        let read = Document::read(&text, Reading::Lenient, Limits { depth: 100, ..Limits::default() });
        let root = read.expect("an answer in XML-RPC").root;
        assert_eq!(root, if fault.is_some() { Root::Fault } else { Root::Answer });
        text.strip_suffix('\n').expect("an answer ends its last line").to_owned()
    }

    fn write(&self, to: &mut String) {
        let gap = if to.is_empty() { "" } else { "\n" };
        writeln!(to, "{gap}=== {}\n>>>\n{}\n<<<\n{}", self.head, self.request, self.expected).unwrap();
    }
}

/// A request's bytes, its escapes replaced.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let (escaped, length) = escape(after);
        bytes.extend_from_slice(&escaped);
        rest = &after[length..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

fn escape(after: &str) -> (Vec<u8>, usize) {
    match after.as_bytes() {
        [b'r', ..] => (vec![b'\r'], 1),
        [b'n', ..] => (vec![b'\n'], 1),
        [b't', ..] => (vec![b'\t'], 1),
        [b'\\', ..] => (vec![b'\\'], 1),
        [b'x', ..] => (vec![u8::from_str_radix(&after[1..3], 16).expect("two hexadecimal digits")], 3),
        [b'u', b'{', ..] => {
            let end = after.find('}').expect("the end of a code point");
            let code = u32::from_str_radix(&after[2..end], 16).expect("a code point");
            (char::from_u32(code).expect("a character").to_string().into_bytes(), end + 1)
        }
        _ => panic!("no escape begins \\{}", &after[..1]),
    }
}
