//! The example `examples/front`: three servers, an aggregate of them, and its page.

use std::net::TcpStream;
use std::process::Command;

use crate::support::peers::{Folder, Server, free_port, listens};
use crate::support::process::run;

/// The ports in the files of the example: those of the servers, and that of croupier.
const PORTS: [&str; 4] = ["8131", "8132", "8133", "8008"];

fn example() -> String {
    format!("{}/examples/front", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_configuration_of_the_example_is_valid() {
    let file = format!("{}/front.toml", example());
    let ended = run(Command::new(env!("CARGO_BIN_EXE_croupier")).args(["check", &file]));
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert!(ended.stdout.contains("/front  Front desk (page of `today` at /desk)"), "{}", ended.stdout);
}

/// The example in a folder of its own, with other ports.
fn copy(folder: &Folder, ports: &[u16; 4]) {
    for entry in std::fs::read_dir(example()).unwrap() {
        let path = entry.unwrap().path();
        let mut text = std::fs::read_to_string(&path).unwrap();
        for (old, new) in PORTS.iter().zip(ports) {
            text = text.replace(old, &new.to_string());
        }
        folder.file(path.file_name().and_then(|name| name.to_str()).unwrap(), &text);
    }
}

fn page(port: u16, query: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET /front?{query} HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

#[test]
#[ignore = "needs bash and python3"]
fn the_example_makes_one_page_of_three_services() {
    let (folder, ports) = (Folder::new(), [(); 4].map(|()| free_port()));
    copy(&folder, &ports);
    let mut command = Command::new("bash");
    command.arg(folder.path("run")).env("CROUPIER", env!("CARGO_BIN_EXE_croupier"));
    let own = ports[3];
    let server = Server::start(&mut command, || listens(own));
    let shown = page(own, "day=2027-02-28&beds=3");
    assert!(shown.starts_with("HTTP/1.0 200 "), "{shown}");
    for part in ["<b>Bo &amp; Co</b>, room 14, 1 night", "<b>31</b>, 3 beds", "<b>Trout &amp; almonds</b>"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("<b>7</b>") && !shown.contains("Apple cake"), "{shown}");
    assert!(page(own, "day=2027-03-01").contains("No arrivals on this day."));
    assert!(page(own, "day=never").starts_with("HTTP/1.0 400 "));
    server.end();
    assert!(!ports.iter().any(|port| listens(*port)), "everything has ended");
}
