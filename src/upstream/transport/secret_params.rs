//! Secrets that every request has in its query or in its cookies.

use std::fmt;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Uri, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The characters that are encoded in a query: all but the unreserved ones (RFC 3986, section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Names with secret values. They take the place of what a request has under the same names.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct SecretParams(Vec<(String, String)>);

impl SecretParams {
    /// These names with their values. In cookies, neither may have white space, control characters, `;` or `,`.
    pub fn new(params: Vec<(String, String)>) -> SecretParams {
        SecretParams(params)
    }

    /// Whether there is a value with this name.
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// The names.
    #[cfg(feature = "server")]
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Adds them to the query of a request. They are left out if the URI would be longer than one can be.
    pub(super) fn add_to_query(&self, uri: &mut Uri) {
        if self.0.is_empty() {
            return;
        }
        let (path, query) = (uri.path(), uri.query().unwrap_or_default());
        let encoded = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
        let own = self.0.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
        let others =
            query.split('&').filter(|pair| !pair.is_empty()).filter(|pair| self.is_other(pair)).map(str::to_owned);
        let pairs: Vec<String> = others.chain(own).collect();
        if let Ok(path) = PathAndQuery::try_from(format!("{path}?{}", pairs.join("&"))) {
            *uri = path.into();
        }
    }

    /// Whether a pair of a query has none of these names.
    fn is_other(&self, pair: &str) -> bool {
        let name = pair.split('=').next().unwrap_or_default().replace('+', " ");
        !self.contains(&percent_decode_str(&name).decode_utf8_lossy())
    }

    /// An address without the pairs of its query that have these names: servers repeat the query of a request in redirects.
    #[cfg(feature = "server")]
    pub(crate) fn remove_from(&self, address: &str) -> String {
        let (rest, fragment) = address.split_at(address.find('#').unwrap_or(address.len()));
        let Some((path, query)) = rest.split_once('?').filter(|_| !self.0.is_empty()) else {
            return address.to_owned();
        };
        let others: Vec<&str> = query.split('&').filter(|pair| self.is_other(pair)).collect();
        let mark = if others.is_empty() { "" } else { "?" };
        format!("{path}{mark}{}{fragment}", others.join("&"))
    }

    /// Adds them to the cookies of a request.
    pub(super) fn add_to_cookies(&self, headers: &mut HeaderMap) {
        if self.0.is_empty() {
            return;
        }
        let mut cookies: Vec<Vec<u8>> = Vec::new();
        for pair in
            headers.get_all(header::COOKIE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b';'))
        {
            let pair = pair.trim_ascii();
            let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
            if !pair.is_empty() && !self.0.iter().any(|(known, _)| known.as_bytes() == name) {
                cookies.push(pair.to_owned());
            }
        }
        cookies.extend(self.0.iter().map(|(name, value)| format!("{name}={value}").into_bytes()));
        if let Ok(mut value) = HeaderValue::from_bytes(&cookies.join(b"; ".as_slice())) {
            value.set_sensitive(true);
            headers.insert(header::COOKIE, value);
        }
    }
}

impl fmt::Debug for SecretParams {
    /// Omits the values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params() -> SecretParams {
        SecretParams::new(vec![("api key".into(), "a&b".into()), ("k".into(), "é".into())])
    }

    #[test]
    fn they_take_the_place_of_pairs_with_their_names() {
        for (uri, expected) in [
            ("/a", "/a?api%20key=a%26b&k=%C3%A9"),
            ("/a?x=1&api+key=2&k&api%20key=3&kk=4", "/a?x=1&kk=4&api%20key=a%26b&k=%C3%A9"),
        ] {
            let mut uri: Uri = uri.parse().unwrap();
            params().add_to_query(&mut uri);
            params().add_to_query(&mut uri);
            assert_eq!(uri, expected);
        }
    }

    #[test]
    fn they_take_the_place_of_cookies_with_their_names() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static("a=1;k=2; k =3; kk=4"));
        let params = SecretParams::new(vec![("k".into(), "9".into())]);
        params.add_to_cookies(&mut headers);
        params.add_to_cookies(&mut headers);
        assert_eq!(headers[header::COOKIE], "a=1; kk=4; k=9");
        assert!(headers[header::COOKIE].is_sensitive());
    }

    #[test]
    fn addresses_do_not_repeat_them() {
        for (address, expected) in [
            ("/a?x=1&k=2&api+key=3#b", "/a?x=1#b"),
            ("http://x/a?k=2", "http://x/a"),
            ("/k=2#?k=1", "/k=2#?k=1"),
            ("/a?kk=1", "/a?kk=1"),
        ] {
            assert_eq!(params().remove_from(address), expected);
        }
    }

    #[test]
    fn their_values_are_not_shown() {
        assert_eq!(format!("{:?}", params()), r#"{"api key", "k"}"#);
    }
}
