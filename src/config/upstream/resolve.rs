//! Makes the [`Upstream`] of a group from its table in the file.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use http::header::{AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use toml::Spanned;

use crate::codec::xml;
use crate::codec::xml::InvalidCharacters;
use crate::codec::xmlrpc::XmlRpcDialect;
use crate::config::LARGEST_FILE;
use crate::config::forwarding;
use crate::config::forwarding::{HeaderKeys, HeaderText};
use crate::config::identity_token::IdentityTokenFile;
use crate::config::kept::{Kept, fingerprint};
use crate::config::problem::{Problem, count_errors};
use crate::config::resolved::Backend;
use crate::config::rest_methods;
use crate::config::rest_upstream;
use crate::config::rest_upstream::IdempotencyKeyFile;
use crate::config::secret_file::SecretFile;
use crate::config::secrets::{credentials, names_secret};
use crate::config::setting_reader::{SettingReader, TlsFile, clear_text};
use crate::config::soap_headers::{HeaderBlock, SoapUpstreamFile, UsernameTokenFile};
use crate::config::sources::ConfigSources;
use crate::config::variables::Environment;
use crate::files;
use crate::model::text::abridge;
use crate::protocol::Protocol;
use crate::protocol::jsonrpc::client::ParamStructure;
use crate::protocol::soap::blocks::{SoapHeaders, SoapSecurity};
use crate::protocol::soap::wsdl::read::WsdlOptions;
use crate::server::mount::{CallerRules, Fingerprint};
use crate::server::settings::GroupLimits;
use crate::upstream::discovery::{imported_files, openapi, wsdl};
use crate::upstream::forwarding::{Cookies, Forwarding};
use crate::upstream::gaps::UnreadImport;
use crate::upstream::transport;
use crate::upstream::transport::{Address, DnsOptions, OAuth2Options, SecretParams, Tls, Transport};
use crate::upstream::{
    Batching, DescriptionFile, DescriptionSource, Redirects, UnmatchedName, UnsupportedProtocol, Upstream,
    UpstreamOptions,
};

use super::hosts::BreakerFile;
use super::{DnsFile, OAuth2File, SetHeader, UpstreamFile, patterns};

/// The port of DNS servers (RFC 1035, section 4.2).
const DNS_PORT: u16 = 53;
/// The prefix of a `description` that is the name of a file.
const FILE_PREFIX: &str = "file:";

/// Where an upstream is read from: the files, the values of variables, and what is served already.
#[derive(Clone, Copy)]
pub(in crate::config) struct Origin<'r> {
    pub(in crate::config) sources: &'r ConfigSources,
    pub(in crate::config) environment: &'r Environment,
    pub(in crate::config) kept: Kept<'r>,
    /// The same upstream, if it has described itself.
    pub(in crate::config) described: Option<&'r Upstream>,
}

