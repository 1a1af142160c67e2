//! The keys of an upstream about several hosts, failing ones, and requests that are sent again.

use std::time::Duration;

use http::{HeaderName, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::{LONGEST, UpstreamFile};
use crate::config::problem::Problem;
use crate::config::setting_reader::SettingReader;
use crate::model::text::abridge;
use crate::model::units::Period;
use crate::upstream::transport::{Balance, Hedge, HostLimits, OutlierOptions, RetryOptions, TransportOptions};
use crate::upstream::{BreakerOptions, KeySource};

/// How one of several hosts is chosen for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum BalanceFile {
    /// The better of two hosts that are drawn at random, by latency and running requests.
    #[default]
    LeastLatency,
    /// The one of two hosts that are drawn at random on which fewer requests run.
    LeastRequests,
    /// Each host in turn.
    RoundRobin,
    /// The host of the call's key, which `hash-by` names. If that host gets no requests, another one, always the same.
    Hash,
}

impl From<BalanceFile> for Balance {
    fn from(file: BalanceFile) -> Balance {
        match file {
            BalanceFile::LeastLatency => Balance::LeastLatency,
            BalanceFile::LeastRequests => Balance::LeastRequests,
            BalanceFile::RoundRobin => Balance::RoundRobin,
            BalanceFile::Hash => Balance::Hash,
        }
    }
}

/// Which hosts get no requests for a time because they fail.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::config) struct OutliersFile {
    /// After how many failures in a row a host gets no requests; 0 for never. A host that cannot be connected to gets none at once.
    failures: u32,
    /// How many standard deviations below the mean of all hosts the success rate of a host must be, and at least 5 % below it, so
    /// that it gets no requests; 0 for never.
    #[schemars(with = "f64", range(min = 0.0))]
    deviations: f64,
    /// How many hosts must have enough requests so that their success rates are compared.
    #[schemars(extend("minimum" = 2))]
    min_hosts: usize,
    /// How many requests within an interval are enough.
    #[schemars(extend("minimum" = 1))]
    min_requests: u32,
    /// The time over which success rates are counted.
    #[schemars(extend("minimum" = 100, "maximum" = LONGEST))]
    interval: Period,
    /// How long a host gets no requests the first time. The time doubles with each further time, and becomes shorter again with each
    /// interval in which all is well.
    #[schemars(extend("minimum" = 1, "maximum" = LONGEST))]
    ejection: Period,
    /// The longest time without requests.
    #[schemars(extend("minimum" = 1, "maximum" = LONGEST))]
    max_ejection: Period,
    /// Which part of the hosts may be without requests at a time, from 0 for none to 1 for all; above 0 at least one.
    #[schemars(with = "f64", range(min = 0.0, max = 1.0))]
    max_ejected: Spanned<f64>,
}

impl Default for OutliersFile {
    fn default() -> Self {
        let options = OutlierOptions::default();
        OutliersFile {
            failures: options.failures,
            deviations: options.deviations,
            min_hosts: options.min_hosts,
            min_requests: options.min_requests,
            interval: Period(options.interval),
            ejection: Period(options.ejection),
            max_ejection: Period(options.max_ejection),
            max_ejected: Spanned::new(0..0, options.max_ejected),
        }
    }
}

/// When a call is sent again. One of which nothing was sent goes to another host, whatever is set here. One that may have been
/// received is sent again only if its method is safe or idempotent.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::config) struct RetriesFile {
    /// How often a call is sent at most. Without it, twice if there are several `urls`, otherwise once. If a kept connection breaks, it
    /// is sent once more.
    #[schemars(extend("minimum" = 1, "maximum" = 10))]
    attempts: Option<u32>,
    /// Which part of the calls of the last ten seconds may be sent again.
    #[schemars(with = "f64", range(min = 0.0, max = 1.0))]
    budget: Spanned<f64>,
    /// How many calls may be sent again each second, however few there are.
    floor: u32,
    /// The longest wait before a call is sent again for the first time. It doubles each time; the wait is random, from nothing to this.
    #[schemars(extend("maximum" = LONGEST))]
    backoff: Period,
    /// The longest wait at all.
    #[schemars(extend("maximum" = LONGEST))]
    max_backoff: Period,
    /// The statuses of responses after which a call is sent again, whatever else the response says: some of 429, 502, 503 and 504. After
    /// an error page with status 500, 502, 503 or 504, which cannot be a fault of the protocol, it is sent again in any case.
    #[schemars(with = "Vec<u16>")]
    statuses: Vec<Spanned<u16>>,
}

