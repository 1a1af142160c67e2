//! TLS of listeners: its files are read here, so that mistakes are reported at the keys that name them.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::LARGEST_FILE;
use super::problem::Problem;
use super::sources::ConfigSources;
use super::variables::Environment;
use crate::files;
use crate::server::settings::{AdminSettings, HttpsRedirect, ListenAddress, ListenerConfig, TlsSettings};
use crate::server::tls::{ServerTls, TlsKey};

/// Where the keys of the TLS of a listener are in the file.
#[derive(Debug, Default)]
pub(super) struct TlsPlaces {
    /// `certificate` and `key`, and then those of `certificates`.
    pairs: Vec<[Option<Range<usize>>; 2]>,
    client_roots: Option<Range<usize>>,
    client_certificates: Option<Range<usize>>,
}

impl TlsPlaces {
    /// The places of each listener, in the order of the file.
    pub(super) fn of_listeners(root: &DeTable<'_>) -> Vec<TlsPlaces> {
        let Some(DeValue::Array(listeners)) = root.get("listen").map(Spanned::get_ref) else { return Vec::new() };
        let tls = |listener: &Spanned<DeValue<'_>>| match inner(listener, "tls") {
            Some(tls) => TlsPlaces::of(tls),
            None => TlsPlaces::default(),
        };
        listeners.iter().map(tls).collect()
    }

    /// The places of the admin listener, and that of its table.
    pub(super) fn of_admin(root: &DeTable<'_>) -> Option<(TlsPlaces, Range<usize>)> {
        let tls = inner(root.get("admin")?, "tls")?;
        Some((TlsPlaces::of(tls), tls.span()))
    }

    /// The places in a table of TLS.
    fn of(tls: &Spanned<DeValue<'_>>) -> TlsPlaces {
        let span = |table, key| inner(table, key).map(Spanned::span);
        let pair = |table| ["certificate", "key"].map(|key| span(table, key));
        let mut pairs = vec![pair(tls)];
        if let Some(DeValue::Array(further)) = inner(tls, "certificates").map(Spanned::get_ref) {
            pairs.extend(further.iter().map(pair));
        }
        let (client_roots, client_certificates) = (span(tls, "client-roots"), span(tls, "client-certificates"));
        TlsPlaces { pairs, client_roots, client_certificates }
    }

    fn place(&self, key: TlsKey) -> Option<Range<usize>> {
        match key {
            TlsKey::Certificate(index) => self.pairs.get(index).and_then(|[certificate, _]| certificate.clone()),
            TlsKey::PrivateKey(index) => self.pairs.get(index).and_then(|[_, key]| key.clone()),
            TlsKey::ClientRoots => self.client_roots.clone(),
        }
    }
}

fn inner<'v, 't>(table: &'v Spanned<DeValue<'t>>, key: &str) -> Option<&'v Spanned<DeValue<'t>>> {
    match table.get_ref() {
        DeValue::Table(table) => table.get(key),
        _ => None,
    }
}

/// Resolves the names of the files of a listener, and checks what they hold. `span` is the place of the listener.
pub(super) fn resolve(
    listener: &mut ListenerConfig,
    (places, span): (&TlsPlaces, Range<usize>),
    (sources, environment): (&ConfigSources, &Environment),
    problems: &mut Vec<Problem>,
) {
    let Some(settings) = &listener.tls else { return };
    if matches!(listener.listen, ListenAddress::Unix(_)) {
        let problem = Problem::at(span.clone(), "a unix socket has no TLS: its clients are on this machine");
        problems.push(problem.hint("leave `tls` out, or listen on such as `0.0.0.0:443`"));
    }
    if listener.options.redirect_https != HttpsRedirect::Off {
        let problem = Problem::at(span.clone(), "`redirect-https` is for a listener without `tls`");
        problems.push(problem.hint("leave it out here, and set it at the listener of plain http"));
    }
    let settings = check(settings, (places, span), (sources, environment), problems);
    listener.tls = Some(settings);
}

/// The same for the admin listener. `span` is the place of its TLS.
pub(super) fn check_admin(
    settings: &TlsSettings,
    admin: &AdminSettings,
    place: (&TlsPlaces, Range<usize>),
    values: (&ConfigSources, &Environment),
    problems: &mut Vec<Problem>,
) -> TlsSettings {
    if !matches!(admin.listen, Some(ListenAddress::Tcp(_))) {
        let problem = Problem::at(place.1.clone(), "only an admin listener at a TCP address has TLS");
        problems.push(problem.hint("listen on such as `127.0.0.1:8009`, or leave `tls` out"));
    }
    check(settings, place, values, problems)
}

/// Resolves the names of the files, and checks what they hold.
fn check(
    settings: &TlsSettings,
    (places, span): (&TlsPlaces, Range<usize>),
    (sources, environment): (&ConfigSources, &Environment),
    problems: &mut Vec<Problem>,
) -> TlsSettings {
    if settings.client_certificates.is_some() && settings.client_roots.is_none() {
        let place = places.client_certificates.clone().unwrap_or(span.clone());
        let problem = Problem::at(place, "`client-certificates` needs the certificates that they have to come from");
        problems.push(problem.hint("name a PEM file of them: `client-roots = \"clients.pem\"`"));
    }
    let folder = sources.folder_at(&span);
    let settings = settings.map_files(|file| folder.join(&file.to_string_lossy()));
    let place = |key| places.place(key).unwrap_or(span.clone());
    let first = |index: usize, key| match key {
        TlsKey::Certificate(_) => TlsKey::Certificate(index),
        TlsKey::PrivateKey(_) => TlsKey::PrivateKey(index),
        TlsKey::ClientRoots => TlsKey::ClientRoots,
    };
    let mut is_sound = true;
    // Each pair by itself, so that all problems are found.
    for (index, pair) in settings.all_certificates().into_iter().enumerate() {
        if environment.is_optional() && is_absent(&pair.key) {
            let message = format!("`tls.key` needs the file `{}`, which cannot be read", pair.key.display());
            problems.push(Problem::at(place(TlsKey::PrivateKey(index)), message).note());
            is_sound = false;
            continue;
        }
        match ServerTls::load(&TlsSettings::new(pair.certificate, pair.key)) {
            Ok(tls) => {
                let warnings = tls.certificates().into_iter().flat_map(|served| {
                    served.warnings.into_iter().map(move |warning| (served.file.display().to_string(), warning))
                });
                for (file, warning) in warnings {
                    let message = format!("the certificate in `{file}` {warning}");
                    problems.push(Problem::at(place(TlsKey::Certificate(index)), message).warning());
                }
            }
            Err(error) => {
                is_sound = false;
                problems.push(Problem::at(place(first(index, error.key)), error.to_string()));
            }
        }
    }
    if is_sound && let Err(error) = ServerTls::load(&settings) {
        problems.push(Problem::at(place(error.key), error.to_string()));
    }
    settings
}

/// Whether a file is not there for this user.
fn is_absent(file: &Path) -> bool {
    let absent = [std::io::ErrorKind::NotFound, std::io::ErrorKind::PermissionDenied];
    files::read(file, LARGEST_FILE).is_err_and(|error| absent.contains(&error.kind()))
}
