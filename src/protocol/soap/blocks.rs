//! Header blocks that are the same for every call to an upstream, and those of WS-Security that are made for each call.

use std::fmt;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::codec::xml;
use crate::model::fault::{Fault, Kind};

/// The namespaces of WS-Security 1.1.
const WSSE: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const WSU: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
/// How the names of the types of passwords begin (UsernameToken Profile 1.1, section 3.1).
const PROFILE: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#";
/// The encoding of a nonce.
const BASE64: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary";

/// The header blocks of calls to an upstream.
#[derive(Clone, PartialEq, Default)]
pub struct SoapHeaders {
    /// Elements that are written as they are. They declare their namespaces.
    blocks: String,
    /// The header of WS-Security, made for each call.
    security: Option<SoapSecurity>,
}

/// A user name and a password in the header of WS-Security.
#[derive(Clone, PartialEq)]
pub struct SoapSecurity {
    /// The name of the user.
    pub user: String,
    /// The password.
    pub password: String,
    /// How the password is sent.
    pub password_type: PasswordType,
    /// How long the message is valid; `None` for no timestamp.
    pub lifetime: Option<Duration>,
}

/// The blocks may be secrets.
impl fmt::Debug for SoapHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoapHeaders").field("security", &self.security).finish_non_exhaustive()
    }
}

impl fmt::Debug for SoapSecurity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoapSecurity").field("user", &self.user).finish_non_exhaustive()
    }
}

/// How a password is sent in a `UsernameToken` (UsernameToken Profile 1.1, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PasswordType {
    /// In plain text (`PasswordText`). Use it over TLS only.
    #[default]
    Text,
    /// As a SHA-1 digest with a nonce and the time.
    Digest,
}

/// Why a text cannot be a header block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a header block is well-formed XML of elements that declare their prefixes")]
pub struct NotABlock;

impl SoapHeaders {
    /// Header blocks, and the header of WS-Security.
    ///
    /// # Errors
    /// `NotABlock` for a text that is not well-formed XML of elements.
    pub fn new<'t>(
        blocks: impl IntoIterator<Item = &'t str>,
        security: Option<SoapSecurity>,
    ) -> Result<SoapHeaders, NotABlock> {
        let mut all = String::new();
        for block in blocks {
            if !xml::is_fragment(block) {
                return Err(NotABlock);
            }
            all.push_str(block.trim());
        }
        Ok(SoapHeaders { blocks: all, security })
    }

    /// The header blocks of one call.
    ///
    /// # Errors
    /// `Internal` if there are no random numbers for a nonce.
    pub(super) fn write(&self) -> Result<String, Fault> {
        let Some(security) = &self.security else { return Ok(self.blocks.clone()) };
        let mut nonce = [0; 16];
        SystemRandom::new()
            .fill(&mut nonce)
            .map_err(|_| Fault::new(Kind::Internal, "there are no random numbers for a nonce"))?;
        Ok(format!("{}{}", self.blocks, security.write(SystemTime::now(), &nonce)))
    }
}

impl SoapSecurity {
    fn write(&self, now: SystemTime, nonce: &[u8]) -> String {
        let time = |time: SystemTime| humantime::format_rfc3339_millis(time).to_string();
        let created = time(now);
        let timestamp = self.lifetime.and_then(|lifetime| now.checked_add(lifetime)).map(|expires| {
            let expires = time(expires);
            format!(
                "<wsu:Timestamp wsu:Id=\"TS-1\"><wsu:Created>{created}</wsu:Created>\
                 <wsu:Expires>{expires}</wsu:Expires></wsu:Timestamp>"
            )
        });
        let (kind, password, proof) = match self.password_type {
            PasswordType::Text => ("PasswordText", escaped(&self.password), String::new()),
            PasswordType::Digest => {
                let parts = [nonce, created.as_bytes(), self.password.as_bytes()].concat();
                let proof = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &parts));
                let nonce = STANDARD.encode(nonce);
                let sent = format!(
                    "<wsse:Nonce EncodingType=\"{BASE64}\">{nonce}</wsse:Nonce><wsu:Created>{created}</wsu:Created>"
                );
                ("PasswordDigest", proof, sent)
            }
        };
        format!(
            "<wsse:Security xmlns:wsse=\"{WSSE}\" xmlns:wsu=\"{WSU}\" soap:mustUnderstand=\"1\">{}\
             <wsse:UsernameToken wsu:Id=\"UT-1\"><wsse:Username>{}</wsse:Username>\
             <wsse:Password Type=\"{PROFILE}{kind}\">{password}</wsse:Password>{proof}</wsse:UsernameToken></wsse:Security>",
            timestamp.unwrap_or_default(),
            escaped(&self.user)
        )
    }
}

/// A text between tags.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(password_type: PasswordType, lifetime: Option<Duration>) -> String {
        let security = SoapSecurity { user: "a&b".into(), password: "p<w".into(), password_type, lifetime };
        security.write(SystemTime::UNIX_EPOCH, b"0123456789abcdef")
    }

    #[test]
    fn a_password_is_sent_as_text_or_as_digest() {
        let text = token(PasswordType::Text, None);
        assert!(text.contains("<wsse:Username>a&amp;b</wsse:Username>"), "{text}");
        assert!(text.contains("#PasswordText\">p&lt;w</wsse:Password></wsse:UsernameToken>"), "{text}");
        assert!(!text.contains("Timestamp"));
        let digest = token(PasswordType::Digest, Some(Duration::from_secs(300)));
        // SHA-1 of the nonce, `1970-01-01T00:00:00.000Z` and `p<w`, as another implementation makes it.
        assert!(digest.contains("#PasswordDigest\">tlhOEqV7BlYGUVUrynyyZEQ71ak=</wsse:Password>"), "{digest}");
        assert!(
            digest.contains("MDEyMzQ1Njc4OWFiY2RlZg==</wsse:Nonce><wsu:Created>1970-01-01T00:00:00.000Z<"),
            "{digest}"
        );
        assert!(digest.contains("<wsu:Expires>1970-01-01T00:05:00.000Z</wsu:Expires>"), "{digest}");
        assert!(!digest.contains("p&lt;w"));
        assert!(xml::is_fragment(&digest.replace("soap:", "")));
    }

    #[test]
    fn blocks_are_elements_that_declare_their_prefixes() {
        assert!(SoapHeaders::new(["<a/>", " <b:c xmlns:b='urn:b'>1</b:c>\n"], None).is_ok());
        for text in ["", "a", "<a>", "<b:c/>", "</soap:Header><soap:Header>", "<a/>text"] {
            assert_eq!(SoapHeaders::new([text], None), Err(NotABlock), "{text}");
        }
    }
}
