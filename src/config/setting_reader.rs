//! Reads what a table of the configuration refers to: files, secrets, addresses, headers and certificates.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::Path;

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::LARGEST_FILE;
use super::problem::Problem;
use super::secret_file::SecretFile;
use super::secrets::{credentials, names_secret};
use super::sources::{ConfigSources, Folder};
use super::variables::Environment;
use crate::codec::xml::charset;
use crate::files;
use crate::model::text::abridge;
use crate::upstream::transport::{Address, Tls};

/// The trusted roots and the client certificate for TLS. The certificates of servers are always verified.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct TlsFile {
    /// A PEM file with the trusted root certificates. Without it, those of the system.
    #[schemars(with = "Option<String>")]
    pub(super) roots: Option<Spanned<String>>,
    /// A PEM file with the client certificate, for servers that require one.
    #[schemars(with = "Option<String>")]
    pub(super) certificate: Option<Spanned<String>>,
    /// A PEM file with the private key of `certificate`.
    #[schemars(with = "Option<String>")]
    pub(super) key: Option<Spanned<String>>,
}

/// Reads files, secrets and addresses, and collects the problems with them.
pub(super) struct SettingReader<'r> {
    /// The table in messages.
    pub(super) table: &'static str,
    pub(super) sources: &'r ConfigSources,
    pub(super) environment: &'r Environment,
    pub(super) folder: Folder<'r>,
    pub(super) problems: &'r mut Vec<Problem>,
}

