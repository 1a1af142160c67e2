//! The table of the header blocks of SOAP calls.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::secret_file::SecretFile;
use crate::model::units::Period;
use crate::protocol::soap::blocks::PasswordType;

/// The headers of the calls to a SOAP upstream, and of its responses.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct SoapUpstreamFile {
    /// Header blocks of every call: XML of elements that declare their prefixes, or a secret, `{ env = "NAME" }` or
    /// `{ file = "path" }`, with such XML.
    #[schemars(with = "Vec<HeaderBlock>")]
    pub(super) headers: Vec<Spanned<HeaderBlock>>,
    /// A user name and a password in the header of WS-Security: `user` and `password` (`{ env = "NAME" }` or
    /// `{ file = "path" }`), and if they are needed `password-type` (`"text"`, or `"digest"`: SHA-1 with a nonce and the time)
    /// and `lifetime` (a timestamp beside the token).
    #[schemars(with = "Option<UsernameTokenFile>")]
    pub(super) username_token: Option<Spanned<UsernameTokenFile>>,
    /// Whether methods return the header blocks of responses too: a struct of `headers` and `result`. Responses that are passed
    /// through have them anyway.
    pub(super) response_headers: bool,
}

/// A header block: XML, or a secret with XML.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum HeaderBlock {
    /// XML.
    Text(String),
    /// A secret with XML.
    Secret(Box<SecretFile>),
}

/// A user name and a password in the header of WS-Security (UsernameToken Profile 1.1).
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct UsernameTokenFile {
    /// The name of the user.
    pub(super) user: String,
    /// The password: `{ env = "NAME" }` or `{ file = "path" }`.
    #[schemars(with = "SecretFile")]
    pub(super) password: Spanned<SecretFile>,
    /// How the password is sent: `"text"`, or `"digest"`, a SHA-1 digest with a nonce and the time.
    #[serde(default)]
    pub(super) password_type: PasswordType,
    /// How long a message is valid, in a timestamp beside the token. Without it, there is no timestamp.
    #[schemars(extend("minimum" = 1000, "maximum" = 86_400_000))]
    #[serde(default)]
    pub(super) lifetime: Option<Period>,
}
