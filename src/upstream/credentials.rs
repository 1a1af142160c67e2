//! The credentials that the options of an upstream have, and those that its document demands and that they lack.

use http::header::AUTHORIZATION;

use super::UpstreamOptions;
use super::forwarding::Cookies;
use super::transport::Transport;
use crate::model::text::abridge;
use crate::protocol::rest::openapi::read::{KeyPlace, SecurityDemand, SecurityScheme};

/// The credentials that requests to an upstream have, without their values.
#[derive(Debug, Clone, Default)]
pub(crate) struct GivenCredentials {
    /// Whether requests have an `Authorization`.
    authorization: bool,
    certificate: bool,
    /// The names of headers, in lower case: those of every request, and those that some requests have.
    fixed_headers: Vec<String>,
    other_headers: Vec<String>,
    query: Vec<String>,
    cookies: Vec<String>,
    all_cookies: bool,
    other_cookies: Vec<String>,
}

impl GivenCredentials {
    /// Those of a user, if there is one.
    #[cfg(feature = "cli")]
    pub(crate) fn of_user(is_there: bool) -> GivenCredentials {
        GivenCredentials { authorization: is_there, ..GivenCredentials::default() }
    }

    pub(super) fn of(transport: &Transport, options: &UpstreamOptions) -> GivenCredentials {
        let (forwarding, connected) = (&options.forwarding, transport.options());
        let token = forwarding.identity_token.iter().map(|token| token.header.as_str().to_owned());
        let passed = forwarding.pass_headers.iter().chain(forwarding.set_headers.iter().map(|(name, _)| name));
        let other_headers: Vec<String> = passed.map(|name| name.as_str().to_owned()).chain(token).collect();
        let in_url = transport.path().split_once('?').map(|(_, query)| query).unwrap_or_default();
        let in_url = url::form_urlencoded::parse(in_url.as_bytes()).map(|(name, _)| name.into_owned());
        GivenCredentials {
            authorization: transport.is_authorized()
                || forwarding.pass_authorization
                || other_headers.iter().any(|name| name == AUTHORIZATION.as_str()),
            certificate: connected.tls.identity.is_some(),
            fixed_headers: connected.headers.keys().map(|name| name.as_str().to_owned()).collect(),
            other_headers,
            query: connected.query.names().map(str::to_owned).chain(in_url).collect(),
            cookies: connected.cookies.names().map(str::to_owned).collect(),
            all_cookies: forwarding.pass_cookies == Cookies::All,
            other_cookies: match &forwarding.pass_cookies {
                Cookies::Named(names) => names.clone(),
                Cookies::None | Cookies::All => Vec::new(),
            },
        }
    }

    /// Whether every request has a key with this name in this place.
    pub(super) fn has_key(&self, place: KeyPlace, name: &str) -> bool {
        match place {
            KeyPlace::Header => self.fixed_headers.iter().any(|known| known.eq_ignore_ascii_case(name)),
            KeyPlace::Query => self.query.iter().any(|known| known == name),
            KeyPlace::Cookie => self.cookies.iter().any(|known| known == name),
        }
    }

    fn has(&self, scheme: &SecurityScheme) -> bool {
        match scheme {
            SecurityScheme::ApiKey { place, name } => {
                let is_other = match place {
                    KeyPlace::Header => {
                        self.other_headers.iter().any(|known| known.eq_ignore_ascii_case(name))
                            || self.authorization && name.eq_ignore_ascii_case(AUTHORIZATION.as_str())
                    }
                    KeyPlace::Query => false,
                    KeyPlace::Cookie => self.all_cookies || self.other_cookies.contains(name),
                };
                is_other || self.has_key(*place, name)
            }
            SecurityScheme::MutualTls => self.certificate,
            _ => self.authorization,
        }
    }
}

/// A sentence for each demand of which the options have no alternative. `is_called` says which methods count.
pub(crate) fn lacking(
    demands: &[SecurityDemand],
    given: &GivenCredentials,
    is_called: impl Fn(&str) -> bool,
) -> Vec<String> {
    let is_met = |demand: &SecurityDemand| demand.alternatives.iter().any(|all| all.iter().all(|one| given.has(one)));
    demands
        .iter()
        .filter(|demand| !is_met(demand))
        .filter_map(|demand| {
            let methods: Vec<&str> = demand.methods.iter().map(String::as_str).filter(|name| is_called(name)).collect();
            Some(format!("{} {}", subject(&methods)?, demanded(&demand.alternatives, given)))
        })
        .collect()
}

/// The methods, with the verb.
fn subject(methods: &[&str]) -> Option<String> {
    let named = |name: &str| format!("`{}`", abridge(name));
    Some(match methods {
        [] => return None,
        [only] => format!("{} demands", named(only)),
        [first, second] => format!("{} and {} demand", named(first), named(second)),
        [first, rest @ ..] => format!("{} and {} others demand", named(first), rest.len()),
    })
}