impl<'r> SettingReader<'r> {
    /// Reads the settings of a table, whose files are relative to the folder of the file that has this place.
    pub(super) fn new(
        table: &'static str,
        place: Range<usize>,
        (sources, environment): (&'r ConfigSources, &'r Environment),
        problems: &'r mut Vec<Problem>,
    ) -> SettingReader<'r> {
        SettingReader { table, sources, environment, folder: sources.folder_at(&place), problems }
    }

    pub(super) fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    pub(super) fn wrong(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.problems.push(Problem::at(span, message.into()));
    }

    pub(super) fn address(&mut self, url: &Spanned<String>) -> Option<Address> {
        let text = url.get_ref();
        match text.parse::<Address>() {
            Ok(address) => {
                self.warn_of_credentials(
                    url,
                    "write `user = \"NAME\"` and `password = { env = \"NAME\" }`, or the whole URL as `{ env = \"NAME\" }`",
                );
                Some(address)
            }
            Err(error) => {
                let problem = Problem::at(url.span(), format!("`{}` is not a valid URL: {error}", abridge(text)));
                let meant = meant_url(text).map(|meant| format!("did you mean `{}`?", abridge(&meant)));
                self.problems.push(Problem { hint: meant, ..problem });
                None
            }
        }
    }

    /// Warns of a secret in a valid URL that is written in the file.
    pub(super) fn warn_of_credentials(&mut self, url: &Spanned<String>, hint: &str) {
        if credentials(url.get_ref()).is_some() && self.is_written(url.span()) {
            let problem = Problem::at(url.span(), "the URL has a secret in clear text");
            self.problems.push(problem.warning().hint(hint));
        }
    }

    /// Whether a text is written at a place of the file, and not read from a variable that is named there.
    pub(super) fn is_written(&self, span: Range<usize>) -> bool {
        self.sources.texts.text().get(span).is_some_and(|text| text.starts_with(['"', '\'']))
    }

    /// The text of a secret, or of what may be one. `key` is its key in the table.
    pub(super) fn secret(
        &mut self,
        secret: &SecretFile,
        span: Range<usize>,
        key: &str,
        is_secret: bool,
    ) -> Option<String> {
        let key = format!("{}.{key}", self.table);
        let SecretFile { env, file, text } = secret;
        let read = match (env, file, text) {
            (Some(name), None, None) => {
                let value = self.environment.value(name, &format!("`{key}`"), span);
                // A value from a file often ends with a line break.
                value.map(str::trim).inspect(|value| self.folder.hide(value)).map(str::to_owned)
            }
            (None, Some(name), None) => self.secret_file(name, &key, span),
            (None, None, Some(text)) => {
                let clear = is_secret && !text.is_empty();
                self.problems.extend(clear.then(|| clear_text(&key, span)));
                Ok(text.clone())
            }
            _ => Err(Problem::at(span, "a secret has exactly one of `env`, `file` and `text`")),
        };
        read.map_err(|problem| self.problems.push(problem)).ok()
    }

    /// The text in a file with a secret.
    pub(super) fn secret_file(&self, name: &str, key: &str, span: Range<usize>) -> Result<String, Problem> {
        let path = self.folder.join(name);
        match files::read_text(&path, LARGEST_FILE) {
            Ok(text) => {
                self.folder.hide(text.trim());
                Ok(text.trim().to_owned())
            }
            Err(error) => {
                let message = format!("`{}` cannot be read: {error}", path.display());
                Err(self.absent(&error, key, &path, Problem::at(span, message)))
            }
        }
    }

    /// The problem with a file that has a secret: a note if such a file need not be there.
    pub(super) fn absent(&self, error: &io::Error, key: &str, path: &Path, problem: Problem) -> Problem {
        let is_absent = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied);
        if !(is_absent && self.environment.is_optional()) {
            return problem;
        }
        let message = format!("`{key}` needs the file `{}`, which cannot be read: {error}", path.display());
        Problem { message, ..problem }.note()
    }

    pub(super) fn read_file(&self, name: &str) -> Result<String, String> {
        let path = self.folder.join(name);
        files::read_text(&path, LARGEST_FILE).map_err(|error| format!("`{}` cannot be read: {error}", path.display()))
    }

    /// The text of an XML file in its own encoding.
    pub(super) fn read_xml(&self, name: &str) -> Result<String, String> {
        let path = self.folder.join(name);
        let bytes = files::read(&path, LARGEST_FILE).map_err(|error| error.to_string())?;
        charset::decode(&bytes, None).map(Cow::into_owned).map_err(|fault| fault.message.into_owned())
    }

    /// The headers of a table, by their names.
    pub(super) fn headers(&mut self, table: &BTreeMap<String, Spanned<SecretFile>>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, secret) in table {
            match name.parse::<HeaderName>() {
                Ok(header) => {
                    let key = format!("headers.{}", abridge(name));
                    if let Some(text) = self.secret(secret.get_ref(), secret.span(), &key, names_secret(name)) {
                        self.header(&mut headers, header, &text, secret.span());
                    }
                }
                Err(_) => self.wrong(secret.span(), format!("`{}` is not a valid name of a header", abridge(name))),
            }
        }
        headers
    }

    pub(super) fn header(&mut self, headers: &mut HeaderMap, name: HeaderName, text: &str, span: Range<usize>) {
        match HeaderValue::from_str(text) {
            Ok(mut value) => {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
            Err(_) => self.wrong(span, "the text has characters that a header cannot have"),
        }
    }

    /// The files for TLS. They are read here too, so that they are checked even if no URL is `https`.
    /// `place` is where a mistake is reported that is in no single key.
    pub(super) fn tls(&mut self, file: &TlsFile, place: Range<usize>) -> Tls {
        let folder = self.folder;
        let at = |name: &Spanned<String>| folder.join(name.get_ref());
        let identity = match (&file.certificate, &file.key) {
            (Some(certificate), Some(key)) => Some((at(certificate), at(key))),
            (None, None) => None,
            _ => {
                self.wrong(place, "`tls` needs both `certificate` and `key`, or neither");
                None
            }
        };
        let mut tls = Tls { roots: file.roots.as_ref().map(at), identity };
        if self.environment.is_optional()
            && let (Some((_, key)), Some(named)) = (&tls.identity, &file.key)
            && let Err(error) = files::read(key, LARGEST_FILE)
        {
            let problem = self.absent(
                &error,
                &format!("{}.tls.key", self.table),
                key,
                Problem::at(named.span(), error.to_string()),
            );
            // Anything else is reported below.
            if !problem.is_error() {
                self.problems.push(problem);
                tls.identity = None;
            }
        }
        let parts = [
            ("roots", &file.roots, Tls { identity: None, ..tls.clone() }),
            ("key", &file.key, Tls { roots: None, ..tls.clone() }),
        ];
        for (key, named, part) in parts {
            if let (Some(named), Err(error)) = (named, part.check()) {
                self.wrong(named.span(), format!("`{}.tls.{key}`: {error}", self.table));
            }
        }
        tls
    }
}

/// The warning that a secret is in the file itself.
pub(super) fn clear_text(key: &str, span: Range<usize>) -> Problem {
    let hint = "write `{ env = \"NAME\" }` or `{ file = \"path\" }`, so that the configuration can be shown to others";
    Problem::at(span, format!("`{key}` is a secret in clear text")).warning().hint(hint)
}

/// The valid URL that was probably meant by one without a scheme.
fn meant_url(text: &str) -> Option<String> {
    let meant = if text.starts_with('/') { format!("unix:{text}") } else { format!("http://{text}") };
    let has_scheme = text.contains("://") || ["unix:", "scgi:"].iter().any(|scheme| text.starts_with(scheme));
    (!has_scheme && !text.is_empty() && meant.parse::<Address>().is_ok()).then_some(meant)
}
