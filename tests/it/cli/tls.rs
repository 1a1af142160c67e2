//! The program with TLS: what operators see of it, and certificates that change while it runs.
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use tokio_rustls::rustls::{ClientConnection, StreamOwned};

use super::admin::{SPIN, Served, WHEEL, exchange, exchange_over};
use crate::support::peers::{Folder, free_port, until};
use crate::support::pki::{Authority, client, connect, get, over};
use crate::support::process::run;

const NAME: &str = "localhost";

/// A server with one listener of plain HTTP and one of TLS.
struct Secured {
    served: Served,
    address: SocketAddr,
    authority: Authority,
    folder: Folder,
}

impl Secured {
    fn start(tls: &str, more: &str) -> Secured {
        let (authority, folder, port) = (Authority::new("authority"), Folder::new(), free_port());
        authority.issue(&[NAME]).write(&folder, "own");
        let config = format!(
            "listen = [{{ address = '127.0.0.1:0', redirect-https = {port} }}, {{ address = '127.0.0.1:{port}', \
             tls = {{ certificate = 'own.pem', key = 'own.key', {tls} }} }}]\n\
             admin.listen = '127.0.0.1:0'\nlog.format = 'json'\n{more}\n{WHEEL}"
        );
        let served = Served::start(&folder.file("c.toml", &config));
        Secured { served, address: SocketAddr::from(([127, 0, 0, 1], port)), authority, folder }
    }

    fn get(&self, path: &str) -> String {
        get(self.address, NAME, &client(&self.authority, None), path).unwrap()
    }

    fn handshakes(&self, result: &str) -> f64 {
        self.served.scrape().sum("croupier_tls_handshakes_total", &[&format!("result=\"{result}\"")])
    }

    fn expiry(&self) -> f64 {
        self.served.scrape().sum("croupier_tls_certificate_expiry_timestamp_seconds", &["certificate=\""])
    }
}

#[test]
fn responses_over_tls_say_https() {
    let server = Secured::start("hsts = '365d'", "");
    let spin = server.get("/wheel/spin");
    assert!(
        spin.starts_with("HTTP/1.1 200") && spin.contains("strict-transport-security: max-age=31536000\r\n"),
        "{spin}"
    );
    let line = server.served.process.wait_for_log("croupier::access");
    assert!(line.contains("\"tls\":\"1.3\""), "{line}");
    let wsdl = server.get("/wheel?wsdl");
    assert!(wsdl.contains("location=\"https://localhost/wheel\""), "{wsdl}");
    assert!(server.get("/wheel/openapi.json").contains("https://localhost/wheel"));
    assert!(server.handshakes("success") >= 3.0);
}

