//! Header blocks that are the same for every call to an upstream, and those of WS-Security that are made for each call.

use std::fmt;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use roxmltree::{Document, Node};

use crate::codec::soap::SoapVersion;
use crate::codec::{DocumentLimits, xml};
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

    /// Whether calls have no blocks of these.
    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.security.is_none()
    }

    /// The header blocks of one call.
    ///
    /// # Errors
    /// `Internal` if there are no random numbers for a nonce.
    pub(super) fn write(&self, version: SoapVersion) -> Result<String, Fault> {
        let Some(security) = &self.security else { return Ok(self.blocks.clone()) };
        let mut nonce = [0; 16];
        SystemRandom::new()
            .fill(&mut nonce)
            .map_err(|_| Fault::new(Kind::Internal, "there are no random numbers for a nonce"))?;
        Ok(format!("{}{}", self.blocks, security.write(version, SystemTime::now(), &nonce)))
    }

    /// The text of a message with these blocks in its header, in the place of blocks that have the same names. `None` if it cannot
    /// be written in this way.
    pub(super) fn add_to(&self, message: &str, version: SoapVersion, limits: DocumentLimits) -> Option<String> {
        let message = message.trim_start_matches('\u{feff}');
        let blocks = self.write(version).ok()?;
        let own = format!("<x>{blocks}</x>");
        let own = xml::description(&own, DocumentLimits::default()).ok()?;
        let is_own = |block: &Node<'_, '_>| {
            block.is_element() && own.root_element().children().any(|it| it.tag_name() == block.tag_name())
        };
        let document = xml::description(message, limits).ok()?;
        let written = match child_of_envelope(&document, "Header") {
            Some(header) => in_header(message, header, &blocks, is_own)?,
            None => {
                let body = child_of_envelope(&document, "Body")?.range().start;
                let prefix = prefix_at(message, body)?;
                let (before, after) = message.split_at_checked(body)?;
                format!("{before}<{prefix}Header>{blocks}</{prefix}Header>{after}")
            }
        };
        // The message may declare what the blocks do not: a prefix, or a default namespace.
        let document = xml::description(&written, limits).ok()?;
        let header = child_of_envelope(&document, "Header")?;
        let is_there = |block: Node<'_, '_>| header.children().any(|it| it.tag_name() == block.tag_name());
        own.root_element().children().all(is_there).then_some(written)
    }
}

/// A child of the envelope that is in its namespace.
fn child_of_envelope<'x>(document: &'x Document<'_>, name: &str) -> Option<Node<'x, 'x>> {
    let envelope = document.root_element();
    let namespace = envelope.tag_name().namespace();
    envelope.children().find(|child| child.tag_name().name() == name && child.tag_name().namespace() == namespace)
}

/// A message with blocks at the end of its header, without the blocks that they replace.
fn in_header(
    message: &str,
    header: Node<'_, '_>,
    blocks: &str,
    is_replaced: impl Fn(&Node<'_, '_>) -> bool,
) -> Option<String> {
    let place = header.range();
    let text = message.get(place.clone())?;
    if text.ends_with("/>") {
        let prefix = prefix_at(message, place.start)?;
        let (before, after) = message.split_at_checked(place.end.checked_sub(2)?)?;
        let after = after.strip_prefix("/>")?;
        return Some(format!("{before}>{blocks}</{prefix}Header>{after}"));
    }
    let end = place.start.checked_add(text.rfind("</")?)?;
    let mut written = String::with_capacity(message.len().saturating_add(blocks.len()));
    let mut from = 0;
    for replaced in header.children().filter(is_replaced).map(|block| block.range()) {
        written.push_str(message.get(from..replaced.start)?);
        from = replaced.end;
    }
    written.push_str(message.get(from..end)?);
    written.push_str(blocks);
    written.push_str(message.get(end..)?);
    Some(written)
}

impl SoapSecurity {
    fn write(&self, version: SoapVersion, now: SystemTime, nonce: &[u8]) -> String {
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
            "<wsse:Security xmlns:wsse=\"{WSSE}\" xmlns:wsu=\"{WSU}\" xmlns:soap=\"{}\" soap:mustUnderstand=\"1\">{}\
             <wsse:UsernameToken wsu:Id=\"UT-1\"><wsse:Username>{}</wsse:Username>\
             <wsse:Password Type=\"{PROFILE}{kind}\">{password}</wsse:Password>{proof}</wsse:UsernameToken></wsse:Security>",
            version.namespace(),
            timestamp.unwrap_or_default(),
            escaped(&self.user)
        )
    }
}

/// The prefix of the tag that begins here, with its colon.
fn prefix_at(message: &str, at: usize) -> Option<&str> {
    let name = message.get(at..)?.strip_prefix('<')?;
    let end = name.find(|c: char| c.is_ascii_whitespace() || matches!(c, '>' | '/'))?;
    let name = name.get(..end)?;
    Some(name.split_once(':').and_then(|(prefix, _)| name.get(..=prefix.len())).unwrap_or_default())
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
        security.write(SoapVersion::V11, SystemTime::UNIX_EPOCH, b"0123456789abcdef")
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
        assert!(xml::is_fragment(&digest));
    }

    #[test]
    fn blocks_are_elements_that_declare_their_prefixes() {
        assert!(SoapHeaders::new(["<a/>", " <b:c xmlns:b='urn:b'>1</b:c>\n"], None).is_ok());
        for text in ["", "a", "<a>", "<b:c/>", "</soap:Header><soap:Header>", "<a/>text"] {
            assert_eq!(SoapHeaders::new([text], None), Err(NotABlock), "{text}");
        }
    }

    #[test]
    fn blocks_are_added_to_messages_as_they_are() {
        let headers = SoapHeaders::new(["<b:c xmlns:b='urn:b'>1</b:c>", "<d/>"], None).unwrap();
        let added = |message: &str| headers.add_to(message, SoapVersion::V11, DocumentLimits::default());
        let envelope = |inside: &str| format!("<e:Envelope xmlns:e='urn:e'>{inside}<e:Body><x/></e:Body></e:Envelope>");
        let blocks = "<b:c xmlns:b='urn:b'>1</b:c><d/>";
        for (header, expected) in [
            ("", format!("<e:Header>{blocks}</e:Header>")),
            ("<e:Header/>", format!("<e:Header>{blocks}</e:Header>")),
            ("\n<e:Header a='/>' />", format!("\n<e:Header a='/>' >{blocks}</e:Header>")),
            ("<e:Header><own>2</own></e:Header >", format!("<e:Header><own>2</own>{blocks}</e:Header >")),
            // A block of the client with the same name gives way.
            (
                "<e:Header><c xmlns='urn:b'>3</c> <d xmlns='urn:d'/><own/></e:Header>",
                format!("<e:Header> <d xmlns='urn:d'/><own/>{blocks}</e:Header>"),
            ),
        ] {
            assert_eq!(added(&envelope(header)), Some(envelope(&expected)), "{header}");
        }
        assert_eq!(
            added("<Envelope><Body/></Envelope>"),
            Some(format!("<Envelope><Header>{blocks}</Header><Body/></Envelope>"))
        );
        assert_eq!(added("<Envelope/>"), None);
        // The message declares what the blocks do not, which would change them.
        assert_eq!(added("<Envelope xmlns='urn:e'><Header/><Body/></Envelope>"), None);
        let undeclared = SoapHeaders::new(["<a xsi:nil='true'/>"], None).unwrap();
        assert_eq!(undeclared.add_to(&envelope(""), SoapVersion::V11, DocumentLimits::default()), None);
    }
}
