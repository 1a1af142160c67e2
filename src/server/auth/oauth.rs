//! What a client learns that gets its token from an authorization server: where the metadata of the resource is that it asked for
//! (RFC 9728, section 5.1), and which scope its token lacks (RFC 6750, section 3.1).

use http::HeaderValue;

/// The scheme of tokens in `Authorization`.
const BEARER: &str = "Bearer";

/// Adds the address of the metadata of a resource to the challenges of a definition: to the first for tokens, or as one more
/// challenge if there is none. A challenge that has such an address already keeps it.
pub(super) fn add_metadata(challenges: &mut Vec<HeaderValue>, realm: &str, metadata: &str) {
    match challenges.iter_mut().find(|challenge| is_bearer(challenge)) {
        Some(challenge) => {
            let own = challenge.to_str().unwrap_or_default();
            if own.contains("resource_metadata=") {
                return;
            }
            // A scheme without parameters has no comma after it.
            let separator = if own.contains('=') { "," } else { "" };
            let with_metadata = format!("{own}{separator} resource_metadata=\"{metadata}\"");
            if let Some(with_metadata) = HeaderValue::from_str(&with_metadata).ok().filter(|_| !own.is_empty()) {
                *challenge = with_metadata;
            }
        }
        None => challenges.extend(super::credentials::challenge(
            BEARER,
            realm,
            &format!(", resource_metadata=\"{metadata}\""),
        )),
    }
}

/// Whether a challenge asks for a token.
pub(super) fn is_bearer(challenge: &HeaderValue) -> bool {
    let scheme = challenge.as_bytes().split(|byte| *byte == b' ').next().unwrap_or_default();
    scheme.eq_ignore_ascii_case(BEARER.as_bytes())
}

/// The challenge to the holder of a token without a scope; `None` if no scope can be written like this.
pub(super) fn insufficient_scope(realm: &str, scope: &str, metadata: Option<&str>) -> Option<HeaderValue> {
    // RFC 6749, section 3.3.
    let is_scope = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    if scope.is_empty() || !scope.bytes().all(is_scope) {
        return None;
    }
    let metadata = metadata.map(|url| format!(", resource_metadata=\"{url}\"")).unwrap_or_default();
    let further = format!(", error=\"insufficient_scope\", scope=\"{scope}\"{metadata}");
    super::credentials::challenge(BEARER, realm, &further)
}

/// Whether a text can be the issuer of an authorization server: a URL with a host, and without a query and a fragment (RFC 8414,
/// section 2). It may have `http`, for a server on the same machine.
pub(crate) fn is_issuer(text: &str) -> bool {
    let uri = text.parse::<http::Uri>();
    let is_web = |uri: &http::Uri| matches!(uri.scheme_str(), Some("http" | "https"));
    let has_host = |uri: &http::Uri| {
        uri.authority().is_some_and(|authority| !authority.host().is_empty() && !authority.as_str().contains('@'))
    };
    uri.is_ok_and(|uri| is_web(&uri) && has_host(&uri) && uri.query().is_none() && !text.contains(['#', '?']))
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://casino.example/.well-known/oauth-protected-resource/wheel";

    #[test]
    fn the_address_of_the_metadata_is_in_one_challenge_for_tokens() {
        let with = |own: &[&'static str]| {
            let mut challenges: Vec<_> = own.iter().map(|own| HeaderValue::from_static(own)).collect();
            add_metadata(&mut challenges, "a \"b\"", URL);
            challenges.iter().map(|challenge| challenge.to_str().unwrap().replace(URL, "URL")).collect::<Vec<_>>()
        };
        assert_eq!(with(&["bearer realm=\"x\""]), ["bearer realm=\"x\", resource_metadata=\"URL\""]);
        assert_eq!(with(&["Bearer"]), ["Bearer resource_metadata=\"URL\""]);
        let own = "Bearer resource_metadata=\"https://other.example\"";
        assert_eq!(with(&["Basic realm=\"x\"", own]), ["Basic realm=\"x\"", own]);
        let added = "Bearer realm=\"a \\\"b\\\"\", resource_metadata=\"URL\"";
        assert_eq!(with(&["Bearers realm=\"x\""]), ["Bearers realm=\"x\"", added]);
        assert_eq!(with(&[]), [added]);
    }

    #[test]
    fn a_scope_that_is_none_is_not_named() {
        let challenge =
            |scope: &str| insufficient_scope("x", scope, None).map(|challenge| challenge.to_str().unwrap().to_owned());
        let expected = "Bearer realm=\"x\", error=\"insufficient_scope\", scope=\"wheel:spin\"";
        assert_eq!(challenge("wheel:spin").as_deref(), Some(expected));
        for scope in ["", "a b", "a\"b", "a\\b", "größe"] {
            assert_eq!(challenge(scope), None, "{scope}");
        }
    }

    #[test]
    fn issuers_are_urls() {
        for (text, expected) in [
            ("https://id.example", true),
            ("https://id.example/realms/casino/", true),
            ("http://127.0.0.1:9000", true),
            ("id", false),
            ("id.example/realms", false),
            ("https://", false),
            ("ftp://id.example", false),
            ("https://a@id.example", false),
            ("https://id.example?", false),
            ("https://id.example/?a=b", false),
            ("https://id.example/#a", false),
        ] {
            assert_eq!(is_issuer(text), expected, "{text}");
        }
    }
}
