//! Who may call: the tables `auth.NAME` of the file, and the authenticators that are made from them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use http::HeaderName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, count_errors};
use super::sources::ConfigSources;
use super::upstream::{SecretFile, SettingReader};
use super::variables::Environment;
use crate::model::text::{abridge, nearest};
use crate::server::auth::api_key::{ApiKeyAuth, ApiKeys};
use crate::server::auth::basic::{BasicAuth, Passwords};
use crate::server::auth::credentials::RolesByName;
use crate::server::auth::{Authenticator, GroupAuth};

/// A way to find out who calls. It has exactly one of these tables.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct AuthFile {
    /// Keys in a header of each request. `croupier key new` makes one.
    api_key: ApiKeyFile,
    /// User names and passwords (HTTP basic authentication).
    basic: BasicFile,
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
    #[serde(default = "two")]
    #[schemars(range(min = 1, max = 64))]
    concurrent: usize,
}

fn two() -> usize {
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
    #[serde(default = "x_api_key")]
    #[schemars(with = "String")]
    header: Spanned<String>,
}

fn x_api_key() -> Spanned<String> {
    Spanned::new(0..0, "X-API-Key".to_owned())
}

fn no_secret() -> Spanned<SecretFile> {
    Spanned::new(0..0, SecretFile::default())
}

impl Default for AuthFile {
    /// A table without any of its tables. None of them is resolved.
    fn default() -> Self {
        AuthFile {
            api_key: ApiKeyFile { keys: no_secret(), header: x_api_key() },
            basic: BasicFile { users: no_secret(), roles: BTreeMap::new(), concurrent: two() },
        }
    }
}

/// The kinds of definitions, by their keys.
const KINDS: [&str; 2] = [API_KEY, BASIC];
const API_KEY: &str = "api-key";
const BASIC: &str = "basic";

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
                    let mut reader = SettingReader::new(kind, span, values, problems);
                    let made = file.authenticator(kind, &name, &mut reader);
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
        kind: &'static str,
        name: &str,
        reader: &mut SettingReader<'_>,
    ) -> Option<Arc<dyn Authenticator>> {
        match kind {
            API_KEY => self.api_key.resolve(name, reader).map(|auth| Arc::new(auth) as Arc<dyn Authenticator>),
            BASIC => self.basic.resolve(name, reader).map(|auth| Arc::new(auth) as Arc<dyn Authenticator>),
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
        Some(ApiKeyAuth { name: name.to_owned(), header: header?, keys })
    }
}

/// The name of a header.
fn header_name(name: &Spanned<String>, reader: &mut SettingReader<'_>) -> Option<HeaderName> {
    let header = name.get_ref().parse::<HeaderName>();
    let wrong = || format!("`{}` is not a valid name of a header", abridge(name.get_ref()));
    header.map_err(|_| reader.wrong(name.span(), wrong())).ok()
}
