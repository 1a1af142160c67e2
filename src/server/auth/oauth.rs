//! Challenges for clients that get their tokens from an authorization server: they name the metadata of the requested resource (RFC
//! 9728, section 5.1), and the scope that a token lacks (RFC 6750, section 3.1).

use http::HeaderValue;

use super::credentials;

/// The scheme of tokens in `Authorization`.
const BEARER: &str = "Bearer";
/// The name of the parameter with the URL of the metadata, with its equals sign.
const METADATA: &str = "resource_metadata=";

/// Adds the URL of the metadata of a resource to the challenges of a definition: to the first for tokens, or as one more
/// challenge if there is none. A challenge that has such a URL already keeps it.
pub(super) fn add_metadata(challenges: &mut Vec<HeaderValue>, realm: &str, metadata: &str) {
    match challenges.iter_mut().find(|challenge| is_bearer(challenge)) {
        Some(challenge) => {
            let Ok(own) = challenge.to_str() else { return };
            if own.contains(METADATA) {
                return;
            }
            // A scheme without parameters has no comma after it.
            let separator = if own.contains('=') { "," } else { "" };
            if let Ok(with_metadata) = HeaderValue::from_str(&format!("{own}{separator} {METADATA}\"{metadata}\"")) {
                *challenge = with_metadata;
            }
        }
        None => challenges.extend(credentials::challenge(BEARER, realm, &format!(", {METADATA}\"{metadata}\""))),
    }
}

/// Whether a challenge asks for a token.
pub(super) fn is_bearer(challenge: &HeaderValue) -> bool {
    let scheme = challenge.as_bytes().split(|byte| *byte == b' ').next().unwrap_or_default();
    scheme.eq_ignore_ascii_case(BEARER.as_bytes())
}

/// The challenge to a caller whose token lacks a scope; `None` if the text cannot be a scope.
pub(super) fn insufficient_scope(realm: &str, scope: &str, metadata: Option<&str>) -> Option<HeaderValue> {
    // RFC 6749, section 3.3.
    let is_scope = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    if scope.is_empty() || !scope.bytes().all(is_scope) {
        return None;
    }
    let metadata = metadata.map(|url| format!(", {METADATA}\"{url}\"")).unwrap_or_default();
    let further = format!(", error=\"insufficient_scope\", scope=\"{scope}\"{metadata}");
    credentials::challenge(BEARER, realm, &further)
}

/// Whether a text can be the issuer of an authorization server: a URL with a host, without a query or a fragment (RFC 8414,
/// section 2). Its scheme may be `http`, for a server on the same machine.
pub(crate) fn is_issuer(text: &str) -> bool {
    let uri = text.parse::<http::Uri>();
    let is_web = |uri: &http::Uri| matches!(uri.scheme_str(), Some("http" | "https"));
    let has_host = |uri: &http::Uri| {
        uri.authority().is_some_and(|authority| !authority.host().is_empty() && !authority.as_str().contains('@'))
    };
    // `Uri` drops a fragment.
    uri.is_ok_and(|uri| is_web(&uri) && has_host(&uri) && !text.contains(['#', '?']))
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
    fn a_text_that_is_not_a_scope_makes_no_challenge() {
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