/// Makes the upstream of the group at a path, within its limits, or takes it from what is served; `None` if the table has
/// problems, which are then in `problems`.
///
/// XML-RPC is written in the dialect of the group. It is always read leniently, because many servers deviate from the
/// specification.
pub(in crate::config) fn resolve(
    path: &Spanned<String>,
    file: UpstreamFile,
    (dialect, limits, rules): (XmlRpcDialect, &GroupLimits, &CallerRules),
    from: Origin<'_>,
    problems: &mut Vec<Problem>,
) -> Option<(Backend, Fingerprint)> {
    let before = count_errors(problems);
    let table = serde_json::to_string(&file).unwrap_or_default();
    let mut reader = SettingReader::new("upstream", path.span(), (from.sources, from.environment), problems);
    let (addresses, program_env) = reader.addresses(&file, path);
    let (forwarding, set_secrets) = reader.forwarding(&file);
    let mut headers = reader.headers_of_upstream(&file);
    let (query, cookies) = reader.secret_params(&file);
    if forwarding::has_user_agent(&forwarding) {
        headers.remove(USER_AGENT);
    }
    let oauth2 = file.oauth2.as_ref().and_then(|oauth2| reader.oauth2(oauth2));
    reader.check_authorization(&file);
    let description = file.description.as_ref().and_then(|named| reader.description(named, &file));
    let token = file.token.as_ref().and_then(|secret| reader.secret(secret.get_ref(), secret.span(), "token", true));
    let protocol = *file.protocol.get_ref();
    reader.check_protocol(&file);
    let methods = rest_methods::resolve(&file.methods, from.sources.texts.text(), reader.problems);
    let fault_kinds = rest_upstream::fault_kinds(&file.fault_kinds, reader.problems);
    let own_headers = file.headers.keys().chain(file.set_headers.keys()).map(String::as_str);
    let idempotency_key = rest_upstream::idempotency_key(&file.idempotency_key, own_headers, reader.problems);
    if let (Some(password), None) = (&file.password, &file.user) {
        reader.wrong(password.span(), "`password` needs a `user`");
    }
    let (soap_headers, soap_secrets) = reader.soap_headers(&file);
    let tls = reader.tls(&file.tls, path.span());
    reader.check_tls_is_used(&file);
    let host_options = reader.host_options(&file);
    let balance_key = reader.balance_key(&file);
    let health = file.health.as_ref().and_then(|health| reader.health(health, &file));
    if count_errors(problems) > before {
        return None;
    }
    // The upstream can be made all the same, and what calls it be compared too.
    if let Some(described) = from.described {
        problems.extend(described.unmatched().iter().map(|name| unmatched(&file, name, path)));
    }
    let fingerprint = fingerprint((
        table,
        format!("{dialect:?}"),
        Contents::of(&headers, &token, &description, &tls),
        (set_secrets, soap_secrets, query.clone(), cookies.clone()),
        program_env,
        oauth2.as_ref().map(TokenContents::of),
    ));
    if let Some(served) = from.kept.backend(path.get_ref(), fingerprint, limits, rules) {
        return Some((served, fingerprint));
    }
    let transport_options = transport::TransportOptions {
        connect: file.timeouts.connect.0,
        response: file.timeouts.response.0,
        idle: file.timeouts.idle.0,
        http2: file.http2,
        tls,
        headers,
        query,
        cookies,
        timeout_header: forwarding.timeout_header.clone(),
        group: path.get_ref().clone(),
        ..host_options
    };
    let transport = Transport::new(addresses, transport_options);
    let transport = transport.and_then(|transport| match oauth2 {
        Some(oauth2) => transport.authorized(oauth2),
        None => Ok(transport),
    });
    let transport = transport.map_err(|error| problems.push(Problem::at(path.span(), error.to_string()))).ok()?;
    let options = UpstreamOptions {
        description,
        wsdl_port: file.wsdl_port.map(Spanned::into_inner),
        methods,
        allow: patterns(file.allow),
        deny: patterns(file.deny),
        safe: patterns(file.safe),
        idempotent: patterns(file.idempotent),
        params: file.params.into_iter().map(|(name, params)| (name.into_inner(), params)).collect(),
        token,
        passthrough: *file.passthrough.get_ref(),
        check_bodies: file.check_bodies.as_ref().map_or(0, |size| size.get_ref().0),
        param_structure: *file.param_structure.get_ref(),
        batching: *file.batching.get_ref(),
        invalid_characters: *file.invalid_characters.get_ref(),
        dialect: XmlRpcDialect { reading: xml::Reading::Lenient, ..dialect },
        soap_headers,
        soap_response_headers: file.soap.get_ref().response_headers,
        forwarding,
        return_error_text: file.return_error_text,
        redirects: *file.redirects.get_ref(),
        idempotency_key,
        fault_kinds,
        max_response: file.max_response.0,
        title: file.title,
        group: path.get_ref().clone(),
        refresh: file.refresh.0,
        breaker: file.breaker.as_ref().map(BreakerFile::options),
        health,
        balance_key,
        ..UpstreamOptions::new(protocol)
    };
    let unsupported = |error: UnsupportedProtocol| problems.push(Problem::at(file.protocol.span(), error.to_string()));
    let upstream = Upstream::new(transport, options).map_err(unsupported).ok()?;
    Some((Backend::upstream(upstream, limits, rules.clone()), fingerprint))
}