/// What is demanded, and what to write of it that is not there.
fn demanded(alternatives: &[Vec<SecurityScheme>], given: &GivenCredentials) -> String {
    let words = alternatives.iter().map(|all| all.iter().map(words).collect::<Vec<_>>().join(" and "));
    let keys = alternatives.iter().filter_map(|all| {
        let keys: Option<Vec<String>> = all.iter().filter(|scheme| !given.has(scheme)).map(keys).collect();
        keys.map(|keys| keys.join(" and "))
    });
    let (words, keys): (Vec<String>, Vec<String>) = (words.collect(), keys.collect());
    match keys.is_empty() {
        true => words.join(", or "),
        false => format!("{}: add {}", words.join(", or "), keys.join(", or ")),
    }
}

fn words(scheme: &SecurityScheme) -> String {
    match scheme {
        SecurityScheme::ApiKey { place, name } => {
            let place = match place {
                KeyPlace::Header => "a header",
                KeyPlace::Query => "the query",
                KeyPlace::Cookie => "a cookie",
            };
            format!("the API key `{}` in {place}", abridge(name))
        }
        SecurityScheme::Basic => "basic authentication".to_owned(),
        SecurityScheme::Bearer => "a bearer token".to_owned(),
        SecurityScheme::OAuth2(_) => "an access token of OAuth 2.0".to_owned(),
        SecurityScheme::OpenIdConnect => "a token of OpenID Connect".to_owned(),
        SecurityScheme::MutualTls => "a client certificate".to_owned(),
        SecurityScheme::Other(name) => format!("the authentication `{}`, which croupier does not know", abridge(name)),
    }
}

/// What to add to the table of the upstream; `None` if nothing there is of this kind.
fn keys(scheme: &SecurityScheme) -> Option<String> {
    Some(match scheme {
        SecurityScheme::ApiKey { place, name } => {
            let table = match place {
                KeyPlace::Header => "headers",
                KeyPlace::Query => "query",
                KeyPlace::Cookie => "cookies",
            };
            let is_bare = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
            let name = if is_bare { name.clone() } else { format!("{:?}", abridge(name)) };
            format!("`{table} = {{ {name} = {{ env = \"NAME\" }} }}`")
        }
        SecurityScheme::Basic => "`user` and `password = { env = \"NAME\" }`".to_owned(),
        SecurityScheme::OAuth2(Some(url)) => format!("`oauth2` with `token-url = \"{}\"`", abridge(url)),
        SecurityScheme::Bearer | SecurityScheme::OAuth2(None) | SecurityScheme::OpenIdConnect => {
            "`bearer = { env = \"NAME\" }`".to_owned()
        }
        SecurityScheme::MutualTls => "`tls` with `certificate` and `key`".to_owned(),
        SecurityScheme::Other(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(place: KeyPlace, name: &str) -> SecurityScheme {
        SecurityScheme::ApiKey { place, name: name.to_owned() }
    }

    fn told(methods: &[&str], alternatives: Vec<Vec<SecurityScheme>>, given: &GivenCredentials) -> Vec<String> {
        let methods = methods.iter().map(|name| (*name).to_owned()).collect();
        lacking(&[SecurityDemand { methods, alternatives }], given, |name| name != "denied")
    }

    #[test]
    fn what_the_options_lack_is_said_with_what_to_write() {
        let none = GivenCredentials::default();
        let x_key = key(KeyPlace::Header, "X-Key");
        assert_eq!(
            told(&["a", "b", "denied", "c"], vec![vec![x_key.clone()]], &none),
            ["`a` and 2 others demand the API key `X-Key` in a header: add `headers = { X-Key = { env = \"NAME\" } }`"]
        );
        assert_eq!(
            told(
                &["a", "b"],
                vec![vec![key(KeyPlace::Query, "api key"), SecurityScheme::MutualTls], vec![SecurityScheme::Basic]],
                &none
            ),
            [
                "`a` and `b` demand the API key `api key` in the query and a client certificate, or basic authentication: add \
              `query = { \"api key\" = { env = \"NAME\" } }` and `tls` with `certificate` and `key`, or `user` and `password = { env = \"NAME\" }`"
            ]
        );
        let other = SecurityScheme::Other("digest".to_owned());
        assert_eq!(
            told(&["a"], vec![vec![other]], &none),
            ["`a` demands the authentication `digest`, which croupier does not know"]
        );
        assert_eq!(told(&["denied"], vec![vec![x_key.clone()]], &none), [""; 0]);
        let given = GivenCredentials { fixed_headers: vec!["x-key".to_owned()], ..GivenCredentials::default() };
        assert_eq!(told(&["a"], vec![vec![SecurityScheme::Bearer], vec![x_key.clone()]], &given), [""; 0]);
        let both = vec![vec![x_key, SecurityScheme::OAuth2(Some("https://login.example/".to_owned()))]];
        assert_eq!(
            told(&["a"], both, &given),
            [
                "`a` demands the API key `X-Key` in a header and an access token of OAuth 2.0: add `oauth2` with `token-url = \
              \"https://login.example/\"`"
            ]
        );
    }
}
