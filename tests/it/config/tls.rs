//! What a configuration says of the files of TLS.
use std::path::Path;

use croupier::config::{Config, Registry, Severity};

use crate::support::peers::Folder;
use crate::support::pki::{Authority, Pair};

/// The problems with a listener: how grave each is, its place in the file, and what it says.
fn problems(folder: &Folder, listener: &str) -> Vec<(Severity, String, String)> {
    let text = format!("listen = [{listener}]\n[group.'/wheel']\nservice = 'wheel'\noptions.family = 'mini'\n");
    let path = folder.file("c.toml", &text);
    let problems = match Config::load(Path::new(&path), &Registry::standard()) {
        Ok(config) => config.remarks.problems().to_vec(),
        Err(errors) => errors.problems().to_vec(),
    };
    let told = problems.into_iter().map(|problem| {
        let place = problem.span.map(|span| text[span].to_owned()).unwrap_or_default();
        (problem.severity, place, problem.message.replace(&folder.path(""), ""))
    });
    told.collect()
}

fn tls(more: &str) -> String {
    format!("{{ address = '127.0.0.1:0', tls = {{ {more} }} }}")
}

/// A folder with certificates that are well, and some that are not.
fn folder() -> Folder {
    let (folder, authority) = (Folder::new(), Authority::new("authority"));
    let (own, other) = (authority.issue(&["a.example"]), authority.issue(&["b.example"]));
    own.write(&folder, "a");
    other.write(&folder, "b");
    authority.issue_for(&["a.example"], (2020, 2021)).write(&folder, "old");
    authority.issue_for(&["a.example"], (3000, 3001)).write(&folder, "new");
    let leaf = own.certificate.split_inclusive("-----END CERTIFICATE-----").next().unwrap().to_owned();
    Pair { certificate: leaf, key: own.key.clone() }.write(&folder, "alone");
    folder.file("roots.pem", &authority.pem);
    folder.file("none.pem", "nothing\n");
    folder.file("encrypted.key", &own.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"));
    folder
}

#[test]
fn a_sound_listener_has_no_problems() {
    let folder = folder();
    for sound in [
        "certificate = 'a.pem', key = 'a.key'",
        "certificate = 'a.pem', key = 'a.key', certificates = [{ certificate = 'b.pem', key = 'b.key' }]",
        "certificate = 'a.pem', key = 'a.key', client-roots = 'roots.pem'",
        "certificate = 'a.pem', key = 'a.key', client-roots = 'roots.pem', client-certificates = 'optional'",
        "certificate = 'a.pem', key = 'a.key', min-version = '1.3', hsts = '365d'",
    ] {
        assert_eq!(problems(&folder, &tls(sound)), [], "{sound}");
    }
}

#[test]
fn each_mistake_is_reported_at_its_key() {
    let folder = folder();
    let b = "certificates = [{ certificate = 'b.pem', key = 'a.key' }]";
    for (tls_keys, severity, place, message) in [
        ("certificate = 'none.pem', key = 'a.key'", Severity::Error, "'none.pem'", "it has no certificate"),
        ("certificate = 'absent.pem', key = 'a.key'", Severity::Error, "'absent.pem'", "No such file"),
        ("certificate = 'a.pem', key = 'none.pem'", Severity::Error, "'none.pem'", "it has no private key"),
        ("certificate = 'a.pem', key = 'encrypted.key'", Severity::Error, "'encrypted.key'", "openssl pkey"),
        (
            "certificate = 'a.pem', key = 'b.key'",
            Severity::Error,
            "'b.key'",
            "it is not the key of the certificate in `a.pem`",
        ),
        (
            &format!("certificate = 'a.pem', key = 'a.key', {b}"),
            Severity::Error,
            "'a.key'",
            "`a.key` cannot be used: it is not the key of the certificate in `b.pem`",
        ),
        (
            "certificate = 'a.pem', key = 'a.key', client-roots = 'none.pem'",
            Severity::Error,
            "'none.pem'",
            "it has no certificate",
        ),
        (
            "certificate = 'a.pem', key = 'a.key', client-certificates = 'optional'",
            Severity::Error,
            "'optional'",
            "`client-certificates` needs",
        ),
        ("certificate = 'old.pem', key = 'old.key'", Severity::Warning, "'old.pem'", "has expired at 2021-01-01"),
        ("certificate = 'new.pem', key = 'new.key'", Severity::Warning, "'new.pem'", "is not valid before 3000-01-01"),
        ("certificate = 'alone.pem', key = 'alone.key'", Severity::Warning, "'alone.pem'", "is alone in its file"),
    ] {
        let found = problems(&folder, &tls(tls_keys));
        let [(found_severity, found_place, found_message)] = found.as_slice() else { panic!("{tls_keys}: {found:?}") };
        assert_eq!((*found_severity, found_place.as_str()), (severity, place), "{tls_keys}: {found_message}");
        assert!(found_message.contains(message), "{found_message}");
    }
}

#[test]
fn all_mistakes_are_found_at_once() {
    let keys = "certificate = 'none.pem', key = 'a.key', certificates = [{ certificate = 'a.pem', key = 'b.key' }]";
    let found = problems(&folder(), &tls(keys));
    assert_eq!(found.iter().map(|(_, place, _)| place.as_str()).collect::<Vec<_>>(), ["'none.pem'", "'b.key'"]);
}

#[test]
fn what_has_no_effect_is_refused() {
    let folder = folder();
    let keys = "tls = { certificate = 'a.pem', key = 'a.key' }";
    for (listener, message) in [
        (format!("{{ address = 'unix:/tmp/x.sock', {keys} }}"), "a unix socket has no TLS"),
        (format!("{{ address = '127.0.0.1:0', redirect-https = true, {keys} }}"), "is for a listener without `tls`"),
        ("{ address = '127.0.0.1:0', redirect-https = 0 }".to_owned(), "redirect-https"),
        ("{ address = '127.0.0.1:0', redirect-https = 65536 }".to_owned(), "redirect-https"),
        ("{ address = '127.0.0.1:0', tls = { certificate = 'a.pem' } }".to_owned(), "key"),
    ] {
        let found = problems(&folder, &listener);
        let [(Severity::Error, _, found)] = found.as_slice() else { panic!("{listener}: {found:?}") };
        assert!(found.contains(message), "{found}");
    }
    for redirect in ["true", "false", "8443"] {
        let listener = format!("{{ address = '127.0.0.1:0', redirect-https = {redirect} }}");
        assert_eq!(problems(&folder, &listener), []);
    }
}