/// What the table of an upstream only names: the contents of files, and the values of environment variables.
#[derive(Hash)]
struct Contents {
    headers: Vec<(String, Vec<u8>)>,
    token: Option<String>,
    description: Vec<String>,
    tls: Vec<Option<Vec<u8>>>,
}

impl Contents {
    fn of(headers: &HeaderMap, token: &Option<String>, description: &Option<DescriptionSource>, tls: &Tls) -> Contents {
        let headers = headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
        let description = match description {
            Some(DescriptionSource::Text { text, .. }) => vec![text.clone()],
            Some(DescriptionSource::Files(files)) => files.iter().map(|file| file.text.clone()).collect(),
            Some(DescriptionSource::At(_)) | None => Vec::new(),
        };
        Contents { headers: headers.collect(), token: token.clone(), description, tls: contents_of(tls) }
    }
}

/// The same of the authorization server.
#[derive(Hash)]
struct TokenContents {
    client_secret: String,
    tls: Vec<Option<Vec<u8>>>,
}

impl TokenContents {
    fn of(options: &OAuth2Options) -> TokenContents {
        TokenContents { client_secret: options.client_secret.clone(), tls: contents_of(&options.tls) }
    }
}

/// The contents of the files for TLS.
fn contents_of(tls: &Tls) -> Vec<Option<Vec<u8>>> {
    let (certificate, key) = tls.identity.as_ref().map(|(certificate, key)| (certificate, key)).unzip();
    // One that cannot be read is reported where it is used.
    let contents = |file: Option<&PathBuf>| files::read(file?, LARGEST_FILE).ok();
    [tls.roots.as_ref(), certificate, key].map(contents).to_vec()
}

