//! The address of the client behind real reverse proxies, which are told by headers or by the PROXY protocol.
use std::process::Command;

use super::access_log::Program;
use crate::support::peers::{Folder, free_port, until};
use crate::support::process::{Process, run};

/// The address of a client of a proxy. The proxy itself is 127.0.0.1 to the gateway.
const CLIENT: &str = "127.0.0.2";

fn config(listen: &str) -> String {
    format!(
        "listen = [{listen}]\nlog.format = 'json'\npublic.trusted-proxies = ['127.0.0.1']\n\
         [group.'/wheel']\nservice = 'wheel'\noptions.family = 'mini'\n"
    )
}

/// Calls through a port, with headers that name another client, and waits until something listens there.
fn spin(port: u16) {
    let url = format!("http://127.0.0.1:{port}/wheel/spin");
    let spoofed = ["X-Forwarded-For: 192.0.2.66", "Forwarded: for=192.0.2.66", "X-Real-IP: 192.0.2.66"];
    let answer = until("a spin through the proxy", || {
        let mut curl = Command::new("curl");
        curl.args(["-sf", "--interface", CLIENT, &url]);
        for header in spoofed {
            curl.args(["-H", header]);
        }
        let report = run(&mut curl);
        (report.code() == Some(0)).then_some(report.stdout)
    });
    assert!(answer.starts_with('['), "{answer}");
}

fn port_of(program: &Program) -> &str {
    program.address.rsplit(':').next().unwrap()
}

/// The client of the next request in the log.
fn client(program: &mut Program) -> String {
    program.access()["client"].as_str().unwrap().to_owned()
}

fn nginx(folder: &Folder, blocks: &str) -> Process {
    let path = folder.file("nginx.conf", "");
    let home = path.strip_suffix("/nginx.conf").unwrap();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {home}/{kind};"))
        .concat();
    let blocks = blocks.replace("TEMPORARY", &temporary);
    // As root, its workers are another user, who cannot enter the folder.
    let user = if is_root() { "user root;" } else { "" };
    let text = format!(
        "include /etc/nginx/modules-enabled/*.conf;\n{user}\ndaemon off; worker_processes 1; pid {home}/pid;\n\
         error_log stderr; events {{ worker_connections 64; }}\n{blocks}"
    );
    folder.file("nginx.conf", &text);
    // The paths of its modules are relative to its own prefix, so it keeps that one.
    Process::start(Command::new("nginx").arg("-c").arg(&path))
}

fn is_root() -> bool {
    run(Command::new("id").arg("-u")).stdout.trim() == "0"
}

#[test]
#[ignore = "needs nginx with its stream module, and curl"]
fn nginx_tells_of_the_client_by_a_header_or_by_the_proxy_protocol() {
    let folder = Folder::new();
    let mut by_header = Program::start("nginx-header", &config("'127.0.0.1:0'"));
    let listen = "{ address = '127.0.0.1:0', proxy-protocol = true }";
    let mut by_protocol = Program::start("nginx-proxy-protocol", &config(listen));
    let (replaced, appended, stream) = (free_port(), free_port(), free_port());
    let blocks = format!(
        "http {{ access_log off; TEMPORARY
            server {{ listen 127.0.0.1:{replaced}; location / {{
                proxy_pass http://127.0.0.1:{to}; proxy_set_header Host localhost;
                proxy_set_header X-Forwarded-For $remote_addr; }} }}
            server {{ listen 127.0.0.1:{appended}; location / {{
                proxy_pass http://127.0.0.1:{to}; proxy_set_header Host localhost;
                proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }} }} }}
        stream {{ server {{ listen 127.0.0.1:{stream}; proxy_pass 127.0.0.1:{raw}; proxy_protocol on; }} }}",
        to = port_of(&by_header),
        raw = port_of(&by_protocol),
    );
    let _nginx = nginx(&folder, &blocks);
    for port in [replaced, appended] {
        spin(port);
        assert_eq!(client(&mut by_header), CLIENT);
    }
    spin(stream);
    assert_eq!(client(&mut by_protocol), CLIENT);
    // Without a proxy, the same headers say nothing.
    spin(port_of(&by_header).parse().unwrap());
    assert_eq!(client(&mut by_header), CLIENT);
}

#[test]
#[ignore = "needs haproxy and curl"]
fn haproxy_tells_of_the_client_by_both_versions_of_the_proxy_protocol() {
    let folder = Folder::new();
    let listen = "{ address = '127.0.0.1:0', proxy-protocol = true }";
    let mut program = Program::start("haproxy", &config(listen));
    let ports = [free_port(), free_port()];
    let mut text =
        "global\n  maxconn 64\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 5s\n  timeout server 5s\n"
            .to_owned();
    for (port, send) in ports.iter().zip(["send-proxy", "send-proxy-v2"]) {
        let to = port_of(&program);
        text += &format!("listen l{port}\n  bind 127.0.0.1:{port}\n  server croupier 127.0.0.1:{to} {send}\n");
    }
    let path = folder.file("haproxy.cfg", &text);
    let _haproxy = Process::start(Command::new("haproxy").args(["-db", "-f"]).arg(&path));
    for port in ports {
        spin(port);
        assert_eq!(client(&mut program), CLIENT);
    }
}
