//! Who may call: the tables `auth.NAME` of the file, and the authenticators that are made from them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use http::header::USER_AGENT;
use http::{HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, count_errors};
use super::secret_file::SecretFile;
use super::setting_reader::{SettingReader, TlsFile};
use super::sources::ConfigSources;
use super::variables::Environment;
use crate::codec::jws::Algorithm;
use crate::model::text::{abridge, nearest};
use crate::model::units::Period;
use crate::server::auth::api_key::{ApiKeyAuth, ApiKeys};
use crate::server::auth::basic::{BasicAuth, Passwords};
use crate::server::auth::credentials::{RolesByName, is_name};
use crate::server::auth::forward::{ForwardAuth, ForwardSettings};
use crate::server::auth::jwks::{KeySet, RemoteKeys};
use crate::server::auth::jwt::{JwtAuth, JwtKeys, JwtSettings};
use crate::server::auth::mtls::{CertificateName, MtlsAuth};
use crate::server::auth::oauth::is_issuer;
use crate::server::auth::unix::UnixAuth;
use crate::server::auth::{Authenticator, GroupAuth};
use crate::upstream::transport::{Tls, Transport, TransportOptions};

/// A way to find out who calls. It has exactly one of these tables.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct AuthFile {
    /// Keys in a header of each request. `croupier key new` makes one.
    api_key: ApiKeyFile,
    /// User names and passwords (HTTP basic authentication).
    basic: BasicFile,
    /// JSON Web Tokens of an identity provider, in `Authorization: Bearer`.
    jwt: JwtFile,
    /// Processes of the same machine that connect to a unix socket.
    unix: UnixFile,
    /// Client certificates, which a listener with TLS verifies.
    mtls: MtlsFile,
    /// Another HTTP server that is asked who the caller is.
    forward: ForwardFile,
}

/// JSON Web Tokens of an identity provider, in `Authorization: Bearer`. A token has to expire (`exp`), and has at most 8 KiB.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct JwtFile {
    /// The issuer: `iss` of each token.
    issuer: String,
    /// The names of this server, one of which is in `aud` of each token.
    #[schemars(length(min = 1))]
    audience: Vec<String>,
    /// The algorithms that are accepted. Without it, RS256, ES256 and EdDSA, or HS256 with a `secret`.
    #[serde(default)]
    #[schemars(with = "Vec<Algorithm>")]
    algorithms: Vec<Spanned<Algorithm>>,
    /// Where the public keys of the issuer are. Either `jwks` or `secret` is given.
    #[serde(default)]
    jwks: JwksFile,
    /// A secret that is shared with the issuer, for HS256, HS384 and HS512: `{ env = "NAME" }` or `{ file = "path" }`.
    #[serde(default)]
    #[schemars(with = "Option<SecretFile>")]
    secret: Option<Spanned<SecretFile>>,
    /// By how much the clocks of the issuer and of this server may differ.
    #[serde(default = "default_leeway")]
    #[schemars(extend("maximum" = 600_000))]
    leeway: Period,
    /// The claim with the name of the caller.
    #[serde(default = "default_name_claim")]
    name_claim: String,
    /// The claim with the roles of the caller: an array, or one name. `realm_access.roles` is a claim inside another. Without
    /// it, callers have no roles. Scopes are those of `scope` or `scp`.
    #[serde(default)]
    roles_claim: Option<String>,
    /// The issuers of the authorization servers from which clients get such tokens, as URLs. Clients find them in the metadata of
    /// the group (RFC 9728). Without it, `issuer`, if that is a URL; with `[]`, clients are not told.
    #[serde(default)]
    #[schemars(with = "Option<Vec<String>>")]
    authorization_servers: Option<Vec<Spanned<String>>>,
    /// The trusted roots and the client certificate for an `https` URL in `jwks`.
    #[serde(default)]
    tls: TlsFile,
}

/// Where the public keys of an issuer are (a JSON Web Key Set). Exactly one of `file` and `url` is given.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct JwksFile {
    /// The file with the keys, relative to the folder of the configuration file.
    #[schemars(with = "Option<String>")]
    file: Option<Spanned<String>>,
    /// The URL of the keys. They are fetched when they are first needed, then from time to time, and when a token has a key
    /// that is not among them.
    #[schemars(with = "Option<String>")]
    url: Option<Spanned<String>>,
    /// The time after which they are fetched again. If that fails, the last ones are used.
    #[schemars(extend("minimum" = 10_000, "maximum" = 86_400_000))]
    refresh: Period,
}

