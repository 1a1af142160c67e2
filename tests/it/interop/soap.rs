//! SOAP clients of other projects against a wheel and a service that uses every type: zeep, the `soap` package of Node,
//! PHP's SoapClient, clients that gSOAP makes, and SOAP::Lite.
//!
//! What they call and expect is in `tests/peers`. zeep must be where Python finds it, in a folder that the variable
//! `PYTHONPATH` names, and Node's package in one that `NODE_PATH` names.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use croupier::demo::wheel::{Chance, Family, WheelTable};
use croupier::protocol::frontend::Frontend;
use croupier::protocol::soap::server::{Soap, Wsdl};
use croupier::server::gateway::Group;
use croupier::server::group_router::GroupRouter;
use croupier::server::settings::ServerSettings;
use croupier::service::RpcService;

use crate::support::every_type;
use crate::support::process::run;
use crate::support::running::Running;

/// The warnings of wsdl2h that are known: that C has no inheritance, which no type here needs, and that there are two
/// ports where both were asked for.
const KNOWN: [&str; 2] = ["ignoring type inheritance by default for C", "2 service bindings found"];

/// A gateway with a wheel at `/wheel/american` and with every type at `/every`, which speaks nothing but SOAP.
fn gateway() -> Running {
    let wheel = WheelTable::new(Family::American, Chance::Entropy).with_max_spins(1_000_000).service().unwrap();
    let mut router = GroupRouter::default();
    mount(&mut router, "/wheel/american", "urn:croupier:wheel", wheel);
    mount(&mut router, "/every", "urn:croupier:every", every_type::service());
    Running::router(router, ServerSettings::default())
}

fn mount(router: &mut GroupRouter<Arc<Group>>, path: &str, namespace: &str, service: impl RpcService) {
    let wsdl = Wsdl { public_url: Arc::default(), namespace: namespace.into() };
    let soap = Soap::new(namespace);
    let frontends: Vec<Arc<dyn Frontend>> = vec![Arc::new(wsdl), Arc::new(soap)];
    let group = Group::new(path, Arc::new(service), frontends, 4 << 20);
    router.mount(path, Arc::new(group)).unwrap();
}

/// Runs a command to its end, which must be a good one; gives what it printed.
fn sound(command: &mut Command) -> String {
    let ended = run(command);
    assert!(ended.status.success(), "{command:?}: {}\n{}{}", ended.status, ended.stdout, ended.stderr);
    ended.stdout + &ended.stderr
}

fn peer(name: &str) -> String {
    format!("{}/tests/peers/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Runs one of the scripts in `tests/peers`; it must find nothing wrong.
fn script(interpreter: &str, options: &[&str], name: &str) {
    let gateway = gateway();
    let url = format!("http://{}", gateway.address);
    sound(Command::new(interpreter).args(options).args([peer(name), url]));
}

#[test]
#[ignore = "needs python3 with zeep"]
fn zeep_calls_in_every_style_and_version() {
    script("python3", &["-B"], "soap_zeep.py");
}

#[test]
#[ignore = "needs node with the soap package"]
fn node_calls_in_document_style() {
    script("node", &[], "soap_node.js");
}

#[test]
#[ignore = "needs php with its soap extension"]
fn php_calls_with_a_wsdl_and_without() {
    script("php", &[], "soap_php.php");
}

#[test]
#[ignore = "needs perl with SOAP::Lite"]
fn soap_lite_calls_with_a_wsdl_and_without() {
    script("perl", &[], "soap_lite.pl");
}

/// An empty folder for one test.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The WSDL at a path, in a file.
fn fetch(gateway: &Running, path: &str, folder: &Path) {
    let answer = gateway.raw(format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", gateway.address));
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    std::fs::write(folder.join("a.wsdl"), text).unwrap();
}

#[test]
#[ignore = "needs gsoap"]
fn gsoap_reads_every_wsdl_without_unknown_warnings() {
    let (gateway, folder) = (gateway(), folder("wsdl2h"));
    for path in ["/wheel/american", "/every"] {
        for query in ["", "&style=rpc", "&soap=1.2", "&soap=both", "&style=rpc&soap=both"] {
            fetch(&gateway, &format!("{path}?wsdl{query}"), &folder);
            for language in ["-c", "-c++"] {
                let told = sound(Command::new("wsdl2h").args([language, "-o", "a.h", "a.wsdl"]).current_dir(&folder));
                let words = ["warning", "error", "problem"];
                let unknown = told.lines().filter(|line| {
                    let line = line.to_lowercase();
                    words.iter().any(|word| line.contains(word))
                        && !KNOWN.iter().any(|known| line.contains(&known.to_lowercase()))
                });
                assert_eq!(unknown.collect::<Vec<_>>(), [""; 0], "{path} {query} {language}");
            }
        }
    }
}

/// Makes a client of a WSDL, in the version of SOAP that is gSOAP's own choice or in the one of `option`, and runs it.
fn compiled(gateway: &Running, path: &str, program: &str, option: &str) {
    let folder = folder(&format!("{program}{option}"));
    fetch(gateway, &format!("{path}?wsdl"), &folder);
    let inside = |program: &str, args: &[&str]| sound(Command::new(program).args(args).current_dir(&folder));
    inside("wsdl2h", &["-c", "-o", "a.h", "a.wsdl"]);
    inside("soapcpp2", &["-C", "-c", "-x", option, "-I/usr/share/gsoap/import", "a.h"]);
    inside("cc", &["-o", "client", "-I.", &peer(program), "soapC.c", "soapClient.c", "-lgsoap"]);
    sound(Command::new(folder.join("client")).arg(format!("http://{}{path}", gateway.address)));
}

#[test]
#[ignore = "needs gsoap and a C compiler"]
fn clients_of_gsoap_call_in_both_versions() {
    let gateway = gateway();
    for option in ["-1", "-2"] {
        compiled(&gateway, "/wheel/american", "soap_gsoap_wheel.c", option);
        compiled(&gateway, "/every", "soap_gsoap_every.c", option);
    }
}

#[test]
#[ignore = "needs gsoap and a C++ compiler"]
fn a_client_of_gsoap_in_c_plus_plus_calls_in_rpc_style() {
    let (gateway, folder) = (gateway(), folder("gsoap_rpc"));
    fetch(&gateway, "/wheel/american?wsdl&style=rpc", &folder);
    let inside = |program: &str, args: &[&str]| sound(Command::new(program).args(args).current_dir(&folder));
    inside("wsdl2h", &["-o", "a.h", "a.wsdl"]);
    inside("soapcpp2", &["-j", "-C", "-x", "-I/usr/share/gsoap/import", "a.h"]);
    let sources = [&peer("soap_gsoap_rpc.cpp"), "soapC.cpp", "soapAmericanWheelSoapProxy.cpp"];
    inside("g++", &[&["-o", "client", "-I."], &sources[..], &["-lgsoap++"]].concat());
    sound(Command::new(folder.join("client")).arg(format!("http://{}/wheel/american?style=rpc", gateway.address)));
}