impl Default for RetriesFile {
    fn default() -> Self {
        let options = RetryOptions::default();
        RetriesFile {
            attempts: options.attempts,
            budget: Spanned::new(0..0, options.budget),
            floor: options.floor,
            backoff: Period(options.backoff),
            max_backoff: Period(options.max_backoff),
            statuses: options.statuses.iter().map(|status| Spanned::new(0..0, status.as_u16())).collect(),
        }
    }
}

/// How much each host gets at a time.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::config) struct HostLimitsFile {
    /// How many calls may run on each host. Without it, any number.
    #[schemars(extend("minimum" = 1))]
    running: Option<u32>,
    /// How many calls may wait for each host, for at most `timeouts.connect`. Further calls get the fault *busy* at once.
    waiting: u32,
    /// How many connections there may be to each host. Without it, any number. Unless `http2` is set, at most as many calls run.
    #[schemars(extend("minimum" = 1))]
    connections: Option<u32>,
    /// Whether the number of calls that may run on a host follows its latency: it falls when calls take longer than usual. It
    /// begins with 20, and is at most `running`, or 1000.
    adaptive: bool,
}

impl Default for HostLimitsFile {
    fn default() -> Self {
        let HostLimits { requests, waiting, connections, adaptive } = HostLimits::default();
        HostLimitsFile { running: requests, waiting, connections, adaptive }
    }
}

/// When calls are refused because too many have failed.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::config) struct BreakerFile {
    /// How many calls must have failed within the window.
    #[schemars(extend("minimum" = 1))]
    failures: u32,
    /// Which part of the calls within the window must have failed.
    #[schemars(with = "f64", range(min = 0.0, max = 1.0))]
    ratio: Spanned<f64>,
    /// The time over which calls are counted.
    #[schemars(extend("minimum" = 100, "maximum" = LONGEST))]
    window: Period,
    /// How long calls are refused before a few are let through.
    #[schemars(extend("minimum" = 1, "maximum" = LONGEST))]
    open: Period,
    /// How many calls are then let through. If all of them are answered, calls are no longer refused.
    #[schemars(extend("minimum" = 1))]
    probes: u32,
    /// Whether the calls of each method are counted and refused by themselves.
    per_method: bool,
}

impl Default for BreakerFile {
    fn default() -> Self {
        let options = BreakerOptions::default();
        BreakerFile {
            failures: options.failures,
            ratio: Spanned::new(0..0, options.ratio),
            window: Period(options.window),
            open: Period(options.open),
            probes: options.probes,
            per_method: options.per_method,
        }
    }
}

impl BreakerFile {
    pub(super) fn options(&self) -> BreakerOptions {
        BreakerOptions {
            failures: self.failures,
            ratio: *self.ratio.get_ref(),
            window: self.window.0,
            open: self.open.0,
            probes: self.probes,
            per_method: self.per_method,
        }
    }
}