#[test]
fn plain_requests_are_redirected() {
    let server = Secured::start("", "public.hosts = ['casino.example']");
    let location = format!("https://localhost:{}/wheel/spin?a=b", server.address.port());
    for (method, body) in [("GET", ""), ("POST", SPIN)] {
        let stream = TcpStream::connect(&server.served.data).unwrap();
        let (status, head, _) = exchange_over(stream, method, "/wheel/spin?a=b", "", body);
        assert!(status == 308 && head.contains(&format!("location: {location}\r\n")), "{head}");
        assert!(!head.contains("strict-transport-security"), "{head}");
    }
    let ask = |host: &str| {
        let mut stream = TcpStream::connect(&server.served.data).unwrap();
        write!(stream, "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    };
    assert!(
        ask("casino.example:80").contains(&format!("location: https://casino.example:{}/\r\n", server.address.port()))
    );
    for (host, status) in [("evil.example", "421"), ("a b", "400"), ("", "421")] {
        let response = ask(host);
        assert!(response.starts_with(&format!("HTTP/1.1 {status}")) && !response.contains("location"), "{response}");
    }
}

#[test]
fn a_client_of_plain_http_is_told_so() {
    let server = Secured::start("", "");
    let (status, text) = exchange(&server.address.to_string(), "POST", "/wheel", "", &"x".repeat(20_000));
    assert!(status == 400 && text.contains("https"), "{status} {text}");
    let line = server.served.process.wait_for_log("only https is spoken");
    assert!(line.contains("INFO"), "{line}");
    let mut other = TcpStream::connect(server.address).unwrap();
    other.write_all(b"\x00\x01\x02").unwrap();
    assert_eq!(other.read_to_end(&mut Vec::new()).unwrap_or(0), 0);
    server.served.process.wait_for_log("neither TLS nor HTTP");
    assert_eq!((server.handshakes("plain-http"), server.handshakes("failure")), (1.0, 1.0));
}

/// Each swap is a reload, after both files have been written.
#[test]
fn certificates_are_swapped_under_load() {
    let server = Secured::start("", "");
    let config = client(&server.authority, None);
    let mut kept = connect(server.address, NAME, &config);
    let spin = |stream: &mut dyn ReadWrite| {
        stream.write_all(b"GET /wheel/spin HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let (mut response, mut byte) = (Vec::new(), [0]);
        while !response.ends_with(b"]") {
            stream.read_exact(&mut byte).unwrap();
            response.extend(byte);
        }
        assert!(response.starts_with(b"HTTP/1.1 200"));
    };
    spin(&mut kept);
    let (stop, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut last = None;
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    while !stop.load(SeqCst) {
                        let response = get(server.address, NAME, &config, "/wheel/spin").unwrap();
                        assert!(response.starts_with("HTTP/1.1 200"), "{response}");
                        calls.fetch_add(1, SeqCst);
                    }
                })
            })
            .collect();
        for _ in 0..100 {
            let pair = server.authority.issue(&[NAME]);
            pair.write(&server.folder, "own");
            assert_eq!(server.served.admin("POST", "/reload").0, 200);
            last = Some(pair);
        }
        stop.store(true, SeqCst);
        for client in clients {
            client.join().unwrap();
        }
    });
    assert!(calls.load(SeqCst) >= 100, "{calls:?}");
    let mut stream = connect(server.address, NAME, &config);
    spin(&mut stream);
    assert_eq!(stream.conn.peer_certificates().and_then(<[_]>::first), last.map(|pair| pair.der()).as_ref());
    spin(&mut kept);
}

trait ReadWrite: Read + Write {}

impl<T: Read + Write> ReadWrite for T {}

#[test]
fn changed_files_are_noticed_without_a_reload() {
    let server = Secured::start("", "");
    let seconds_of_a_year = 365.25 * 24.0 * 60.0 * 60.0;
    assert!((server.expiry() / seconds_of_a_year - 2030.0).abs() < 1.0, "{}", server.expiry());
    server.folder.file("own.key", "nothing");
    let line = server.served.process.wait_for_log("the certificates stay as they were");
    assert!(line.contains("ERROR") && line.contains("it has no private key"), "{line}");
    let (_, status) = server.served.json("/status");
    assert!(status["listeners"][1]["tls"]["error"].as_str().unwrap().contains("no private key"), "{status}");
    assert_eq!(server.served.scrape().sum("croupier_tls_files_usable", &[]), 0.0);
    assert!(server.get("/wheel/spin").starts_with("HTTP/1.1 200"));
    let (status, text) = server.served.admin("POST", "/reload");
    assert!(status == 422 && text.contains("it has no private key"), "{status} {text}");

    server.authority.issue_for(&[NAME], (2020, 3000)).write(&server.folder, "own");
    until("the new certificate", || ((server.expiry() / seconds_of_a_year - 1030.0).abs() < 1.0).then_some(()));
    assert_eq!(server.served.scrape().sum("croupier_tls_files_usable", &[]), 1.0);
    assert!(server.get("/wheel/spin").starts_with("HTTP/1.1 200"));
}

/// Connects from one of the many addresses of this machine.
#[cfg(target_os = "linux")]
fn connect_from(from: [u8; 4], to: SocketAddr) -> TcpStream {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    TcpStream::from(socket)
}

/// Begins a handshake, and returns when the server has replied.
#[cfg(target_os = "linux")]
fn begin_handshake(from: [u8; 4], server: &Secured) -> StreamOwned<ClientConnection, TcpStream> {
    let mut begun = over(connect_from(from, server.address), NAME, &client(&server.authority, None));
    begun.conn.write_tls(&mut begun.sock).unwrap();
    begun.sock.peek(&mut [0]).unwrap();
    begun
}