/// Processes of the same machine that connect to a unix socket. The system says who they are. A proxy in front of the socket
/// is such a process; its clients are not.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct UnixFile {
    /// The names of callers by the numbers of their users: `{ 0 = "root", 1000 = "ada" }`.
    #[schemars(with = "BTreeMap<String, String>")]
    users: BTreeMap<Spanned<String>, String>,
    /// The names of callers by the numbers of the main groups of their users, for users that `users` does not name.
    #[schemars(with = "BTreeMap<String, String>")]
    groups: BTreeMap<Spanned<String>, String>,
    /// The roles, and the names of the callers who have each: `{ admin = ["root"] }`.
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    roles: BTreeMap<String, Vec<Spanned<String>>>,
}

/// Client certificates, which a listener with TLS verifies.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct MtlsFile {
    /// The part of the certificate with the name of the caller.
    from: CertificateName,
    /// The roles, and the names of the callers who have each: `{ admin = ["ada"] }`.
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    roles: BTreeMap<String, Vec<Spanned<String>>>,
}

/// Another HTTP server that is asked who the caller is, with GET. It gets headers of the request, and `X-Original-Method`,
/// `X-Original-URI` and `X-Forwarded-For`. 2xx is a caller that it knows, 401 and 403 are wrong credentials, and anything else
/// is status 503.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ForwardFile {
    /// The URL of the server.
    #[schemars(with = "String")]
    url: Spanned<String>,
    /// How long its response may take.
    #[serde(default = "default_timeout")]
    #[schemars(extend("minimum" = 1, "maximum" = 60_000))]
    timeout: Period,
    /// The headers of a request that the server gets. A request without any of them has no credentials.
    #[serde(default = "default_headers")]
    #[schemars(with = "Vec<String>", length(min = 1))]
    headers: Vec<Spanned<String>>,
    /// The header of its response with the name of the caller.
    #[serde(default = "default_name_header")]
    #[schemars(with = "String")]
    name_header: Spanned<String>,
    /// The header of its response with the roles of the caller, with commas between them.
    #[serde(default = "default_roles_header")]
    #[schemars(with = "String")]
    roles_header: Spanned<String>,
    /// For how long it is not asked again about the same headers, method, URL and address; `"0s"` for each request anew.
    #[serde(default = "default_cache")]
    #[schemars(extend("maximum" = 3_600_000))]
    cache: Period,
    /// The issuers of the authorization servers whose tokens the server knows, as URLs. Clients find them in the metadata of the
    /// group (RFC 9728). Without it, clients are not told.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    authorization_servers: Vec<Spanned<String>>,
    /// The trusted roots and the client certificate for an `https` URL.
    #[serde(default)]
    tls: TlsFile,
}

fn default_leeway() -> Period {
    Period(Duration::from_secs(30))
}

fn default_cache() -> Period {
    Period(Duration::from_secs(30))
}

fn default_timeout() -> Period {
    Period(Duration::from_secs(5))
}

fn default_name_claim() -> String {
    "sub".to_owned()
}

fn without_span(name: &str) -> Spanned<String> {
    Spanned::new(0..0, name.to_owned())
}

fn default_headers() -> Vec<Spanned<String>> {
    vec![without_span("Authorization"), without_span("Cookie")]
}

fn default_name_header() -> Spanned<String> {
    without_span("X-Auth-User")
}

fn default_roles_header() -> Spanned<String> {
    without_span("X-Auth-Roles")
}

impl Default for JwksFile {
    fn default() -> Self {
        JwksFile { file: None, url: None, refresh: Period(Duration::from_secs(300)) }
    }
}

/// User names and passwords (HTTP basic authentication).
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct BasicFile {
    /// The users: `{ file = "path" }` or `{ env = "NAME" }`. Each has a line with a name, a colon and the hash of the password
    /// by bcrypt or Argon2, as `htpasswd -B` writes it. Other hashes are refused.
    #[schemars(with = "SecretFile")]
    users: Spanned<SecretFile>,
    /// The roles, and the names of the users who have each: `{ admin = ["ada"] }`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    roles: BTreeMap<String, Vec<Spanned<String>>>,
    /// How many passwords are hashed at the same time. Further requests wait for up to 5 seconds.
    #[serde(default = "default_concurrent")]
    #[schemars(range(min = 1, max = 64))]
    concurrent: usize,
}

