//! Where the spans of requests are sent: the table `otlp` of the file.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::secret_file::SecretFile;
use super::setting_reader::TlsFile;

/// Where the spans of requests are sent, for a tracing system: to a collector of OpenTelemetry over OTLP (protobuf over HTTP).
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct OtlpFile {
    /// The URL of the collector, such as `"http://127.0.0.1:4318"`. If it has no path, that is `/v1/traces`. Without this key,
    /// requests have no spans.
    #[schemars(with = "Option<String>")]
    pub(super) endpoint: Option<Spanned<String>>,
    /// Headers of every request to the collector, by their names.
    #[schemars(with = "BTreeMap<String, SecretFile>")]
    pub(super) headers: BTreeMap<String, Spanned<SecretFile>>,
    /// Which part of the traces that begin here is sampled, from 0 for none to 1 for all. A request that belongs to a trace
    /// already, by its `traceparent`, is sampled if that says so.
    #[schemars(with = "f64", range(min = 0.0, max = 1.0))]
    pub(super) sample: Spanned<f64>,
    /// The name of the service in the tracing system.
    #[schemars(with = "String")]
    pub(super) service_name: Spanned<String>,
    /// The trusted roots and the client certificate for an `https` URL.
    pub(super) tls: TlsFile,
}

impl Default for OtlpFile {
    fn default() -> Self {
        OtlpFile {
            endpoint: None,
            headers: BTreeMap::new(),
            sample: Spanned::new(0..0, 1.0),
            service_name: Spanned::new(0..0, env!("CARGO_PKG_NAME").to_owned()),
            tls: TlsFile::default(),
        }
    }
}

#[cfg(feature = "otlp")]
pub(super) use with_exporter::resolve;

#[cfg(feature = "otlp")]
mod with_exporter {
    use super::OtlpFile;
    use crate::config::problem::{Problem, count_errors};
    use crate::config::setting_reader::SettingReader;
    use crate::config::sources::ConfigSources;
    use crate::config::variables::Environment;
    use crate::server::otlp::OtlpSettings;
    use crate::upstream::transport::Address;

    /// The settings of the exporter; `None` if there is no collector, or if the table has problems.
    pub(in crate::config) fn resolve(
        file: &OtlpFile,
        values: (&ConfigSources, &Environment),
        problems: &mut Vec<Problem>,
    ) -> Option<OtlpSettings> {
        let before = count_errors(problems);
        if !(0.0..=1.0).contains(file.sample.get_ref()) {
            let message = format!("`{}` is not a part of all traces", file.sample.get_ref());
            let hint = "give a number from 0 to 1: `0.1` is every tenth trace";
            problems.push(Problem::at(file.sample.span(), message).hint(hint));
        }
        if file.service_name.get_ref().is_empty() {
            problems.push(Problem::at(file.service_name.span(), "a service without a name is not found by it"));
        }
        let endpoint = file.endpoint.as_ref()?;
        let mut reader = SettingReader::new("otlp", endpoint.span(), values, problems);
        let headers = reader.headers(&file.headers);
        let tls = reader.tls(&file.tls, endpoint.span());
        let address = match endpoint.get_ref().parse::<Address>() {
            Ok(address) if address.is_scgi() => Err("a collector is not reached over SCGI".to_owned()),
            parsed => parsed.map_err(|error| error.to_string()),
        };
        let address = match address {
            Ok(address) => address,
            Err(message) => {
                let hint = "the URL of a collector is such as `http://127.0.0.1:4318`";
                problems.push(Problem::at(endpoint.span(), message).hint(hint));
                return None;
            }
        };
        reader.warn_of_credentials(endpoint, "write the whole URL as `{ env = \"NAME\" }`");
        let (sample, service_name) = (*file.sample.get_ref(), file.service_name.get_ref().clone());
        let settings = OtlpSettings { headers, tls, sample, service_name, ..OtlpSettings::new(address) };
        if let Err(error) = settings.transport() {
            problems.push(Problem::at(endpoint.span(), error.to_string()));
        }
        (count_errors(problems) == before).then_some(settings)
    }
}

/// Reports that this program cannot export spans, if it is to do so.
#[cfg(not(feature = "otlp"))]
pub(super) fn refuse(file: &OtlpFile, problems: &mut Vec<super::Problem>) {
    if let Some(endpoint) = &file.endpoint {
        let problem = super::Problem::at(endpoint.span(), "this program cannot export spans");
        problems
            .push(problem.hint("it was built without the feature `otlp`: leave the table out, or use another program"));
    }
}
