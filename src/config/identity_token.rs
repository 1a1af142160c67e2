//! The signed token of `forward-identity`: its table in the file, and the key that it names.

use std::time::Duration;

use http::HeaderName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::problem::Problem;
use super::secret_file::SecretFile;
use crate::codec::jws::{SigningKey, SigningKeyError};
use crate::model::units::Period;
use crate::upstream::identity_token::{IdentityKeyError, IdentityToken};

/// A signed token (JSON Web Token) that says to the upstream who calls: `iss`, `sub`, `aud`, `iat`, `exp`, `jti`, `roles`,
/// `scope` and `amr`. A client's own header of this name never reaches the upstream.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct IdentityTokenFile {
    /// The header with the token. In `Authorization` it follows the word `Bearer`.
    #[schemars(with = "String")]
    #[serde(default = "authorization")]
    pub(super) header: Spanned<String>,
    /// The key that signs, `{ env = "NAME" }` or `{ file = "path" }`: a private key in PEM, of P-256 (ES256) or Ed25519
    /// (EdDSA), or a secret of at least 32 bytes that is shared with the upstream (HS256).
    #[schemars(with = "SecretFile")]
    pub(super) key: Spanned<SecretFile>,
    /// The name of the key (`kid`), for an upstream that has several.
    #[serde(default)]
    key_id: Option<String>,
    /// The issuer: `iss` of each token.
    issuer: String,
    /// The upstream: `aud` of each token.
    audience: String,
    /// The time after which a token expires.
    #[schemars(extend("minimum" = 1000, "maximum" = 86_400_000))]
    #[serde(default = "default_lifetime")]
    lifetime: Period,
    /// The name (`sub`) in the tokens of the requests by which croupier asks for the description of the upstream. Without
    /// it, these requests have no token.
    #[serde(default)]
    describe_as: Option<String>,
}

fn authorization() -> Spanned<String> {
    Spanned::new(0..0, "Authorization".to_owned())
}

fn default_lifetime() -> Period {
    Period(Duration::from_secs(60))
}

impl IdentityTokenFile {
    /// The key in the text that `key` names.
    pub(super) fn read_key(&self, text: &str) -> Result<SigningKey, Problem> {
        IdentityToken::read_key(text).map_err(|error| {
            let problem = Problem::at(self.key.span(), format!("the key of the token cannot be used: {error}"));
            match error {
                IdentityKeyError::Key(SigningKeyError::Short(_)) => problem.hint("`openssl rand -hex 32` makes one"),
                IdentityKeyError::Key(SigningKeyError::Unknown) => problem.hint(
                    "`openssl genpkey -algorithm ed25519 -out FILE` makes one; `openssl pkcs8 -topk8 -nocrypt -in FILE` \
                     writes one of P-256 in PKCS #8",
                ),
                IdentityKeyError::Pem(_) => problem,
            }
        })
    }

    /// The token in this header, signed by this key.
    pub(super) fn token(&self, header: HeaderName, key: SigningKey) -> IdentityToken {
        IdentityToken {
            header,
            key,
            key_id: self.key_id.clone(),
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            lifetime: self.lifetime.0,
            describe_as: self.describe_as.clone(),
        }
    }
}
