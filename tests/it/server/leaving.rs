//! Clients that leave while their call runs: by a reset, or by closing both sides of a unix socket. Their call ends. A client
//! that has closed only its own side still gets its response, except over MCP, where that cancels a request.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use croupier::server::mount::{GroupMount, Mounts};
use croupier::server::settings::{ListenAddress, ServerSettings};
use croupier::service::local::Local;
use socket2::SockRef;

use crate::support::mcp::STATELESS_META;
use crate::support::running::{Running, call, post};

/// What a call of `hang` tells of itself.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Begun,
    Ended,
}

/// Tells that its call has ended when it is dropped.
struct Guard(Sender<Told>);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.send(Told::Ended);
    }
}

/// A server with the methods `hang`, which tells when it begins and ends, and `wait`, which takes a second.
fn start(listen: ListenAddress) -> (Running, Receiver<Told>) {
    let (tell, told) = channel();
    let service = Local::new("Group", Mutex::new(tell))
        .method_async("hang", |tell, (): ()| async move {
            let tell = tell.lock().unwrap().clone();
            let _ = tell.send(Told::Begun);
            let _guard = Guard(tell);
            std::future::pending::<()>().await;
        })
        .method_async("wait", |_, (): ()| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            "waited"
        });
    let group = GroupMount::new("/g", service.build().unwrap());
    let mounts = Mounts { groups: vec![group], ..Mounts::default() };
    (Running::listening(listen, mounts.router().unwrap(), ServerSettings::default(), None), told)
}

fn request(method: &str) -> String {
    post("/g", "", &call(method, &[]))
}

const SOON: Duration = Duration::from_secs(5);

/// Sends a call, then `behind` while it runs, leaves, and waits until the call has ended.
fn leave<S: Write>(call: String, mut stream: S, told: &Receiver<Told>, behind: &str, leave: impl FnOnce(S)) {
    stream.write_all(call.as_bytes()).unwrap();
    assert_eq!(told.recv_timeout(SOON), Ok(Told::Begun));
    stream.write_all(behind.as_bytes()).unwrap();
    // The server has to see these bytes before the end that follows them.
    std::thread::sleep(Duration::from_millis(100));
    leave(stream);
    assert_eq!(told.recv_timeout(SOON), Ok(Told::Ended));
}

fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

#[test]
fn a_reset_ends_a_call_also_behind_bytes_that_are_not_read_yet() {
    let (server, told) = start(ListenAddress::Tcp(([127, 0, 0, 1], 0).into()));
    for behind in ["", &request("hang")] {
        leave(request("hang"), server.connect(), &told, behind, reset);
    }
}

#[test]
fn a_client_of_a_unix_socket_that_closes_it_ends_its_call_also_behind_bytes_that_are_not_read_yet() {
    let path = socket("leave");
    let (_server, told) = start(ListenAddress::Unix(path.clone()));
    for behind in ["", &request("hang")] {
        leave(request("hang"), UnixStream::connect(&path).unwrap(), &told, behind, drop);
    }
    // One that has closed its own side before.
    leave(request("hang"), UnixStream::connect(&path).unwrap(), &told, "", |stream| {
        stream.shutdown(Shutdown::Write).unwrap();
        std::thread::sleep(Duration::from_millis(100));
    });
}

#[test]
fn a_client_that_closes_only_its_own_side_gets_its_responses() {
    let path = socket("half");
    let tcp = start(ListenAddress::Tcp(([127, 0, 0, 1], 0).into())).0;
    let _unix = start(ListenAddress::Unix(path.clone())).0;
    let both = request("wait") + &request("wait");
    let mut stream = tcp.connect();
    stream.write_all(both.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read(stream).matches("waited").count(), 2);
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(both.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read(stream).matches("waited").count(), 2);
}

/// A call over MCP of a revision without sessions.
fn mcp_request() -> String {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{{STATELESS_META},"name":"hang","arguments":{{}}}}}}"#
    );
    let headers = "Content-Type: application/json\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: hang\r\n";
    let length = body.len();
    format!("POST /g/mcp HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
}

#[test]
fn a_client_of_mcp_without_a_session_cancels_its_call_by_closing_its_side() {
    let path = socket("mcp");
    let (tcp, of_tcp) = start(ListenAddress::Tcp(([127, 0, 0, 1], 0).into()));
    let (_unix, of_unix) = start(ListenAddress::Unix(path.clone()));
    for behind in ["", &mcp_request()] {
        leave(mcp_request(), tcp.connect(), &of_tcp, behind, |stream| stream.shutdown(Shutdown::Write).unwrap());
        leave(mcp_request(), UnixStream::connect(&path).unwrap(), &of_unix, behind, |stream| {
            stream.shutdown(Shutdown::Write).unwrap();
        });
    }
}

fn read(mut stream: impl Read) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn socket(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("croupier-{}-{name}.sock", std::process::id()))
}
