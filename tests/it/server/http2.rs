//! HTTP/2 clients that request much and read nothing: flow control must not keep responses alive forever.

use std::time::Duration;

use bytes::Bytes;
use croupier::server::settings::{ServerSettings, Timeouts};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::running::{Running, call, small};

/// How long the server may wait for a client that takes nothing.
const SHORT: Duration = Duration::from_millis(300);
/// When the test gives up on the server.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks for a hundred answers of megabytes with this window for each, never widens one, and waits to be cut.
async fn take_nothing(server: &Running, window: u32) {
    let stream = TcpStream::connect(server.address).await.unwrap();
    let mut settings = h2::client::Builder::new();
    settings.initial_window_size(window);
    let (mut requests, connection) = settings.handshake::<_, Bytes>(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let body = Bytes::from(call("numbers", &["<value><int>1000000</int></value>"]));
    let mut answers = Vec::new();
    for _ in 0..100 {
        let request = http::Request::post(format!("http://{}/test", server.address))
            .header("content-type", "text/xml")
            .body(())
            .unwrap();
        requests = requests.ready().await.unwrap();
        let (answer, mut upload) = requests.send_request(request, false).unwrap();
        upload.send_data(body.clone(), true).unwrap();
        answers.push(answer);
    }
    let mut unread = Vec::new();
    for answer in answers {
        // The first deadline may be over before the last answer begins.
        unread.extend(answer.await.ok());
    }
    assert!(!unread.is_empty());
    let ended = timeout(PATIENCE, connection).await;
    assert!(ended.is_ok(), "a window of {window} bytes keeps the connection open");
}

fn is_cut(window: u32) {
    let timeouts = Timeouts { write: SHORT, ..Timeouts::default() };
    let server = Running::start(small(), ServerSettings { timeouts, ..ServerSettings::default() });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(take_nothing(&server, window));
    assert_eq!(server.stop().cut, 0);
}

#[test]
fn a_client_that_never_widens_its_window_is_cut() {
    is_cut(65_535);
}

#[test]
fn a_client_that_opens_no_window_at_all_is_cut() {
    is_cut(0);
}