/// Two handshakes may be under way, one for each client. No time limit ends them here.
#[cfg(target_os = "linux")]
#[test]
fn handshakes_are_limited_in_number() {
    let server = Secured::start("", "[server]\nhandshakes = 2\ntimeouts.header = '10m'");
    let config = client(&server.authority, None);
    // Those that send nothing do not count.
    let silent: Vec<TcpStream> = (0..20).map(|_| connect_from([127, 0, 0, 9], server.address)).collect();
    let one = begin_handshake([127, 0, 0, 1], &server);
    let mut refused = over(connect_from([127, 0, 0, 1], server.address), NAME, &config);
    assert!(refused.write_all(b"GET").and_then(|()| refused.read(&mut [0; 1])).map_or(true, |bytes| bytes == 0));
    let two = begin_handshake([127, 0, 0, 2], &server);
    let mut three = over(connect_from([127, 0, 0, 3], server.address), NAME, &config);
    three.conn.write_tls(&mut three.sock).unwrap();
    three.sock.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(three.sock.peek(&mut [0]).is_err(), "it waits for one of the two");
    three.sock.set_read_timeout(None).unwrap();
    drop(one);
    three.write_all(b"GET /wheel/spin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut response = String::new();
    three.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    assert_eq!((server.handshakes("limited"), server.handshakes("success")), (1.0, 1.0));
    drop((silent, two));
}

#[cfg(target_os = "linux")]
#[test]
fn handshakes_are_limited_in_time() {
    let server = Secured::start("", "server.timeouts.header = '1s'");
    let silent = connect_from([127, 0, 0, 9], server.address);
    let slow = begin_handshake([127, 0, 0, 1], &server);
    until("both end", || (server.handshakes("timeout") == 2.0).then_some(()));
    drop((silent, slow));
}

#[test]
fn the_admin_listener_may_want_certificates() {
    let (authority, folder) = (Authority::new("authority"), Folder::new());
    authority.issue(&[NAME]).write(&folder, "own");
    folder.file("roots.pem", &authority.pem);
    let operator = authority.issue(&["operator"]);
    let port = free_port();
    let file = folder.file(
        "c.toml",
        &format!(
            "listen = ['127.0.0.1:0']\nlog.format = 'json'\n[admin]\nlisten = '127.0.0.1:{port}'\n\
             tls = {{ certificate = 'own.pem', key = 'own.key', client-roots = 'roots.pem' }}\n{WHEEL}"
        ),
    );
    let process =
        crate::support::process::Process::start(&mut super::commands::croupier(&["serve", "--config", &file]));
    process.wait_for_log("the admin listener is at https://");
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    assert!(get(address, NAME, &client(&authority, Some(&operator)), "/live").unwrap().starts_with("HTTP/1.1 200"));
    assert!(get(address, NAME, &client(&authority, None), "/live").is_err());
}

#[test]
#[ignore = "needs openssl"]
fn openssl_agrees_on_both_versions() {
    let server = Secured::start("", "");
    let roots = server.folder.file("roots.pem", &server.authority.pem);
    let connect = server.address.to_string();
    for (option, expected) in [("-tls1_2", Some("TLSv1.2")), ("-tls1_3", Some("TLSv1.3")), ("-tls1_1", None)] {
        let mut openssl = Command::new("openssl");
        openssl.args([
            "s_client",
            "-connect",
            &connect,
            "-servername",
            NAME,
            "-CAfile",
            &roots,
            "-verify_return_error",
        ]);
        let report = run(openssl.args([option, "-alpn", "h2", "-brief"]));
        match expected {
            Some(version) => assert!(report.stderr.contains(&format!("Protocol version: {version}")), "{report:?}"),
            None => assert_ne!(report.code(), Some(0), "{report:?}"),
        }
    }
}

#[test]
#[ignore = "needs curl with HTTP/2"]
fn curl_speaks_http2() {
    let server = Secured::start("", "");
    let roots = server.folder.file("roots.pem", &server.authority.pem);
    let url = format!("https://localhost:{}/wheel/spin", server.address.port());
    for (option, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let report =
            run(Command::new("curl").args(["-sf", option, "--cacert", &roots, "-w", " %{http_version}", &url]));
        assert!(report.code() == Some(0) && report.stdout.ends_with(&format!(" {version}")), "{report:?}");
    }
    let redirected = format!("http://localhost:{}/wheel/spin", server.served.data.rsplit(':').next().unwrap());
    let report = run(Command::new("curl").args(["-sfL", "--cacert", &roots, "-w", " %{url_effective}", &redirected]));
    assert!(report.stdout.ends_with(&format!(" {url}")), "{report:?}");
}

#[test]
#[ignore = "needs Python"]
fn the_client_of_python_calls_over_https() {
    let server = Secured::start("", "");
    let roots = server.folder.file("roots.pem", &server.authority.pem);
    let script = "import ssl, sys, xmlrpc.client\n\
        context = ssl.create_default_context(cafile=sys.argv[1])\n\
        proxy = xmlrpc.client.ServerProxy(sys.argv[2], context=context)\n\
        print(len(proxy.spin()), proxy.system.listMethods()[:1])\n";
    let url = format!("https://localhost:{}/wheel", server.address.port());
    let report = run(Command::new("python3").args(["-c", script, &roots, &url]));
    assert!(report.code() == Some(0) && report.stdout.starts_with("4 "), "{report:?}");
}

/// Suites without forward secrecy, or with encryption that is not authenticated.
#[test]
#[ignore = "needs Python"]
fn weak_suites_are_refused() {
    let server = Secured::start("", "");
    let roots = server.folder.file("roots.pem", &server.authority.pem);
    let script = "import socket, ssl, sys\n\
        def suite(ciphers):\n\
        \x20   context = ssl.create_default_context(cafile=sys.argv[1])\n\
        \x20   context.maximum_version = ssl.TLSVersion.TLSv1_2\n\
        \x20   context.set_ciphers(ciphers)\n\
        \x20   try:\n\
        \x20       with socket.create_connection(('127.0.0.1', int(sys.argv[2]))) as plain:\n\
        \x20           with context.wrap_socket(plain, server_hostname='localhost') as stream:\n\
        \x20               return stream.cipher()[0]\n\
        \x20   except (ssl.SSLError, ConnectionError):\n\
        \x20       return 'refused'\n\
        for ciphers in ['AES128-SHA', 'AES256-GCM-SHA384', 'DHE-RSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES128-SHA',\n\
        \x20               'ECDHE-RSA-AES256-SHA384', 'ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-CHACHA20-POLY1305']:\n\
        \x20   print(suite(ciphers))\n";
    let report = run(Command::new("python3").args(["-c", script, &roots, &server.address.port().to_string()]));
    let expected = ["refused"; 5].into_iter().chain(["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"]);
    assert!(report.stdout.lines().eq(expected), "{report:?}");
}

#[test]
#[ignore = "needs python3 with zeep, and node with the xmlrpc and soap packages"]
fn clients_of_others_call_over_https() {
    let server = Secured::start("", "");
    let roots = server.folder.file("roots.pem", &server.authority.pem);
    let url = format!("https://localhost:{}/wheel", server.address.port());
    let zeep = "import requests, sys, zeep\n\
        session = requests.Session()\n\
        session.trust_env, session.verify = False, sys.argv[1]\n\
        client = zeep.Client(sys.argv[2] + '?wsdl', transport=zeep.Transport(session=session))\n\
        print(len(client.service.spinList(spins=3)))\n";
    let report = run(Command::new("python3").args(["-c", zeep, &roots, &url]));
    assert!(report.code() == Some(0) && report.stdout == "3\n", "{report:?}");
    let node = "const url = process.argv[1];\n\
        require('xmlrpc').createSecureClient({ url }).methodCall('spinList', [3], (error, spins) => {\n\
        if (error) throw error;\n\
        require('soap').createClientAsync(url + '?wsdl').then((client) => client.spinListAsync({ spins: 3 })).then(() => \n\
        console.log(spins.length)); });\n";
    let report = run(Command::new("node").args(["-e", node, &url]).env("NODE_EXTRA_CA_CERTS", &roots));
    assert!(report.code() == Some(0) && report.stdout == "3\n", "{report:?}");
}