fn default_concurrent() -> usize {
    2
}

/// Keys in a header of each request. `croupier key new` makes one.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ApiKeyFile {
    /// The keys: `{ file = "path" }` or `{ env = "NAME" }`. Each has a line with the name of its holder, the SHA-256 of the
    /// key in hexadecimal digits, and roles with commas between them: `ada 9f86d0… admin,staff`. A line that begins with `#`
    /// is a comment.
    #[schemars(with = "SecretFile")]
    keys: Spanned<SecretFile>,
    /// The header with the key. In `Authorization` it follows the word `Bearer`.
    #[serde(default = "default_key_header")]
    #[schemars(with = "String")]
    header: Spanned<String>,
}

fn default_key_header() -> Spanned<String> {
    without_span("X-API-Key")
}

fn no_secret() -> Spanned<SecretFile> {
    Spanned::new(0..0, SecretFile::default())
}

impl Default for AuthFile {
    /// A table without any of its tables. None of them is resolved.
    fn default() -> Self {
        AuthFile {
            api_key: ApiKeyFile { keys: no_secret(), header: default_key_header() },
            basic: BasicFile { users: no_secret(), roles: BTreeMap::new(), concurrent: default_concurrent() },
            jwt: JwtFile {
                issuer: String::new(),
                audience: Vec::new(),
                algorithms: Vec::new(),
                jwks: JwksFile::default(),
                secret: None,
                leeway: default_leeway(),
                name_claim: default_name_claim(),
                roles_claim: None,
                authorization_servers: None,
                tls: TlsFile::default(),
            },
            unix: UnixFile::default(),
            mtls: MtlsFile::default(),
            forward: ForwardFile {
                url: without_span(""),
                timeout: default_timeout(),
                headers: default_headers(),
                name_header: default_name_header(),
                roles_header: default_roles_header(),
                cache: default_cache(),
                authorization_servers: Vec::new(),
                tls: TlsFile::default(),
            },
        }
    }
}

/// The kinds of definitions, by their keys.
pub(super) const KINDS: [&str; 6] = [API_KEY, BASIC, JWT, UNIX, MTLS, FORWARD];
const API_KEY: &str = "api-key";
const BASIC: &str = "basic";
const JWT: &str = "jwt";
const UNIX: &str = "unix";
const MTLS: &str = "mtls";
const FORWARD: &str = "forward";

/// A definition as the file has it: where its name is, and which kinds it has.
pub(super) struct Declared {
    name: Range<usize>,
    kinds: Vec<(&'static str, Range<usize>)>,
}

/// The definitions of the file, before their tables are checked.
pub(super) fn declared(root: &DeTable<'_>) -> BTreeMap<String, Declared> {
    let Some(DeValue::Table(table)) = root.get("auth").map(Spanned::get_ref) else { return BTreeMap::new() };
    let definitions = table.iter().map(|(name, definition)| {
        let mut kinds = Vec::new();
        if let DeValue::Table(definition) = definition.get_ref() {
            let key = |kind: &'static str| definition.get_key_value(kind).map(|(key, _)| (kind, key.span()));
            kinds = KINDS.into_iter().filter_map(key).collect();
            kinds.sort_by_key(|(_, span)| span.start);
        }
        (name.get_ref().to_string(), Declared { name: name.span(), kinds })
    });
    definitions.collect()
}

/// The authenticators of the file by their names.
pub(super) struct Definitions {
    /// `None` for one with problems.
    known: BTreeMap<String, Option<Arc<dyn Authenticator>>>,
    places: BTreeMap<String, Range<usize>>,
    used: std::collections::BTreeSet<String>,
}

impl Definitions {
    /// Makes the authenticators.
    pub(super) fn resolve(
        declared: BTreeMap<String, Declared>,
        mut files: BTreeMap<String, AuthFile>,
        values: (&ConfigSources, &Environment),
        problems: &mut Vec<Problem>,
    ) -> Definitions {
        let (mut known, mut places) = (BTreeMap::new(), BTreeMap::new());
        for (name, Declared { name: place, kinds }) in declared {
            let kind = only_kind(&name, &place, &kinds, problems);
            let made = match (kind, files.remove(&name)) {
                (Some((kind, span)), Some(file)) => {
                    let before = count_errors(problems);
                    let mut reader = SettingReader::new(kind, span.clone(), values, problems);
                    let made = file.authenticator((kind, span), &name, &mut reader);
                    made.filter(|_| count_errors(problems) == before)
                }
                _ => None,
            };
            known.insert(name.clone(), made);
            places.insert(name, place);
        }
        Definitions { known, places, used: std::collections::BTreeSet::new() }
    }

