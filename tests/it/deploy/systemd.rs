//! The units of systemd.

use std::process::Command;

use croupier::config::{Config, Registry};

use super::text_of;
use crate::support::peers::Folder;
use crate::support::process::run;

/// The values of a key in a unit.
fn values<'u>(unit: &'u str, key: &str) -> Vec<&'u str> {
    unit.lines().filter_map(|line| line.split_once('=').filter(|(found, _)| *found == key)).map(|(_, v)| v).collect()
}

#[test]
fn the_units_agree_with_the_configuration_of_the_package() {
    let service = text_of("deploy/systemd/croupier.service");
    let configured = ["/usr/bin/croupier serve --config /etc/croupier/croupier.toml"];
    assert_eq!(values(&service, "ExecStart"), configured);
    assert_eq!(values(&service, "ExecStartPre"), ["/usr/bin/croupier check /etc/croupier/croupier.toml"]);
    assert_eq!(values(&service, "ExecReload"), ["/bin/kill -HUP $MAINPID"]);
    assert_eq!(values(&service, "Type"), ["notify"]);

    // A socket is given to the group of a proxy by `chown`, which is one of the privileged calls.
    let calls = values(&service, "SystemCallFilter");
    let place = |name: &str| calls.iter().position(|call| *call == name).unwrap();
    assert!(place("@chown") > place("~@privileged"), "{calls:?}");

    // Where the sample of the configuration has the file of quotas.
    assert_eq!(values(&service, "StateDirectory"), ["croupier"]);
    assert!(text_of("config/croupier.toml").contains("#file = \"/var/lib/croupier/quotas.redb\""));

    let text = text_of("deploy/debian/croupier.toml");
    let config = Config::parse("croupier.toml", &text, &Registry::standard()).unwrap();
    let listen: Vec<String> = config.listen.iter().map(ToString::to_string).collect();
    let socket = text_of("deploy/systemd/croupier.socket");
    assert_eq!(values(&socket, "ListenStream"), listen, "each socket has its address in `listen`");
    let stop: u64 = values(&service, "TimeoutStopSec")[0].trim_end_matches('s').parse().unwrap();
    let timeouts = config.settings.timeouts;
    assert!(stop > (timeouts.drain + timeouts.drain_delay).as_secs() + 2, "systemd kills a server that drains");
}

#[test]
fn the_package_has_the_files_that_its_scripts_and_units_name() {
    let manifest: toml::Table = text_of("Cargo.toml").parse().unwrap();
    let package = &manifest["package"]["metadata"]["deb"];
    let assets = package["assets"].as_array().unwrap();
    for asset in assets {
        let source = asset[0].as_str().unwrap();
        let is_built = source.starts_with("target/");
        let folder = source.split_once('*').map_or(source, |(folder, _)| folder);
        assert!(is_built || super::in_tree(folder).exists(), "{source} is packed, but there is none");
        let mode = u32::from_str_radix(asset[2].as_str().unwrap(), 8).unwrap();
        assert_eq!(mode & 0o111 != 0, asset[1].as_str().unwrap() == "usr/bin/", "{source} has the mode {mode:o}");
    }
    for file in package["conf-files"].as_array().unwrap() {
        let file = file.as_str().unwrap();
        assert!(assets.iter().any(|asset| format!("/{}", asset[1].as_str().unwrap()) == file), "{file} is not packed");
    }
    for script in ["postinst", "prerm", "postrm"] {
        let text = text_of(&format!("{}/{script}", package["maintainer-scripts"].as_str().unwrap()));
        assert!(text.starts_with("#!/bin/sh\n") && text.contains("\nset -e\n"), "{script}");
        let checked = run(Command::new("sh").args(["-n", "-c", &text]));
        assert_eq!(checked.code(), Some(0), "{script}: {}", checked.stderr);
    }
}

#[test]
#[ignore = "needs systemd-analyze"]
fn systemd_finds_nothing_wrong_with_the_units() {
    let folder = Folder::new();
    // It looks whether the program is there.
    let service = text_of("deploy/systemd/croupier.service")
        .replace("/usr/bin/croupier", env!("CARGO_BIN_EXE_croupier"))
        .replace("/etc/croupier/croupier.toml", &folder.path("croupier.toml"));
    let service = folder.file("croupier.service", &service);
    let socket = folder.file("croupier.socket", &text_of("deploy/systemd/croupier.socket"));
    let verified = run(Command::new("systemd-analyze").args(["verify", "--man=no", &service, &socket]));
    let about_these: Vec<&str> = verified.stderr.lines().filter(|line| line.contains("croupier")).collect();
    assert!(verified.code() == Some(0) && about_these.is_empty(), "{:?} {}", verified.status, verified.stderr);
}
