//! Clients of TLS: what they agree on with the server, and what slow ones may do.
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use croupier::server::settings::{ServerSettings, Timeouts, TlsSettings};
use croupier::server::tls::ServerTls;
use socket2::{Domain, Socket, Type};
use tokio_rustls::rustls::ProtocolVersion;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use crate::support::peers::Folder;
use crate::support::pki::{Authority, client, client_of, connect, get, over};
use crate::support::running::{Running, call, post, small};

const NAME: &str = "localhost";

/// An authority, and a folder with a certificate for [`NAME`].
fn certified() -> (Authority, Folder) {
    let (authority, folder) = (Authority::new("authority"), Folder::new());
    authority.issue(&[NAME]).write(&folder, "own");
    (authority, folder)
}

fn settings(folder: &Folder) -> TlsSettings {
    TlsSettings::new(folder.path("own.pem"), folder.path("own.key"))
}

#[test]
fn both_versions_are_spoken_unless_the_older_is_refused() {
    let (authority, folder) = certified();
    let server = Running::with_tls(small(), ServerSettings::default(), settings(&folder));
    let newer = TlsSettings { min_version: croupier::server::tls::TlsVersion::V13, ..settings(&folder) };
    let newer = Running::with_tls(small(), ServerSettings::default(), newer);
    for (version, spoken, refused) in
        [(&TLS12, ProtocolVersion::TLSv1_2, true), (&TLS13, ProtocolVersion::TLSv1_3, false)]
    {
        let config = client_of(&authority, None, &[version]);
        let mut stream = connect(server.address, NAME, &config);
        stream.write_all(b"GET /test HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        assert!(response.starts_with("HTTP/1.1 405"), "{response}");
        assert_eq!(stream.conn.protocol_version(), Some(spoken));
        assert_eq!(get(newer.address, NAME, &config, "/test").is_err(), refused, "{spoken:?}");
    }
}

#[test]
fn a_client_gets_the_certificate_of_the_name_that_it_asks_for() {
    let (authority, folder) = certified();
    let mut tls = settings(&folder);
    let mut expected = Vec::new();
    for (file, names, asked) in [
        ("b", &["b.example", "c.example"][..], &["b.example", "c.example"][..]),
        ("wild", &["*.d.example"], &["x.d.example", "y.d.example"]),
        ("late", &["b.example", "e.example"], &["e.example"]),
    ] {
        let pair = authority.issue(names);
        pair.write(&folder, file);
        let (certificate, key) =
            (folder.path(&format!("{file}.pem")).into(), folder.path(&format!("{file}.key")).into());
        tls.certificates.push(croupier::server::tls::CertificateFiles { certificate, key });
        expected.extend(asked.iter().map(|name| (*name, pair.der())));
    }
    let server = Running::with_tls(small(), ServerSettings::default(), tls);
    let config = client(&authority, None);
    for (name, certificate) in expected {
        let mut stream = connect(server.address, name, &config);
        stream.flush().unwrap();
        assert_eq!(stream.conn.peer_certificates().and_then(<[_]>::first), Some(&certificate), "{name}");
    }
    for other in ["other.example", "d.example", "127.0.0.1"] {
        let error = get(server.address, other, &config, "/test").unwrap_err().to_string();
        assert!(error.contains("not valid for name") && error.contains("localhost"), "{other}: {error}");
    }
}

/// A client whose system receives little more than the client reads.
fn connect_with_small_window(address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(16 << 10).unwrap();
    socket.connect(&address.into()).unwrap();
    TcpStream::from(socket)
}

/// Takes at most as many bytes of a long response every 50 ms, for as long. Returns whether the server still sends then.
fn reads_on(bytes: usize, min_rate: usize, time: Duration) -> bool {
    let (authority, folder) = certified();
    let timeouts = Timeouts { write: Duration::from_millis(1500), min_rate, ..Timeouts::default() };
    let limits = ServerSettings { timeouts, ..ServerSettings::default() };
    let server = Running::with_tls(small(), limits, settings(&folder));
    let mut stream = over(connect_with_small_window(server.address), NAME, &client(&authority, None));
    let many = call("numbers", &["<value><int>5000000</int></value>"]);
    stream.write_all(post("/test", "", &many).as_bytes()).unwrap();
    let (begun, mut buffer) = (Instant::now(), vec![0; bytes]);
    while begun.elapsed() < time {
        match stream.read(&mut buffer) {
            Ok(0) => return false,
            Ok(_) => std::thread::sleep(Duration::from_millis(50)),
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) => {
                return false;
            }
            Err(error) => panic!("{error}"),
        }
    }
    true
}