impl SettingReader<'_> {
    /// The addresses of the upstream, which are its URLs or its program, and the environment variables of the program.
    fn addresses(&mut self, file: &UpstreamFile, path: &Spanned<String>) -> (Vec<Address>, Vec<(String, String)>) {
        let urls: Vec<Address> = file.urls().iter().filter_map(|url| self.address(url)).collect();
        let program = self.program(file);
        self.check_urls_or_command(file, path);
        let env = program.as_ref().map(|program| program.env.clone()).unwrap_or_default();
        (urls.into_iter().chain(program.map(Address::program)).collect(), env)
    }

    fn description(&mut self, named: &Spanned<String>, file: &UpstreamFile) -> Option<DescriptionSource> {
        let Some(name) = named.get_ref().strip_prefix(FILE_PREFIX) else {
            return Some(DescriptionSource::At(named.get_ref().clone()));
        };
        let protocol = *file.protocol.get_ref();
        let text = match protocol {
            Protocol::Soap => self
                .read_xml(name)
                .map_err(|reason| format!("`{}` cannot be read: {reason}", self.folder.join(name).display())),
            _ => self.read_file(name),
        };
        match (text, protocol) {
            (Ok(text), Protocol::Soap) => {
                Some(self.wsdl_files(named, name, text, file.wsdl_port.as_ref().map(|port| port.get_ref().as_str())))
            }
            (Ok(text), Protocol::Rest) => Some(self.openapi_files(named, name, text)),
            (Ok(text), _) => Some(DescriptionSource::Text { name: name.to_owned(), text }),
            (Err(message), _) => {
                self.wrong(named.span(), message);
                None
            }
        }
    }

    /// An OpenAPI document with the files that it refers to.
    fn openapi_files(&mut self, named: &Spanned<String>, name: &str, text: String) -> DescriptionSource {
        let document = DescriptionFile { name: name.to_owned(), text };
        let read =
            |name: &str| files::read_text(&self.folder.join(name), LARGEST_FILE).map_err(|error| error.to_string());
        let (files, unread) = imported_files::with_imports(document, openapi::references, read);
        self.warn_of_unread(named, name, &unread);
        // Without all files, the reason would be another one.
        if let (true, Err(fault)) = (unread.is_empty(), openapi::read_files(&files)) {
            self.problems.push(Problem::at(named.span(), fault.message.into_owned()).warning());
        }
        DescriptionSource::Files(files)
    }

    /// Warns of the files that a description refers to and that cannot be read.
    fn warn_of_unread(&mut self, named: &Spanned<String>, name: &str, unread: &[UnreadImport]) {
        for import in unread {
            let problem = Problem::at(named.span(), format!("an import of `{}`: {import}", abridge(name)));
            self.problems.push(problem.warning().hint("operations that need nothing of it can be called"));
        }
    }

    /// A WSDL document with the files that it imports.
    fn wsdl_files(
        &mut self,
        named: &Spanned<String>,
        name: &str,
        text: String,
        port: Option<&str>,
    ) -> DescriptionSource {
        let document = DescriptionFile { name: name.to_owned(), text };
        let (files, unread) = imported_files::with_imports(document, wsdl::imports, |name| self.read_xml(name));
        self.warn_of_unread(named, name, &unread);
        // Without all files, the reason would be another one.
        if let (true, Err(fault)) =
            (unread.is_empty(), wsdl::read_files(&files, WsdlOptions { port, ..WsdlOptions::default() }))
        {
            self.problems.push(Problem::at(named.span(), fault.message.into_owned()).warning());
        }
        DescriptionSource::Files(files)
    }

    fn headers_of_upstream(&mut self, file: &UpstreamFile) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("croupier/", env!("CARGO_PKG_VERSION"))));
        headers.extend(self.headers(&file.headers));
        if let Some(token) = &file.bearer
            && let Some(text) = self.secret(token.get_ref(), token.span(), "bearer", true)
        {
            self.header(&mut headers, AUTHORIZATION, &format!("Bearer {text}"), token.span());
        }
        if let Some(user) = &file.user {
            let password = file.password.as_ref();
            let secret = password.map_or_else(
                || Some(String::new()),
                |secret| self.secret(secret.get_ref(), secret.span(), "password", true),
            );
            let span = password.map_or(0..0, Spanned::span);
            match secret.map(|secret| transport::basic(user, &secret)) {
                Some(Ok(value)) => drop(headers.insert(AUTHORIZATION, value)),
                Some(Err(error)) => self.wrong(span, error.to_string()),
                None => {}
            }
        }
        headers
    }

    /// The secrets in the query and in the cookies of every request.
    fn secret_params(&mut self, file: &UpstreamFile) -> (SecretParams, SecretParams) {
        let first = |table: &BTreeMap<String, Spanned<SecretFile>>| {
            table.values().map(Spanned::span).min_by_key(|span| span.start)
        };
        let mut in_query = Vec::new();
        for (name, secret) in &file.query {
            if name.is_empty() {
                self.wrong(secret.span(), "a key in the query has a name");
            }
            let key = format!("query.{}", abridge(name));
            in_query.extend(self.secret(secret.get_ref(), secret.span(), &key, true).map(|text| (name.clone(), text)));
        }
        if let Some(span) = first(&file.query).filter(|_| *file.pass_query.get_ref()) {
            let problem = Problem::at(file.pass_query.span(), "`pass-query` cannot be given with `query`");
            self.problems.push(problem.related(span, "a secret in the query"));
        }
        let mut in_cookies = Vec::new();
        for (name, secret) in &file.cookies {
            let key = format!("cookies.{}", abridge(name));
            let Some(text) = self.secret(secret.get_ref(), secret.span(), &key, true) else { continue };
            let is_of_value = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b';' | b',');
            if name.is_empty() || !name.bytes().all(is_of_cookie_name) {
                self.wrong(secret.span(), format!("`{}` is not a valid name of a cookie", abridge(name)));
            } else if !text.bytes().all(is_of_value) {
                self.wrong(secret.span(), "the text has characters that a cookie cannot have");
            }
            in_cookies.push((name.clone(), text));
        }
        let fixed = file.headers.iter().find(|(name, _)| forwarding::plain(name) == "cookie");
        if let (Some(span), Some((_, header))) = (first(&file.cookies), fixed) {
            let problem = Problem::at(span, "`cookies` cannot be given with `headers.Cookie`");
            self.problems.push(problem.related(header.span(), "the other"));
        }
        (SecretParams::new(in_query), SecretParams::new(in_cookies))
    }

    /// Settings that only some protocols have.
    fn check_protocol(&mut self, file: &UpstreamFile) {
        let protocol = *file.protocol.get_ref();
        self.check_batching(file);
        self.check_keys_of_others(file);
        if protocol != Protocol::XmlRpc && *file.invalid_characters.get_ref() != InvalidCharacters::default() {
            self.wrong(
                file.invalid_characters.span(),
                format!("`invalid-characters` is for XML-RPC only: leave it out for {}", protocol.title()),
            );
        }
        if !*file.passthrough.get_ref() && !file.pass_members.is_empty() {
            let problem = Problem::at(file.passthrough.span(), "`pass-members` needs `passthrough`");
            self.problem(
                problem.hint("members are passed on in the original bytes only: leave one of the two keys out"),
            );
        }
        if !*file.passthrough.get_ref() && file.check_bodies.is_some() {
            let problem = Problem::at(file.passthrough.span(), "`check-bodies` needs `passthrough`");
            self.problem(
                problem.hint("only bodies that are passed on are checked by it: leave one of the two keys out"),
            );
        }
    }

    /// The header blocks of SOAP calls, and the secrets in them.
    fn soap_headers(&mut self, file: &UpstreamFile) -> (SoapHeaders, Vec<String>) {
        let SoapUpstreamFile { headers, username_token, response_headers } = file.soap.get_ref();
        let is_set = *response_headers || !headers.is_empty() || username_token.is_some();
        if *file.protocol.get_ref() != Protocol::Soap && is_set {
            self.wrong(file.soap.span(), "`soap` is for upstreams with `protocol = \"soap\"` only: leave it out");
            return Default::default();
        }
        let mut blocks = Vec::new();
        for header in headers {
            let text = match header.get_ref() {
                HeaderBlock::Text(text) => Some(text.clone()),
                HeaderBlock::Secret(secret) => self.secret(secret, header.span(), "soap.headers", false),
            };
            let Some(text) = text else { continue };
            match SoapHeaders::new([text.as_str()], None) {
                Ok(_) => blocks.push(text),
                Err(error) => self.wrong(header.span(), error.to_string()),
            }
        }
        let security = username_token.as_ref().and_then(|token| {
            let UsernameTokenFile { user, password, password_type, lifetime } = token.get_ref();
            let key = "soap.username-token.password";
            let password = self.secret(password.get_ref(), password.span(), key, true)?;
            let lifetime = lifetime.as_ref().map(|lifetime| lifetime.0);
            Some(SoapSecurity { user: user.clone(), password, password_type: *password_type, lifetime })
        });
        let mut secrets = blocks.clone();
        secrets.extend(security.as_ref().map(|security| security.password.clone()));
        (SoapHeaders::new(blocks.iter().map(String::as_str), security).unwrap_or_default(), secrets)
    }

    /// What is forwarded, and the secrets in it.
    fn forwarding(&mut self, file: &UpstreamFile) -> (Forwarding, Vec<String>) {
        let mut secrets = Vec::new();
        let mut set_headers = Vec::new();
        for (name, value) in &file.set_headers {
            let text = match value.get_ref() {
                // A variable in place of the text has been read already.
                SetHeader::Text(text) if self.is_written(value.span()) => {
                    if names_secret(name) && !text.contains('{') {
                        let key = format!("{}.set-headers.{}", self.table, abridge(name));
                        self.problems.push(clear_text(&key, value.span()));
                    }
                    Some(HeaderText::Template(text))
                }
                SetHeader::Text(text) => Some(HeaderText::Literal(text.trim().to_owned())),
                SetHeader::Secret(secret) => {
                    let key = format!("set-headers.{}", abridge(name));
                    let text = self.secret(secret, value.span(), &key, names_secret(name));
                    secrets.extend(text.clone());
                    text.map(HeaderText::Literal)
                }
            };
            set_headers.push((name.as_str(), text, value.span()));
        }
        let pass_cookies = file.pass_cookies.get_ref().cookies();
        if let Cookies::Named(names) = &pass_cookies
            && names.iter().any(|name| name.is_empty() || !name.bytes().all(is_of_cookie_name))
        {
            self.wrong(
                file.pass_cookies.span(),
                "the name of a cookie has no white space, and none of `=`, `;` and `,`",
            );
        }
        if let Some(url) =
            file.urls().iter().find(|url| url.get_ref().contains('?')).filter(|_| *file.pass_query.get_ref())
        {
            let message = "`pass-query` cannot be given for a URL that has a query";
            let problem = Problem::at(file.pass_query.span(), message).related(url.span(), "the URL");
            self.problems
                .push(problem.hint("a client could replace what the query of this URL says: use a URL without one"));
        }
        let forwarding = Forwarding {
            pass_authorization: *file.pass_authorization.get_ref(),
            pass_cookies,
            pass_query: *file.pass_query.get_ref(),
            forwarded: file.forwarded,
            ..Forwarding::default()
        };
        let signing_key = file.forward_identity.jwt.as_ref().and_then(|jwt| {
            let key = &jwt.get_ref().key;
            let text = self.secret(key.get_ref(), key.span(), "forward-identity.jwt.key", true)?;
            let read = jwt.get_ref().read_key(&text);
            secrets.push(text);
            read.map_err(|problem| self.problems.push(problem)).ok()
        });
        let keys = HeaderKeys {
            signing_key,
            pass_headers: &file.pass_headers,
            set_headers,
            forward_identity: &file.forward_identity,
            timeout_header: file.timeout_header.as_ref(),
            return_headers: &file.return_headers,
            fixed: file.headers.keys().map(String::as_str).collect(),
        };
        (forwarding::resolve(keys, forwarding, self.problems), secrets)
    }

    /// Where access tokens come from; `None` if the table has problems.
    fn oauth2(&mut self, file: &Spanned<OAuth2File>) -> Option<OAuth2Options> {
        let OAuth2File { token_url, client_id, client_secret, scopes, audience, tls } = file.get_ref();
        let client_secret = self.secret(client_secret.get_ref(), client_secret.span(), "oauth2.client-secret", true);
        let mut reader = SettingReader { table: "upstream.oauth2", problems: &mut *self.problems, ..*self };
        let tls = reader.tls(tls, file.span());
        let token_address = reader.address(token_url)?;
        if token_address.is_scgi() {
            let problem = Problem::at(token_url.span(), "a token endpoint is not reached over SCGI");
            self.problems.push(problem.hint("its URL is such as `https://login.example/oauth2/token`"));
            return None;
        }
        let options = OAuth2Options::new(token_address, client_id, client_secret?);
        Some(OAuth2Options { scopes: scopes.clone(), audience: audience.clone(), tls, ..options })
    }

    /// Reports keys of which each would write `Authorization` or `Cookie`.
    fn check_authorization(&mut self, file: &UpstreamFile) {
        let has_credentials = |url: &&Spanned<String>| credentials(url.get_ref()).is_some();
        let fixed = |header: &str| file.headers.iter().find(|(name, _)| forwarding::plain(name) == header);
        let passed = file.pass_authorization.get_ref().then(|| ("pass-authorization", file.pass_authorization.span()));
        let obtained = file.oauth2.as_ref().map(|oauth2| ("oauth2", oauth2.span()));
        let is_authorization =
            |jwt: &&Spanned<IdentityTokenFile>| forwarding::plain(jwt.get_ref().header.get_ref()) == "authorization";
        let signed = file.forward_identity.jwt.as_ref().filter(is_authorization);
        let signed = signed.map(|jwt| ("forward-identity.jwt", jwt.span()));
        let others = [
            file.user.as_ref().map(|_| ("user", None)),
            file.bearer.as_ref().map(|bearer| ("bearer", Some(bearer.span()))),
            fixed("authorization").map(|(_, value)| ("headers.Authorization", Some(value.span()))),
            file.urls().iter().find(has_credentials).map(|url| ("a user in `urls`", Some(url.span()))),
        ];
        let hint = "an upstream gets one `Authorization`: give only one of them";
        let given = passed.into_iter().chain(obtained).chain(signed).collect::<Vec<_>>();
        for (key, span) in &given {
            for (other, place) in others.iter().flatten() {
                let problem = Problem::at(span.clone(), format!("`{key}` cannot be given with `{other}`")).hint(hint);
                self.problems.push(match place {
                    Some(place) => problem.related(place.clone(), "the other"),
                    None => problem,
                });
            }
        }
        for pair in given.windows(2) {
            let [(other, place), (key, span)] = pair else { continue };
            let problem = Problem::at(span.clone(), format!("`{key}` cannot be given with `{other}`")).hint(hint);
            self.problems.push(problem.related(place.clone(), "the other"));
        }
        if let (Some((_, value)), false) = (fixed("cookie"), file.pass_cookies.get_ref().cookies() == Cookies::None) {
            let problem = Problem::at(file.pass_cookies.span(), "`pass-cookies` cannot be given with `headers.Cookie`");
            self.problems.push(problem.related(value.span(), "the other"));
        }
    }

    /// Reports batches for protocols that have none, and forms of them that a protocol does not have.
    fn check_batching(&mut self, file: &UpstreamFile) {
        let protocol = *file.protocol.get_ref();
        match (protocol, file.batching.get_ref()) {
            (Protocol::Soap | Protocol::Rest | Protocol::Mcp, Batching::On | Batching::BareResults) => {
                let message = format!("{} has no batches: leave `batching` out", protocol.title());
                self.wrong(file.batching.span(), message);
            }
            (Protocol::JsonRpc, Batching::BareResults) => {
                self.wrong(
                    file.batching.span(),
                    "`\"bare-results\"` is for XML-RPC only; for JSON-RPC batches, write `\"on\"`",
                );
            }
            _ => {}
        }
    }

    /// Reports keys that mean nothing for the protocol of the upstream.
    fn check_keys_of_others(&mut self, file: &UpstreamFile) {
        let protocol = *file.protocol.get_ref();
        let by_name = *file.param_structure.get_ref() != ParamStructure::default();
        let rpc = [Protocol::XmlRpc, Protocol::JsonRpc];
        let (token, hint) = match protocol {
            Protocol::Soap => (file.token.as_ref(), Some("`soap.headers` and `headers` carry secrets for SOAP")),
            Protocol::Mcp => (file.token.as_ref(), Some("`bearer` and `headers` carry secrets for MCP")),
            _ => (file.token.as_ref(), Some("`bearer` and `headers` carry secrets for REST")),
        };
        let methods = file.methods.keys().min_by_key(|name| name.span().start);
        let kinds = file.fault_kinds.keys().min_by_key(|status| status.span().start);
        let redirects = Some(&file.redirects).filter(|redirects| *redirects.get_ref() != Redirects::default());
        let is_off = matches!(file.idempotency_key.get_ref(), IdempotencyKeyFile::Usual(false));
        let idempotency_key = Some(file.idempotency_key.span()).filter(|_| !is_off);
        let keys = [
            ("token", token.map(Spanned::span), rpc.as_slice(), hint),
            ("wsdl-port", file.wsdl_port.as_ref().map(Spanned::span), &[Protocol::Soap], None),
            ("pass-members", file.pass_members.first().map(Spanned::span), &[Protocol::JsonRpc], None),
            ("param-structure", by_name.then(|| file.param_structure.span()), &[Protocol::JsonRpc], None),
            ("methods", methods.map(Spanned::span), &[Protocol::Rest], None),
            ("fault-kinds", kinds.map(Spanned::span), &[Protocol::Rest], None),
            ("check-bodies", file.check_bodies.as_ref().map(Spanned::span), &[Protocol::Rest], None),
            ("redirects", redirects.map(Spanned::span), &[Protocol::Rest], None),
            ("idempotency-key", idempotency_key, &[Protocol::Rest], None),
        ];
        for (key, span, protocols, hint) in keys {
            let Some(span) = span.filter(|_| !protocols.contains(&protocol)) else { continue };
            let titles: Vec<&str> = protocols.iter().map(|protocol| protocol.title()).collect();
            let (titles, own) = (titles.join(" and "), protocol.title());
            let problem = Problem::at(span, format!("`{key}` is for {titles} only: leave it out for {own}"));
            self.problems.push(Problem { hint: hint.map(str::to_owned), ..problem });
        }
    }

    /// How names are looked up.
    pub(super) fn dns(&mut self, file: &Spanned<DnsFile>) -> DnsOptions {
        let DnsFile { servers, min_ttl, max_ttl, negative_ttl, each_address } = file.get_ref();
        if min_ttl.0 > max_ttl.0 {
            self.wrong(file.span(), format!("`dns.min-ttl` is {min_ttl}, but `dns.max-ttl` is {max_ttl}"));
        }
        let addresses = servers.iter().filter_map(|server| {
            let text = server.get_ref();
            let address = text.parse::<SocketAddr>().ok().or_else(|| Some(SocketAddr::new(text.parse().ok()?, DNS_PORT)));
            let address = address.filter(|address| address.port() != 0);
            if address.is_none() {
                let message = format!("`{}` is not the address of a DNS server", abridge(text));
                let hint = "write an IP address, and a port if it is not 53: \"10.0.0.2\", \"10.0.0.2:5353\" or \"[fd00::2]:5353\"";
                self.problem(Problem::at(server.span(), message).hint(hint));
            }
            address
        });
        DnsOptions {
            servers: addresses.collect(),
            min_ttl: min_ttl.0,
            max_ttl: max_ttl.0,
            negative_ttl: negative_ttl.0,
            each_address: *each_address,
        }
    }

    /// Warns of settings for TLS that have no effect.
    fn check_tls_is_used(&mut self, file: &UpstreamFile) {
        let TlsFile { roots, certificate, key } = &file.tls;
        let secure = |url: &Spanned<String>| url.get_ref().parse::<Address>().is_ok_and(|address| address.is_secure());
        let first = roots.iter().chain(certificate).chain(key).next();
        if let Some(first) = first.filter(|_| !file.urls().is_empty() && !file.urls().iter().any(secure)) {
            let problem = Problem::at(first.span(), "`upstream.tls` has no effect, because none of `urls` is `https`");
            self.problems.push(problem.warning());
        }
    }
}

fn is_of_cookie_name(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'=' | b';' | b',')
}

/// The problem of a name that matches no method of the upstream.
fn unmatched(file: &UpstreamFile, name: &UnmatchedName, path: &Spanned<String>) -> Problem {
    let named = match name.key {
        "allow" => file.allow.iter().find(|other| *other.get_ref() == name.name),
        "deny" => file.deny.iter().find(|other| *other.get_ref() == name.name),
        "safe" => file.safe.iter().find(|other| *other.get_ref() == name.name),
        "idempotent" => file.idempotent.iter().find(|other| *other.get_ref() == name.name),
        _ => file.params.keys().find(|other| *other.get_ref() == name.name),
    };
    let span = named.map_or_else(|| path.span(), Spanned::span);
    let problem = Problem::at(span, format!("{name} matches no method of the upstream"));
    let hint = name.meant.as_ref().map(|meant| format!("did you mean `{}`?", abridge(meant)));
    Problem { hint, ..problem }
}
