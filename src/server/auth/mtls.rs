//! Client certificates, which a listener with TLS has verified.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use super::credentials::{RolesByName, is_name};
use super::{Attempt, AuthRequest, Authenticator, Verdict};
use crate::http::peer_certificate::PeerCertificate;
use crate::service::Identity;

/// The kind of these credentials in an identity.
const KIND: &str = "mtls";

/// The part of a certificate with the name of the caller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateName {
    /// The common name of the subject.
    #[default]
    Subject,
    /// The first DNS name.
    Dns,
    /// The first e-mail address.
    Email,
    /// The only URI, such as a SPIFFE ID.
    Uri,
}

/// Callers who are known by a certificate.
pub struct MtlsAuth {
    /// The name of the definition.
    pub name: String,
    /// Where the name of the caller is.
    pub from: CertificateName,
    /// The roles of callers.
    pub roles: RolesByName,
}

impl fmt::Debug for MtlsAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MtlsAuth").field("name", &self.name).field("from", &self.from).finish_non_exhaustive()
    }
}

impl MtlsAuth {
    fn verdict(&self, der: &[u8]) -> Verdict {
        let Some(name) = self.from.read(der).filter(|name| is_name(name)) else {
            return Verdict::invalid("the certificate of the client has no name of the kind that is needed");
        };
        let roles = self.roles.of(&name);
        Verdict::Known(Arc::new(Identity { roles, proven_by: KIND, ..Identity::new(name) }))
    }
}

impl Authenticator for MtlsAuth {
    fn name(&self) -> &str {
        &self.name
    }

    fn authenticate(&self, request: &AuthRequest<'_>) -> Attempt {
        let certificate = request.head.extensions.get::<PeerCertificate>();
        Attempt::now(certificate.map_or(Verdict::Absent, |PeerCertificate(der)| self.verdict(der)))
    }
}

impl CertificateName {
    /// The name in a certificate in DER.
    fn read(self, der: &[u8]) -> Option<String> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        if self == CertificateName::Subject {
            let mut names = certificate.subject().iter_common_name();
            // Programs differ in which of several counts.
            let (name, None) = (names.next()?, names.next()) else { return None };
            return name.as_str().ok().map(str::to_owned);
        }
        let names = certificate.subject_alternative_name().ok()??;
        let mut names = names.value.general_names.iter().filter_map(|name| match (self, name) {
            (CertificateName::Dns, GeneralName::DNSName(name))
            | (CertificateName::Email, GeneralName::RFC822Name(name))
            | (CertificateName::Uri, GeneralName::URI(name)) => Some((*name).to_owned()),
            _ => None,
        });
        let name = names.next()?;
        // A certificate with several is no SPIFFE certificate (X.509-SVID, section 2).
        if self == CertificateName::Uri && names.next().is_some() { None } else { Some(name) }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use rcgen::string::Ia5String;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;
    use crate::service::future::MaybeReady;

    fn certificate(common: Option<&str>, names: Vec<SanType>) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(common) = common {
            params.distinguished_name.push(DnType::CommonName, common);
        }
        params.subject_alt_names = names;
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    fn name(from: CertificateName, der: Option<Vec<u8>>) -> Result<Option<String>, ()> {
        let roles = RolesByName::new(&[("admin".to_owned(), vec!["ada".to_owned()])].into());
        let auth = MtlsAuth { name: "staff".to_owned(), from, roles };
        let mut request = Request::new(());
        der.map(|der| request.extensions_mut().insert(PeerCertificate(der.into())));
        match auth.authenticate(&AuthRequest { head: &request.into_parts().0, client: None }) {
            MaybeReady::Now(Some(Verdict::Known(identity))) => {
                assert_eq!((identity.proven_by, identity.roles.contains("admin")), ("mtls", identity.name == "ada"));
                Ok(Some(identity.name.clone()))
            }
            MaybeReady::Now(Some(Verdict::Absent)) => Ok(None),
            _ => Err(()),
        }
    }

    #[test]
    fn the_name_is_that_of_the_chosen_part() {
        let text = |text: &str| Ia5String::try_from(text.to_owned()).unwrap();
        let names = vec![
            SanType::DnsName(text("a.example")),
            SanType::DnsName(text("b.example")),
            SanType::Rfc822Name(text("ada@example.org")),
            SanType::URI(text("spiffe://example.org/ada")),
        ];
        let full = certificate(Some("ada"), names.clone());
        for (from, expected) in [
            (CertificateName::Subject, "ada"),
            (CertificateName::Dns, "a.example"),
            (CertificateName::Email, "ada@example.org"),
            (CertificateName::Uri, "spiffe://example.org/ada"),
        ] {
            assert_eq!(name(from, Some(full.clone())), Ok(Some(expected.to_owned())));
            assert_eq!(name(from, Some(certificate(None, Vec::new()))), Err(()), "{from:?}");
            assert_eq!(name(from, Some(vec![0x30, 0x82, 1])), Err(()));
            assert_eq!(name(from, None), Ok(None));
        }
        let two = [names, vec![SanType::URI(text("spiffe://example.org/ben"))]].concat();
        assert_eq!(name(CertificateName::Uri, Some(certificate(Some("ada"), two))), Err(()));
        assert_eq!(name(CertificateName::Subject, Some(certificate(Some("a\nb"), Vec::new()))), Err(()));
    }
}