#[test]
fn the_pace_of_a_reader_is_that_of_its_socket() {
    assert!(reads_on(8 << 10, 500, Duration::from_secs(5)));
    assert!(!reads_on(8 << 10, 10 << 20, Duration::from_secs(10)));
}

/// The rest of a response may wait for the socket although the server has encrypted all of it.
#[test]
fn a_client_that_reads_nothing_is_cut_in_time() {
    let (authority, folder) = certified();
    let timeouts = Timeouts { write: Duration::from_secs(1), ..Timeouts::default() };
    let limits = ServerSettings { timeouts, ..ServerSettings::default() };
    let mut server = Running::with_tls(small(), limits, settings(&folder));
    let mut stream = over(connect_with_small_window(server.address), NAME, &client(&authority, None));
    let many = call("numbers", &["<value><int>5000000</int></value>"]);
    stream.write_all(post("/test", "", &many).as_bytes()).unwrap();
    // The drain time is 10 s: the server ends at once when the connection has been cut before.
    std::thread::sleep(Duration::from_secs(3));
    let begun = Instant::now();
    server.begin_stop();
    assert_eq!(server.stop().cut, 0);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_is_negotiated() {
    let (authority, folder) = certified();
    let server = Running::with_tls(small(), ServerSettings::default(), settings(&folder));
    let mut config = client(&authority, None);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let stream = connector.connect(NAME.try_into().unwrap(), stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (requests, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::get("https://localhost/test").body(()).unwrap();
    let (response, _) = requests.ready().await.unwrap().send_request(request, true).unwrap();
    assert_eq!(response.await.unwrap().status(), 405);
    connection.abort();
}

#[test]
fn client_certificates_are_verified() {
    let (authority, folder) = certified();
    folder.file("roots.pem", &authority.pem);
    let stranger = Authority::new("stranger");
    let (good, expired) = (authority.issue(&["ann"]), authority.issue_for(&["ann"], (2020, 2021)));
    let foreign = stranger.issue(&["ann"]);
    let required = TlsSettings { client_roots: Some(folder.path("roots.pem").into()), ..settings(&folder) };
    let client_certificates = Some(croupier::server::tls::ClientCertificates::Optional);
    let optional = TlsSettings { client_certificates, ..required.clone() };
    for (tls, without) in [(required, false), (optional, true)] {
        let server = Running::with_tls(small(), ServerSettings::default(), tls);
        for version in [&TLS12, &TLS13] {
            for (identity, accepted) in
                [(None, without), (Some(&good), true), (Some(&expired), false), (Some(&foreign), false)]
            {
                let config = client_of(&authority, identity, &[version]);
                let response = get(server.address, NAME, &config, "/test");
                assert_eq!(response.is_ok(), accepted, "{version:?} {response:?}");
            }
        }
    }
}

#[test]
fn certificates_are_replaced_and_broken_ones_are_not_used() {
    let (authority, folder) = certified();
    let tls = ServerTls::load(&settings(&folder)).unwrap();
    assert_eq!(tls.refresh(), Ok(false));
    let before = tls.certificates();
    let other = authority.issue_for(&[NAME], (2020, 3500));
    folder.file("own.pem", &other.certificate);
    let error = tls.refresh().unwrap_err().to_string();
    assert!(error.contains("it is not the key of the certificate"), "{error}");
    assert_eq!(tls.certificates(), before);
    folder.file("own.key", &other.key);
    assert_eq!(tls.refresh(), Ok(true));
    assert_ne!(tls.certificates(), before);
}