impl SettingReader<'_> {
    /// What the table says of names, of several hosts and of requests that are sent again.
    pub(super) fn host_options(&mut self, file: &UpstreamFile) -> TransportOptions {
        self.check_part(&file.outliers.max_ejected, "all hosts");
        self.check_part(&file.retries.budget, "all calls");
        if let Some(breaker) = &file.breaker {
            self.check_part(&breaker.ratio, "all calls");
        }
        let (OutliersFile { interval, ejection, max_ejection, .. }, retries) = (&file.outliers, &file.retries);
        let HostLimitsFile { running, waiting, connections, adaptive } = file.limits;
        TransportOptions {
            dns: self.dns(&file.dns),
            balance: (*file.balance.get_ref()).into(),
            weights: self.weights(file),
            slow_start: file.slow_start.0,
            outliers: OutlierOptions {
                failures: file.outliers.failures,
                deviations: file.outliers.deviations,
                min_hosts: file.outliers.min_hosts,
                min_requests: file.outliers.min_requests,
                interval: interval.0,
                ejection: ejection.0,
                max_ejection: max_ejection.0,
                max_ejected: *file.outliers.max_ejected.get_ref(),
            },
            retries: RetryOptions {
                attempts: retries.attempts,
                budget: *retries.budget.get_ref(),
                floor: retries.floor,
                backoff: retries.backoff.0,
                max_backoff: retries.max_backoff.0,
                statuses: self.statuses(&retries.statuses),
            },
            hedge: file.hedge.as_ref().and_then(|hedge| self.hedge(hedge)),
            limits: HostLimits { requests: running, waiting, connections, adaptive },
            ..TransportOptions::default()
        }
    }

    pub(super) fn check_part(&mut self, part: &Spanned<f64>, whole: &str) {
        if !(0.0..=1.0).contains(part.get_ref()) {
            let problem = Problem::at(part.span(), format!("`{}` is not a part of {whole}", part.get_ref()));
            self.problem(problem.hint("it is a number from 0 to 1"));
        }
    }

    fn weights(&mut self, file: &UpstreamFile) -> Vec<u32> {
        let (weights, urls) = (file.weights.get_ref(), file.urls().len());
        if !weights.is_empty() && weights.len() != urls {
            let (count, word) = (weights.len(), if urls == 1 { "URL" } else { "URLs" });
            self.wrong(file.weights.span(), format!("there are {count} `weights` for {urls} {word}"));
        }
        if let Some(wrong) = weights.iter().find(|weight| !(1..=1000).contains(*weight)) {
            let problem = Problem::at(file.weights.span(), format!("`{wrong}` is not a valid weight"));
            self.problem(problem.hint("a weight is a number from 1 to 1000"));
        }
        weights.clone()
    }

    fn statuses(&mut self, statuses: &[Spanned<u16>]) -> Vec<StatusCode> {
        let mut found = Vec::new();
        for status in statuses {
            match status.get_ref() {
                429 | 502..=504 => found.extend(StatusCode::from_u16(*status.get_ref())),
                other => {
                    let problem = Problem::at(status.span(), format!("calls are not sent again after status {other}"));
                    self.problem(problem.hint("it is one of 429, 502, 503 and 504"));
                }
            }
        }
        found
    }

    fn hedge(&mut self, hedge: &Spanned<String>) -> Option<Hedge> {
        let text = hedge.get_ref();
        let percent = text.strip_prefix('p').and_then(|digits| digits.parse::<f64>().ok());
        match (percent, text.parse::<Period>()) {
            (Some(percent), _) if (50.0..100.0).contains(&percent) => Some(Hedge::Quantile(percent / 100.0)),
            (None, Ok(Period(time))) if time > Duration::ZERO => Some(Hedge::After(time)),
            _ => {
                let message = format!("`{}` is not a time after which a second request is sent", abridge(text));
                let hint = "write a time, such as `\"50ms\"`, or a part of the requests, such as `\"p95\"`";
                self.problem(Problem::at(hedge.span(), message).hint(hint));
                None
            }
        }
    }

    /// What the key of a call is made of.
    pub(super) fn balance_key(&mut self, file: &UpstreamFile) -> Option<KeySource> {
        let is_hash = *file.balance.get_ref() == BalanceFile::Hash;
        let Some(named) = &file.hash_by else {
            if is_hash {
                let problem = Problem::at(file.balance.span(), "`balance = \"hash\"` needs `hash-by`");
                self.problem(problem.hint("write such as `hash-by = \"identity\"` or `hash-by = \"header:X-User\"`"));
            }
            return None;
        };
        if !is_hash {
            self.wrong(named.span(), "`hash-by` needs `balance = \"hash\"`");
        }
        let text = named.get_ref().as_str();
        let source = match text.split_once(':') {
            None if text == "identity" => Some(KeySource::Identity),
            None if text == "client" => Some(KeySource::Client),
            Some(("header", name)) => name.parse::<HeaderName>().ok().map(KeySource::Header),
            Some(("param", name)) if !name.is_empty() => Some(KeySource::Param(name.to_owned())),
            _ => None,
        };
        if source.is_none() {
            let problem = Problem::at(named.span(), format!("`{}` is not a key of calls", abridge(text)));
            let hint = "it is `\"identity\"`, `\"client\"`, `\"header:NAME\"` or `\"param:NAME\"`";
            self.problem(problem.hint(hint));
        }
        source
    }
}
