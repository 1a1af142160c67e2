//! The table of an upstream about probes of its hosts.

use std::time::Duration;

use http::StatusCode;
use http::uri::PathAndQuery;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::{LONGEST, UpstreamFile};
use crate::config::problem::Problem;
use crate::config::setting_reader::SettingReader;
use crate::model::text::abridge;
use crate::model::units::Period;
use crate::protocol::Protocol;
use crate::upstream::{HealthOptions, Probe};

/// How the hosts of an upstream are probed.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct HealthFile {
    /// A method that changes nothing and needs no arguments. A call of it must have a result, and no fault.
    #[schemars(with = "Option<String>")]
    method: Option<Spanned<String>>,
    /// The result that the call must have. Without it, any.
    #[schemars(with = "Option<ExpectedFile>")]
    result: Option<Spanned<ExpectedFile>>,
    /// Whether the request is the one by which servers describe themselves: `system.listMethods` (XML-RPC), `rpc.discover` (JSON-RPC),
    /// or GET of the address with `?wsdl` (SOAP). A fault is an answer, too.
    describe: bool,
    /// The path of a GET on each host, such as `"/health"`.
    #[schemars(with = "Option<String>")]
    path: Option<Spanned<String>>,
    /// The status that the response to the GET must have. Without it, one from 200 to 299.
    #[schemars(with = "Option<u16>")]
    status: Option<Spanned<u16>>,
    /// Whether a connection is opened only, with TLS for `https`.
    tcp: bool,
    /// The time from one probe of a host to the next.
    #[schemars(extend("minimum" = 100, "maximum" = LONGEST))]
    interval: Period,
    /// By which part of it the interval is longer or shorter at random, so that several gateways do not probe at the same time.
    #[schemars(with = "f64", range(min = 0.0, max = 1.0))]
    jitter: Spanned<f64>,
    /// How long a probe may take.
    #[schemars(extend("minimum" = 1, "maximum" = LONGEST))]
    timeout: Period,
    /// After how many failed probes in a row a host gets no calls. The first probe of all counts at once.
    #[schemars(extend("minimum" = 1))]
    unhealthy: u32,
    /// After how many passed probes in a row a host gets calls again.
    #[schemars(extend("minimum" = 1))]
    healthy: u32,
}

/// A result that is expected.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
enum ExpectedFile {
    /// True or false.
    Truth(bool),
    /// A number.
    Integer(i64),
    /// A text.
    Text(String),
}

impl Default for HealthFile {
    fn default() -> Self {
        HealthFile {
            method: None,
            result: None,
            describe: false,
            path: None,
            status: None,
            tcp: false,
            interval: Period(Duration::from_secs(10)),
            jitter: Spanned::new(0..0, 0.2),
            timeout: Period(Duration::from_secs(2)),
            unhealthy: 3,
            healthy: 2,
        }
    }
}

impl SettingReader<'_> {
    /// How the hosts are probed; `None` if the table has problems.
    pub(super) fn health(&mut self, file: &Spanned<HealthFile>, upstream: &UpstreamFile) -> Option<HealthOptions> {
        let HealthFile { interval, jitter, timeout, unhealthy, healthy, .. } = file.get_ref();
        self.check_part(jitter, "the interval");
        if !upstream.may_have_several_hosts() {
            let problem = Problem::at(file.span(), "`health` has no effect, because there is one URL only");
            self.problem(problem.warning());
        }
        let probe = self.probe(file, *upstream.protocol.get_ref())?;
        Some(HealthOptions {
            probe,
            interval: interval.0,
            jitter: *jitter.get_ref(),
            timeout: timeout.0,
            unhealthy: *unhealthy,
            healthy: *healthy,
        })
    }

    fn probe(&mut self, file: &Spanned<HealthFile>, protocol: Protocol) -> Option<Probe> {
        let HealthFile { method, result, describe, path, status, tcp, .. } = file.get_ref();
        let given = [method.is_some(), *describe, path.is_some(), *tcp];
        if given.iter().filter(|given| **given).count() != 1 {
            let problem = Problem::at(file.span(), "`health` needs one of `method`, `describe`, `path` and `tcp`");
            self.problem(problem.hint("write such as `health = { path = \"/health\" }`"));
            return None;
        }
        for (span, key, needed, is_given) in [
            (result.as_ref().map(Spanned::span), "result", "method", method.is_some()),
            (status.as_ref().map(Spanned::span), "status", "path", path.is_some()),
        ] {
            if let Some(span) = span.filter(|_| !is_given) {
                self.wrong(span, format!("`{key}` needs `{needed}`"));
            }
        }
        if let Some(method) = method {
            let result = result.as_ref().map(|result| match result.get_ref() {
                ExpectedFile::Truth(truth) => (*truth).into(),
                ExpectedFile::Integer(number) => (*number).into(),
                ExpectedFile::Text(text) => text.as_str().into(),
            });
            return Some(Probe::Call { method: method.get_ref().clone(), result });
        }
        if let Some(path) = path {
            return self.get(path, status.as_ref());
        }
        if *describe && protocol == Protocol::Rest {
            let problem = Problem::at(file.span(), "REST servers have no request by which all describe themselves");
            self.problem(problem.hint("write `path` with a path that can be read"));
            return None;
        }
        Some(if *describe { Probe::Describe } else { Probe::Connect })
    }

    fn get(&mut self, path: &Spanned<String>, status: Option<&Spanned<u16>>) -> Option<Probe> {
        let text = path.get_ref();
        if !text.starts_with('/') || text.parse::<PathAndQuery>().is_err() {
            let problem = Problem::at(path.span(), format!("`{}` is not a valid path", abridge(text)));
            self.problem(problem.hint("a path begins with a slash"));
            return None;
        }
        let status = match status {
            None => None,
            Some(status) => {
                match StatusCode::from_u16(*status.get_ref()).ok().filter(|status| status.as_u16() >= 200) {
                    Some(found) => Some(found),
                    None => {
                        self.wrong(status.span(), format!("`{}` is not a status of a response", status.get_ref()));
                        return None;
                    }
                }
            }
        };
        Some(Probe::Get { path: text.clone(), status })
    }
}