    /// The authentication by any of the definitions with these names; `None` if there are no names.
    pub(super) fn group_auth(
        &mut self,
        names: &[Spanned<String>],
        required: bool,
        problems: &mut Vec<Problem>,
    ) -> Option<Arc<GroupAuth>> {
        let mut authenticators = Vec::with_capacity(names.len());
        for name in names {
            match self.known.get(name.get_ref()) {
                Some(made) => {
                    self.used.insert(name.get_ref().clone());
                    authenticators.extend(made.clone());
                }
                None => problems.push(self.unknown(name)),
            }
        }
        (!names.is_empty()).then(|| Arc::new(GroupAuth::new(authenticators, required)))
    }

    fn unknown(&self, name: &Spanned<String>) -> Problem {
        let problem = Problem::at(name.span(), format!("there is no `[auth.{}]`", abridge(name.get_ref())));
        match nearest(name.get_ref(), self.known.keys().map(String::as_str)) {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None => problem.hint("`auth` names tables such as `[auth.staff.api-key]`"),
        }
    }

    /// Warns of definitions that nothing names: whoever wrote one expects that it protects something.
    pub(super) fn report_unused(&self, problems: &mut Vec<Problem>) {
        for (name, place) in self.places.iter().filter(|(name, _)| !self.used.contains(*name)) {
            let name = abridge(name);
            let problem = Problem::at(place.clone(), format!("no group needs the authentication `{name}`"));
            problems.push(problem.warning().hint(format!("give `auth = [\"{name}\"]` in the table of a group")));
        }
    }
}

/// The kind of a definition, which has exactly one.
fn only_kind(
    name: &str,
    place: &Range<usize>,
    kinds: &[(&'static str, Range<usize>)],
    problems: &mut Vec<Problem>,
) -> Option<(&'static str, Range<usize>)> {
    match kinds {
        [] => {
            let kinds = KINDS.join("`, `");
            let problem = Problem::at(place.clone(), format!("the authentication `{}` has no kind", abridge(name)));
            problems.push(problem.hint(format!("it has one of the tables `{kinds}`")));
        }
        [(first, at), others @ ..] => problems.extend(others.iter().map(|(kind, span)| {
            let message = format!("`{kind}` cannot be given with `{first}`: a group may name several authentications");
            Problem::at(span.clone(), message).related(at.clone(), "the other")
        })),
    }
    kinds.first().cloned()
}

impl AuthFile {
    /// The authenticator of this kind; `None` if its table has problems, which the reader has then.
    fn authenticator(
        self,
        (kind, place): (&'static str, Range<usize>),
        name: &str,
        reader: &mut SettingReader<'_>,
    ) -> Option<Arc<dyn Authenticator>> {
        match kind {
            API_KEY => self.api_key.resolve(name, reader).map(shared),
            BASIC => self.basic.resolve(name, reader).map(shared),
            JWT => self.jwt.resolve(name, place, reader).map(shared),
            UNIX => Some(shared(self.unix.resolve(name, place, reader))),
            MTLS => {
                let MtlsFile { from, roles: of_callers } = self.mtls;
                Some(shared(MtlsAuth { name: name.to_owned(), from, roles: roles(of_callers) }))
            }
            FORWARD => self.forward.resolve(name, place, reader).map(shared),
            _ => None,
        }
    }
}

impl BasicFile {
    fn resolve(self, name: &str, reader: &mut SettingReader<'_>) -> Option<BasicAuth> {
        let text = reader.secret(self.users.get_ref(), self.users.span(), "users", false);
        let passwords = Passwords::parse(text.as_deref().unwrap_or_default());
        let passwords =
            passwords.map_err(|error| reader.wrong(self.users.span(), format!("the users: {error}"))).ok()?;
        let named = self.roles.values().flatten();
        // Without the file it is not known who the users are.
        for user in named.filter(|user| text.is_some() && !passwords.names().any(|name| name == *user.get_ref())) {
            reader.wrong(user.span(), format!("there is no user `{}`", abridge(user.get_ref())));
        }
        BasicAuth::new(name, passwords, roles(self.roles), self.concurrent)
    }
}

fn shared(auth: impl Authenticator) -> Arc<dyn Authenticator> {
    Arc::new(auth)
}

impl JwtFile {
    fn resolve(self, name: &str, place: Range<usize>, reader: &mut SettingReader<'_>) -> Option<JwtAuth> {
        let JwksFile { file, url, refresh } = &self.jwks;
        let tls = reader.tls(&self.tls, place.clone());
        let keys = match (file, url, &self.secret) {
            (Some(file), None, None) => jwks_file(file, reader).map(JwtKeys::Fixed),
            (None, Some(url), None) => {
                let transport = transport(url, tls, default_timeout().0, reader);
                transport.map(|transport| JwtKeys::Remote(RemoteKeys::new(transport, refresh.0)))
            }
            (None, None, Some(secret)) => {
                let text = reader.secret(secret.get_ref(), secret.span(), "secret", true);
                text.map(|text| JwtKeys::Secret(text.into_bytes()))
            }
            _ => {
                reader.wrong(place, "`jwt` needs exactly one of `jwks.file`, `jwks.url` and `secret`");
                None
            }
        }?;
        let algorithms = self.algorithms(&keys, reader);
        let authorization_servers = match self.authorization_servers {
            Some(named) => issuers(named, reader),
            None => Some(self.issuer.clone()).filter(|issuer| is_issuer(issuer)).into_iter().collect(),
        };
        Some(JwtAuth::new(JwtSettings {
            name: name.to_owned(),
            issuer: self.issuer,
            audience: self.audience,
            algorithms,
            keys,
            leeway: self.leeway.0,
            name_claim: self.name_claim,
            roles_claim: self.roles_claim,
            authorization_servers,
        }))
    }

    /// The algorithms, all of which fit the keys.
    fn algorithms(&self, keys: &JwtKeys, reader: &mut SettingReader<'_>) -> Vec<Algorithm> {
        let secret = if let JwtKeys::Secret(secret) = keys { Some(secret) } else { None };
        let mut algorithms: Vec<_> = self.algorithms.iter().map(|algorithm| *algorithm.get_ref()).collect();
        for algorithm in &self.algorithms {
            match (algorithm.get_ref().is_symmetric(), secret) {
                (true, None) => {
                    reader
                        .wrong(algorithm.span(), "an algorithm with HMAC needs a `secret`, which no public key can be");
                }
                (false, Some(_)) => {
                    reader.wrong(algorithm.span(), "with a `secret` there are only HS256, HS384 and HS512");
                }
                _ => {}
            }
        }
        if algorithms.is_empty() {
            algorithms = if secret.is_some() { vec![Algorithm::HS256] } else { Algorithm::ASYMMETRIC.to_vec() };
        }
        let least = algorithms.iter().map(|algorithm| algorithm.least_secret()).max().unwrap_or_default();
        if let (Some(secret), Some(named)) = (secret, &self.secret)
            && secret.len() < least
        {
            let message = format!("the secret has {} bytes, but needs at least {least}", secret.len());
            reader.wrong(named.span(), message);
        }
        algorithms
    }
}

/// The keys of a file.
fn jwks_file(file: &Spanned<String>, reader: &mut SettingReader<'_>) -> Option<KeySet> {
    let read = reader.read_file(file.get_ref());
    let keys = read.and_then(|text| {
        KeySet::parse(text.as_bytes()).map_err(|error| format!("`{}` has no keys: {error}", abridge(file.get_ref())))
    });
    keys.map_err(|message| reader.wrong(file.span(), message)).ok()
}

/// The client of another server.
fn transport(url: &Spanned<String>, tls: Tls, limit: Duration, reader: &mut SettingReader<'_>) -> Option<Transport> {
    let address = reader.address(url)?;
    if address.is_scgi() {
        reader.wrong(url.span(), "this server is not reached over SCGI: write an `http`, `https` or `unix` URL");
        return None;
    }
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("croupier/", env!("CARGO_PKG_VERSION"))));
    let options = TransportOptions { connect: limit, response: limit, tls, headers, ..TransportOptions::default() };
    Transport::new(vec![address], options).map_err(|error| reader.wrong(url.span(), error.to_string())).ok()
}

impl UnixFile {
    fn resolve(self, name: &str, place: Range<usize>, reader: &mut SettingReader<'_>) -> UnixAuth {
        if self.users.is_empty() && self.groups.is_empty() {
            reader.wrong(place, "`unix` needs `users` or `groups`, such as `users = { 0 = \"root\" }`");
        }
        let users = numbered(self.users, "user", reader);
        let groups = numbered(self.groups, "group", reader);
        UnixAuth::new(name, users, groups, &roles(self.roles))
    }
}

/// The names of callers by the numbers that the keys of a table are.
fn numbered(table: BTreeMap<Spanned<String>, String>, of: &str, reader: &mut SettingReader<'_>) -> Vec<(u32, String)> {
    let mut numbered = Vec::with_capacity(table.len());
    for (number, name) in table {
        match number.get_ref().parse() {
            Ok(known) if is_name(&name) => numbered.push((known, name)),
            Ok(_) => {
                reader.wrong(number.span(), "the name of a caller is empty or too long, or has control characters")
            }
            Err(_) => {
                let number_text = abridge(number.get_ref()).into_owned();
                let message = format!("`{number_text}` is not the number of a {of}; `id` prints it");
                reader.wrong(number.span(), message);
            }
        }
    }
    numbered
}

impl ForwardFile {
    fn resolve(self, name: &str, place: Range<usize>, reader: &mut SettingReader<'_>) -> Option<ForwardAuth> {
        let tls = reader.tls(&self.tls, place);
        let transport = transport(&self.url, tls, self.timeout.0, reader);
        let headers: Vec<_> = self.headers.iter().filter_map(|name| header_name(name, reader)).collect();
        let (name_header, roles_header) =
            (header_name(&self.name_header, reader), header_name(&self.roles_header, reader));
        ForwardAuth::new(ForwardSettings {
            name: name.to_owned(),
            transport: transport?,
            timeout: self.timeout.0,
            headers,
            name_header: name_header?,
            roles_header: roles_header?,
            cache: self.cache.0,
            authorization_servers: issuers(self.authorization_servers, reader),
        })
    }
}

/// Checks that the issuers of authorization servers are URLs.
fn issuers(named: Vec<Spanned<String>>, reader: &mut SettingReader<'_>) -> Vec<String> {
    for issuer in named.iter().filter(|issuer| !is_issuer(issuer.get_ref())) {
        let message = format!("`{}` is not the URL of an issuer", abridge(issuer.get_ref()));
        reader.wrong(issuer.span(), format!("{message}: write one such as `https://id.example.org`, without a query"));
    }
    named.into_iter().map(Spanned::into_inner).collect()
}

/// The roles of a table.
fn roles(table: BTreeMap<String, Vec<Spanned<String>>>) -> RolesByName {
    let names = |names: Vec<Spanned<String>>| names.into_iter().map(Spanned::into_inner).collect();
    RolesByName::new(&table.into_iter().map(|(role, of_role)| (role, names(of_role))).collect())
}

impl ApiKeyFile {
    fn resolve(self, name: &str, reader: &mut SettingReader<'_>) -> Option<ApiKeyAuth> {
        let header = header_name(&self.header, reader);
        let text = reader.secret(self.keys.get_ref(), self.keys.span(), "keys", false).unwrap_or_default();
        let keys = ApiKeys::parse(&text).map_err(|error| reader.wrong(self.keys.span(), format!("the keys: {error}")));
        let keys = keys.ok()?;
        Some(ApiKeyAuth::new(name, header?, keys))
    }
}

/// The name of a header.
fn header_name(name: &Spanned<String>, reader: &mut SettingReader<'_>) -> Option<HeaderName> {
    let header = name.get_ref().parse::<HeaderName>();
    let wrong = || format!("`{}` is not a valid name of a header", abridge(name.get_ref()));
    header.map_err(|_| reader.wrong(name.span(), wrong())).ok()
}
